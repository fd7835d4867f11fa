"""How earlier runs and their trials are named in Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from raydrive.api.run import HyperDriveRun, Run
from raydrive.api.submit.submission import ChildReference, RunReference
from raydrive.core.errors import ConfigError, Problem, show

RunLike = HyperDriveRun | str
"""A run, or its id, a unique prefix of it, ``last``, or the path or URI of its folder."""
ChildLike = Run | str
"""A trial, or its id such as ``RUN_3``."""


def run_references(given: RunLike | Sequence[RunLike] | None, where: str = "resume_from") -> tuple[RunReference, ...]:
    """Returns what ``resume_from`` names: one run or several."""
    return tuple(RunReference(run=_named(run), where=f"{where}[{i}]") for i, run in enumerate(_listed(given)))


def child_references(
    given: ChildLike | Sequence[ChildLike] | None, where: str = "resume_child_runs"
) -> tuple[ChildReference, ...]:
    """Returns what ``resume_child_runs`` names: one trial or several.

    Raises:
        ConfigError: If something is neither a ``Run`` nor the id of one; all of them at once.
    """
    found, problems = list[ChildReference](), list[Problem]()
    for i, child in enumerate(_listed(given)):
        at = f"{where}[{i}]"
        if isinstance(child, Run):
            found.append(ChildReference(run=child.parent.reader, trial=child.number, where=at))
            continue
        parts = split_id(child) if isinstance(child, str) else None
        if parts is None:
            problems.append(Problem(at, show(child), "a trial: a Run, or its id such as RUN_3"))
        else:
            found.append(ChildReference(run=parts[0], trial=parts[1], where=at))
    if problems:
        raise ConfigError(problems)
    return tuple(found)


def split_id(text: str) -> tuple[str, int] | None:
    """Returns run and number of a trial's id (``RUN_3``, ``last_0``), None for what is none."""
    run, _, number = text.strip().rpartition("_")
    return (run, int(number)) if run and number.isascii() and number.isdigit() else None


def _named(run: Any) -> Any:
    return run.reader if isinstance(run, HyperDriveRun) else run


def _listed(given: Any) -> Sequence[Any]:
    """One thing or several, as a list."""
    if given is None:
        return ()
    return list(given) if isinstance(given, list | tuple) else [given]
