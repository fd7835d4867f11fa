"""Decides for each free slot whether a new configuration begins or which paused trial continues, and how far."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import ndtr

from raydrive.core.arrays import Array
from raydrive.core.json_values import copied
from raydrive.core.records import Params
from raydrive.core.search.bayesian.acquisition import Effort, candidates, free_rows, maximise
from raydrive.core.search.bayesian.kernel import Layout
from raydrive.core.search.bayesian.model_sampler import Beginning
from raydrive.core.search.bayesian.target_transform import TargetTransform
from raydrive.core.search.fidelity import curve_kernel
from raydrive.core.search.fidelity.curve_data import HELD, OVER, RUNS, Curve, curve_points, for_fit, steady_curves
from raydrive.core.search.fidelity.curve_kernel import CurvePoints
from raydrive.core.search.fidelity.curve_posterior import CurvePosterior, EndImprovement, Places
from raydrive.core.search.fidelity.curve_reader import CurveReader
from raydrive.core.search.fidelity.interval_plan import Situation, Step, best_steps
from raydrive.core.search.trial_record import LATER, Continuation, Later, Suggestion, TrialRecord
from raydrive.core.space.search_space import Space

_SEEN, _CURVES = 400, 240
"""Points and curves that the model is conditioned on, about."""
_FITTED, _FITTED_CURVES = 200, 100
"""Points and curves that hyperparameters are fitted to, at most."""
_COARSE, _COARSE_CURVES = 100, 40
"""Those that a fit to more of them begins with: its steps cost a tenth."""
_ITERATIONS, _LAST = 25, 6
"""Of a fit, at most; and of its last part, to all of its points."""
_FEWEST = 3
"""Trials with a curve below which the even spread continues."""
_EFFORT = Effort(spread=512, near=320, starts=4, rounds=2, iterations=16)
_STARTS = 32
"""Points that a local search may begin from: the best of all, and as many drawn by their improvement."""
_OTHERS = 24, 8
"""New configurations that a step may tell something about: promising ones, and some from everywhere."""
_EVENLY = 4
"""Every so many-th new configuration is one of the even spread: a short look costs little, and what the model has not
seen it cannot miss."""
_CACHED = 8
_WORTH_IT, _BETTER = 0.05, 0.01
"""If no other trial may begin, a paused one continues if it has this chance to be better than the best by this part of
the deviation of all values."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """How long trainings are."""

    longest: int
    """Intervals of a whole training, 2 or more."""
    first: int
    """Intervals that a trial trains before it is judged, 1 or more."""
    ladder: tuple[float, ...] = (1.0, 0.5, 0.25, 0.125)
    """What the first trials train to, as parts of a whole training: the model learns from them how curves continue."""


@dataclass(frozen=True)
class Model:
    """What is believed, and about which curves."""

    curves: Sequence[Curve]
    process: CurvePosterior
    """Running trials count as if they had reached what is expected of them."""
    index: list[int]
    """Of each number of a curve in ``process``, its place in ``curves``."""
    scale: TargetTransform
    ends: Array
    """Expected ends of the curves of ``process``, standardised."""
    leader: int
    """The place of the trial with the best value so far."""
    bar: float
    """That value, standardised."""
    goal: float
    """What is to be beaten: the end expected of the leader, or of a better trial that runs."""


class IntervalSampler(Beginning):
    """Proposes by a model of learning curves; arguments of ``ModelSampler``, and how long trainings are."""

    def __init__(
        self,
        space: Space,
        seed: int,
        maximize: bool,
        intervals: Intervals,
        *,
        points: Sequence[Params] = (),
        initial: int | None = None,
        before: Sequence[TrialRecord] = (),
    ) -> None:
        super().__init__(space, seed, points=points, initial=initial)
        self._sign = -1.0 if maximize else 1.0
        self._intervals = intervals
        self._reader = CurveReader(self._features, maximize, intervals.longest, self._is_spread, before)
        self._inherited = sum(1 for seen in before if seen.value is not None)
        self._layout = Layout(self._features.owner)
        self._fits: dict[bytes, Array] = {}

    def ask(self, number: int, history: Sequence[TrialRecord]) -> Suggestion | Continuation | None:
        """Returns a configuration to begin or a trial to continue with; None when the space is exhausted and none is.

        Args:
            number: Of the next trial.
            history: All trials below it.
        """
        self._taken.update(number, history)
        trials = history[:number]
        size = self._space.size
        if size is not None and len(self._taken.keys) + self._taken.lag >= size:
            next_one = self.go_on(trials)
            return None if isinstance(next_one, Later) else next_one
        given = self._given.first(lambda i: self._points[i], len(self._points))
        if given is not None:
            return Suggestion(copied(given), "initial", {}, self._first_until(number, trials))
        curves = self._reader.read(trials)
        known = sum(1 for curve in curves if curve.trained)
        if number + self._inherited < self._initial or known < min(_FEWEST, self._initial):
            found = self._evenly(number)
            return None if found is None else replace(found, until=self._first_until(number, trials))
        rng = np.random.default_rng((self._seed, number, sum(curve.trained for curve in curves)))
        model = self._model(curves)
        row, others = self._new_row(model, rng)
        steps = self._steps(model, row, others)
        if not steps:
            return self._fallback(rng)
        step = steps[0]
        details = self._details(model, step)
        if step.place >= 0:
            return Continuation(curves[step.place].trial, self._until(step.until), "model", details)
        if row is None:
            return self._fallback(rng)
        if number % _EVENLY == _EVENLY - 1 and (found := self._evenly(number)) is not None:
            return replace(found, until=self._until(self._intervals.first))
        return Suggestion(self._features.params(row), "model", details, self._until(step.until))

    def go_on(self, history: Sequence[TrialRecord]) -> Continuation | Later | None:
        """Returns which paused trial continues where no other may begin; None if none is likely to become the best.

        While a trial runs that is no final answer: it may pause as the best one.
        """
        curves = self._reader.read(history)
        nothing = LATER if any(curve.state == RUNS for curve in curves) else None
        if not any(curve.state == HELD for curve in curves):
            return nothing
        model = self._model(curves)
        for step in self._steps(model, None, None):
            likely = ndtr((model.goal - _BETTER - step.mean) / step.deviation) >= _WORTH_IT
            if likely or step.place == model.leader:
                trial = curves[step.place].trial
                return Continuation(trial, self._until(step.until), "model", self._details(model, step))
        return nothing

    def _is_spread(self, number: int) -> bool:
        return number >= 0 and (number < self._initial or number % _EVENLY == _EVENLY - 1)

    def _until(self, interval: int) -> int | None:
        return interval if interval < self._intervals.longest else None

    def _first_until(self, number: int, trials: Sequence[TrialRecord]) -> int | None:
        """The next rung of the ladder; where many begin at once, its lower ones again: time is short, not intervals."""
        parts = self._intervals.ladder
        part = 0.0
        if not self._inherited:
            if number < len(parts):
                part = parts[number]
            elif not any(len(trial.curve) for trial in trials):
                part = (*parts[1:], 0.0)[number % len(parts)]
        return self._until(max(self._intervals.first, round(part * self._intervals.longest)))

    def _details(self, model: Model, step: Step) -> dict[str, Any]:
        """Why this step: the end that is expected, in units of the metric, and what it is compared with."""
        back = model.scale.back
        ahead = abs(back(step.mean + step.deviation) - back(step.mean - step.deviation)) / 2.0
        return {
            "predicted_mean": self._sign * back(step.mean),
            "predicted_deviation": ahead,
            "best_end": self._sign * back(model.goal),
            "best_trial": model.curves[model.leader].trial,
            "chance_of_best": step.chance,
            "log_worth_per_interval": step.rate,
        }

    # --- the model ---------------------------------------------------------------------------------------------------

    def _theta(self, curves: Sequence[Curve]) -> Array:
        """Hyperparameters; a function of the curves as they are now, whatever was asked before."""
        steady = steady_curves(curves)
        data = self._fitted(steady, _FITTED_CURVES, _FITTED)
        key = hashlib.sha256(b"".join(part.tobytes() for part in (data.features, data.time, data.values))).digest()
        found = self._fits.get(key)
        if found is None:
            found, iterations = curve_kernel.start(self._layout.dimensions), _ITERATIONS
            if len(data.values) > 1.3 * _COARSE:
                coarse = self._fitted(steady, _COARSE_CURVES, _COARSE)
                found, iterations = curve_kernel.fit(coarse, [found], iterations), _LAST
            found = curve_kernel.fit(data, [found], iterations)
            while len(self._fits) >= _CACHED:
                self._fits.pop(next(iter(self._fits)))
            self._fits[key] = found
        return found

    def _fitted(self, steady: Sequence[Curve], most_curves: int, most: int) -> CurvePoints:
        chosen = for_fit(steady, most_curves)
        return curve_points(chosen, self._features, self._layout, self._intervals.longest, most, steady)[0]

    def _model(self, curves: Sequence[Curve]) -> Model:
        longest = self._intervals.longest
        places = self._chosen(curves)
        chosen = [curves[place] for place in places]
        data, scale, index = curve_points(chosen, self._features, self._layout, longest, _SEEN)
        index = [places[k] for k in index]
        process = CurvePosterior(data, self._theta(curves))
        known = len(index)
        number = {place: k for k, place in enumerate(index)}
        running = [place for place, curve in enumerate(curves) if curve.state == RUNS]
        for place in running:
            if place not in number:
                number[place] = len(index)
                index.append(place)
        if running:
            features = self._rows_features([curves[place].row for place in running])
            which = np.array([number[place] for place in running], np.intp)
            time = np.array([curves[place].until for place in running], float) / longest
            mean, _ = process.at(Places(features, which, time))
            process = process.with_points(features[which >= known], which, time, mean)
        every = np.arange(len(index), dtype=np.intp)
        ends, _ = process.at(Places(process.data.features, every, np.ones(len(index))))
        seen = np.array([curves[place].best for place in index[:known]])
        leader = int(np.argmin(np.where(np.isfinite(seen), seen, np.inf)))
        runs = [k for k, place in enumerate(index) if curves[place].state == RUNS]
        goal = float(ends[[leader, *runs]].min())
        bar = float(scale(seen[leader : leader + 1])[0])
        return Model(curves, process, index, scale, ends, index[leader], bar, goal)

    def _chosen(self, curves: Sequence[Curve]) -> list[int]:
        """The places of all curves; of many those of the best, those near the best one, and some from everywhere."""
        known = [k for k, curve in enumerate(curves) if curve.trained]
        if len(known) <= _CURVES:
            return known
        part = _CURVES // 3
        order = sorted(known, key=lambda k: curves[k].best)
        rest = np.array(order[part:])
        features = self._rows_features([curves[k].row for k in [order[0], *rest]])
        near = rest[np.argsort(np.sum((features[1:] - features[0]) ** 2, axis=1), kind="stable")[:part]]
        others = np.setdiff1d(rest, near)
        some = others[np.linspace(0, len(others) - 1, part).astype(int)]
        keep = {*order[:part], *near.tolist(), *some.tolist()}
        return sorted(keep)

    def _rows_features(self, rows: Sequence[Array]) -> Array:
        return self._features.features(self._features.tidy(np.array(rows)))

    # --- the choice --------------------------------------------------------------------------------------------------

    def _steps(self, model: Model, row: Array | None, others: Array | None) -> list[Step]:
        new = None if row is None else self._features.features(row[None, :])[0]
        longest = self._intervals.longest
        situation = Situation(model.curves, model.index, model.bar, model.goal, longest, self._intervals.first)
        return best_steps(model.process, situation, new, others)

    def _new_row(self, model: Model, rng: np.random.Generator) -> tuple[Array | None, Array]:
        """The new configuration with the largest expected improvement of its end, and features of some others."""
        f = self._features
        rows = f.tidy(np.array([model.curves[place].row for place in model.index]))
        going = np.array([model.curves[place].state != OVER for place in model.index])
        free = free_rows(f, rows, rows[going])
        score = EndImprovement(model.process, float(model.ends.min()))
        pool = candidates(f, rows[np.argsort(model.ends, kind="stable")[:8]], rng, _EFFORT)
        values = score(f.features(pool))
        drawn = pool[np.argsort(-(values + rng.gumbel(size=len(values))), kind="stable")[:_STARTS]]
        others = f.features(np.vstack([drawn[: _OTHERS[0]], pool[: _OTHERS[1]]]))
        starts = np.vstack([pool[np.argsort(-values, kind="stable")[:_STARTS]], drawn])
        best, _ = maximise(f, score, starts, free, rng, _EFFORT)
        row = next((row for row in best if self._new(f.params(row))), None)
        return row, others
