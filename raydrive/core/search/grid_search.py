"""Grid sampling: every configuration of a finite space, in a fixed order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from raydrive.core.errors import Problem
from raydrive.core.search.protocol import Sampler, SamplingSpec
from raydrive.core.search.trial_record import Suggestion, TrialRecord
from raydrive.core.search.without_replacement import Cursor, TriedConfigs
from raydrive.core.space.distributions import IntRange, LogInt
from raydrive.core.space.expressions import MANY, Choice, Expression, RandInt
from raydrive.core.space.search_space import Dimension, Space, space_from_json


class GridParameterSampling(SamplingSpec):
    """Every combination of the options, the last listed parameter varying fastest.

    Args:
        parameter_space: ``choice``, ``randint``, ``int_range`` and ``log_int`` expressions by name, also nested.
        properties: HyperDrive's dict of extras; a ``seed`` there is accepted and does not matter.

    Raises:
        ConfigError: If the space cannot be used, or holds other expressions; all problems at once.
    """

    name = "grid"
    reads_curves = False

    def __init__(self, parameter_space: Mapping[str, Any] | Space, properties: Mapping[str, Any] | None = None) -> None:
        super().__init__(parameter_space, properties)

    def _refused(self, space: Space) -> list[Problem]:
        return [
            Problem(f"search_space.{dimension.name}", dimension.expression.kind, _GRID_ALLOWED, _as_choice(dimension))
            for dimension in space.dimensions
            if not _is_listed(dimension.expression)
        ]

    def to_json(self) -> dict[str, Any]:
        """Returns ``{"type": "grid", "space": {...}}``."""
        return {"type": "grid", "space": self.space.to_json()}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> GridParameterSampling:
        """Returns what ``to_json`` wrote.

        Raises:
            ConfigError: If it was edited into something invalid.
        """
        return cls(space_from_json(raw.get("space")))

    def build(self, seed: int, maximize: bool) -> Sampler:
        """Returns a grid sampler; neither seed nor goal matters to it."""
        return GridSampler(self.space)


_GRID_ALLOWED = "choice, randint, int_range or log_int, as a grid lists every value"


def _is_listed(expression: Expression) -> bool:
    if isinstance(expression, IntRange | LogInt):
        return (expression.count or 0) <= MANY
    return isinstance(expression, Choice | RandInt)


def _as_choice(dimension: Dimension) -> str:
    """How to put an expression on a grid."""
    listed = dimension.expression.options()
    if listed is not None and len(listed) <= 12:
        return f"Write choice({', '.join(map(str, listed))}), or sample at random."
    some = [f"{dimension.expression.quantile(u):.3g}" for u in (0.1, 0.5, 0.9)]
    return f"List the values, such as choice({', '.join(some)}), or sample at random."


class GridSampler:
    """All combinations in product order, less those tried already (by resumed trials)."""

    cheap = True

    def __init__(self, space: Space) -> None:
        self._space = space
        self._taken = TriedConfigs(space)
        self._cursor = Cursor(self._taken)

    def ask(self, number: int, history: Sequence[TrialRecord]) -> Suggestion | None:
        """Returns the first combination that no earlier trial had: ``grid_at(number)`` where all come from here."""
        self._taken.update(number, history)
        params = self._cursor.first(self._space.grid_at, self._space.size or 0)
        return None if params is None else Suggestion(params, "grid")
