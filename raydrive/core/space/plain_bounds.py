"""Bounds of logarithmic expressions: those that mean the values themselves, and exponents that were meant as values.

HyperDrive's ``loguniform(-10, -2)`` is exp(uniform(-10, -2)): its bounds are exponents to base e. In other tools
the bounds are the values themselves: ``1e-5, 0.1``. Such values are what ``loguniform(low=1e-5, high=0.1)`` and
``log_range(1e-5, 0.1)`` take, and in a mapping the keys ``low`` and ``high``, or any bounds with ``bounds: plain``.
They are recorded as exponents.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from raydrive.core.errors import ConfigError, Problem, show
from raydrive.core.numbers import is_number
from raydrive.core.space.distributions import (
    IntRange,
    LogInt,
    LogNormal,
    LogUniform,
    QLogNormal,
    QLogUniform,
)
from raydrive.core.space.expressions import Expression, Value

PLAIN = "plain"
"""Value of the key ``bounds``: they are values, not exponents."""
BOUNDED = (LogUniform, QLogUniform, LogInt, IntRange)
"""The classes whose bounds may be called ``low`` and ``high``."""
_FAR = 46.0
"""exp of it is 1e20: no hyperparameter is that large."""
_FAR_WHOLE = 23.0
"""exp of it is 1e10: no hyperparameter with a step is that large."""
_NEAR_0 = 0.01
"""An exponent between 0 and this draws from 1 to 1.01: as an exponent it would be written 0."""
_DECADE = 10.0
"""Ratio of two bounds of a logarithmic scale; less is no reason for one."""
_DIGITS = 6
"""Significant digits of a number typed by hand; a computed one, such as log(1.05), has more."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a mapping names the arguments of an expression, and what its bounds mean."""

    keys: Mapping[str, str] = field(default_factory=dict)
    """Keys by argument, where they differ: ``low`` for ``min_value``."""
    plain: bool = False
    """Whether the bounds of a logarithmic expression are values."""
    extra: tuple[str, ...] = ()
    """Further keys that it has."""

    @classmethod
    def of(cls, kind: type[Expression], raw: Mapping[Any, Any], *, plain: bool) -> Spelling:
        """Returns the spelling of a mapping.

        Args:
            kind: The class of the expression.
            raw: The mapping.
            plain: Whether its type says that bounds are values: ``log_range``.
        """
        if kind not in BOUNDED:
            return cls()
        log = kind in (LogUniform, QLogUniform)
        keys = {"min_value": "low", "max_value": "high"} if "low" in raw or "high" in raw else {}
        meant = plain or bool(keys) or "bounds" in raw  # another meaning than plain is refused where keys are checked
        return cls(keys, log and meant, ("bounds",) if log else ())

    def key(self, argument: str) -> str:
        """Returns the key of an argument."""
        return self.keys.get(argument, argument)

    def renamed(self, text: str) -> str:
        """Returns a text about arguments with the names that the mapping has for them."""
        for argument, key in self.keys.items():
            text = text.replace(argument, key)
        return text


def exponents(kind: str, low: Any, high: Any) -> tuple[float, float]:
    """Returns the exponents of plain bounds.

    Args:
        kind: Name of the expression, for errors.
        low: The smallest value.
        high: The largest value.

    Raises:
        ConfigError: If a bound is not a number above 0, or ``low`` is not below ``high``.
    """
    problems = []
    for name, bound in (("min_value", low), ("max_value", high)):
        if not is_number(bound) or bound <= 0:
            zero = is_number(bound) and bound == 0
            fix = (
                "The logarithm of 0 is not defined: write the smallest value that matters, such as 1e-6."
                if zero
                else ""
            )
            problems.append(Problem(f"{kind}.{name}", show(bound), "a number above 0", fix))
    if not problems and low >= high:
        fix = f"A fixed value is choice({low})." if low == high else "Swap the bounds."
        problems.append(Problem(f"{kind}.min_value", show(low), f"below max_value ({high})", fix))
    if problems:
        raise ConfigError(problems)
    first = _inside(math.log(low), math.inf, lambda exponent: math.exp(exponent) >= low)
    return first, _inside(math.log(high), -math.inf, lambda exponent: math.exp(exponent) <= high)


def _inside(exponent: float, towards: float, holds: Callable[[float], bool]) -> float:
    """The nearest exponent whose value is not outside the bound: exp(log(0.1)) is 0.10000000000000002."""
    while not holds(exponent):
        exponent = math.nextafter(exponent, towards)
    return exponent


