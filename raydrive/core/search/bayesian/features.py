"""The search space as a model sees it: rows of unit coordinates, and features between which distance means something.

A *row* has one entry for each dimension of the space: a position in [0, 1], snapped to the middle of its stretch where
the dimension is discrete, NaN where it is inactive. A dimension becomes these feature columns:

* a number, a step or an ordered list: its position, stretched so that the values span [0, 1];
* an unordered choice: one column for each option, ``1 / sqrt(2)`` at the chosen one, so that any two options are at
  distance 1 (a Hamming distance);
* a number that matters only under some option of another choice: ``(sin x, cos x)``, and ``(0, 0)`` when inactive.
  Then an inactive value is equally far from every active one, which no imputed number achieves (Swersky et al.,
  *Raiders of the Lost Architecture*, arXiv:1409.4011, eq. 4, with radius 1 and an arc of 1 rad).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raydrive.core.arrays import Array, Mask
from raydrive.core.numbers import is_number
from raydrive.core.records import Params
from raydrive.core.space.expressions import Choice
from raydrive.core.space.search_space import Dimension, Space

LISTED = 1024
"""More values than this are treated as a continuum and snapped only when proposed."""
UNORDERED = 256
"""A choice of more options than this is taken as ordered as listed: every option apart needs a feature column."""

_MANY = 4


@dataclass(frozen=True)
class FeatureColumn:
    """One dimension: how its positions become features."""

    dimension: Dimension
    positions: Array | None
    """Ascending positions of the values, shape ``(k,)``; None = a continuum."""
    edges: Array | None
    """Inner boundaries of their stretches, shape ``(k - 1,)``."""
    places: Array | None
    """Where value k lies on the feature axis [0, 1]; None for a continuum and for unordered choices."""
    unordered: bool

    @property
    def continuous(self) -> bool:
        """Whether gradients make sense."""
        return self.positions is None

    @property
    def count(self) -> int:
        """Number of values; 0 for a continuum."""
        return 0 if self.positions is None else len(self.positions)

    @property
    def many(self) -> bool:
        """Whether its one feature column takes many places."""
        return not self.unordered and self.dimension.parent is None and (self.continuous or self.count >= _MANY)

    @property
    def width(self) -> int:
        """Number of feature columns."""
        if self.unordered:
            return self.count
        return 1 if self.dimension.parent is None else 2

    def codes(self, column: Array) -> NDArray[np.intp]:
        """Returns the number of the value at each position; NaN gives 0."""
        if self.edges is None:
            raise ValueError(f"{self.dimension.name} is continuous: its values are not numbered")
        return np.asarray(np.searchsorted(self.edges, np.nan_to_num(column), side="right"))

    def snap(self, column: Array) -> Array:
        """Returns positions moved to the middle of their stretch."""
        return column if self.positions is None else np.asarray(self.positions[self.codes(column)])

    def features(self, column: Array) -> Array:
        """Returns the features of positions, shape ``(m, width)``; zeros where NaN."""
        active = ~np.isnan(column)
        out = np.zeros((len(column), self.width))
        if self.unordered:
            out[np.arange(len(column)), self.codes(column)] = np.sqrt(0.5)
        else:
            x = np.nan_to_num(column) if self.places is None else self.places[self.codes(column)]
            if self.dimension.parent is None:
                out[:, 0] = x
            else:
                out[:, 0], out[:, 1] = np.sin(x), np.cos(x)
        out[~active] = 0.0
        return out


class FeatureEncoder:
    """All dimensions of a space, as rows and as features."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.columns = tuple(_column(dimension) for dimension in space.dimensions)
        self.owner: NDArray[np.intp] = np.repeat(np.arange(len(self.columns)), [c.width for c in self.columns])
        """The dimension of each feature column, shape ``(p,)``."""
        self.continuous: NDArray[np.intp] = np.array([j for j, c in enumerate(self.columns) if c.continuous], np.intp)
        """Dimensions that are a continuum."""
        first = np.searchsorted(self.owner, np.arange(len(self.columns)))
        self.numbers: NDArray[np.intp] = first[[c.many for c in self.columns]]
        """Feature columns that are the position of a number with enough values to tell where it matters."""
        self._conditional = [
            (j, dimension.parent, dimension.option)
            for j, dimension in enumerate(space.dimensions)
            if dimension.parent is not None
        ]
        self._plain = all(c.width == 1 and c.continuous for c in self.columns)

    def tidy(self, rows: Array) -> Array:
        """Returns rows snapped, with NaN exactly where inactive; entries that become active must be in [0, 1].

        Args:
            rows: Shape ``(m, d)``.
        """
        out: Array = rows.copy()
        for j, column in enumerate(self.columns):
            if not column.continuous:
                out[:, j] = column.snap(rows[:, j])
        for j, parent, option in self._conditional:
            out[~self.under(out, parent, option), j] = np.nan
        return out

    def under(self, rows: Array, parent: int, option: int | None) -> Mask:
        """Returns in which rows the choice ``parent`` is active and at ``option``."""
        chosen: Mask = self.columns[parent].codes(rows[:, parent]) == option
        return chosen & ~np.isnan(rows[:, parent])

    def features(self, rows: Array) -> Array:
        """Returns the features of tidy rows, shape ``(m, p)``."""
        if self._plain:
            return rows
        return np.hstack([column.features(rows[:, j]) for j, column in enumerate(self.columns)])

    def by_position(self, rows: Array, gradient: Array) -> Array:
        """Returns a gradient by features, ``(m, p)``, as one by the positions of continua, ``(m, len(continuous))``."""
        if self._plain:
            return gradient
        out = np.zeros((len(rows), len(self.continuous)))
        starts = np.searchsorted(self.owner, self.continuous)
        for i, (j, first) in enumerate(zip(self.continuous, starts, strict=True)):
            if self.columns[j].width == 1:
                out[:, i] = gradient[:, first]
            else:
                x = rows[:, j]
                out[:, i] = np.nan_to_num(np.cos(x) * gradient[:, first] - np.sin(x) * gradient[:, first + 1])
        return out

    def params(self, row: Array) -> Params:
        """Returns the configuration of a row."""
        return self.space.at(np.nan_to_num(row, nan=0.5))

    def row(self, params: Params) -> Array:
        """Returns the row of a configuration, shape ``(d,)``.

        Raises:
            ConfigError: If a parameter is missing, or a choice has no such option.
        """
        return self.space.unit(params)


