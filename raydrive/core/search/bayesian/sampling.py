"""Bayesian sampling: what the user asks for. The method is in ``docs/bayesian.md``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from raydrive.core.errors import Problem, did_you_mean, show
from raydrive.core.numbers import is_whole
from raydrive.core.records import Params
from raydrive.core.search.bayesian.gp_sampler import GpSampler
from raydrive.core.search.bayesian.model_sampler import ModelSampler
from raydrive.core.search.bayesian.tpe import TpeSampler
from raydrive.core.search.fidelity.interval_sampler import Intervals, IntervalSampler
from raydrive.core.search.protocol import Sampler, SamplingSpec
from raydrive.core.search.trial_record import TrialRecord
from raydrive.core.space.search_space import Space, space_from_json
from raydrive.core.space.shown import allowed_text

_INTERVALS = "intervals"
_ALGORITHMS: dict[str, type[ModelSampler]] = {"gp": GpSampler, "tpe": TpeSampler}


class BayesianParameterSampling(SamplingSpec):
    """Proposes configurations with a model of the trials so far; works with every termination policy.

    Args:
        parameter_space: Parameter expressions by name.
        properties: HyperDrive's dict of extras, which may contain ``seed``.
        seed: Non-negative; None = the seed of the run.
        points_to_evaluate: Configurations to try first, in this order; each names every parameter.
        algorithm: ``gp``, a Gaussian process: the fewest trials. ``tpe``, a tree-structured Parzen estimator: cheaper.
        initial_points: Number of evenly spread trials before the model proposes any; None = 8 to 14, by the number of
            dimensions.
        fidelity: ``intervals``: trials pause at intervals that a model of learning curves chooses, and it decides
            whether a new configuration begins or a paused one continues. None: each trial trains to its end. Trials
            have to save checkpoints.
        max_intervals: Intervals that a whole training logs, 2 or more; required by ``fidelity`` and by nothing else.
        min_intervals: Intervals that a trial trains before it may pause; None = a 32nd of ``max_intervals``, 1 or more.

    Raises:
        ConfigError: If the space, a point or an option cannot be used; all problems at once.
    """

    name = "bayesian"
    learns = True

    def __init__(
        self,
        parameter_space: Mapping[str, Any] | Space,
        properties: Mapping[str, Any] | None = None,
        *,
        seed: int | None = None,
        points_to_evaluate: Sequence[Params] | None = None,
        algorithm: str = "gp",
        initial_points: int | None = None,
        fidelity: str | None = None,
        max_intervals: int | None = None,
        min_intervals: int | None = None,
    ) -> None:
        self.algorithm = algorithm.casefold() if isinstance(algorithm, str) else algorithm
        self.points_to_evaluate: Any = [] if points_to_evaluate is None else points_to_evaluate
        self.initial_points = initial_points
        self.fidelity = fidelity.casefold() if isinstance(fidelity, str) else fidelity
        self.max_intervals, self.min_intervals = max_intervals, min_intervals
        super().__init__(parameter_space, properties, seed=seed)
        self.points_to_evaluate = [dict(self.space.own(point)) for point in self.points_to_evaluate]

    def _bad_options(self) -> list[Problem]:
        problems = []
        if not isinstance(self.algorithm, str) or self.algorithm not in _ALGORITHMS:
            fix = did_you_mean(self.algorithm, list(_ALGORITHMS)) if isinstance(self.algorithm, str) else ""
            problems.append(Problem("algorithm", show(self.algorithm), " or ".join(_ALGORITHMS), fix))
        count = self.initial_points
        if count is not None and not is_whole(count, 1):
            problems.append(Problem("initial_points", show(count), "a whole number of 1 or more, or None"))
        if not isinstance(self.points_to_evaluate, list | tuple):
            found = show(self.points_to_evaluate)
            problems.append(Problem("points_to_evaluate", found, "a list of configurations"))
        return [*problems, *self._bad_fidelity()]

    def _bad_fidelity(self) -> list[Problem]:
        problems = []
        known = self.fidelity is None or isinstance(self.fidelity, str)
        if not known or self.fidelity not in (None, _INTERVALS):
            fix = did_you_mean(str(self.fidelity), [_INTERVALS]) if known else ""
            problems.append(Problem("fidelity", show(self.fidelity), f"{_INTERVALS}, or None", fix))
        elif self.fidelity == _INTERVALS and self.algorithm == "tpe":
            problems.append(Problem("algorithm", "'tpe'", "gp, with fidelity: intervals", "Remove algorithm."))
        longest, first = self.max_intervals, self.min_intervals
        if self.fidelity is None:
            fix = "Write fidelity: intervals, or remove it."
            for name, given in (("max_intervals", longest), ("min_intervals", first)):
                if given is not None:
                    problems.append(Problem(name, show(given), "nothing without fidelity", fix))
        elif not is_whole(longest, 2):
            fix = "It is the number of times that a complete training logs the primary metric."
            problems.append(Problem("max_intervals", show(longest), "a whole number of 2 or more", fix))
        elif first is not None and not (is_whole(first, 1) and first <= (longest or 0)):
            problems.append(Problem("min_intervals", show(first), f"a whole number from 1 to {longest}, or None"))
        return problems

    def _refused(self, space: Space) -> list[Problem]:
        problems = []
        points = self.points_to_evaluate if isinstance(self.points_to_evaluate, list | tuple) else ()
        for i, point in enumerate(points):
            where = f"points_to_evaluate[{i}]"
            if not isinstance(point, Mapping):
                problems.append(Problem(where, show(point), "a mapping of parameter names to values"))
                continue
            for name in sorted(space.expressions.keys() | point.keys(), key=str):
                if name not in point:
                    problems.append(Problem(f"{where}.{name}", "nothing", "a value of this parameter"))
                elif name not in space.expressions:
                    fix = did_you_mean(str(name), list(space.expressions))
                    problems.append(Problem(f"{where}.{name}", show(point[name]), "a parameter of the space", fix))
                elif not space.expressions[name].contains(point[name]):
                    allowed = allowed_text(space.expressions[name])
                    problems.append(Problem(f"{where}.{name}", show(point[name]), allowed))
        return problems

    def to_json(self) -> dict[str, Any]:
        """Returns ``{"type": "bayesian", "algorithm": ..., "seed": ..., "space": {...}, ...}``."""
        record = {
            "type": "bayesian",
            "algorithm": self.algorithm,
            "seed": self.seed,
            "initial_points": self.initial_points,
            "points_to_evaluate": self.points_to_evaluate,
            "space": self.space.to_json(),
        }
        if self.fidelity is not None:  # earlier versions refuse what they do not know
            record |= {name: getattr(self, name) for name in ("fidelity", "max_intervals", "min_intervals")}
        return record

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> BayesianParameterSampling:
        """Returns what ``to_json`` wrote.

        Raises:
            ConfigError: If it was edited into something invalid.
        """
        return cls(
            space_from_json(raw.get("space")),
            seed=raw.get("seed"),
            points_to_evaluate=raw.get("points_to_evaluate"),
            algorithm=raw.get("algorithm", "gp"),
            initial_points=raw.get("initial_points"),
            fidelity=raw.get("fidelity"),
            max_intervals=raw.get("max_intervals"),
            min_intervals=raw.get("min_intervals"),
        )

    @property
    def continues(self) -> bool:  # type: ignore[override]
        """Whether the sampler chooses which paused trials continue."""
        return self.fidelity is not None

    def build(self, seed: int, maximize: bool, before: Sequence[TrialRecord] = ()) -> Sampler:
        """Returns the sampler.

        Args:
            seed: The seed of the run, used when this object has none of its own.
            maximize: Whether larger metrics are better.
            before: Trials of earlier runs to learn from; they replace as many initial points.
        """
        seed = seed if self.seed is None else self.seed
        points, initial = self.points_to_evaluate, self.initial_points
        if self.max_intervals is not None:
            first = self.min_intervals or max(1, round(self.max_intervals / 32))
            lengths = Intervals(self.max_intervals, first)
            return IntervalSampler(self.space, seed, maximize, lengths, points=points, initial=initial, before=before)
        make = _ALGORITHMS[self.algorithm]
        return make(self.space, seed, maximize, points=points, initial=initial, before=before)
