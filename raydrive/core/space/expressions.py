"""Parameter expressions: what a hyperparameter may be, and how it is drawn.

Each one maps the unit interval to its values (``quantile``) and back (``position``), so samplers work on the unit cube
and never ask what kind of parameter is behind a coordinate. Here are the base class, ``randint`` and ``choice``;
``distributions`` holds the other eight.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, ClassVar

from raydrive.core.call_text import call_text
from raydrive.core.errors import ConfigError, Problem, show
from raydrive.core.json_values import copied
from raydrive.core.numbers import is_number

Value = Any
"""A JSON value (None, bool, int, float, str, list or dict) or a tuple; in a choice's option also an ``Expression``."""

TUPLE = "$tuple"
"""JSON has no tuples: where they are kept, one is written as an object of this single key with the items as a list."""

MANY = 100_000
"""More options than this are not listed: ``choice`` refuses them, ``options()`` of the others answers None."""


def canonical(value: Value) -> Any:
    """Returns a hashable stand-in that is equal for equal values; 1 equals 1.0 but not True, (1, 2) equals [1, 2]."""
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
        """Returns whether the expression can draw this value."""

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

    def __repr__(self) -> str:
        """The call that makes it: ``uniform(0, 1)``, ``choice('sgd', 'adam')``."""
        values = [getattr(self, name) for name in field_names(type(self))]
        return call_text(self.kind, map(repr, values[0] if self.kind == "choice" else values), {})

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


@dataclass(frozen=True, slots=True, repr=False)
class RandInt(Expression):
    """A whole number from 0 up to, not including, ``upper``."""

    kind: ClassVar[str] = "randint"
    upper: int

    def quantile(self, u: float) -> int:
        """Returns floor(u * upper)."""
        return min(int(u * self.upper), self.upper - 1)

    def position(self, value: Value) -> float:
        """Returns the middle of the value's stretch, (value + 1/2) / upper."""
        return float(min(max(round(value), 0), self.upper - 1) + 0.5) / self.upper

    def contains(self, value: Value) -> bool:
        """Returns whether the value is a whole number in [0, upper)."""
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


@dataclass(frozen=True, slots=True, repr=False)
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
        return copied(self.values[self.index(u)])

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
        """Returns whether some option gives this value."""
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

    def own(self, value: Value) -> Value:
        """Returns a value from elsewhere with the tuples of the option it equals: a file makes lists of them."""
        index = self.index_of(value) if isinstance(value, list | tuple | Mapping) else None
        if index is None:
            return value
        option = self.values[index]
        return filled(option, values_at_leaves(option, value)) if has_tuple([option, value]) else value

    def option_at(self, index: int) -> Value:
        """Returns a copy of option ``index``.

        Raises:
            IndexError: If there is no such option.
        """
        if not 0 <= index < len(self.values):
            raise IndexError(f"choice has {len(self.values)} options, none at {index}")
        return copied(self.values[index])

    def options(self) -> tuple[Value, ...]:
        """Returns the options as listed."""
        return self.values

    def __hash__(self) -> int:
        """Consistent with ``==``; the options themselves may be dicts, which have no hash."""
        return hash((self.kind, len(self.values)))

    def to_json(self) -> dict[str, Any]:
        """Returns ``{"type": "choice", "values": [...]}``; a tuple in it is ``{"$tuple": [...]}``."""
        return {"type": "choice", "values": [as_json(option) for option in self.values]}

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
    return copied(option)


def values_at_leaves(option: Value, value: Value) -> Iterator[Value]:
    """Yields what is in ``value`` where ``option`` has its ``leaves``; the two must match."""
    if isinstance(option, Expression):
        yield value
    elif isinstance(option, Mapping):
        for key, item in option.items():
            yield from values_at_leaves(item, value[key])


def matches(option: Value, value: Value) -> bool:
    """Returns whether an option can give this value."""
    if isinstance(option, Expression):
        return option.contains(value)
    if isinstance(option, Mapping):
        return (
            isinstance(value, Mapping)
            and option.keys() == value.keys()
            and all(matches(item, value[key]) for key, item in option.items())
        )
    return bool(canonical(option) == canonical(value))


def as_json(option: Value) -> Value:
    """Returns an option in JSON types, ``{"$tuple": [...]}`` for a tuple, with expressions as ``to_json`` has them."""
    if isinstance(option, Mapping):
        return {key: as_json(item) for key, item in option.items()}
    if isinstance(option, list):
        return [as_json(item) for item in option]
    if isinstance(option, tuple):
        return {TUPLE: [as_json(item) for item in option]}
    return option.to_json() if isinstance(option, Expression) else option


def has_tuple(value: Value) -> bool:
    """Whether there is a tuple in a value or an option, at any depth."""
    if isinstance(value, Mapping):
        return any(map(has_tuple, value.values()))
    if isinstance(value, Choice):
        return any(map(has_tuple, value.values))
    return isinstance(value, tuple) or (isinstance(value, list) and any(map(has_tuple, value)))