def _column(dimension: Dimension) -> FeatureColumn:
    expression = dimension.expression
    if isinstance(expression, Choice):
        k = len(expression.values)
        positions = (np.arange(k) + 0.5) / k
        places = _ordered(expression)
        return FeatureColumn(dimension, positions, np.arange(1, k) / k, places, unordered=places is None)
    options = expression.options()
    if options is None or len(options) > LISTED:
        return FeatureColumn(dimension, None, None, None, unordered=False)
    positions = np.array([expression.position(option) for option in options])
    span = positions[-1] - positions[0]
    places = (positions - positions[0]) / span if span > 0 else np.zeros(len(positions))
    return FeatureColumn(dimension, positions, (positions[1:] + positions[:-1]) / 2.0, places, unordered=False)


def _ordered(choice: Choice) -> Array | None:
    """Places of the options by rank when they are three or more different numbers (batch sizes, widths), else None.

    Ranks, because lists are written 16, 32, 64 or 0.1, 0.01, 0.001: people list what they think is evenly spread.
    Numbers may be given as texts: YAML reads ``1e-3`` as one.
    """
    values = choice.values
    if len(values) > UNORDERED:
        return np.linspace(0.0, 1.0, len(values))
    numbers = _numbers(values)
    if len(values) < 3 or numbers is None or len(np.unique(numbers)) < len(values):
        return None
    places: Array = np.argsort(np.argsort(numbers)) / (len(values) - 1)
    return places


def _numbers(values: Sequence[Any]) -> Array | None:
    """The values as numbers if all of them are finite numbers, or all of them texts that are."""
    if not (all(map(is_number, values)) or all(isinstance(value, str) for value in values)):
        return None
    try:
        numbers = np.array([float(value) for value in values])
    except (ValueError, OverflowError):
        return None
    return numbers if np.isfinite(numbers).all() else None
