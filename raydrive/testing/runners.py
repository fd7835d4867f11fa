"""What every ``TrialRunner`` must keep, as tests to inherit.

Subclass and say how a run is run; pytest collects the rest:

    class TestMyRunner(RunnerContract):
        def run(self, config: RunConfig, train: Train) -> Outcome:
            ...                       # config.trial.kind is "function"; put the function where your trials find it
            return Outcome(sweep, lines)

Each test is one small run on function trials that log through ``Run.get_context()``; the functions travel by
``cloudpickle`` if they have to. After every run its journal is checked entry by entry (``sweep_invariants``).
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from raydrive.context import Run
from raydrive.core import records
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.early_stopping.policies import BanditPolicy, NoTerminationPolicy, Policy
from raydrive.core.records import (
    CANCELED,
    COMPLETED,
    FAILED,
    Began,
    Ended,
    Fact,
    Finish,
    Launch,
    Reported,
    Stop,
    Suggested,
)
from raydrive.core.search.grid_search import GridParameterSampling
from raydrive.core.space.search_space import choice
from raydrive.core.sweep.sweep import Sweep
from raydrive.testing.sweep_invariants import check_journal, picture

Train = Callable[[dict[str, Any]], object]
LONG_S = 60.0
"""A function that is not stopped continues for this long: far longer than any runner may take to stop it."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run that has ended."""

    sweep: Sweep
    lines: list[str]
    """Its whole journal."""


def function_config(
    options: tuple[Any, ...] = (0,), *, policy: Policy | None = None, maximize: bool = True, **limits: Any
) -> RunConfig:
    """Returns the configuration of a small run on functions: trial n gets ``params["x"] == options[n]``.

    Args:
        options: One trial each.
        policy: None = no early termination.
        maximize: Whether larger values of the metric ``score`` are better.
        limits: Fields of ``Limits``; by default one trial at a time.
    """
    return RunConfig(
        experiment="contract",
        metric=Metric(name="score", goal=PrimaryMetricGoal.MAXIMIZE if maximize else PrimaryMetricGoal.MINIMIZE),
        sampling=GridParameterSampling({"x": choice(*options)}),
        policy=policy or NoTerminationPolicy(),
        limits=Limits(**{"max_total_runs": len(options), "max_concurrent_runs": 1, **limits}),
        trial=TrialSpec(kind="function", script="train", grace_s=1.0),
        seed=0,
    )


