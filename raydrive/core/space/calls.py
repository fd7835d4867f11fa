"""The Python calls that make parameter expressions: HyperDrive's ten, and ``log_range``, ``log_int``, ``int_range``."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from raydrive.core.errors import ConfigError, Problem
from raydrive.core.space.distributions import (
    IntRange,
    LogInt,
    LogNormal,
    LogUniform,
    Normal,
    QLogNormal,
    QLogUniform,
    QNormal,
    QUniform,
    Uniform,
)
from raydrive.core.space.expressions import Choice, Expression, RandInt
from raydrive.core.space.parsing import Reader, number
from raydrive.core.space.plain_bounds import Spelling, doubts, exponents, mistake


def choice(*options: Any) -> Choice:
    """One of the options, all equally likely.

    Args:
        options: The values one by one, or a single list, tuple, range or numpy array of them. A dict may hold nested
            expressions: ``choice({"kernel": "linear"}, {"kernel": "rbf", "gamma": loguniform(-7, 0)})``. Tuples reach
            a function as tuples (a script gets them as JSON lists); numbers of numpy, and enums that are numbers or
            text, become Python's own.

    Raises:
        ConfigError: If there is no option, or one that cannot be recorded, such as a class; the error has the way out.
    """
    reader = Reader()
    made = reader.choice_arguments(options, "choice")
    if made is None:
        raise ConfigError(reader.problems)
    _say(reader.notes)
    return made


def randint(upper: int) -> RandInt:
    """A whole number in [0, upper).

    Raises:
        ConfigError: If ``upper`` is not a whole number of 1 or more.
    """
    return RandInt(number(upper, whole=True))


def uniform(min_value: float, max_value: float) -> Uniform:
    """A number between the bounds, all equally likely.

    Raises:
        ConfigError: If a bound is not a finite number, or min_value is not below max_value.
    """
    return Uniform(number(min_value), number(max_value))


def quniform(min_value: float, max_value: float, q: float) -> QUniform:
    """round(uniform(min_value, max_value) / q) * q.

    Raises:
        ConfigError: If a bound is not a finite number, or min_value is not below max_value.
        ConfigError: If q is not above 0, or so large that a single value is left.
    """
    return QUniform(number(min_value), number(max_value), number(q))


def int_range(low: int, high: int) -> IntRange:
    """A whole number from ``low`` to ``high``, both included, all equally likely.

    Raises:
        ConfigError: If a bound is not a whole number, or ``low`` is not below ``high``.
    """
    with _low_and_high():
        return IntRange(number(low, whole=True), number(high, whole=True))


def log_int(low: int, high: int) -> LogInt:
    """A whole number from ``low`` to ``high``, both included, on a logarithmic scale; the bounds are the values.

    Raises:
        ConfigError: If a bound is not a whole number of 1 or more, or ``low`` is not below ``high``.
    """
    with _low_and_high():
        return LogInt(number(low, whole=True), number(high, whole=True))


def log_range(low: float, high: float) -> LogUniform:
    """A number from ``low`` to ``high`` on a logarithmic scale; the bounds are the values: ``log_range(1e-5, 0.1)``.

    Raises:
        ConfigError: If a bound is not a number above 0, or ``low`` is not below ``high``.
    """
    with _low_and_high():
        return LogUniform(*exponents("log_range", number(low), number(high)))


def loguniform(
    min_value: float | None = None,
    max_value: float | None = None,
    *,
    low: float | None = None,
    high: float | None = None,
) -> LogUniform:
    """exp(uniform(min_value, max_value)): these bounds are exponents to base e, as in HyperDrive.

    Args:
        min_value: The exponent of the smallest value.
        max_value: The exponent of the largest value.
        low: Instead of them, the smallest value itself: ``loguniform(low=1e-5, high=0.1)``.
        high: The largest value itself.

    Warns:
        UserWarning: If the bounds are unusual exponents (all draws between 1.0 and 1.2).

    Raises:
        ConfigError: If a bound is missing or not a finite number, or min_value is not below max_value.
        ConfigError: If exp of a bound overflows or vanishes, or exponents can only be values meant as such.
    """
    bounds, plain = _bounds("loguniform", min_value, max_value, low, high)
    made = LogUniform(*bounds)
    if not plain:
        _question(made)
    return made


def qloguniform(
    min_value: float | None = None,
    max_value: float | None = None,
    q: float | None = None,
    *,
    low: float | None = None,
    high: float | None = None,
) -> QLogUniform:
    """round(exp(uniform(min_value, max_value)) / q) * q: the bounds are exponents, q is not.

    Args:
        min_value: The exponent of the smallest value.
        max_value: The exponent of the largest value.
        q: The step between values.
        low: Instead of exponents, the smallest value itself: ``qloguniform(low=16, high=256, q=16)``.
        high: The largest value itself.

    Warns:
        UserWarning: If the bounds are unusual exponents (all draws between 1.0 and 1.2).

    Raises:
        ConfigError: If a bound is missing or not a finite number, or min_value is not below max_value.
        ConfigError: If exp of a bound overflows, or exponents can only be values meant as such.
        ConfigError: If q is not above 0, or so large that a single value is left.
    """
    bounds, plain = _bounds("qloguniform", min_value, max_value, low, high)
    made = QLogUniform(*bounds, number(q))
    if not plain:
        _question(made)
    return made


def normal(mu: float, sigma: float) -> Normal:
    """A number around mu with standard deviation sigma.

    Raises:
        ConfigError: If mu or sigma is not a finite number, or sigma is not above 0.
    """
    return Normal(number(mu), number(sigma))


def qnormal(mu: float, sigma: float, q: float) -> QNormal:
    """round(normal(mu, sigma) / q) * q.

    Raises:
        ConfigError: If an argument is not a finite number, or sigma or q is not above 0.
    """
    return QNormal(number(mu), number(sigma), number(q))


def lognormal(mu: float, sigma: float) -> LogNormal:
    """exp(normal(mu, sigma)): mu and sigma belong to the logarithm of the value.

    Raises:
        ConfigError: If mu or sigma is not a finite number, sigma is not above 0, or values overflow or vanish.
        ConfigError: If mu can only be a value and not its logarithm: ``lognormal(0.001, 0.0005)``.
    """
    made = LogNormal(number(mu), number(sigma))
    _question(made)
    return made


def qlognormal(mu: float, sigma: float, q: float) -> QLogNormal:
    """round(exp(normal(mu, sigma)) / q) * q: mu and sigma belong to the logarithm, q does not.

    Raises:
        ConfigError: If an argument is not a finite number, sigma or q is not above 0, or values overflow.
        ConfigError: If mu can only be a value and not its logarithm: ``qlognormal(64, 16, 1)``.
    """
    made = QLogNormal(number(mu), number(sigma), number(q))
    _question(made)
    return made


def _bounds(kind: str, *given: float | None) -> tuple[tuple[float, float], bool]:
    """The exponents from one of two pairs of bounds, and whether they were given as values."""
    min_value, max_value, low, high = map(number, given)
    names = [
        name for name, one in zip(("min_value", "max_value", "low", "high"), given, strict=True) if one is not None
    ]
    if names == ["low", "high"]:
        with _low_and_high():
            return exponents(kind, low, high), True
    if "low" in names or "high" in names:
        allowed = "low and high, the values themselves, or min_value and max_value, their exponents"
        raise ConfigError(Problem(kind, ", ".join(names), allowed, f"For example {kind}(low=1e-5, high=0.1)."))
    return (min_value, max_value), False


@contextmanager
def _low_and_high() -> Iterator[None]:
    """Names the bounds in errors as these calls do."""
    try:
        yield
    except ConfigError as error:
        names = Spelling(keys={"min_value": "low", "max_value": "high"})
        raise ConfigError(
            Problem(names.renamed(one.where), one.found, names.renamed(one.allowed), one.fix) for one in error.problems
        ) from None


def _question(made: Expression) -> None:
    """Refuses arguments that can only be a mistake, and warns of unusual ones."""
    wrong = mistake(made, mapping=False)
    if wrong is not None:
        raise ConfigError(wrong)
    _say(doubts(made, mapping=False), above=1)


def _say(notes: list[str], above: int = 0) -> None:
    for note in notes:
        warnings.warn(note, UserWarning, stacklevel=3 + above)
