"""Configurations that a user gives: a run tries them first, whatever its sampling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raydrive.core.errors import ConfigError, Problem, did_you_mean, show
from raydrive.core.json_values import decoded, encoded
from raydrive.core.records import Params
from raydrive.core.space.search_space import Space
from raydrive.core.space.shown import allowed_text

ALLOWED = "a list of configurations, such as [{lr: 0.003, units: 32}]"
SCHEMA: Mapping[str, Any] = {
    "anyOf": [{"type": "array", "items": {"type": "object"}, "minItems": 1}, {"type": "string"}],
    "description": "Configurations to try before any sampling, or the CSV or YAML file that lists them.",
}
"""As JSON Schema."""


@dataclass(frozen=True, slots=True)
class GivenPoints:
    """The configurations, in the order in which they are tried."""

    points: tuple[Params, ...]

    def to_json(self) -> list[Any]:
        """Returns them as JSON; ``given_points_of`` gives back an equal object."""
        return [encoded(dict(point)) for point in self.points]


def given_points_of(
    given: GivenPoints | Sequence[Mapping[str, Any]] | None, where: str = "points"
) -> GivenPoints | None:
    """Returns the configurations that a list stands for; None and an object of the class are returned as they are.

    Args:
        given: Values by parameter, of each configuration.
        where: Path of it, for errors.

    Raises:
        ConfigError: If it is no such list.
    """
    if given is None or isinstance(given, GivenPoints):
        return given
    if not isinstance(given, list | tuple) or not given:
        raise ConfigError(Problem(where, show(given), ALLOWED))
    problems = [
        Problem(f"{where}[{place}]", show(point), "values by parameter, such as {lr: 0.003, units: 32}")
        for place, point in enumerate(given)
        if not isinstance(point, Mapping)
    ]
    if problems:
        raise ConfigError(problems)
    return GivenPoints(tuple(decoded(dict(point)) for point in given))


def point_problems(
    space: Space, params: Mapping[Any, Any], where: str, *, missing: str = "", outside: str = ""
) -> list[Problem]:
    """Returns what is wrong with a configuration that is to be tried.

    Args:
        space: The search space.
        params: Values by parameter.
        where: What to call it.
        missing: What to do where a value is missing.
        outside: What to do where a value is outside the space; ``{}`` stands for the parameter.
    """
    names, problems = list(space.expressions), []
    for name in params:
        if name not in space.expressions:
            known = f"a parameter of the search space: {', '.join(names)}"
            problems.append(Problem(f"{where}.{name}", show(params[name]), known, did_you_mean(str(name), names)))
    own = space.own({name: value for name, value in params.items() if name in space.expressions})
    for name, expression in space.expressions.items():
        if name not in params:
            problems.append(Problem(f"{where}.{name}", "nothing", "a value of this parameter", missing))
        elif not expression.contains(own[name]):
            fix = outside.format(name)
            problems.append(Problem(f"{where}.{name}", show(params[name]), allowed_text(expression), fix))
    return problems


def misfits(given: GivenPoints, space: Space, most: int) -> list[Problem]:
    """Returns what of the configurations does not fit the rest of a run.

    Args:
        given: The configurations.
        space: The search space.
        most: Trials in total, less those of earlier runs that continue.
    """
    problems = [
        problem
        for place, params in enumerate(given.points)
        for problem in point_problems(space, params, f"points[{place}]")
    ]
    if len(given.points) > most:
        allowed = f"at most {most}, the limit of trials: given configurations count towards it"
        problems.append(Problem("points", f"{len(given.points)} configurations", allowed, "Raise the limit of trials."))
    return problems
