"""What every early-termination policy must keep, as tests to inherit.

Subclass and say how to make the policy; pytest collects the rest:

    class TestMyPolicy(PolicyContract):
        def make(self) -> Policy:
            return MyPolicy(patience=3)

It is recorded and built again as a run's driver does it: see docs/extending.md. Needs nothing but pytest. The curves
are drawn with fixed seeds, so a failure comes back.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from raydrive.core.early_stopping.curves import Curves
from raydrive.core.early_stopping.policies import Policy, policy_from_json
from raydrive.core.early_stopping.policy_record import built_policy, policy_record
from raydrive.core.early_stopping.retention import needs_of
from raydrive.core.early_stopping.verdict import Verdict
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import uniform
from raydrive.core.user_classes import is_own

Events = Sequence[tuple[int, float]]
"""(trial, value) in the order of the reports; the k-th of a trial is its interval k."""
NOT_FINITE = (math.nan, math.inf, -math.inf)


class PolicyContract:
    """Tests that any policy passes; ``make`` is the only thing to write."""

    def make(self) -> Policy:
        """Returns the policy under test, equal to the one of the last call."""
        raise NotImplementedError("say which policy to test: override make()")

    def read(self, raw: Mapping[str, Any]) -> Policy:
        """Returns the policy of a record, as a run's driver builds it again."""
        kind = type(self.make())
        return policy_from_json(raw) if is_own(kind) else built_policy(raw, lambda name: kind)

    def test_json_gives_back_an_equal_policy(self) -> None:
        """What a run's ``config.json`` holds is enough to make the policy again."""
        policy = self.make()
        raw = json.loads(json.dumps(policy_record(policy), allow_nan=False))
        assert isinstance(raw["type"], str)
        again = self.read(raw)
        assert type(again) is type(policy)
        assert policy_record(again) == raw
        if type(policy).__eq__ is not object.__eq__:
            assert again == policy

    def test_the_same_question_has_the_same_answer(self) -> None:
        """Judging changes neither the policy nor the curves, and remembers nothing."""
        policy, other = self.make(), self.make()
        for curves, trial, k, _ in _runs():
            before = {number: list(map(repr, curves.values(number))) for number in curves.trials}
            first = policy.judge(trial, k, curves)
            assert policy.judge(trial, k, curves) == first == other.judge(trial, k, curves)
            assert {number: list(map(repr, curves.values(number))) for number in curves.trials} == before

    def test_a_resumed_run_is_judged_like_an_unbroken_one(self) -> None:
        """Curves that were filled from the journal without a question give the verdicts of curves that were asked."""
        policy = self.make()
        for curves, trial, k, events in _runs():
            live = policy.judge(trial, k, curves)
            assert policy.judge(trial, k, _fill(events, curves.maximize)) == live

    def test_later_values_of_others_do_not_count(self) -> None:
        """A trial is compared over intervals 1..k with what the others had in 1..k, whatever they reached since."""
        policy = self.make()
        for curves, trial, k, events in _runs():
            young = _fill(_until(events, k), curves.maximize)
            assert policy.judge(trial, k, curves) == policy.judge(trial, k, young)

    def test_the_best_trial_goes_on(self) -> None:
        """The trial with the best value over intervals 1..k is never stopped at k."""
        policy = self.make()
        for curves, trial, k, _ in _runs():
            edge = curves.incumbent(k)
            if edge is not None and edge[1] == trial:
                assert not _stops(policy.judge(trial, k, curves))

    def test_a_trial_alone_goes_on(self) -> None:
        """There is no trial to be worse than."""
        policy = self.make()
        for maximize in (True, False):
            curves = Curves(maximize)
            for k, value in enumerate((0.1, 0.1, -0.3, math.nan, 0.0, *[0.1] * 30), start=1):
                curves.add(0, k, value)
                assert not _stops(policy.judge(0, k, curves))

    def test_equal_trials_go_on(self) -> None:
        """Ties are in the trial's favour, rounding of means included."""
        policy = self.make()
        for maximize in (True, False):
            for value in (0.1, -0.1, 0.0, 1e300, *NOT_FINITE):
                curves = Curves(maximize)
                for k in range(1, 12):
                    for trial in range(7):
                        curves.add(trial, k, value)
                        assert not _stops(policy.judge(trial, k, curves)), (value, k)

    def test_it_asks_for_no_more_of_trials_that_are_over_than_it_says(self) -> None:
        """A driver forgets the rest. A policy without ``needs`` may ask for anything."""
        policy = self.make()
        needs = needs_of(policy, RandomParameterSampling({"x": uniform(0, 1)}))
        if needs is None:
            return
        for _, trial, k, events in _runs():
            for maximize in (True, False):
                others = [(number, value) for number, value in events if number != trial]
                mine = [value for number, value in events if number == trial]
                lean, whole = Curves(maximize, needs), _fill(others, maximize)
                for number, value in others:
                    lean.add(number, lean.length(number) + 1, value)
                for number in list(lean.trials):
                    lean.close(number)
                for at, value in enumerate(mine[:k], 1):
                    lean.add(trial, at, value)
                    whole.add(trial, at, value)
                    assert policy.judge(trial, at, lean) == policy.judge(trial, at, whole)

    def test_nan_and_both_infinities_are_the_same(self) -> None:
        """Whichever of the three was logged: it is never a best, it never raises, and it changes no other verdict."""
        policy = self.make()
        for curves, trial, k, events in _runs():
            live = policy.judge(trial, k, curves)
            for instead in NOT_FINITE:
                swapped = [(number, value if math.isfinite(value) else instead) for number, value in events]
                assert policy.judge(trial, k, _fill(swapped, curves.maximize)) == live

    def test_nothing_finite_is_no_better_than_anything_finite(self) -> None:
        """Where a trial with finite values is stopped, one without any in its place is stopped too."""
        policy = self.make()
        for curves, trial, k, events in _runs():
            if _stops(policy.judge(trial, k, curves)):
                broken = [(number, math.nan if number == trial else value) for number, value in events]
                rest = {number: curves.best_until(number, k) for number in curves.trials if number != trial}
                if all(best is not None for best in rest.values()):
                    assert _stops(policy.judge(trial, k, _fill(broken, curves.maximize)))

    def test_a_verdict_has_a_reason_that_stays(self) -> None:
        """Word for word what users see: one line with the numbers of that moment, whatever is reported later."""
        policy = self.make()
        for maximize in (True, False):
            curves, given = Curves(maximize), []
            for trial, value in _events(random.Random(5)):
                k = curves.length(trial) + 1
                curves.add(trial, k, value)
                verdict = policy.judge(trial, k, curves)
                if verdict is not None:
                    given.append((verdict, verdict.why))
            for verdict, why in given:
                assert verdict.why == why
                assert why == why.strip()
                assert "\n" not in why
                assert any(letter.isdigit() for letter in why), why


