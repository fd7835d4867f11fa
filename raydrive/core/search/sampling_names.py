"""A way of sampling by its name, or by a mapping as a sweep file has it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from raydrive.core.errors import ConfigError, Problem, did_you_mean, show
from raydrive.core.search.protocol import SamplingSpec
from raydrive.core.search.registry import sampling_class
from raydrive.core.space.search_space import Space
from raydrive.core.user_classes import meant_class

NAMES = ("random", "sobol", "grid", "bayesian", "tpe")
"""What a user may write; ``sobol`` and ``tpe`` are short for an option of another one."""
_SHORT: dict[str, tuple[str, dict[str, str]]] = {
    "sobol": ("random", {"rule": "sobol"}),
    "tpe": ("bayesian", {"algorithm": "tpe"}),
    "gp": ("bayesian", {"algorithm": "gp"}),
}
OPTIONS: dict[str, tuple[str, ...]] = {
    "random": ("seed", "rule"),
    "grid": (),
    "bayesian": (
        "seed",
        "points_to_evaluate",
        "algorithm",
        "initial_points",
        "fidelity",
        "max_intervals",
        "min_intervals",
    ),
}
"""The options of each type; a table, because importing the class of a model brings scipy along."""


def split_name(raw: object) -> tuple[str, dict[str, Any]] | None:
    """Returns a way of sampling as its type and the options that its name stands for; None for no name of ours.

    Names in any case, with or without ``_``, and those of HyperDrive's classes.

    >>> split_name("TPE"), split_name("RandomParameterSampling"), split_name("simplex")
    (('bayesian', {'algorithm': 'tpe'}), ('random', {}), None)
    """
    if not isinstance(raw, str):
        return None
    folded = re.sub("[_-]", "", raw.strip().casefold())
    folded = folded.removesuffix("sampling").removesuffix("parameter")
    if folded in _SHORT:
        kind, options = _SHORT[folded]
        return kind, dict(options)
    return (folded, {}) if folded in OPTIONS else None


def sampling_of(raw: object, space: Mapping[str, Any] | Space, where: str = "sampling") -> SamplingSpec:
    """Returns the way of sampling that a name or a mapping stands for.

    Args:
        raw: ``"bayesian"``, ``"tpe"``, or ``{"type": "bayesian", "initial_points": 5}``.
        space: The search space.
        where: Path of ``raw``, for errors.

    Raises:
        ConfigError: If the name or an option is unknown, or the space or an option cannot be used.
    """
    given = dict(raw) if isinstance(raw, Mapping) else {"type": raw}
    name = given.pop("type", None)
    found = split_name(name)
    if found is None:
        at = f"{where}.type" if isinstance(raw, Mapping) else where
        fix = meant_class(name) or (did_you_mean(name, NAMES) if isinstance(name, str) else "")
        allowed = f"{', '.join(NAMES)}, or module:Class, a class of yours"
        raise ConfigError(Problem(at, "nothing" if name is None else show(name), allowed, fix))
    kind, implied = found
    if kind == "grid":
        given.pop("seed", None)  # of no consequence, as in HyperDrive's properties
    known, all_known = OPTIONS[kind], {key for names in OPTIONS.values() for key in names}
    given = {key: value for key, value in given.items() if value is not None or key not in all_known}
    problems = [_unknown(key, value, kind, known, where) for key, value in given.items() if key not in known]
    problems += [
        Problem(f"{where}.{key}", show(given[key]), f"{implied[key]}, as the type {show(name)} has it", "Remove it.")
        for key in implied
        if key in given and str(given[key]).casefold() != implied[key]
    ]
    options = {key: value for key, value in given.items() if key in known}
    try:
        made: SamplingSpec = sampling_class(kind)(space, **{**options, **implied})
    except ConfigError as error:
        problems += [_placed(problem, known, where) for problem in error.problems]
    if problems:
        raise ConfigError(problems)
    return made


def _unknown(key: object, value: object, kind: str, known: tuple[str, ...], where: str) -> Problem:
    owners = [other for other, names in OPTIONS.items() if key in names]
    if owners:
        fix = f"Remove it, or write type: {owners[0]}."
        if key == "points_to_evaluate":
            fix = "Write the points under raydrive.points, which every sampling tries first."
        return Problem(f"{where}.{key}", show(value), f"no {key}: {kind} has none", fix)
    return Problem(f"{where}.{key}", "an unknown key", ", ".join(("type", *known)), did_you_mean(str(key), known))


def _placed(problem: Problem, known: tuple[str, ...], where: str) -> Problem:
    """A problem of an option under the path of the mapping that it is in."""
    first = re.split(r"[.\[]", problem.where, maxsplit=1)[0]
    return replace(problem, where=f"{where}.{problem.where}") if first in known else problem