class RunnerContract:
    """Tests that any runner of trials passes; ``run`` is the only thing to write."""

    duration_s: float = 4.0
    """A run that is to be cut short may last this long: more than it takes until its first trials begin."""

    def run(self, config: RunConfig, train: Train) -> RunResult:
        """Runs a whole sweep and returns it with its journal.

        Args:
            config: The configuration; resources and the rest of ``config.trial`` may be filled in.
            train: Called with a trial's parameters.
        """
        raise NotImplementedError("say how a run is run: override run()")

    def go(self, config: RunConfig, train: Train) -> RunResult:
        """Runs a sweep and checks everything that holds of all runs."""
        outcome = self.run(config, train)
        replayed = check_journal(config, outcome.lines)
        assert picture(replayed) == picture(outcome.sweep)
        assert outcome.sweep.finished is not None
        facts = [records.load(line)[0] for line in outcome.lines]
        for number in range(len(outcome.sweep.trials)):
            _check_order([fact for fact in facts if getattr(fact, "trial", None) == number])
        return outcome

    def test_a_function_gets_its_parameters_and_what_it_logs_is_recorded(self) -> None:
        """Parameters in, curves and the best trial out; the run ends with its last trial."""

        def train(params: dict[str, Any]) -> None:
            run = Run.get_context()
            for step in range(1, 4):
                run.log("score", params["x"] * step)

        sweep = self.go(function_config((1, 3, 2)), train).sweep
        assert [list(sweep.curves.values(n)) for n in range(3)] == [[1, 2, 3], [3, 6, 9], [2, 4, 6]]
        assert [trial.state for trial in sweep.trials] == [COMPLETED] * 3
        assert sweep.trials[0].why == "ended by itself after 3 intervals"
        assert sweep.best is not None
        assert (sweep.best.trial, sweep.best.value, sweep.best.interval) == (1, 9.0, 3)
        assert sweep.finished == Finish(COMPLETED, "max_total_runs of 3 reached")

    def test_a_trial_knows_who_it_is(self) -> None:
        """Number, attempt, parameters, experiment: of the trial itself, not of one before it."""

        def train(params: dict[str, Any]) -> None:
            run = Run.get_context(allow_offline=False)
            text = f"{run.number} {run.attempt} {run.params} {run.experiment.name} {run.params == params} {run.offline}"
            run.log("who", text)
            run.log("score", 1)

        outcome = self.go(function_config(("a", "b"), max_concurrent_runs=2), train)
        said = {fact.trial: fact.metrics["who"] for fact in _reports(outcome) if "who" in fact.metrics}
        assert said == {n: f"{n} 1 {{'x': '{x}'}} contract True False" for n, x in enumerate("ab")}

    def test_everything_logged_is_recorded_in_order_and_in_its_shape(self) -> None:
        """Numbers, texts, lists, rows, tables, steps and tags; only the primary metric makes intervals."""

        def train(params: dict[str, Any]) -> None:
            run = Run.get_context()
            run.log("loss", 0.5, step=1)
            run.log("score", 0.25, step=2)
            run.log("note", "ü\n")
            run.log_list("sizes", [1, 2.5])
            run.log_row("row", a=1, b="x")
            run.log_table("table", {"a": [1, 2], "b": ["x", "y"]})
            run.tag("fold", 2)
            run.log("score", 1)

        reports = _reports(self.go(function_config(), train))
        assert [(r.seq, r.interval, r.value, dict(r.metrics), r.step, dict(r.tags)) for r in reports] == [
            (1, 0, None, {"loss": 0.5}, 1, {}),
            (2, 1, 0.25, {}, 2, {}),
            (3, 0, None, {"note": "ü\n"}, None, {}),
            (4, 0, None, {"sizes": [1, 2.5]}, None, {}),
            (5, 0, None, {"row": {"a": 1, "b": "x"}}, None, {}),
            (6, 0, None, {"table": {"a": [1, 2], "b": ["x", "y"]}}, None, {}),
            (7, 0, None, {}, None, {"fold": "2"}),
            (8, 2, 1.0, {}, None, {}),
        ]

    def test_nothing_is_lost_of_many_reports(self) -> None:
        """Whatever a function logs before it returns is recorded, in order."""

        def train(params: dict[str, Any]) -> None:
            run = Run.get_context()
            for number in range(3000):
                run.log("score", number)

        sweep = self.go(function_config(), train).sweep
        assert list(sweep.curves.values(0)) == list(range(3000))

    def test_what_is_not_finite_is_recorded_and_never_best(self) -> None:
        """NaN and infinities are values of their interval."""

        def train(params: dict[str, Any]) -> None:
            run = Run.get_context()
            for value in (math.nan, -math.inf, 0.5, math.inf):
                run.log("score", value)

        sweep = self.go(function_config(maximize=False), train).sweep
        assert [repr(value) for value in sweep.curves.values(0)] == ["nan", "-inf", "0.5", "inf"]
        assert sweep.best is not None
        assert (sweep.best.value, sweep.best.interval) == (0.5, 3)

    def test_a_policy_stops_a_trial_which_ends_and_makes_room(self) -> None:
        """The verdict is carried out while the function runs, and the next trial follows."""

        def train(params: dict[str, Any]) -> None:
            run = Run.get_context()
            run.log("score", params["x"])
            end = time.monotonic() + (LONG_S if params["x"] < 1 else 0.0)
            while time.monotonic() < end:
                time.sleep(0.02)
                run.log("score", params["x"])

        sweep = self.go(function_config((1.0, 0.25, 2.0), policy=BanditPolicy(slack_amount=0.5)), train).sweep
        assert [trial.state for trial in sweep.trials] == [COMPLETED, CANCELED, COMPLETED]
        stopped = sweep.trials[1]
        assert stopped.why == "bandit: best 0.25 at interval 1 is below 0.5 = 1-0.5, set by trial 0"
        assert (stopped.stop_by, stopped.trained_s < LONG_S / 2) == ("policy", True)

    def test_catching_exceptions_around_log_does_not_save_a_trial(self) -> None:
        """Training code is full of ``except Exception``."""

        def train(params: dict[str, Any]) -> None:
            run = Run.get_context()
            run.log("score", params["x"])
            end = time.monotonic() + (LONG_S if params["x"] < 1 else 0.0)
            while time.monotonic() < end:
                time.sleep(0.02)
                try:
                    run.log("loss", 1)
                except Exception:  # the point of this test
                    time.sleep(0.0)

        sweep = self.go(function_config((1.0, 0.25), policy=BanditPolicy(slack_amount=0.5)), train).sweep
        assert [trial.state for trial in sweep.trials] == [COMPLETED, CANCELED]
        assert sweep.trials[1].trained_s < LONG_S / 2

    def test_an_exception_fails_the_trial_with_its_words_and_the_run_goes_on(self) -> None:
        """The last line of the traceback is why; the whole tail is in the record."""

        def train(params: dict[str, Any]) -> None:
            Run.get_context().log("score", params["x"])
            if params["x"] == 1:
                raise ValueError("x is one")

        outcome = self.go(function_config((0, 1, 2)), train)
        assert [trial.state for trial in outcome.sweep.trials] == [COMPLETED, FAILED, COMPLETED]
        assert outcome.sweep.trials[1].why == "exit code 1: ValueError: x is one"
        (ended,) = [fact for fact in _facts(outcome) if isinstance(fact, Ended) and fact.exit_code]
        assert 'raise ValueError("x is one")' in ended.error
        assert "in train" in ended.error

    def test_exit_codes_are_those_of_a_process(self) -> None:
        """``sys.exit`` with nothing, 0, a number or a text."""

        def train(params: dict[str, Any]) -> None:
            Run.get_context().log("score", 1)
            sys.exit(params["x"])

        outcome = self.go(function_config((0, 3, "no data")), train)
        codes = [fact.exit_code for fact in _facts(outcome) if isinstance(fact, Ended)]
        assert codes == [0, 3, 1]
        assert [trial.state for trial in outcome.sweep.trials] == [COMPLETED, FAILED, FAILED]

    def test_a_trial_may_say_itself_that_it_failed(self) -> None:
        """``run.fail(why)``, although its function returns."""

        def train(params: dict[str, Any]) -> None:
            run = Run.get_context()
            run.log("score", 1)
            run.fail("no data for fold 2")

        trial = self.go(function_config(), train).sweep.trials[0]
        assert (trial.state, trial.why) == (FAILED, "exit code 1: no data for fold 2")

    def test_the_first_failures_end_the_run(self) -> None:
        """A hundred failed trials help no user."""

        def train(params: dict[str, Any]) -> None:
            raise ValueError("always")

        sweep = self.go(function_config(tuple(range(9)), first_failures=2), train).sweep
        assert len(sweep.trials) == 2
        assert sweep.finished is not None
        why = "the first 2 trials failed and none succeeded; trial 1: exit code 1: ValueError: always"
        assert (sweep.finished.state, sweep.finished.why) == (FAILED, why)

    def test_a_missing_primary_metric_names_what_was_logged(self) -> None:
        """The nearest name is pointed out."""

        def train(params: dict[str, Any]) -> None:
            Run.get_context().log("Score", 0.5)

        sweep = self.go(function_config(), train).sweep
        assert sweep.metric_missing
        assert sweep.trials[0].why == (
            "ended without logging the primary metric 'score'; it logged 'Score'. Did you mean 'Score'?"
        )

    def test_a_failed_attempt_is_started_again(self) -> None:
        """Until ``max_attempts``; intervals that are logged again are not recorded again."""

        def train(params: dict[str, Any]) -> None:
            run = Run.get_context()
            run.log("score", run.attempt)
            run.log("score", 10 * run.attempt)
            if run.attempt < 3:
                raise OSError("a flaky disk")
            run.log("score", 7)

        outcome = self.go(function_config(max_attempts=3), train)
        trial = outcome.sweep.trials[0]
        assert (trial.state, trial.attempt, trial.failures) == (COMPLETED, 3, 2)
        assert list(outcome.sweep.curves.values(0)) == [1, 10, 7]
        assert [d.attempt for d in _decisions(outcome) if isinstance(d, Launch)] == [1, 2, 3]

    def test_a_timeout_stops_a_trial(self) -> None:
        """Counted from the beginning of the attempt; the next trial follows."""

        def train(params: dict[str, Any]) -> None:
            run = Run.get_context()
            end = time.monotonic() + params["x"]
            run.log("score", 1)
            while time.monotonic() < end:
                time.sleep(0.02)
                run.log("loss", 1)

        sweep = self.go(function_config((LONG_S, 0.0), trial_timeout_s=0.5), train).sweep
        assert [trial.state for trial in sweep.trials] == [CANCELED, COMPLETED]
        assert sweep.trials[0].why == "timeout: ran for 0.5 s, the limit of one attempt"

    def test_a_run_whose_time_is_over_completes(self) -> None:
        """What runs is canceled, what waits never begins."""

        def train(params: dict[str, Any]) -> None:
            run = Run.get_context()
            end = time.monotonic() + LONG_S
            while time.monotonic() < end:
                run.log("score", 1)
                time.sleep(0.02)

        outcome = self.go(function_config((0, 1, 2, 3), max_concurrent_runs=2, max_duration_s=self.duration_s), train)
        why = f"max_duration of {self.duration_s:g} s reached"
        assert outcome.sweep.finished == Finish(COMPLETED, why)
        assert [(trial.state, trial.why) for trial in outcome.sweep.trials] == [(CANCELED, why)] * 2
        assert len([d for d in _decisions(outcome) if isinstance(d, Stop)]) == 2

    def test_what_a_function_does_to_its_parameters_stays_with_it(self) -> None:
        """The record holds what was sampled."""

        def train(params: dict[str, Any]) -> None:
            params["x"]["depth"] = 99
            params["y"] = 1
            run = Run.get_context()
            run.log("score", run.params["x"]["depth"])

        sweep = self.go(function_config(({"depth": 1}, {"depth": 2})), train).sweep
        assert [trial.params for trial in sweep.trials] == [{"x": {"depth": 1}}, {"x": {"depth": 2}}]
        assert [list(sweep.curves.values(n)) for n in (0, 1)] == [[1], [2]]