def mistake(made: Expression, *, mapping: bool) -> Problem | None:
    """Returns a problem where the arguments of a logarithmic expression can only be values meant as such.

    Args:
        made: An expression whose bounds were given as exponents.
        mapping: Whether it was written as a mapping, as in YAML; else as a call.
    """
    if isinstance(made, LogUniform | QLogUniform) and _meant_as_values(made):
        low, high = made.min_value, made.max_value
        between = f"draws between {_short(math.exp(low))} and {_short(math.exp(high))}"
        allowed = "exponents to base e, as value = exp(uniform)"
        fix = f"For values from {low} to {high} write {_plain_line(made, low, high, mapping)}"
        if high <= _FAR_WHOLE:
            fix += f"; for those draws {_plain_line(made, _rounded(low), _rounded(high), mapping)}"
        return Problem(f"{made.kind}.min_value", f"{low}, with max_value {high}: it {between}", allowed, f"{fix}.")
    if isinstance(made, LogNormal | QLogNormal) and _meant_as_value(made):
        mu = made.mu
        found = f"{mu}: half of the draws lie above {_short(math.exp(mu))}"
        fix = f"For values around {mu} write {_bell_line(made, mapping)}."
        return Problem(f"{made.kind}.mu", found, "the logarithm of the middle value, as value = exp(normal)", fix)
    return None


def doubts(made: Expression, *, mapping: bool) -> list[str]:
    """Returns a warning where exponents are unusual: ``loguniform(0, 0.1)`` draws between 1 and 1.105.

    Args:
        made: An expression whose bounds were given as exponents.
        mapping: Whether it was written as a mapping, as in YAML; else as a call.
    """
    if not isinstance(made, LogUniform | QLogUniform):
        return []
    low, high = made.min_value, made.max_value
    if low < 0 or (math.exp(high) > 1.2 and (low == 0 or high <= _FAR_WHOLE)):
        return []
    written = {name: getattr(made, name) for name in ("min_value", "max_value", "q") if hasattr(made, name)}
    lowest = low if low > 0 else "<smallest value>"
    return [
        f"{_line(made.kind, written, mapping)} draws only between {_short(math.exp(low))} and "
        f"{_short(math.exp(high))}, because its bounds are exponents (value = exp(uniform)); for values from {low} to "
        f"{high} write {_plain_line(made, lowest, high, mapping)}"
    ]


def _meant_as_values(made: LogUniform | QLogUniform) -> bool:
    low, high = made.min_value, made.max_value
    if low <= 0 or not (_by_hand(low) and _by_hand(high)):
        return False
    if high > (_FAR_WHOLE if isinstance(made, QLogUniform) else _FAR):
        return True
    return high / low >= _DECADE and (low <= _NEAR_0 or high < 1)


def _meant_as_value(made: LogNormal | QLogNormal) -> bool:
    mu, sigma = made.mu, made.sigma
    if mu <= 0 or not (_by_hand(mu) and _by_hand(sigma)):
        return False
    return mu > (_FAR_WHOLE if isinstance(made, QLogNormal) else _FAR) or (mu <= _NEAR_0 and sigma < mu)


def _by_hand(number: float) -> bool:
    """Whether a number has so few digits that it was typed by hand."""
    return float(f"{number:.{_DIGITS}g}") == number


def _short(number: float) -> str:
    return f"{number:.6g}"


def _rounded(exponent: float) -> float:
    """The value of an exponent, with the digits that tell it from 1."""
    return float(f"{math.exp(exponent):.{4 if exponent > 0.1 else 8}g}")


def _plain_line(made: LogUniform | QLogUniform, low: Value, high: Value, mapping: bool) -> str:
    """The expression with plain bounds, to be pasted."""
    if isinstance(made, QLogUniform) and made.q == 1 and _is_whole(low) and _is_whole(high):
        if mapping:
            return _line("log_int", {"min_value": low, "max_value": high}, mapping)
        return f"log_int({low}, {high})"
    step = {"q": made.q} if isinstance(made, QLogUniform) else {}
    if mapping:
        return _line(made.kind, {"min_value": low, "max_value": high, **step, "bounds": PLAIN}, mapping)
    return f"{made.kind}({', '.join(f'{k}={v}' for k, v in {'low': low, 'high': high, **step}.items())})"


def _bell_line(made: LogNormal | QLogNormal, mapping: bool) -> str:
    step = {"q": made.q} if isinstance(made, QLogNormal) else {}
    spread = min(made.sigma / made.mu, 3.0)
    return _line(made.kind, {"mu": f"{math.log(made.mu):.4g}", "sigma": f"{spread:.4g}", **step}, mapping)


def _line(kind: str, arguments: Mapping[str, Any], mapping: bool) -> str:
    """An expression as YAML or as a call."""
    if not mapping:
        return f"{kind}({', '.join(map(str, arguments.values()))})"
    return "{" + ", ".join(f"{key}: {value}" for key, value in {"type": kind, **arguments}.items()) + "}"


def _is_whole(value: Value) -> bool:
    return is_number(value) and value == int(value) and value >= 1
