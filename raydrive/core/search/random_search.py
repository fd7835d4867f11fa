"""Random sampling: independent draws, or points of a Sobol sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from raydrive.core.errors import Problem, did_you_mean, show
from raydrive.core.lazy_numpy import np
from raydrive.core.search.trial_record import Suggestion, TrialRecord
from raydrive.core.search.without_replacement import Cursor, RemainingConfigs, TriedConfigs
from raydrive.core.space.search_space import Space, space_from_json

if TYPE_CHECKING:
    from numpy.typing import NDArray
from raydrive.core.search.protocol import Sampler, SamplingSpec

_TRIES = 32
"""Random draws that may hit known configurations before the rest of the space is listed instead."""


_BLOCK = 64
"""Sobol points computed at a time."""


_SOBOL_DIMENSIONS = 21_201
"""Joe and Kuo's direction numbers, which scipy has, end here."""


class RandomParameterSampling(SamplingSpec):
    """Draws configurations independently (``rule="random"``) or evenly spread (``rule="sobol"``).

    Args:
        parameter_space: Parameter expressions by name.
        properties: HyperDrive's dict of extras, which may contain ``seed``.
        seed: Non-negative; None = the seed of the run.
        rule: ``random``, or ``sobol`` for a scrambled Sobol sequence.

    Raises:
        ConfigError: If the space cannot be used, or rule or seed is something else; all problems at once.
    """

    name = "random"
    reads_curves = False

    def __init__(
        self,
        parameter_space: Mapping[str, Any] | Space,
        properties: Mapping[str, Any] | None = None,
        *,
        seed: int | None = None,
        rule: str = "random",
    ) -> None:
        self.rule = rule.casefold() if isinstance(rule, str) else rule
        super().__init__(parameter_space, properties, seed=seed)

    def _bad_options(self) -> list[Problem]:
        if isinstance(self.rule, str) and self.rule in ("random", "sobol"):
            return []
        fix = did_you_mean(self.rule, ["random", "sobol"]) if isinstance(self.rule, str) else ""
        return [Problem("rule", show(self.rule), "random or sobol", fix)]

    def _refused(self, space: Space) -> list[Problem]:
        if not isinstance(self.rule, str) or self.rule != "sobol" or len(space.dimensions) <= _SOBOL_DIMENSIONS:
            return []
        found = f"{len(space.dimensions):,} dimensions"
        return [Problem("search_space", found, f"at most {_SOBOL_DIMENSIONS:,} with rule sobol", "Use rule random.")]

    def to_json(self) -> dict[str, Any]:
        """Returns ``{"type": "random", "rule": ..., "seed": ..., "space": {...}}``."""
        return {"type": "random", "rule": self.rule, "seed": self.seed, "space": self.space.to_json()}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> RandomParameterSampling:
        """Returns what ``to_json`` wrote.

        Raises:
            ConfigError: If it was edited into something invalid.
        """
        return cls(space_from_json(raw.get("space")), seed=raw.get("seed"), rule=raw.get("rule", "random"))

    def build(self, seed: int, maximize: bool) -> Sampler:
        """Returns a random or Sobol sampler; the goal does not matter to either."""
        chosen = seed if self.seed is None else self.seed
        return SobolSampler(self.space, chosen) if self.rule == "sobol" else RandomSampler(self.space, chosen)


class RandomSampler:
    """Independent draws; on a finite space each configuration once."""

    cheap = True

    def __init__(self, space: Space, seed: int) -> None:
        self._space = space
        self._seed = seed
        self._taken = TriedConfigs(space)
        self._rest = RemainingConfigs(self._taken, seed)

    def ask(self, number: int, history: Sequence[TrialRecord]) -> Suggestion | None:
        """Returns a draw from ``default_rng((seed, number))`` that no earlier trial had."""
        rng = np.random.default_rng((self._seed, number))
        if self._space.size is None:
            return Suggestion(self._space.sample(rng), "random")
        self._taken.update(number, history)
        for _ in range(_TRIES):
            params = self._space.sample(rng)
            if self._space.key(params) not in self._taken.keys:
                return Suggestion(params, "random")
        rest = self._rest.first()
        return None if rest is None else Suggestion(rest, "random")


class SobolSampler:
    """A scrambled Sobol sequence: point n for trial n; on a finite space the first point not tried yet."""

    cheap = True

    def __init__(self, space: Space, seed: int) -> None:
        self._space = space
        self._points = _SobolPoints(len(space.dimensions), seed)
        self._taken = TriedConfigs(space)
        self._rest = RemainingConfigs(self._taken, seed)
        self._cursor = Cursor(self._taken)

    def ask(self, number: int, history: Sequence[TrialRecord]) -> Suggestion | None:
        """Returns the next point of the sequence that no earlier trial had."""
        if self._space.size is None:
            return Suggestion(self._space.at(self._points[number]), "sobol")
        self._taken.update(number, history)
        # How far to look depends on the number alone, so that a sampler built later gives up at the same place.
        params = self._cursor.first(lambda index: self._space.at(self._points[index]), 4 * number + 1024)
        params = self._rest.first() if params is None else params
        return None if params is None else Suggestion(params, "sobol")


class _SobolPoints:
    """Point n of a scrambled Sobol sequence; cheap where n is asked in order."""

    def __init__(self, dimensions: int, seed: int) -> None:
        self._dimensions = dimensions
        self._seed = seed
        self._start = -1
        self._block: NDArray[np.float64] = np.empty((0, dimensions))
        self._engine: Any = None

    def __getitem__(self, index: int) -> NDArray[np.float64]:
        start = index - index % _BLOCK
        if start != self._start:
            self._move_to(start)
        point: NDArray[np.float64] = self._block[index - start]
        return point

    def _move_to(self, start: int) -> None:
        from scipy.stats import qmc  # lazy: scipy, 0.6 s

        if self._engine is None or self._engine.num_generated > start:
            rng = np.random.default_rng(self._seed)
            self._engine = qmc.Sobol(self._dimensions, scramble=True, rng=rng)
        ahead = start - self._engine.num_generated
        if ahead:
            self._engine.fast_forward(ahead)
        self._block = self._engine.random(_BLOCK)
        self._start = start
