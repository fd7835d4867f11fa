"""What the model expects along a hyperparameter."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from raydrive import BayesianParameterSampling, choice, uniform
from raydrive.core.records import COMPLETED, FAILED, Params
from raydrive.core.search.trial_record import TrialRecord
from raydrive.core.space.search_space import Space
from raydrive.core.views.surrogate import Surrogate

SPACE = Space({"x": uniform(0, 1), "kind": choice("a", "b")})


def played(value: Callable[[Params], float | None], trials: int, *, maximize: bool) -> list[TrialRecord]:
    """Trials that Bayesian sampling has proposed; None = failed."""
    sampler = BayesianParameterSampling(SPACE).build(0, maximize)
    history: list[TrialRecord] = []
    for number in range(trials):
        suggestion = sampler.ask(number, history)
        assert suggestion is not None
        y = value(suggestion.params)
        history.append(TrialRecord(number, suggestion.params, y, FAILED if y is None else COMPLETED))
    return history


XS = np.linspace(0.05, 0.95, 19)
A, B = (np.column_stack([XS, np.full(19, kind)]) for kind in (0.25, 0.75))


@pytest.mark.parametrize("sign", [1, -1])
def test_mean_and_band_hold_the_function(sign: int) -> None:
    history = played(lambda p: sign * math.sin(6 * p["x"]) + (p["kind"] == "b"), 24, maximize=sign > 0)
    mean, deviation = Surrogate(SPACE, history, sign > 0).expected(np.vstack([A, B]))
    truth = np.concatenate([sign * np.sin(6 * XS), sign * np.sin(6 * XS) + 1])
    assert np.mean(np.abs(mean - truth)) < 0.25
    assert np.mean(np.abs(mean - truth) <= 2 * deviation + 0.02) > 0.8
    assert (deviation >= 0.0).all()


def test_where_trials_fail_it_expects_little() -> None:
    history = played(lambda p: None if p["x"] > 0.6 else p["x"], 24, maximize=True)
    mean, _ = Surrogate(SPACE, history, True).expected(A)
    assert mean[XS < 0.55].max() > mean[XS > 0.75].max()


def test_a_diverged_trial_leaves_the_rest_readable() -> None:
    history = played(lambda p: math.sin(3 * p["x"]), 24, maximize=True)
    history.append(TrialRecord(24, {"x": 0.99, "kind": "a"}, -1e9, COMPLETED))
    mean, _ = Surrogate(SPACE, history, True).expected(A[:10])
    assert np.abs(mean - np.sin(3 * XS[:10])).max() < 0.2
