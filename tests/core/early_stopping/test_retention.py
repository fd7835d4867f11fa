"""What is kept of trials that are over, and who says what has to be."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydrive.core.early_stopping.curves import Curves
from raydrive.core.early_stopping.policies import (
    BanditPolicy,
    MedianStoppingPolicy,
    NoTerminationPolicy,
    TruncationSelectionPolicy,
)
from raydrive.core.early_stopping.retention import PolicyNeeds, needs_of
from raydrive.core.search.bayesian.sampling import BayesianParameterSampling
from raydrive.core.search.grid_search import GridParameterSampling
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import choice, uniform
from raydrive.core.sweep.packed_params import PackedParams, pack_params, plain_params

SPACE = {"x": uniform(0, 1)}


@pytest.mark.parametrize("sampling", [RandomParameterSampling(SPACE), GridParameterSampling({"x": choice(1, 2)})])
def test_ours_say_what_they_ask_for(sampling):
    assert needs_of(NoTerminationPolicy(), sampling) == PolicyNeeds()
    assert needs_of(BanditPolicy(slack_amount=1), sampling) == PolicyNeeds()
    assert needs_of(MedianStoppingPolicy(2, 5), sampling) == PolicyNeeds(means=True, every=2, first=5)
    assert needs_of(TruncationSelectionPolicy(10, 3), sampling) == PolicyNeeds(bests=True, every=3)


def test_who_says_nothing_gets_everything():
    @dataclass(frozen=True)
    class Mine(BanditPolicy):
        """May ask for more than its parent, and has not said."""

    class Reading(RandomParameterSampling):
        """May build another sampler."""

    assert needs_of(Mine(slack_amount=1), RandomParameterSampling(SPACE)) is None
    assert needs_of(object(), RandomParameterSampling(SPACE)) is None
    assert needs_of(BanditPolicy(slack_amount=1), Reading(SPACE)) is None
    assert needs_of(BanditPolicy(slack_amount=1), BayesianParameterSampling(SPACE)) is None


@given(st.integers(1, 9), st.integers(0, 30), st.integers(0, 30), st.integers(0, 40))
def test_intervals_are_those_that_policies_look_at(every, first, done, end):
    looked = [k for k in range(done + 1, end + 1) if not (k % every or k < first)]
    assert list(PolicyNeeds(every=every, first=first).between(done, end)) == looked


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), json, max_size=6))
def test_hyperparameters_come_back_to_the_last_bit(params):
    again = pack_params(params, {})
    assert isinstance(again, PackedParams)
    assert repr(again) == repr(plain_params(again)) == repr(params)
    assert list(again) == list(params)
    assert len(again) == len(params)
    for name in params:
        assert repr(again[name]) == repr(params[name])
    assert plain_params(params) is params


def test_what_does_not_come_back_equal_stays_as_it_is():
    for odd in ({"x": np.float64(0.5)}, {"x": {"y": np.int64(3)}}, {"x": object()}, {"x": [math.nan]}):
        assert pack_params(odd, {}) is odd
    again = pack_params({"x": 1}, {})
    assert pack_params(again, {}) is again


def test_names_are_shared():
    names = {}
    first, second = pack_params({"lr": 0.1, "units": 3}, names), pack_params({"lr": 0.2, "units": 4}, names)
    assert first._names is second._names


def test_values_are_given_up_and_say_so():
    curves = Curves(True, PolicyNeeds(means=True, every=2))
    for trial in (0, 1):
        for k, value in enumerate((0.3, 0.9, math.nan, 0.5), 1):
            curves.add(trial, k, value + trial)
    curves.close(0)
    assert list(curves.trials) == [0, 1]
    assert (curves.length(0), curves.last(0), curves.best(0), curves.best_interval(0)) == (4, 0.5, 0.9, 2)
    assert (curves.best_until(0, 2), curves.best_until(0, 9), curves.top(0)) == (0.9, 0.9, 0.9)
    assert curves.median_of_means(2).n == 2
    assert not curves.add(0, 5, 1.0)
    assert not curves.add(0, 1, 1.0)
    with pytest.raises(LookupError, match="trial 0 has ended and its values are only in the journal"):
        curves.values(0)
    with pytest.raises(LookupError, match="trial 0 has ended"):
        curves.best_until(0, 1)
    with pytest.raises(LookupError, match="trial 0 has ended"):
        curves.rank(0, 2)
    with pytest.raises(LookupError, match=r"interval 3, which its needs\(\) does not name"):
        curves.median_of_means(3)
    with pytest.raises(LookupError, match="interval 2, which its needs"):
        curves.rank(1, 2)
    assert curves.last(7) is None
    assert curves.median_of_means(5) is None
