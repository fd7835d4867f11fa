"""The ten parameter expressions: what a hyperparameter may be, and how it is drawn.

Each one maps the unit interval to its values (``quantile``) and back (``position``), so samplers work on the unit cube
and never ask what kind of parameter stands behind a coordinate. Formulas are those of Azure ML's HyperDrive
(https://learn.microsoft.com/azure/machine-learning/how-to-tune-hyperparameters#define-the-search-space), with U uniform
on [min_value, max_value], N normal with mean mu and deviation sigma, and log and exp to base e:

    randint      whole number in [0, upper)
    uniform      U                        normal       N
    loguniform   exp(U)                   lognormal    exp(N)
    quniform     round(U / q) * q         qnormal      round(N / q) * q
    qloguniform  round(exp(U) / q) * q    qlognormal   round(exp(N) / q) * q

As in HyperDrive, a quantised value may lie up to q/2 outside the bounds: quniform(1, 10, 4) gives 0, 4, 8 (and 12 never,
because 10/4 rounds to 2). Multiples of q are exact decimals (3 * 0.1 is 0.3), whole numbers are ``int`` when q is whole,
and ``float`` otherwise or beyond 2**53.
"""

from __future__ import annotations

import math
import reprlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache
from statistics import NormalDist
from typing import Any, ClassVar

from raydrive.core.errors import ConfigError, Problem

Value = Any
"""A JSON value: None, bool, int, float, str, list or dict; inside a choice's option also an ``Expression``."""

MANY = 100_000
"""More options than this are not listed: ``choice`` refuses them, ``options()`` of the others answers None."""
EXACT = 2**53
"""Whole numbers up to here are exact as floats."""
LARGEST_LOG = math.log(1.7976931348623157e308)
"""exp of anything larger overflows."""
SMALLEST_LOG = -745.0
"""exp of anything smaller is 0."""
_LOW, _HIGH = 2.0**-54, 1.0 - 2.0**-53
_TAIL = 8.3
"""|z| at the ends of the unit interval as floats know it: the quantile of 2**-54 is -8.29."""
_STANDARD = NormalDist()
_DECIMAL = Context(prec=60)
_FAR = 10**300


def show(value: object) -> str:
    """Returns a value as an error message quotes it: its repr, cut where it gets long."""
    shorten = reprlib.Repr()
    shorten.maxstring = shorten.maxother = shorten.maxlong = 60
    return shorten.repr(value)


def is_number(value: object) -> bool:
    """Tells whether a value is a finite int or float; bool is neither."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an int too large for a float
        return False


def canonical(value: Value) -> Any:
    """Returns a hashable stand-in that is equal for equal JSON values; 1 equals 1.0 but not True."""
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, Expression):
        return ("expression", canonical(value.to_json()))
    if isinstance(value, Mapping):
        return ("dict", *sorted((str(key), canonical(item)) for key, item in value.items()))
    if isinstance(value, list | tuple):
        return ("list", *map(canonical, value))
    return value


class Expression(ABC):
    """A hyperparameter's values and how likely they are."""

    __slots__ = ()
    kind: ClassVar[str]
    """HyperDrive's name, such as ``loguniform``."""

    @abstractmethod
    def quantile(self, u: float) -> Value:
        """Returns the value at ``u`` in [0, 1]; a uniform ``u`` draws from the expression."""

    @abstractmethod
    def position(self, value: Value) -> float:
        """Returns the inverse of ``quantile`` in [0, 1].

        Discrete values answer the middle of their stretch of the unit interval; numbers out of range are clipped.
        """

    @abstractmethod
    def contains(self, value: Value) -> bool:
        """Tells whether the expression can draw this value."""

    @property
    def count(self) -> int | None:
        """How many values there are; None for infinitely many."""
        return None

    def option_at(self, index: int) -> Value:
        """Returns value ``index`` of 0 .. count-1, in ascending or listed order.

        Raises:
            IndexError: If there is no such value.
        """
        raise IndexError(f"{self.kind} has no list of values, so none at {index}")

    def options(self) -> tuple[Value, ...] | None:
        """Returns all values in order, or None where they are infinitely or very many."""
        count = self.count
        return None if count is None or count > MANY else tuple(map(self.option_at, range(count)))

    def to_json(self) -> dict[str, Any]:
        """Returns the expression in the form of the v2 sweep schema."""
        return {"type": self.kind, **{name: getattr(self, name) for name in field_names(type(self))}}

    def __post_init__(self) -> None:
        problems = self._problems()
        if problems:
            raise ConfigError(problems)

    @abstractmethod
    def _problems(self) -> list[Problem]:
        """Everything wrong with the arguments, below the name of the expression."""

    def _not_numbers(self) -> list[Problem]:
        return [
            Problem(f"{self.kind}.{name}", show(getattr(self, name)), "a finite number")
            for name in field_names(type(self))
            if not is_number(getattr(self, name))
        ]


