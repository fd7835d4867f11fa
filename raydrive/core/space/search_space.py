"""The search space: parameter expressions by name, seen as a unit cube and, where finite, as a numbered list.

A nested expression (inside a dict option of a choice) is a dimension of its own that matters only while its option is
chosen. So every configuration is a point of the cube ``[0, 1)^d``, with NaN where a dimension does not matter.
"""

from __future__ import annotations

import math
import warnings
from bisect import bisect_right
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from raydrive.core.errors import ConfigError, Problem, show
from raydrive.core.lazy_numpy import np
from raydrive.core.numbers import is_number
from raydrive.core.records import Params
from raydrive.core.space.calls import (
    choice,
    int_range,
    log_int,
    log_range,
    lognormal,
    loguniform,
    normal,
    qlognormal,
    qloguniform,
    qnormal,
    quniform,
    randint,
    uniform,
)
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
from raydrive.core.space.expressions import (
    Choice,
    Expression,
    RandInt,
    Value,
    canonical,
    filled,
    leaves,
    matches,
    values_at_leaves,
)
from raydrive.core.space.parsing import Reader

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Choice",
    "Dimension",
    "Expression",
    "IntRange",
    "LogInt",
    "LogNormal",
    "LogUniform",
    "Normal",
    "QLogNormal",
    "QLogUniform",
    "QNormal",
    "QUniform",
    "RandInt",
    "Space",
    "Uniform",
    "choice",
    "int_range",
    "log_int",
    "log_range",
    "lognormal",
    "loguniform",
    "normal",
    "parse_space",
    "qlognormal",
    "qloguniform",
    "qnormal",
    "quniform",
    "randint",
    "uniform",
]


@dataclass(frozen=True, slots=True)
class Dimension:
    """One coordinate of the unit cube."""

    name: str
    """The parameter, or for nested expressions the path to it: ``model.values[1].depth``."""
    expression: Expression
    parent: int | None = None
    """Index of the choice this dimension hangs on; None = always there."""
    option: int | None = None
    """The option of that choice under which it is active."""


@dataclass(frozen=True, slots=True)
class _Branch:
    """An option of a choice that holds expressions."""

    option: Value
    nodes: tuple[_Node, ...]
    """Its expressions, in the order of ``leaves``."""
    count: int | None


@dataclass(frozen=True, slots=True)
class _Node:
    """A dimension with what hangs on it; one tree per parameter."""

    index: int
    expression: Expression
    count: int | None
    branches: tuple[_Branch, ...] = ()
    """One for each option of a choice with nested expressions; empty for everything else."""
    starts: tuple[int, ...] = ()
    """Number of values of the branches before each; empty when infinite."""
    table: Mapping[Any, int] | None = None
    """Option numbers of a plain choice by canonical value."""