def _stops(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.stop


def _events(rng: random.Random) -> list[tuple[int, float]]:
    """Reports of trials that start at different times and end early or late; with ties and with non-finite values."""
    scale = rng.choice((1.0, -1.0, 100.0))
    left = {trial: rng.randint(1, 12) for trial in range(-2, rng.randint(1, 10))}
    out = []
    while left:
        trial = rng.choice(sorted(left)[:4])
        value = scale * rng.choice((rng.random(), rng.random(), round(rng.random(), 1), rng.random() - 0.5))
        out.append((trial, rng.choice(NOT_FINITE) if rng.random() < 0.08 else value))
        left[trial] -= 1
        if not left[trial]:
            del left[trial]
    return out


def _fill(events: Events, maximize: bool) -> Curves:
    curves = Curves(maximize)
    for trial, value in events:
        curves.add(trial, curves.length(trial) + 1, value)
    return curves


def _until(events: Events, k: int) -> list[tuple[int, float]]:
    """The first k reports of each trial."""
    seen: dict[int, int] = {}
    out = []
    for trial, value in events:
        seen[trial] = seen.get(trial, 0) + 1
        if seen[trial] <= k:
            out.append((trial, value))
    return out


def _runs() -> Iterator[tuple[Curves, int, int, Events]]:
    """Whole histories with a trial and one of its intervals to judge, both goals."""
    for seed in range(40):
        rng = random.Random(seed)
        events = _events(rng)
        for maximize in (True, False):
            for _ in range(4):
                curves = _fill(events, maximize)
                trial = rng.choice(sorted(curves.trials))
                yield curves, trial, rng.randint(1, curves.length(trial)), events
