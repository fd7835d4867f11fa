"""What is wrong with a sweep file: the advice for its users' mistakes, and what else ``settings.problems`` needs."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError

from raydrive.core.errors import Problem
from raydrive.settings import problems
from raydrive.settings.fields import Section
from raydrive.settings.keys import OwnKeys
from raydrive.settings.problems import Advice, keys_of, model_in
from raydrive.settings.tree import Node
from raydrive.sweepfile.schema import SweepKeys


def problems_of(error: ValidationError, root: Node, model: type[Section], base: str = "") -> Iterator[Problem]:
    """Yields what pydantic found in a sweep file, with advice; see ``settings.problems.problems_of``."""
    return problems.problems_of(error, root, model, base, ADVICE)


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
    "limits.max_duration_minutes": "It is limits.timeout here, in seconds.",
}


def _home(key: str) -> str:
    """The path of a key that stands in the wrong mapping; empty where it is known nowhere."""
    if key in SweepKeys.model_fields:
        return key
    for name, field in SweepKeys.model_fields.items():
        section = model_in(field.annotation)
        if section is not None and not section.__name__.startswith("Azure") and key in section.model_fields:
            return f"{name}.{key}"
    return ""


def _home_of(key: str) -> str:
    """Where a key belongs that stands in the wrong mapping of a sweep file."""
    home = _home(key)
    return "" if not home else f"There is {home}." if "." in home else f"There is {home} at the top level."


def _set_in_the_sweep(key: str) -> str:
    """How to change a key of the sweep that stands in a site file."""
    home = _home(key)
    return f"Use --set {home}=... to change the sweep." if home else ""


ADVICE = Advice(
    file="a sweep file",
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