class Space:
    """Parameter expressions by name.

    Args:
        expressions: In the order that matters for grids: the last one varies fastest.

    Raises:
        ConfigError: If there is no parameter.
        ConfigError: If a name is empty or two are the same argument (``lr`` and ``--lr``).
        ConfigError: If a value is not an ``Expression``; ``parse_space`` reads other forms.
    """

    __slots__ = ("_nodes", "dimensions", "expressions", "size")

    def __init__(self, expressions: Mapping[str, Expression]) -> None:
        given: Mapping[str, object] = expressions
        problems = _bad_names(expressions, "search_space")
        for name, found in given.items():
            if not isinstance(found, Expression):
                problems.append(Problem(f"search_space.{name}", show(found), "an expression such as uniform(0, 1)"))
        if problems:
            raise ConfigError(problems)
        self.expressions: Mapping[str, Expression] = dict(expressions)
        dimensions: list[Dimension] = []
        self._nodes = {name: _grow(name, found, None, None, dimensions) for name, found in expressions.items()}
        self.dimensions: tuple[Dimension, ...] = tuple(dimensions)
        """All coordinates: each parameter is followed by the nested expressions of its options."""
        self.size: int | None = _product([node.count for node in self._nodes.values()])
        """Number of configurations; None = infinite."""

    def at(self, unit: NDArray[np.float64] | Sequence[float]) -> Params:
        """Returns the configuration at a point of the unit cube.

        Args:
            unit: Shape ``(d,)``, values in [0, 1]; coordinates of inactive dimensions are not looked at.
        """
        return {name: _render(node, unit) for name, node in self._nodes.items()}

    def unit(self, params: Params) -> NDArray[np.float64]:
        """Returns the point of a configuration, shape ``(d,)``: NaN where inactive, clipped where out of range.

        Raises:
            ConfigError: If a parameter is missing.
            ConfigError: If a choice has no such option, or something else than a number stands for one.
        """
        out = np.full(len(self.dimensions), np.nan)
        for name, node in self._nodes.items():
            if name not in params:
                raise ConfigError(Problem(name, "nothing", "a value of this parameter"))
            _locate(node, params[name], out, name)
        return out

    def key(self, params: Params) -> Hashable:
        """Returns something hashable that is equal for equal configurations (1 and 1.0 are equal, 1 and True not)."""
        return tuple(canonical(params.get(name, _MISSING)) for name in self._nodes)

    def own(self, params: Params) -> Params:
        """Returns a configuration from elsewhere with the tuples of this space."""
        expressions = self.expressions
        return {
            name: found.own(value) if isinstance(found := expressions.get(name), Choice) else value
            for name, value in params.items()
        }

    def contains(self, params: Params) -> bool:
        """Returns whether these are exactly the parameters of the space, each with a value it can draw."""
        return params.keys() == self.expressions.keys() and all(
            found.contains(params[name]) for name, found in self.expressions.items()
        )

    def grid_at(self, index: int) -> Params:
        """Returns configuration ``index`` of a finite space, in product order: the last parameter varies fastest.

        Raises:
            ConfigError: If the space is infinite.
            IndexError: If ``index`` is not in [0, size).
        """
        if self.size is None:
            endless = [name for name, node in self._nodes.items() if node.count is None]
            raise ConfigError(Problem(f"search_space.{n}", "infinitely many values", "a finite list") for n in endless)
        if not 0 <= index < self.size:
            raise IndexError(f"the space has {self.size} configurations, none at {index}")
        digits = _digits(index, list(self._nodes.values()))
        return {name: _listed(node, digit) for (name, node), digit in zip(self._nodes.items(), digits, strict=True)}

    def sample(self, rng: np.random.Generator) -> Params:
        """Returns a random configuration; takes d numbers from the generator, whatever the outcome."""
        return self.at(rng.random(len(self.dimensions)))

    def to_json(self) -> dict[str, Any]:
        """Returns the space in the form of the v2 sweep schema; ``parse_space`` reads it back."""
        return {name: found.to_json() for name, found in self.expressions.items()}

    def __eq__(self, other: object) -> bool:
        """The same expressions in the same order."""
        if not isinstance(other, Space):
            return NotImplemented
        return list(self.expressions.items()) == list(other.expressions.items())

    def __hash__(self) -> int:
        """Consistent with ``==``."""
        return hash(tuple(self.expressions))

    def __repr__(self) -> str:
        """The expressions by name."""
        return f"Space({dict(self.expressions)!r})"


def parse_space(raw: Mapping[str, Any] | Space, where: str = "search_space") -> Space:
    """Returns the space written as a mapping of names to expressions.

    Args:
        raw: Values are ``Expression`` objects, the dicts of the v2 sweep schema (numbers may be text), or the lists of
            SDK v1. A finished ``Space`` is returned as it is.
        where: What to call the mapping in errors.

    Warns:
        UserWarning: If the bounds of a loguniform are unusual exponents.

    Raises:
        ConfigError: With everything wrong: unknown types and keys, missing and impossible values, exponents that can
            only be values meant as such, unusable names.
    """
    space, notes = _read(raw, where)
    for note in notes:
        warnings.warn(note, UserWarning, stacklevel=2)
    return space


def space_from_json(raw: Any) -> Space:
    """Returns the space that ``Space.to_json`` wrote; like ``parse_space``, without repeating its warnings.

    Raises:
        ConfigError: If it was edited into something invalid.
    """
    return _read(raw, "search_space", recorded=True)[0]


def _read(raw: Any, where: str, *, recorded: bool = False) -> tuple[Space, list[str]]:
    if isinstance(raw, Space):
        return raw, []
    if not isinstance(raw, Mapping):
        fix = 'For example {"lr": loguniform(-9, -2), "batch_size": choice(32, 64)}.'
        raise ConfigError(Problem(where, show(raw), "a mapping of parameter names to expressions", fix))
    if len(raw) > MOST_PARAMETERS:
        count = f"{len(raw):,} parameters"
        raise ConfigError(Problem(where, count, f"at most {MOST_PARAMETERS:,}", "No search covers that many."))
    reader = Reader(recorded=recorded)
    reader.problems.extend(_bad_names(raw, where))
    found = {name: reader.expression(item, f"{where}.{name}") for name, item in raw.items()}
    reader.finish()
    return Space({name: item for name, item in found.items() if item is not None}), reader.notes


