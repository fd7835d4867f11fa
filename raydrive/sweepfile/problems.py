"""What pydantic finds in a sweep file, said in our words: where, what was found, what is allowed, what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from raydrive.core.errors import MOST_PROBLEMS, Problem, did_you_mean, show
from raydrive.sweepfile.schema import Section, SweepKeys
from raydrive.sweepfile.yaml_source import Node


def path_of(loc: tuple[int | str, ...]) -> str:
    """Returns ``search_space.lr.values[1]`` for a location as pydantic gives it.

    >>> path_of(("raydrive", "preload", 1))
    'raydrive.preload[1]'
    """
    out = ""
    for part in loc:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else part
    return out


def problems_of(error: ValidationError, root: Node, model: type[Section], base: str = "") -> Iterator[Problem]:
    """Yields what pydantic found, in our words and with places.

    Args:
        error: From validating ``model``.
        root: The whole file.
        model: The model of the mapping at ``base``.
        base: Path of the validated mapping; empty for the whole file.
    """
    for number, details in enumerate(error.errors(include_url=False)):
        yield _problem(details, root, model, base, advise=number < MOST_PROBLEMS)


def _problem(details: ErrorDetails, root: Node, model: type[Section], base: str, *, advise: bool) -> Problem:
    loc = details["loc"]
    where = path_of((base, *loc) if base else loc) or "the file"
    kind = details["type"]
    if kind == "extra_forbidden":
        known = keys_of(_model_at(model, loc[:-1]))
        # What is not shown needs no advice, which takes a millisecond.
        fix = (_ELSEWHERE.get(where) or did_you_mean(str(loc[-1]), known) or _home_of(str(loc[-1]))) if advise else ""
        allowed = (
            f"one of the {len(known)} keys of a sweep file" if fix and not loc[:-1] and not base else ", ".join(known)
        )
        return Problem(where, "an unknown key", allowed, fix, root.locate(where, key=True))
    if kind == "missing":
        return Problem(
            where, "nothing", _NEEDED.get(where) or _NEEDED.get(str(loc[-1]), "a value"), "", root.locate(where)
        )
    context = details.get("ctx", {})
    found, place = show(details["input"]) if details["input"] is not None else "null", root.locate(where)
    if kind == "raydrive":
        return Problem(where, found, context["allowed"], context["fix"] or _WRONG.get((where, found), ""), place)
    allowed = {
        "dict_type": "a mapping of keys to values",
        "model_type": "a mapping of keys to values",
        "list_type": "a list",
        "string_type": "text",
        "bool_type": "true or false",
        "bool_parsing": "true or false",
    }.get(kind, details["msg"])
    fix = _NOT_A_MAPPING.get(where, "") if kind in ("dict_type", "model_type") else ""
    if kind == "list_type" and isinstance(details["input"], str):
        fix = f"Write [{details['input']}]."
    return Problem(where, found, allowed, fix, place)


_NEEDED = {
    "trial": "a mapping with the command to run",
    "trial.command": "the command to run, such as python train.py --lr ${{search_space.lr}}",
    "search_space": "a mapping of parameter names to expressions",
    "objective": "a mapping with goal and primary_metric",
    "objective.goal": "maximize or minimize",
    "objective.primary_metric": "the name of the metric that trials log",
    "path": "the path of a file or folder",
}
_WRONG = {
    ("type", "'command'"): "Move what it says about the command below trial:, and add search_space and objective.",
}
_NOT_A_MAPPING = {
    "trial": "Write the command here, or name the file of a component: trial: ./train.yml.",
    "search_space": "For example lr: {type: loguniform, min_value: -9, max_value: -2}.",
}
_ELSEWHERE = {
    "seed": "The seed stands in raydrive.seed (or in sampling_algorithm.seed).",
    "storage": "It stands in raydrive.storage.",
    "address": "It stands in raydrive.address.",
    "command": "It stands in trial.command.",
    "code": "It stands in trial.code.",
    "environment": "It stands in trial.environment.",
    "policy": "It is called early_termination here.",
    "max_total_runs": "It is limits.max_total_trials here.",
    "max_concurrent_runs": "It is limits.max_concurrent_trials here.",
    "max_duration_minutes": "It is limits.timeout here, in seconds.",
    "primary_metric": "It stands in objective.primary_metric.",
    "goal": "It stands in objective.goal.",
    "value": "It stands in objective.value.",
    "jobs": "A file with jobs is a pipeline: type: pipeline.",
    "limits.max_total_runs": "It is limits.max_total_trials here.",
    "limits.max_concurrent_runs": "It is limits.max_concurrent_trials here.",
    "limits.max_duration_minutes": "It is limits.timeout here, in seconds.",
}


def without_echoes(problems: Iterable[Problem]) -> Iterator[Problem]:
    """Yields problems, less those of keys that are missing only because they are misspelt: one mistake, one message."""
    problems = list(problems)
    meant = set()
    for problem in problems:
        if problem.found == "an unknown key" or problem.allowed.startswith("no such key"):
            above = problem.where.rpartition(".")[0]
            for near, renamed in re.findall(r"Did you mean '(.+)'\?|It is (?:called )?(\S+) here", problem.fix):
                meant.add(renamed or f"{above}.{near}".lstrip("."))
    for problem in problems:
        parts = problem.where.split(".")
        if problem.found == "nothing" and any(".".join(parts[:n]) in meant for n in range(1, len(parts) + 1)):
            continue
        yield problem


def keys_of(model: type[BaseModel] | None) -> list[str]:
    """Returns the keys of a mapping as a file spells them."""
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _model_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> type[BaseModel] | None:
    found: type[BaseModel] | None = model
    for part in loc:
        field = found.model_fields.get(str(part)) if found else None
        found = _model_in(field.annotation) if field else None
    return found


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model in ``Model``, ``Model | None``."""
    candidates = (annotation, *getattr(annotation, "__args__", ()))
    return next((each for each in candidates if isinstance(each, type) and issubclass(each, BaseModel)), None)


def _home_of(key: str) -> str:
    """Where a key belongs that stands in the wrong mapping."""
    homes = []
    for name, field in SweepKeys.model_fields.items():
        section = _model_in(field.annotation)
        if section is not None and not section.__name__.startswith("Azure") and key in section.model_fields:
            homes.append(f"{name}.{key}")
    if key in SweepKeys.model_fields:
        homes.insert(0, f"{key} at the top level")
    return f"There is {homes[0]}." if homes else ""


def in_order(problems: Sequence[Problem], name: str) -> Iterator[Problem]:
    """Problems by line and column, those of the sweep file first; the same one twice only once."""

    def position(problem: Problem) -> tuple[bool, str, int, int]:
        match = re.fullmatch(r"(.*):(\d+):(\d+)", problem.place)
        file, line, column = (match[1], int(match[2]), int(match[3])) if match else (problem.place, 0, 0)
        return file != name, file, line, column

    seen = set()
    for problem in sorted(without_echoes(problems), key=position):
        if problem not in seen:
            yield problem
        seen.add(problem)