@lru_cache(maxsize=32)
def field_names(kind: type[Expression]) -> tuple[str, ...]:
    """Returns the arguments of an expression in order."""
    return tuple(spec.name for spec in fields(kind))  # type: ignore[arg-type]


# --- a number: something drawn on a line, then perhaps exp, then perhaps quantised -----------------------------------


class _Number(Expression):
    __slots__ = ()
    log: ClassVar[bool] = False
    """Whether the value is exp of what is drawn."""

    @abstractmethod
    def _line(self, u: float) -> float:
        """Quantile of the variable under the exponential."""

    @abstractmethod
    def _cdf(self, x: float) -> float:
        """Inverse of ``_line``, clipped to [0, 1]."""

    def _raw(self, u: float) -> float:
        x = self._line(u)
        return math.exp(x) if self.log else x

    def _share_below(self, value: float) -> float:
        if not self.log:
            return self._cdf(value)
        return self._cdf(math.log(value)) if value > 0 else 0.0

    def quantile(self, u: float) -> Value:
        return self._raw(u)

    def position(self, value: Value) -> float:
        return self._share_below(value)


class _Quantised(_Number):
    __slots__ = ()
    q: float

    def _cells(self) -> tuple[int, int] | None:
        """First and last multiple of q that can be drawn; None where there is no end."""
        return None

    def _multiple(self, value: float) -> int:
        ratio, cells = value / self.q, self._cells()
        # Clipped before rounding: an infinite ratio cannot be rounded.
        first, last = (-_FAR, _FAR) if cells is None else cells
        return first if ratio <= first else last if ratio >= last else round(ratio)

    def quantile(self, u: float) -> Value:
        return clean(self._multiple(self._raw(u)), self.q)

    def position(self, value: Value) -> float:
        k = self._multiple(value)
        return (self._share_below((k - 0.5) * self.q) + self._share_below((k + 0.5) * self.q)) / 2

    def contains(self, value: Value) -> bool:
        if not is_number(value):
            return False
        k = self._multiple(value)
        return math.isclose(clean(k, self.q), value, rel_tol=1e-12) and (not self.log or k >= 0)

    @property
    def count(self) -> int | None:
        cells = self._cells()
        # Multiples beyond 2**53 are no longer told apart as floats: as good as continuous.
        return None if cells is None or max(map(abs, cells)) > EXACT else cells[1] - cells[0] + 1

    def option_at(self, index: int) -> Value:
        cells, count = self._cells(), self.count
        if cells is None or count is None or not 0 <= index < count:
            raise IndexError(f"{self.kind} has {count} values, none at {index}")
        return clean(cells[0] + index, self.q)

    def _bad_sign(self) -> list[Problem]:
        if not is_number(self.q) or self.q > 0:
            return []
        return [Problem(f"{self.kind}.q", show(self.q), "a number above 0", f"Without quantising it is {self.kind[1:]}.")]

    def _bad_step(self, largest: float) -> list[Problem]:
        if self.q <= 0:
            return self._bad_sign()
        where, largest = f"{self.kind}.q", float(largest)
        if largest / self.q > _FAR:
            return [Problem(where, show(self.q), f"at least {largest / _FAR:.2g}", "Finer steps are lost in rounding.")]
        if not math.isfinite(largest + self.q):
            return [Problem(where, show(self.q), "small enough for values to stay finite")]
        return []


def clean(k: int, q: float) -> int | float:
    """Returns k * q as the number a person would write: 3 * 0.1 is 0.3, not 0.30000000000000004."""
    if q == int(q):
        whole = k * int(q)
        return whole if abs(whole) <= EXACT else float(whole)
    return float(_DECIMAL.multiply(Decimal(k), Decimal(repr(float(q)))))


@lru_cache(maxsize=4096)
def _reach(low: float, high: float, q: float) -> tuple[int, int]:
    """The multiples k of q to which round(x / q) takes a share of [low, high] above nothing.

    In exact decimals: k is reached when (k - 1/2) q < high and (k + 1/2) q > low.
    """
    step, half = _as_written(q), Fraction(1, 2)
    first = math.floor(_as_written(low) / step + half)
    return first, max(first, math.ceil(_as_written(high) / step - half))


