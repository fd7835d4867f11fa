"""Which trial trains next, and to which interval: a new configuration, or one that is paused.

With E_j the end of trial j's curve (its value after the whole training), m_j its mean, and y the value of trial i after
its next step, the step moves the mean of E_j by a normal with deviation

    a_j = cov(E_j, y) / sqrt(var y + noise)                                                              (1)

Let B be the end that is expected of the best trial so far. To the trial itself the step is worth

    V = a_i h((B - m_i) / a_i),   h(z) = phi(z) + z Phi(z)                                                (2)

and with probability p = Phi((B - m_i) / a_i) its news is good: then the trial also has to train until its value passes
the best one seen, C further intervals. What it tells about others, paused or not yet begun, is worth

    W = min_j m_j - E min_j (m_j + a_j Z),   Z normal, j other than i                                    (3)

and with probability q the smallest of them falls: then one of them has to be trained, R intervals. (2) and (3) are
knowledge gradients (Frazier, Powell & Dayanik, *The Knowledge-Gradient Policy for Correlated Normal Beliefs*, 2009).
The step of n intervals with the largest

    V / (n + o + p C) + W / (n + o + q R)                                                                (4)

is taken, o being what a launch costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr, ndtr

from raydrive.core.arrays import Array
from raydrive.core.search.bayesian.acquisition import log_h
from raydrive.core.search.fidelity.curve_data import HELD, Curve
from raydrive.core.search.fidelity.curve_kernel import Index
from raydrive.core.search.fidelity.curve_posterior import CurvePosterior, Places

_LOOKED_AT = 24
"""Paused trials whose steps are compared, those most likely to be the best."""
_OVERHEAD = 0.5
"""What a launch costs, in intervals."""
_GROWTH = 0.5
"""A step is at least this part of what a trial has trained."""
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
_NEW = -1


@dataclass(frozen=True)
class Step:
    """Training of one trial."""

    place: int
    """Of the trial in the curves; -1 = the new one."""
    until: int
    rate: float
    """Logarithm of (4)."""
    mean: float
    deviation: float
    """Of the end, standardised."""
    chance: float
    """That the end is better than B."""


@dataclass(frozen=True)
class Situation:
    """What steps are compared with."""

    curves: Sequence[Curve]
    index: Sequence[int]
    """Of each number of a curve in the process, its place in ``curves``."""
    bar: float
    """The best value seen, standardised."""
    goal: float
    """B, standardised."""
    longest: int
    """R, intervals of a whole training."""
    first: int
    """Intervals that a new trial trains at least."""


def next_until(trained: int, longest: int, first: int) -> list[int]:
    """Returns the intervals that a trial may train to next, ascending; the last is the whole training."""
    out, t = [], max(first, trained + max(1, round(trained * _GROWTH)) if trained else first)
    while t < longest:
        out.append(t)
        t *= 2
    return [*out, longest]


def best_steps(
    process: CurvePosterior, situation: Situation, new: Array | None, others: Array | None = None
) -> list[Step]:
    """Returns the steps of the trials looked at, best first.

    Args:
        process: What is believed.
        situation: What they are compared with.
        new: Features of a new configuration, shape ``(p,)``; None: none may begin.
        others: Features of further ones, shape ``(k, p)``, that a step may tell something about.
    """
    which, trained, time = _asked(process, situation, new is not None)
    if not len(which):
        return []
    longest, noise = situation.longest, process.scales.r
    features = process.data.features[np.maximum(which, 0)]
    places = Places(features, which, time / longest)
    if new is not None:
        features[which == _NEW] = new
    if others is not None:
        more = _NEW - 1 - np.arange(len(others), dtype=np.intp)
        places = Places(
            np.vstack([features, others]),
            np.concatenate([which, more]),
            np.append(time / longest, np.ones(len(others))),
        )
    mean, covariance = process.joint(places)
    n = len(which)
    variance = np.maximum(np.diagonal(covariance)[:n], 1e-10)
    # the last of each trial's steps is its whole training
    end = np.append(np.flatnonzero(which[1:] != which[:-1]), n - 1)[np.cumsum(np.append(0, which[1:] != which[:-1]))]
    news = np.maximum(np.abs(covariance[np.arange(n), end]) / np.sqrt(variance + noise), 1e-6)
    z = (situation.goal - mean[end]) / news
    further = _until_seen(mean[:n], time, end, situation)
    cost = time - trained + _OVERHEAD
    rate = np.log(news) + log_h(z) - np.log(cost + np.exp(log_ndtr(z)) * further)
    moves = covariance[:n] / np.sqrt(variance + noise)[:, None]
    rate = np.logaddexp(rate, _about_others(mean, moves, which, end, cost, situation))
    deviation = np.sqrt(variance)
    chance = ndtr((situation.goal - mean[end]) / deviation[end])
    steps = [
        Step(
            situation.index[which[i]] if which[i] >= 0 else -1,
            int(time[i]),
            float(rate[i]),
            float(mean[end[i]]),
            float(deviation[end[i]]),
            float(chance[i]),
        )
        for i in np.argsort(-rate, kind="stable")
    ]
    return steps


def _asked(process: CurvePosterior, situation: Situation, new: bool) -> tuple[Index, Array, Array]:
    """Number of the curve, intervals so far, and intervals after it, of each step looked at."""
    curves, index = situation.curves, situation.index
    paused = np.array([k for k, i in enumerate(index) if curves[i].state == HELD], np.intp)
    if len(paused) > _LOOKED_AT:
        mean, deviation = process.at(Places(process.data.features[paused], paused, np.ones(len(paused))))
        paused = paused[np.argsort((mean - situation.goal) / deviation, kind="stable")[:_LOOKED_AT]]
    asked = [
        (int(k), trained, until)
        for k in paused
        for trained in [curves[index[k]].trained]
        for until in next_until(trained, situation.longest, situation.first)
    ]
    if new:
        asked.extend((_NEW, 0, until) for until in next_until(0, situation.longest, situation.first))
    table = np.array(asked, dtype=float).reshape(len(asked), 3)
    return table[:, 0].astype(np.intp), table[:, 1], table[:, 2]


def _until_seen(mean: Array, time: Array, end: Index, situation: Situation) -> Array:
    """C: intervals after each step until the expected curve passes the best value seen, at most all of them."""
    passes = np.full(len(mean), float(situation.longest))
    for i in range(len(mean) - 1, -1, -1):
        if mean[i] < situation.bar:
            passes[i] = time[i]
        elif end[i] != i:
            passes[i] = passes[i + 1]
    return np.maximum(0.0, passes - time)


def _about_others(mean: Array, moves: Array, which: Index, end: Index, cost: Array, situation: Situation) -> Array:
    """Logarithm of the second part of (4)."""
    n = len(which)
    lines = np.concatenate([np.unique(end), np.arange(n, len(mean))])
    owner = np.append(which[np.unique(end)], np.full(len(mean) - n, _NEW - 1))
    a = np.where(which[:, None] == owner[None, :], 0.0, moves[:, lines])
    best = min(situation.goal, float(mean[lines].min()))
    after = np.minimum((mean[lines][None, :, None] + a[:, :, None] * _NODES).min(axis=1), situation.goal)
    worth = np.maximum(best - after @ _WEIGHTS, 1e-12)
    odds = (after < best - 1e-3) @ _WEIGHTS
    return np.asarray(np.log(worth) - np.log(cost + odds * situation.longest))