MOST_PARAMETERS = 2_000
"""Parameters of a search space; nested expressions of a choice count with it."""
_MISSING = "\0missing"


def _bad_names(names: Mapping[Any, Any], where: str) -> list[Problem]:
    if not names:
        fix = 'For example {"lr": loguniform(-9, -2)}.'
        return [Problem(where, "no parameters", "one parameter or more", fix)]
    problems, seen = [], dict[str, str]()
    for name in names:
        bare = name.strip().lstrip("-") if isinstance(name, str) else ""
        if not bare:
            problems.append(Problem(where, f"the name {name!r}", "text that is not empty"))
        elif bare in seen:
            found = f"{name!r} beside {seen[bare]!r}"
            problems.append(Problem(f"{where}.{name}", found, "different names", f"Both become the argument --{bare}."))
        else:
            seen[bare] = name
    return problems


def _grow(
    name: str, expression: Expression, parent: int | None, option: int | None, dimensions: list[Dimension]
) -> _Node:
    """Adds an expression and everything below it to ``dimensions``; returns its tree."""
    index = len(dimensions)
    dimensions.append(Dimension(name, expression, parent, option))
    if not isinstance(expression, Choice):
        return _Node(index, expression, expression.count)
    branches = []
    for i, value in enumerate(expression.values):
        nodes = tuple(_grow(f"{name}.values[{i}]{path}", leaf, index, i, dimensions) for path, leaf in leaves(value))
        branches.append(_Branch(value, nodes, _product([node.count for node in nodes])))
    counts = [branch.count for branch in branches]
    if len(dimensions) == index + 1:
        table = {canonical(value): i for i, value in enumerate(expression.values)}
        return _Node(index, expression, len(branches), table=table)
    finite = [count for count in counts if count is not None]
    if len(finite) < len(counts):
        return _Node(index, expression, None, tuple(branches))
    return _Node(index, expression, sum(finite), tuple(branches), (0, *accumulate(finite[:-1])))


def _product(counts: Sequence[int | None]) -> int | None:
    finite = [count for count in counts if count is not None]
    return math.prod(finite) if len(finite) == len(counts) else None


def _render(node: _Node, unit: NDArray[np.float64] | Sequence[float]) -> Value:
    u = float(unit[node.index])
    if not node.branches:
        return node.expression.quantile(u)
    branch = node.branches[min(int(u * len(node.branches)), len(node.branches) - 1)]
    return filled(branch.option, iter([_render(leaf, unit) for leaf in branch.nodes]))


def _locate(node: _Node, value: Value, out: NDArray[np.float64], where: str) -> None:
    """Writes the coordinates of a value and of everything nested in it."""
    if not isinstance(node.expression, Choice):
        if not is_number(value):
            raise ConfigError(Problem(where, show(value), f"a number, as drawn from {node.expression.kind}"))
        out[node.index] = node.expression.position(value)
        return
    total = len(node.expression.values)
    if node.table is not None:
        index = node.table.get(canonical(value))
    else:
        index = next((i for i, branch in enumerate(node.branches) if matches(branch.option, value)), None)
    if index is None:
        raise ConfigError(Problem(where, show(value), f"one of {show(list(node.expression.values))}"))
    out[node.index] = (index + 0.5) / total
    if node.branches:
        branch = node.branches[index]
        for leaf, inner in zip(branch.nodes, values_at_leaves(branch.option, value), strict=True):
            _locate(leaf, inner, out, where)


def _digits(index: int, nodes: Sequence[_Node]) -> Iterator[int]:
    """Mixed radix, most significant first."""
    digits = []
    for node in reversed(nodes):
        index, digit = divmod(index, node.count or 1)
        digits.append(digit)
    return reversed(digits)


def _listed(node: _Node, digit: int) -> Value:
    """Value ``digit`` of a finite tree: options in order, the last nested expression of each fastest."""
    if not node.branches:
        return node.expression.option_at(digit)
    number = bisect_right(node.starts, digit) - 1
    branch = node.branches[number]
    digits = _digits(digit - node.starts[number], branch.nodes)
    return filled(branch.option, iter([_listed(leaf, d) for leaf, d in zip(branch.nodes, digits, strict=True)]))
