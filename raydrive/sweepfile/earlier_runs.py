"""What a sweep file says about earlier runs: ``raydrive.warm_start`` and ``raydrive.resume_child_runs``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from raydrive.api.references import split_id
from raydrive.api.submit.submission import ChildReference, RunReference
from raydrive.core.errors import Problem, did_you_mean, show
from raydrive.core.numbers import is_whole
from raydrive.settings.tree import Node

PARENTS, CHILDREN = "raydrive.warm_start", "raydrive.resume_child_runs"
_RUN = "a run: its id, a unique prefix, last, or the path or URI of its folder"
_CHILD = "a trial's id such as RUN_3, or {run: RUN, trials: [0, 3]}"


def read_parents(raw: Any, root: Node, base: Path, problems: list[Problem]) -> tuple[RunReference, ...]:
    """Returns the runs to start from; they are looked up later, where the storage is known.

    Args:
        raw: What is there: a text, or a list of them.
        root: The whole file.
        base: Folder that relative paths start from.
        problems: Gets what is wrong.
    """
    found = []
    for where, item in _items(raw, PARENTS):
        if isinstance(item, str) and item.strip():
            place = root.locate(where)
            found.append(RunReference(run=item.strip(), where=where, place=place, base=base))
        else:
            problems.append(Problem(where, show(item), _RUN, place=root.locate(where)))
    return tuple(found)


def read_children(raw: Any, root: Node, base: Path, problems: list[Problem]) -> tuple[ChildReference, ...]:
    """Returns the trials to continue with; arguments as in ``read_parents``."""
    found = []
    for where, item in _items(raw, CHILDREN):
        for run, trial, at in _trials(item, where, root, problems):
            found.append(ChildReference(run=run, trial=trial, where=at, place=root.locate(at), base=base))
    return tuple(found)


def _items(raw: Any, where: str) -> Iterator[tuple[str, Any]]:
    if raw is None:
        return
    if not isinstance(raw, list):
        yield where, raw
        return
    for i, item in enumerate(raw):
        yield f"{where}[{i}]", item


def _trials(item: Any, where: str, root: Node, problems: list[Problem]) -> Iterator[tuple[str, int, str]]:
    """Yields run, trial and place of each trial that an item names."""
    if isinstance(item, str):
        parts = split_id(item)
        if parts is not None:
            yield (*parts, where)
            return
    if not isinstance(item, dict):
        problems.append(Problem(where, show(item), _CHILD, place=root.locate(where)))
        return
    known = ["run", "trials"]
    for key in item.keys() - set(known):
        path = f"{where}.{key}"
        place = root.locate(path, key=True)
        problems.append(Problem(path, "an unknown key", ", ".join(known), did_you_mean(str(key), known), place))
    run, trials = item.get("run"), item.get("trials")
    if not isinstance(run, str) or not run.strip():
        found = "nothing" if run is None else show(run)
        problems.append(Problem(f"{where}.run", found, _RUN, place=root.locate(f"{where}.run")))
        run = ""
    listed = trials if isinstance(trials, list) else [trials]
    for i, trial in enumerate(listed):
        at = f"{where}.trials[{i}]" if isinstance(trials, list) else f"{where}.trials"
        if not is_whole(trial, 0):
            found = "nothing" if trial is None else show(trial)
            problems.append(Problem(at, found, "numbers of trials, such as [0, 3]", place=root.locate(at)))
        elif run:
            yield run.strip(), trial, at