def _as_written(number: float) -> Fraction:
    """0.1 as a tenth, not as the float nearest to it."""
    return Fraction(number) if isinstance(number, int) else Fraction(repr(float(number)))


class _Range(_Number):
    __slots__ = ()
    min_value: float
    max_value: float

    def _line(self, u: float) -> float:
        x = self.min_value + u * (self.max_value - self.min_value)
        return float(min(max(x, self.min_value), self.max_value))

    def _cdf(self, x: float) -> float:
        return min(max((x - self.min_value) / (self.max_value - self.min_value), 0.0), 1.0)

    def contains(self, value: Value) -> bool:
        if not is_number(value):
            return False
        if not self.log:
            return bool(self.min_value <= value <= self.max_value)
        # exp and log are not exact inverses.
        return value > 0 and self.min_value - 1e-12 <= math.log(value) <= self.max_value + 1e-12

    def _problems(self) -> list[Problem]:
        problems = self._not_numbers()
        wrong = {problem.where for problem in problems}
        where = f"{self.kind}.min_value"
        if where not in wrong and f"{self.kind}.max_value" not in wrong:
            if self.min_value >= self.max_value:
                equal = self.min_value == self.max_value
                fix = f"A fixed value is choice({self._fixed()})." if equal else "Swap the bounds."
                problems.append(Problem(where, show(self.min_value), f"below max_value ({self.max_value})", fix))
            elif not math.isfinite(float(self.max_value) - float(self.min_value)):
                problems.append(Problem(where, show(self.min_value), "closer to max_value: the width overflows"))
        return problems + self._bad_exponents(wrong) if self.log else problems

    def _fixed(self) -> object:
        return math.exp(self.min_value) if self.log and abs(self.min_value) < 700 else self.min_value

    def _bad_exponents(self, wrong: set[str]) -> list[Problem]:
        problems = []
        for name in ("min_value", "max_value"):
            where, bound = f"{self.kind}.{name}", getattr(self, name)
            if where in wrong:
                continue
            if bound > LARGEST_LOG:
                fix = f"Bounds are exponents: values up to {bound:g} need log({bound:g}) = {math.log(bound):.6g}."
                problems.append(Problem(where, show(bound), "at most 709.78, as values are exp of it", fix))
            elif bound < SMALLEST_LOG and not isinstance(self, _Quantised):
                problems.append(Problem(where, show(bound), "at least -745, as values are exp of it"))
        return problems


class _QuantisedRange(_Quantised, _Range):
    __slots__ = ()

    def _cells(self) -> tuple[int, int]:
        low, high = self.min_value, self.max_value
        return _reach(math.exp(low), math.exp(high), self.q) if self.log else _reach(low, high, self.q)

    def _problems(self) -> list[Problem]:
        problems = _Range._problems(self)
        if problems:
            return problems + self._bad_sign()
        largest = math.exp(self.max_value) if self.log else max(abs(self.min_value), abs(self.max_value))
        problems = self._bad_step(largest)
        if not problems and self._cells()[0] == self._cells()[1]:
            only = clean(self._cells()[0], self.q)
            fix = f"All values round to {only}; a fixed value is choice({only})."
            problems = [Problem(f"{self.kind}.q", show(self.q), "small enough for two values", fix)]
        return problems


class _Bell(_Number):
    __slots__ = ()
    mu: float
    sigma: float

    def _line(self, u: float) -> float:
        return self.mu + self.sigma * _STANDARD.inv_cdf(min(max(u, _LOW), _HIGH))

    def _cdf(self, x: float) -> float:
        # erfc keeps the lower tail, where 1 + erf would cancel.
        return 0.5 * math.erfc((self.mu - x) / self.sigma / math.sqrt(2.0))

    def contains(self, value: Value) -> bool:
        return is_number(value) and (not self.log or value > 0)

    def _problems(self) -> list[Problem]:
        problems = self._not_numbers()
        wrong = {problem.where for problem in problems}
        where = f"{self.kind}.sigma"
        if where not in wrong and self.sigma <= 0:
            fix = "A fixed value is choice(value)."
            problems.append(Problem(where, show(self.sigma), "a number above 0", fix))
        if problems:
            return problems
        low, high = self.mu - _TAIL * self.sigma, self.mu + _TAIL * self.sigma
        if not (math.isfinite(low) and math.isfinite(high)):
            return [Problem(where, show(self.sigma), "small enough for values to stay finite")]
        if self.log and (high > LARGEST_LOG or (low < SMALLEST_LOG and not isinstance(self, _Quantised))):
            allowed = "mu - 8.3 sigma at least -745 and mu + 8.3 sigma at most 709.78, as values are exp of them"
            fix = "mu and sigma belong to the logarithm of the value."
            return [Problem(where, f"{show(self.sigma)} with mu {show(self.mu)}", allowed, fix)]
        return []


