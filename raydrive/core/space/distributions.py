"""The eight distributions of numbers with the formulas of Azure ML's HyperDrive, and two of raydrive's own.

https://learn.microsoft.com/azure/machine-learning/how-to-tune-hyperparameters#define-the-search-space, with U uniform
on [min_value, max_value], N normal with mean mu and deviation sigma, and log and exp to base e:

    uniform      U                        normal       N
    loguniform   exp(U)                   lognormal    exp(N)
    quniform     round(U / q) * q         qnormal      round(N / q) * q
    qloguniform  round(exp(U) / q) * q    qlognormal   round(exp(N) / q) * q

As in HyperDrive, a quantised value may lie up to q/2 outside the bounds: quniform(1, 10, 4) gives 0, 4 and 8, and never
12, because 10/4 rounds to 2. Multiples of q are exact decimals (3 * 0.1 is 0.3). They are ``int`` when q is whole, and
``float`` otherwise or beyond 2**53.

``int_range`` and ``log_int`` draw whole numbers between bounds that are both drawn, and mean the values themselves:

    int_range    round(U) with U uniform on [min_value - 1/2, max_value + 1/2]: all equally likely
    log_int      round(exp(U)) with U uniform on [log(min_value - 1/2), log(max_value + 1/2)]
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache
from statistics import NormalDist
from typing import ClassVar

from raydrive.core.errors import Problem, show
from raydrive.core.numbers import is_number
from raydrive.core.space.expressions import Expression, Value

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
_FAR = 10**308
"""Multiples of q are counted up to here."""


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
        return [
            Problem(f"{self.kind}.q", show(self.q), "a number above 0", f"Without quantising it is {self.kind[1:]}.")
        ]

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
        return whole if abs(whole) <= EXACT else k * float(q)
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


@dataclass(frozen=True, slots=True, repr=False)
class Uniform(_Range):
    """A number between two bounds, all equally likely."""

    kind: ClassVar[str] = "uniform"
    min_value: float
    max_value: float


@dataclass(frozen=True, slots=True, repr=False)
class QUniform(_QuantisedRange):
    """round(uniform / q) * q."""

    kind: ClassVar[str] = "quniform"
    min_value: float
    max_value: float
    q: float


@dataclass(frozen=True, slots=True, repr=False)
class LogUniform(_Range):
    """exp(uniform): the bounds are exponents to base e."""

    kind: ClassVar[str] = "loguniform"
    log: ClassVar[bool] = True
    min_value: float
    max_value: float


@dataclass(frozen=True, slots=True, repr=False)
class QLogUniform(_QuantisedRange):
    """round(exp(uniform) / q) * q: the bounds are exponents to base e, q is not."""

    kind: ClassVar[str] = "qloguniform"
    log: ClassVar[bool] = True
    min_value: float
    max_value: float
    q: float


@dataclass(frozen=True, slots=True, repr=False)
class Normal(_Bell):
    """A number around mu with standard deviation sigma."""

    kind: ClassVar[str] = "normal"
    mu: float
    sigma: float


@dataclass(frozen=True, slots=True, repr=False)
class QNormal(_QuantisedBell):
    """round(normal / q) * q."""

    kind: ClassVar[str] = "qnormal"
    mu: float
    sigma: float
    q: float


@dataclass(frozen=True, slots=True, repr=False)
class LogNormal(_Bell):
    """exp(normal): mu and sigma belong to the logarithm."""

    kind: ClassVar[str] = "lognormal"
    log: ClassVar[bool] = True
    mu: float
    sigma: float


@dataclass(frozen=True, slots=True, repr=False)
class QLogNormal(_QuantisedBell):
    """round(exp(normal) / q) * q: mu and sigma belong to the logarithm, q does not."""

    kind: ClassVar[str] = "qlognormal"
    log: ClassVar[bool] = True
    mu: float
    sigma: float
    q: float


class _WholeRange(_QuantisedRange):
    """Whole numbers from min_value to max_value, both included; each has the stretch of half a number around it."""

    __slots__ = ()
    q: ClassVar[int] = 1  # type: ignore[misc]
    lowest: ClassVar[int] = -EXACT
    """The least ``min_value``."""

    def _edges(self) -> tuple[float, float]:
        low, high = self.min_value - 0.5, self.max_value + 0.5
        return (math.log(low), math.log(high)) if self.log else (low, high)

    def _line(self, u: float) -> float:
        low, high = self._edges()
        return low + u * (high - low)

    def _cdf(self, x: float) -> float:
        low, high = self._edges()
        return min(max((x - low) / (high - low), 0.0), 1.0)

    def contains(self, value: Value) -> bool:
        return is_number(value) and value == int(value) and bool(self.min_value <= value <= self.max_value)

    def _cells(self) -> tuple[int, int]:
        return int(self.min_value), int(self.max_value)

    def _problems(self) -> list[Problem]:
        allowed = f"a whole number from {'1' if self.lowest == 1 else '-2**53'} to 2**53"
        problems = []
        for name in ("min_value", "max_value"):
            bound = getattr(self, name)
            if not isinstance(bound, int) or isinstance(bound, bool) or not self.lowest <= bound <= EXACT:
                below = self.log and is_number(bound) and bound < 1
                fix = "The logarithm of 0 is not defined: start at 1, or write int_range." if below else ""
                problems.append(Problem(f"{self.kind}.{name}", show(bound), allowed, fix))
        if problems or self.min_value < self.max_value:
            return problems
        equal = self.min_value == self.max_value
        fix = f"A fixed value is choice({self.min_value})." if equal else "Swap the bounds."
        return [Problem(f"{self.kind}.min_value", show(self.min_value), f"below max_value ({self.max_value})", fix)]


@dataclass(frozen=True, slots=True, repr=False)
class IntRange(_WholeRange):
    """A whole number between two bounds, both included, all equally likely."""

    kind: ClassVar[str] = "int_range"
    min_value: int
    max_value: int


@dataclass(frozen=True, slots=True, repr=False)
class LogInt(_WholeRange):
    """A whole number between two bounds, both included, on a logarithmic scale; the bounds mean the values."""

    kind: ClassVar[str] = "log_int"
    log: ClassVar[bool] = True
    lowest: ClassVar[int] = 1
    min_value: int
    max_value: int
