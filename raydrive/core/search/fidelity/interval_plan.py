"""Which trial trains next, and to which interval: a new configuration, or one that is paused.

With E the end of a trial's curve (its value after the longest training), m and s its mean and deviation, and y its value
after the next step, the step moves the mean of E by a normal with deviation

    a = cov(E, y) / sqrt(var y + noise)                                                                  (1)

Let the best trial so far be expected to end at B. The step is worth

    V = a h(z),   z = (B - m) / a,   h(z) = phi(z) + z Phi(z)                                             (2)

(the knowledge gradient of this trial alone; Frazier, Powell & Dayanik 2009), and it costs its own intervals, and with
probability Phi(z), when its news is good, those until its value passes the best one that was seen. The step with the
largest V / cost is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr

from raydrive.core.arrays import Array
from raydrive.core.search.bayesian.acquisition import log_h
from raydrive.core.search.fidelity.curve_data import OVER, PAUSED, RUNNING, Curve
from raydrive.core.search.fidelity.curve_posterior import CurvePosterior, Places

LOOKED_AT = 24
"""Paused trials whose steps are compared, those most likely to be the best."""


@dataclass(frozen=True)
class Step:
    """Training of one trial."""

    place: int
    """Of the trial in the curves; -1 = the new one."""
    until: int
    rate: float
    """Logarithm of worth by interval."""
    mean: float
    deviation: float
    """Of the end, standardised."""


def next_until(trained: int, longest: int, first: int) -> list[int]:
    """Returns the intervals a trial may train to next."""
    out, t = [], max(first, trained + max(1, round(trained * GROW)) if trained else first)
    while t < longest:
        out.append(t)
        t = t * 2
    return [*out, longest]


GROW = 0.5
OVERHEAD = 0.5


def best_step(
    process: CurvePosterior,
    curves: Sequence[Curve],
    index: Sequence[int],
    bar: float,
    goal: float,
    new: Array | None,
    longest: int,
    first: int,
    others: Array | None = None,
) -> list[Step]:
    """Returns the best step of every trial looked at, best first.

    Args:
        process: Curves numbered as ``index`` says.
        curves: All.
        index: Of each number of a curve in ``process``, its place in ``curves``.
        bar: The best value seen, standardised.
        goal: B, standardised.
        new: Features of a new configuration, shape ``(p,)``.
        longest: Intervals of a whole training.
        first: Intervals that a new trial trains at least.
    """
    paused = np.array([k for k, i in enumerate(index) if curves[i].state == PAUSED], np.intp)
    if len(paused) > LOOKED_AT:
        mean, deviation = process.at(Places(process.data.features[paused], paused, np.ones(len(paused))))
        paused = paused[np.argsort((mean - goal) / deviation, kind="stable")[:LOOKED_AT]]
    asked: list[tuple[int, int, int]] = []
    for k in paused:
        asked.extend((int(k), until, curves[index[k]].trained) for until in next_until(curves[index[k]].trained, longest, first))
    if new is not None:
        asked.extend((-1, until, 0) for until in next_until(0, longest, first))
    if not asked:
        return []
    which = np.array([k for k, _, _ in asked], np.intp)
    time = np.array([until for _, until, _ in asked], float)
    trained = np.array([t for _, _, t in asked], float)
    features = process.data.features[np.maximum(which, 0)]
    if new is not None:
        features[which < 0] = new
    count = len(asked)
    if others is not None and len(others):
        number = -2 - np.arange(len(others), dtype=np.intp)
        mean, covariance = process.joint(
            Places(
                np.vstack([features, others]),
                np.concatenate([which, number]),
                np.concatenate([time / longest, np.ones(len(others))]),
            )
        )
    else:
        mean, covariance = process.joint(Places(features, which, time / longest))
    variance = np.maximum(np.diagonal(covariance), 1e-10)[:count]
    end = np.empty(len(asked), np.intp)  # the last of each trial's is its whole training
    for i in range(len(asked) - 1, -1, -1):
        end[i] = end[i + 1] if i + 1 < len(asked) and which[i + 1] == which[i] else i
    news = np.abs(covariance[np.arange(len(asked)), end]) / np.sqrt(variance + process.scales.r)
    news = np.maximum(news, 1e-6)
    z = (goal - mean[end]) / news
    worth = np.log(news) + log_h(z)
    passes = np.full(len(asked), float(longest))
    for i in range(len(asked) - 1, -1, -1):
        if mean[i] < bar:
            passes[i] = time[i]
        elif end[i] != i:
            passes[i] = passes[i + 1]
    more = np.maximum(0.0, passes - time)
    cost = time - trained + OVERHEAD + np.exp(log_ndtr(z)) * more
    rate = worth - np.log(cost)
    if INFO:
        rate = np.logaddexp(rate, _of_others(mean, covariance, which, end, time - trained, variance + process.scales.r, goal, longest))
    steps = [
        Step(index[which[i]] if which[i] >= 0 else -1, int(time[i]), float(rate[i]), float(mean[end[i]]), float(np.sqrt(variance[end[i]])))
        for i in range(len(asked))
    ]
    steps.sort(key=lambda step: -step.rate)
    return steps


INFO = 1.0
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


def _of_others(mean, covariance, which, end, length, variance, goal, longest):
    count = len(which)
    lines = np.concatenate([np.unique(end), np.arange(count, len(mean))])
    owner = np.concatenate([which[np.unique(end)], -2 - np.arange(len(mean) - count)])
    m = np.minimum(mean[lines], 1e9)
    a = covariance[:count][:, lines] / np.sqrt(variance)[:, None]
    a = np.where(which[:, None] == owner[None, :], 0.0, a)
    best = min(goal, float(m.min()))
    after = np.minimum((m[None, :, None] + a[:, :, None] * _NODES[None, None, :]).min(axis=1), goal)
    gain = np.maximum(best - after, 0.0)
    # by how much the mean of the minimum falls; what rises instead is no loss, as the best may stay
    worth = np.maximum(best - after @ _WEIGHTS, 1e-12)
    odds = (after < best - 1e-3) @ _WEIGHTS
    return np.log(INFO * worth) - np.log(length + OVERHEAD + odds * longest)


__all__ = ["OVER", "RUNNING", "Step", "best_step", "next_until"]