def _check_order(facts: list[Fact]) -> None:
    """A trial's facts: suggested, then per attempt at most one ``Began``, reports counted from 1, and one end."""
    assert isinstance(facts[0], Suggested)
    by_attempt: dict[int, list[Fact]] = {}
    for fact in facts[1:]:
        by_attempt.setdefault(getattr(fact, "attempt", 0), []).append(fact)
    for attempt, mine in by_attempt.items():
        if not attempt:
            continue
        assert sum(isinstance(fact, Began) for fact in mine) <= 1
        reports = [fact for fact in mine if isinstance(fact, Reported)]
        if reports:
            assert isinstance(mine[0], Began), mine[0]
        assert [report.seq for report in reports] == list(range(1, len(reports) + 1))
        intervals = [report.interval for report in reports if report.interval]
        assert intervals == list(range(intervals[0], intervals[0] + len(intervals))) if intervals else True
        assert isinstance(mine[-1], Ended | records.Lost)


def _facts(outcome: RunResult) -> list[Fact]:
    return [records.load(line)[0] for line in outcome.lines]


def _decisions(outcome: RunResult) -> list[records.Decision]:
    return [decision for line in outcome.lines for decision in records.load(line)[1]]


def _reports(outcome: RunResult) -> list[Reported]:
    return [fact for fact in _facts(outcome) if isinstance(fact, Reported)]
