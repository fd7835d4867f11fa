"""What is wrong with a sweep file: the advice for its users' mistakes, and what else ``settings.problems`` needs."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace

from pydantic import ValidationError

from raydrive.core.errors import Problem, show
from raydrive.settings import problems
from raydrive.settings.fields import Section
from raydrive.settings.keys import OwnKeys
from raydrive.settings.problems import Advice, keys_of, model_in
from raydrive.settings.tree import Node
from raydrive.sweepfile.schema import SweepKeys


def problems_of(error: ValidationError, root: Node, model: type[Section], base: str = "") -> Iterator[Problem]:
    """Yields what pydantic found in a sweep file, with advice; see ``settings.problems.problems_of``."""
    return problems.problems_of(error, root, model, base, ADVICE)


_EXAMPLES = {
    "limits": "limits: {max_total_trials: 20}",
    "limits.max_total_trials": "max_total_trials: 20",
    "limits.max_concurrent_trials": "max_concurrent_trials: 4",
    "limits.timeout": "timeout: 3600",
    "limits.trial_timeout": "trial_timeout: 600",
    "objective": "objective: {goal: maximize, primary_metric: accuracy}",
    "objective.goal": "goal: maximize",
    "objective.primary_metric": "primary_metric: accuracy",
    "min_value": "min_value: 0.001",
    "max_value": "max_value: 0.1",
    "raydrive.resources.cpus": "cpus: 1",
    "raydrive.resources.gpus": "gpus: 1",
}
"""A line that can be pasted, by the path or name of a key."""


def with_line(problem: Problem, root: Node) -> Problem:
    """Returns a problem with a line that can be pasted, where it is known what was meant or what could stand there.

    Args:
        problem: What is wrong with a sweep file.
        root: The whole file.
    """
    if problem.place.partition(":")[0].endswith(".toml"):
        return problem  # of another syntax
    above, _, _ = problem.where.rpartition(".")
    line = _line_of(problem, root)
    if not line:
        return problem
    if problem.place.startswith("--set "):
        name, _, text = line.partition(": ")
        if not text:
            return problem
        line = f"--set {shlex.quote(f'{above}.{name}={text}' if above else f'{name}={text}')}"
    elif problem.found == "nothing" and "." not in above and above and root.get(above) is None:
        line = f"{above}: {{{line}}}"
    lead = f"{problem.fix} Write: " if problem.fix else "For example: "
    return replace(problem, fix=f"{lead}{line}")


def _line_of(problem: Problem, root: Node) -> str:
    near = re.fullmatch(r"Did you mean '(.+)'\?", problem.fix)
    above, _, key = problem.where.rpartition(".")
    node = root.get(problem.where)
    value = node.plain() if node is not None else None
    scalar = isinstance(value, bool | int | float | str) and len(str(value)) <= _LONGEST_VALUE
    if near and (problem.found == "an unknown key" or problem.allowed.startswith(_OF_A_KEY)):
        unit = _UNIT.search(key) if near[1].endswith("timeout") else None
        if unit and isinstance(value, int | float) and not isinstance(value, bool):
            value *= _UNIT_S[unit[1]]
        return f"{near[1]}: {_written(value)}" if scalar else f"{near[1]}:"
    if near:
        return f"{key}: {near[1]}" if scalar and problem.found == show(value) else ""
    kind = root.get(f"{above}.type")
    if problem.fix or (kind is not None and "log" in str(kind.value).casefold()):
        return ""  # the bounds of those are logarithms
    return _EXAMPLES.get(problem.where) or _EXAMPLES.get(key, "")


def _written(value: object) -> str:
    """A scalar as YAML has it."""
    if isinstance(value, bool):
        return str(value).lower()
    plain = not isinstance(value, str) or re.fullmatch(r"[A-Za-z][\w ./-]*", value)
    return str(value) if plain else json.dumps(value)


_UNIT = re.compile(r"_([mhd])(?:in|ins|inutes?|ours?|rs?|ays?)?$")
"""The unit of a time in the name of a key; the key that is meant is in seconds."""
_UNIT_S = {"m": 60, "h": 3600, "d": 86_400}
"""Lengths of the units, in seconds."""
_LONGEST_VALUE = 100
_OF_A_KEY = ("no such key", "a parameter of the search space: ")
"""Characters of a value that is repeated in a line to paste."""
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
    ("type", "'command'"): "Move the keys of the command under trial:, and add search_space and objective.",
}
_NOT_A_MAPPING = {
    "trial": "Write the command here, or name the file of a component: trial: ./train.yml.",
    "search_space": "For example lr: {type: loguniform, min_value: -9, max_value: -2}.",
}
_ELSEWHERE = {
    "seed": "The seed is raydrive.seed (or sampling_algorithm.seed).",
    "storage": "It belongs in raydrive.storage.",
    "address": "It belongs in raydrive.address.",
    "command": "It belongs in trial.command.",
    "code": "It belongs in trial.code.",
    "environment": "It belongs in trial.environment.",
    "policy": "It is called early_termination here.",
    "max_total_runs": "It is limits.max_total_trials here.",
    "max_concurrent_runs": "It is limits.max_concurrent_trials here.",
    "max_duration_minutes": "It is limits.timeout here, in seconds.",
    "primary_metric": "It belongs in objective.primary_metric.",
    "goal": "It belongs in objective.goal.",
    "value": "It belongs in objective.value.",
    "jobs": "A file with jobs is a pipeline: type: pipeline.",
    "limits.max_duration_minutes": "It is limits.timeout here, in seconds.",
    "points_to_evaluate": "It is raydrive.points here, for every sampling.",
    "raydrive.points_to_evaluate": "It is raydrive.points here, for every sampling.",
    "time_budget_s": "It is limits.timeout here, in seconds.",
    "direction": "It is objective.goal here.",
    "objective.direction": "It is objective.goal here.",
    "resources_per_trial": "It is raydrive.resources here.",
}


def _home(key: str) -> str:
    """The path of a key that is in the wrong mapping; empty where it is known nowhere."""
    if key in SweepKeys.model_fields:
        return key
    for name, field in SweepKeys.model_fields.items():
        section = model_in(field.annotation)
        if section is not None and not section.__name__.startswith("Azure") and key in section.model_fields:
            return f"{name}.{key}"
    return ""


def _home_of(key: str) -> str:
    """Where a key belongs that is in the wrong mapping of a sweep file."""
    home = _home(key)
    return "" if not home else f"The key is {home}." if "." in home else f"The key is {home} at the top level."


def _set_in_the_sweep(key: str) -> str:
    """How to change a key of the sweep that is in a site file."""
    home = _home(key)
    return f"Use --set {home}=... to change the sweep." if home else ""


def _meant(key: str) -> str:
    from raydrive.sweepfile.reference.concepts import meant_key  # lazy: raydrive.sweepfile.reference.concepts, 0.03 s

    return meant_key(key)


ADVICE = Advice(
    file="a sweep file",
    meant=_meant,
    renamed=_ELSEWHERE,
    home_of=_home_of,
    needed=_NEEDED,
    values=_WRONG,
    no_mapping=_NOT_A_MAPPING,
)
"""For a sweep file."""
SITE_ADVICE = Advice(
    renamed={f"raydrive.{key}": _set_in_the_sweep(key) for key in keys_of(SweepKeys) if key not in keys_of(OwnKeys)},
    home_of=_set_in_the_sweep,
)
"""For the files of settings that a sweep file is laid over, or that are laid over it."""