class _QuantisedBell(_Quantised, _Bell):
    __slots__ = ()

    def _problems(self) -> list[Problem]:
        problems = _Bell._problems(self)
        if problems:
            return problems + self._bad_sign()
        high = self.mu + _TAIL * self.sigma
        return self._bad_step(math.exp(high) if self.log else max(abs(high), abs(self.mu - _TAIL * self.sigma)))


@dataclass(frozen=True, slots=True)
class Uniform(_Range):
    """A number between two bounds, all equally likely."""

    kind: ClassVar[str] = "uniform"
    min_value: float
    max_value: float


@dataclass(frozen=True, slots=True)
class QUniform(_QuantisedRange):
    """round(uniform / q) * q."""

    kind: ClassVar[str] = "quniform"
    min_value: float
    max_value: float
    q: float


@dataclass(frozen=True, slots=True)
class LogUniform(_Range):
    """exp(uniform): the bounds are exponents to base e."""

    kind: ClassVar[str] = "loguniform"
    log: ClassVar[bool] = True
    min_value: float
    max_value: float


@dataclass(frozen=True, slots=True)
class QLogUniform(_QuantisedRange):
    """round(exp(uniform) / q) * q: the bounds are exponents to base e, q is not."""

    kind: ClassVar[str] = "qloguniform"
    log: ClassVar[bool] = True
    min_value: float
    max_value: float
    q: float


@dataclass(frozen=True, slots=True)
class Normal(_Bell):
    """A number around mu with standard deviation sigma."""

    kind: ClassVar[str] = "normal"
    mu: float
    sigma: float


@dataclass(frozen=True, slots=True)
class QNormal(_QuantisedBell):
    """round(normal / q) * q."""

    kind: ClassVar[str] = "qnormal"
    mu: float
    sigma: float
    q: float


@dataclass(frozen=True, slots=True)
class LogNormal(_Bell):
    """exp(normal): mu and sigma belong to the logarithm."""

    kind: ClassVar[str] = "lognormal"
    log: ClassVar[bool] = True
    mu: float
    sigma: float


@dataclass(frozen=True, slots=True)
class QLogNormal(_QuantisedBell):
    """round(exp(normal) / q) * q: mu and sigma belong to the logarithm, q does not."""

    kind: ClassVar[str] = "qlognormal"
    log: ClassVar[bool] = True
    mu: float
    sigma: float
    q: float


# --- whole numbers and choices ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RandInt(Expression):
    """A whole number from 0 up to, not including, ``upper``."""

    kind: ClassVar[str] = "randint"
    upper: int

    def quantile(self, u: float) -> int:
        """Returns floor(u * upper)."""
        return min(int(u * self.upper), self.upper - 1)

    def position(self, value: Value) -> float:
        """Returns the middle of the value's stretch, (value + 1/2) / upper."""
        return (min(max(round(value), 0), self.upper - 1) + 0.5) / self.upper

    def contains(self, value: Value) -> bool:
        """Tells whether the value is a whole number in [0, upper)."""
        return is_number(value) and value == int(value) and 0 <= value < self.upper

    @property
    def count(self) -> int:
        """``upper``."""
        return self.upper

    def option_at(self, index: int) -> int:
        """Returns ``index`` itself.

        Raises:
            IndexError: If it is not in [0, upper).
        """
        if not 0 <= index < self.upper:
            raise IndexError(f"randint has {self.upper} values, none at {index}")
        return index

    def _problems(self) -> list[Problem]:
        if isinstance(self.upper, int) and not isinstance(self.upper, bool) and 0 < self.upper <= 2**63:
            return []
        allowed = "a whole number from 1 to 2**63; values are 0 .. upper-1"
        return [Problem("randint.upper", show(self.upper), allowed)]


