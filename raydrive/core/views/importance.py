"""Which hyperparameters matter, and what a model of the run expects along each of them.

Importance is functional ANOVA (``variance_shares``) of a Gaussian process over the whole search space (``surrogate``);
slices (``slices``) of the same process are drawn beside it, so that bars and slices cannot contradict each other. Where
trials lie decides how well the process knows the function, not what a hyperparameter's share is: trials that a sampler
has drawn near the best one do not make a hyperparameter of no effect important. Every hyperparameter is spread as the
search space samples it. One that is active under some options only counts as often as it is active.

Where the process does not predict trials that it has not seen, there are no figures.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from raydrive.core.arrays import Array
from raydrive.core.space.search_space import Space
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.views.slices import slices
from raydrive.core.views.surrogate import Surrogate
from raydrive.core.views.variance_shares import variance_shares

FEWEST = 8
"""Trials with a value below which nothing is said."""
MOST_SLICES = 12
_LEAST_R2 = 0.1
_DOUBT = 3.0
"""Trials; this over their number is added to ``_LEAST_R2``, as few trials of pure noise reach more by chance."""
_TOGETHER = 0.1
"""Share of the differences that only combinations explain from which on they are reported."""
_SURE = 0.5
"""R^2 below which they are not: much noise looks like combinations."""


def analyse(sweep: Sweep) -> dict[str, Any]:
    """Returns the importance of each hyperparameter and one slice each, or why there are none.

    Args:
        sweep: The run; nothing in it is changed.

    Returns:
        ``importance``: ``[name, share]`` by share, descending, empty where nothing is known; the shares add up to 1, or
        to less by what only combinations explain; ``explained``: the model's R^2 on trials that it has not seen, None
        without a model; ``slices``: one object per hyperparameter; ``note``: what to know, empty when there is nothing.
    """
    config, curves = sweep.config, sweep.curves
    space, metric = config.sampling.space, config.metric
    found = [(trial.params, curves.objective(trial.number)) for trial in sweep.trials]
    known = [(params, value) for params, value in found if value is not None]
    values = np.array([value for _, value in known])
    names = [dimension.name.lstrip("-") for dimension in space.dimensions]
    why = _why_none(names, values)
    if why:
        return {"importance": [], "explained": None, "slices": [], "note": why, "trials": len(known)}
    before = sweep.warm_start.seen(metric.maximize, metric.value) if config.sampling.learns else []
    model = Surrogate(space, [*before, *sweep.history[:]], metric.maximize)
    shares, totals, explained = importance(space, model)
    enough = known_enough(explained, len(known)) and bool(totals.any())
    order = [int(index) for index in np.lexsort((-totals, -shares))]
    best = space.unit(known[int(np.argmax(values) if curves.maximize else np.argmin(values))][0])
    return {
        "importance": [[names[index], float(shares[index])] for index in order] if enough else [],
        "explained": explained,
        "slices": slices(space, model, order[:MOST_SLICES], np.asarray(best)),
        "note": _note(names, shares, totals, explained) if enough else _unknown(len(known)),
        "trials": len(known),
    }


def importance(space: Space, model: Surrogate) -> tuple[Array, Array, float]:
    """Returns the share of each dimension by itself, its share with combinations, and the model's R^2.

    Args:
        space: The search space, of d dimensions.
        model: What is known of the objective value over it.

    Returns:
        Two arrays of shape ``(d,)``, and R^2 on trials that the model has not seen.
    """
    shares, totals = variance_shares(model.mean, len(space.dimensions))
    return shares, totals, model.predictive_r2()


def known_enough(explained: float, trials: int) -> bool:
    """Returns whether a model knows enough of a function for figures.

    Args:
        explained: Its R^2 on trials that it has not seen.
        trials: Number of trials with a value.
    """
    return explained >= _LEAST_R2 + _DOUBT / trials


def _why_none(names: list[str], values: Array) -> str:
    """Why there can be no model; empty when there can be one."""
    if len(values) < FEWEST:
        return f"{len(values)} of the {FEWEST} trials with a value that are needed"
    if not names:
        return "the search space has no hyperparameters"
    return "all trials have the same value" if float(np.ptp(values)) == 0.0 else ""


def _unknown(trials: int) -> str:
    return (
        f"what the {trials} trials with a value show does not predict the value of another trial; "
        "more trials may help, or none of the hyperparameters matters within its range"
    )


def _note(names: list[str], shares: Array, totals: Array, explained: float) -> str:
    rest = 1.0 - float(shares.sum())
    if explained < _SURE or rest < _TOGETHER or not totals.any():
        return ""
    more = totals - shares
    these = [names[index] for index in np.argsort(-more) if more[index] >= 0.5 * float(more.max())]
    return f"{100 * rest:.0f} % are explained only by combinations, above all of {', '.join(these[:3])}"
