"""``finish_when``: rules that end a run before it has used all its trials, as its user wrote them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from raydrive.core.errors import ConfigError, Problem, known_values, show
from raydrive.core.numbers import is_number, is_whole

RULES = ("target", "no_improvement", "expected_gain_below", "budget", "cost")
"""Names of the rules, in the order in which they are looked at."""
HOURS = ("gpu_hours", "cpu_hours")
_NUMBER: dict[str, Any] = {"type": "number"}
_ABOVE_0: dict[str, Any] = {"type": "number", "exclusiveMinimum": 0}
_COUNT: dict[str, Any] = {"type": "integer", "minimum": 1}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "Rules that end the run before it has used all its trials; the first rule that holds applies.",
    "additionalProperties": False,
    "minProperties": 1,
    "properties": {
        "target": _NUMBER,
        "no_improvement": {
            "anyOf": [
                _COUNT,
                {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["trials"],
                    "properties": {"trials": _COUNT, "tolerance": {"type": "number", "minimum": 0}},
                },
            ]
        },
        "expected_gain_below": _ABOVE_0,
        "budget": {
            "type": "object",
            "additionalProperties": False,
            "minProperties": 1,
            "properties": {"gpu_hours": _ABOVE_0, "cpu_hours": _ABOVE_0},
        },
        "cost": {
            "type": "object",
            "additionalProperties": False,
            "required": ["limit", "prices"],
            "properties": {
                "limit": _ABOVE_0,
                "prices": {
                    "type": "object",
                    "minProperties": 1,
                    "additionalProperties": {"type": "number", "minimum": 0},
                },
            },
        },
    },
}
"""As JSON Schema, for editors."""


@dataclass(frozen=True, slots=True)
class NoImprovement:
    """The run ends when this many trials in a row have brought nothing better."""

    trials: int
    """Trials with a value that have ended since the last improvement, 1 or more."""
    tolerance: float = 0.0
    """In units of the metric, 0 or more: what is better by no more than this is not an improvement."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The run ends when its trials have used this much."""

    gpu_hours: float | None = None
    """GPUs times hours, above 0; None = any number."""
    cpu_hours: float | None = None
    """CPU cores times hours, above 0; None = any number."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The run ends when its trials have cost this much."""

    limit: float
    """In the currency of the prices, above 0."""
    prices: Mapping[str, float] = field(default_factory=dict)
    """Price of one unit for an hour, by what a trial reserves: ``cpu``, ``gpu``, a type of accelerator, ``memory_gib``,
    or a custom resource. The price of the accelerator's type goes before that of ``gpu``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishWhen:
    """What ends a run before its trials are used up; of several rules the first that holds."""

    target: float | None = None
    """The run ends when a trial's value is as good as this."""
    no_improvement: NoImprovement | None = None
    expected_gain_below: float | None = None
    """In units of the metric, above 0: the run ends when the model of Bayesian sampling bounds by less than this what
    any further configuration could gain."""
    budget: Budget | None = None
    cost: Cost | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns the rules that are given, as a sweep file has them; ``finish_when_of`` gives back an equal object."""
        out: dict[str, Any] = {}
        if self.target is not None:
            out["target"] = self.target
        if self.no_improvement is not None:
            out["no_improvement"] = {
                "trials": self.no_improvement.trials,
                "tolerance": self.no_improvement.tolerance,
            }
        if self.expected_gain_below is not None:
            out["expected_gain_below"] = self.expected_gain_below
        if self.budget is not None:
            hours = {name: getattr(self.budget, name) for name in HOURS}
            out["budget"] = {name: value for name, value in hours.items() if value is not None}
        if self.cost is not None:
            out["cost"] = {"limit": self.cost.limit, "prices": dict(self.cost.prices)}
        return out


def finish_when_of(given: FinishWhen | Mapping[str, Any] | None, where: str = "finish_when") -> FinishWhen | None:
    """Returns the rules that a mapping stands for; None and an object of the class are returned as they are.

    Args:
        given: Such as ``{"target": 0.97, "no_improvement": 20}``.
        where: Path of it, for errors.

    Raises:
        ConfigError: If a key is unknown or a value cannot be used; all problems at once.
    """
    if given is None or isinstance(given, FinishWhen):
        return given
    problems: list[Problem] = []
    raw = known_values(given, RULES, where, f"a mapping with {', '.join(RULES)}", problems)
    if not raw and not problems:
        problems.append(Problem(where, show(given), f"at least one of {', '.join(RULES)}"))
    values: dict[str, Any] = {
        "target": _finite(raw, "target", where, problems),
        "no_improvement": _no_improvement(raw.get("no_improvement"), f"{where}.no_improvement", problems),
        "expected_gain_below": _above_0(raw, "expected_gain_below", where, problems),
        "budget": _budget(raw.get("budget"), f"{where}.budget", problems),
        "cost": _cost(raw.get("cost"), f"{where}.cost", problems),
    }
    if problems:
        raise ConfigError(problems)
    return FinishWhen(**values)


# --- parts -----------------------------------------------------------------------------------------------------------


def _finite(raw: Mapping[str, Any], name: str, where: str, problems: list[Problem]) -> float | None:
    value = raw.get(name)
    if value is None:
        return None
    if not is_number(value):
        problems.append(Problem(f"{where}.{name}", show(value), "a finite number"))
        return None
    return float(value)


def _above_0(raw: Mapping[str, Any], name: str, where: str, problems: list[Problem]) -> float | None:
    value = raw.get(name)
    if value is None:
        return None
    if not is_number(value) or value <= 0:
        problems.append(Problem(f"{where}.{name}", show(value), "a number above 0"))
        return None
    return float(value)


def _no_improvement(given: object, where: str, problems: list[Problem]) -> NoImprovement | None:
    if given is None:
        return None
    allowed = "a number of trials, or a mapping such as {trials: 20, tolerance: 0.001}"
    if not isinstance(given, Mapping):
        if not is_whole(given, 1):
            problems.append(Problem(where, show(given), allowed))
            return None
        return NoImprovement(given)
    raw = known_values(given, ("trials", "tolerance"), where, allowed, problems)
    trials, tolerance = raw.get("trials"), raw.get("tolerance", 0.0)
    if not is_whole(trials, 1):
        problems.append(Problem(f"{where}.trials", show(trials), "a whole number of 1 or more"))
    if not is_number(tolerance) or tolerance < 0:
        problems.append(Problem(f"{where}.tolerance", show(tolerance), "a number of 0 or more, in units of the metric"))
    return None if problems else NoImprovement(int(trials or 0), float(tolerance))


def _budget(given: object, where: str, problems: list[Problem]) -> Budget | None:
    if given is None:
        return None
    raw = known_values(given, HOURS, where, "a mapping such as {gpu_hours: 200}", problems)
    if not raw and not problems:
        problems.append(Problem(where, show(given), f"at least one of {', '.join(HOURS)}"))
    return Budget(*(_above_0(raw, name, where, problems) for name in HOURS))


def _cost(given: object, where: str, problems: list[Problem]) -> Cost | None:
    if given is None:
        return None
    allowed = "a mapping such as {limit: 500, prices: {A100: 3.2, cpu: 0.05}}"
    raw = known_values(given, ("limit", "prices"), where, allowed, problems)
    if isinstance(given, Mapping):
        problems += [Problem(f"{where}.{key}", "nothing", allowed) for key in ("limit", "prices") if key not in raw]
    limit, prices = _above_0(raw, "limit", where, problems), raw.get("prices", {})
    if not isinstance(prices, Mapping):
        problems.append(Problem(f"{where}.prices", show(prices), "prices per hour by name: {A100: 3.2, cpu: 0.05}"))
        prices = {}
    for name, price in prices.items():
        if not isinstance(name, str) or not is_number(price) or price < 0:
            problems.append(Problem(f"{where}.prices.{name}", show(price), "a number of 0 or more: the price per hour"))
    return None if problems or limit is None else Cost(limit, {name: float(price) for name, price in prices.items()})