@dataclass(frozen=True, slots=True)
class Choice(Expression):
    """One of several values, all equally likely; ``choice(...)`` makes one from anything list-like.

    A dict among the options may hold further expressions, at any depth. They are drawn when the option is, by the
    ``Space``; the methods here treat such an option as one value.
    """

    kind: ClassVar[str] = "choice"
    values: tuple[Value, ...]

    def index(self, u: float) -> int:
        """Returns the number of the option at ``u`` in [0, 1]."""
        return min(int(u * len(self.values)), len(self.values) - 1)

    def quantile(self, u: float) -> Value:
        """Returns a copy of the option at ``u``."""
        return copy_of(self.values[self.index(u)])

    def index_of(self, value: Value) -> int | None:
        """Returns the number of the first option that can give this value, or None."""
        return next((i for i, option in enumerate(self.values) if matches(option, value)), None)

    def position(self, value: Value) -> float:
        """Returns the middle of the option's stretch.

        Raises:
            ConfigError: If no option gives this value: there is no nearest one to clip to.
        """
        index = self.index_of(value)
        if index is None:
            raise ConfigError(Problem("choice", show(value), f"one of {show(self.values)}"))
        return (index + 0.5) / len(self.values)

    def contains(self, value: Value) -> bool:
        """Tells whether some option gives this value."""
        return self.index_of(value) is not None

    @property
    def count(self) -> int | None:
        """How many values there are, those of nested expressions included."""
        total = 0
        for option in self.values:
            ways = 1
            for _, leaf in leaves(option):
                if leaf.count is None:
                    return None
                ways *= leaf.count
            total += ways
        return total

    def option_at(self, index: int) -> Value:
        """Returns a copy of option ``index``.

        Raises:
            IndexError: If there is no such option.
        """
        if not 0 <= index < len(self.values):
            raise IndexError(f"choice has {len(self.values)} options, none at {index}")
        return copy_of(self.values[index])

    def options(self) -> tuple[Value, ...]:
        """Returns the options as listed."""
        return self.values

    def __hash__(self) -> int:
        """Consistent with ``==``; the options themselves may be dicts, which have no hash."""
        return hash((self.kind, len(self.values)))

    def to_json(self) -> dict[str, Any]:
        """Returns ``{"type": "choice", "values": [...]}``."""
        return {"type": "choice", "values": [copy_of(option, expressions_as_json=True) for option in self.values]}

    def _problems(self) -> list[Problem]:
        if isinstance(self.values, tuple) and 0 < len(self.values) <= MANY:
            return []
        found = f"{len(self.values)} options" if isinstance(self.values, tuple) else show(self.values)
        return [Problem("choice.values", found, f"1 to {MANY:,} options")]


def leaves(option: Value, path: str = "") -> Iterator[tuple[str, Expression]]:
    """Yields the expressions inside an option with their paths (``.optimizer.lr``), in the order of its keys."""
    if isinstance(option, Expression):
        yield path, option
    elif isinstance(option, Mapping):
        for key, item in option.items():
            yield from leaves(item, f"{path}.{key}")


def filled(option: Value, values: Iterator[Value]) -> Value:
    """Returns a copy of an option with its ``leaves`` replaced by ``values``, in their order."""
    if isinstance(option, Expression):
        return next(values)
    if isinstance(option, Mapping):
        return {key: filled(item, values) for key, item in option.items()}
    return copy_of(option)


def values_at_leaves(option: Value, value: Value) -> Iterator[Value]:
    """Yields what stands in ``value`` where ``option`` has its ``leaves``; the two must match."""
    if isinstance(option, Expression):
        yield value
    elif isinstance(option, Mapping):
        for key, item in option.items():
            yield from values_at_leaves(item, value[key])


def matches(option: Value, value: Value) -> bool:
    """Tells whether an option can give this value."""
    if isinstance(option, Expression):
        return option.contains(value)
    if isinstance(option, Mapping):
        return (
            isinstance(value, Mapping)
            and option.keys() == value.keys()
            and all(matches(item, value[key]) for key, item in option.items())
        )
    return bool(canonical(option) == canonical(value))


def copy_of(value: Value, *, expressions_as_json: bool = False) -> Value:
    """Returns a JSON value with containers of its own, so that nobody can change the space through a trial's params."""
    if isinstance(value, Mapping):
        return {key: copy_of(item, expressions_as_json=expressions_as_json) for key, item in value.items()}
    if isinstance(value, list):
        return [copy_of(item, expressions_as_json=expressions_as_json) for item in value]
    if expressions_as_json and isinstance(value, Expression):
        return value.to_json()
    return value


EXPRESSIONS: dict[str, type[Expression]] = {
    cls.kind: cls
    for cls in (
        Choice, RandInt, Uniform, QUniform, LogUniform, QLogUniform, Normal, QNormal, LogNormal, QLogNormal,
    )
}  # fmt: skip
"""The classes by HyperDrive's names."""
