"""What is said of what early termination saved."""

from __future__ import annotations

import pytest

from raydrive.api.display.text import saving_text, span_text
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.early_stopping.policies import NoTerminationPolicy
from raydrive.core.records import Began, Ended, Fact, Reported, Started, Suggested
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import uniform
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.views.savings import NOT_COMPLETED, NOT_TIMED, Saving, Span
from raydrive.core.views.summary import Summary, best_notice


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (Span(130.0, 90.0, 170.0), "about 2:10, between 1:30 and 2:50"),
        (Span(52.2, 40.3, 67.4), "about 52s, between 40s and 1:07"),
        (Span(59.7, 9.97, 3700.0), "about 1:00, between 10s and 1:01:40"),
        (Span(3.14, 2.0, 4.0), "about 3.1s, between 2.0s and 4.0s"),
        (Span(0.0, 0.0, 0.0), "about 0.0s"),
    ],
)
def test_an_estimate_comes_with_its_bound(span: Span, text: str) -> None:
    assert span_text(span) == text


@pytest.mark.parametrize(
    ("saving", "text"),
    [
        (Saving(0, 0, Span(0.0, 0.0, 0.0), 0.0), ""),
        (
            Saving(10, 250, Span(130.0, 90.0, 170.0), 0.42),
            "Early termination stopped 10 of 20 trials and saved about 250 intervals (42% of all). Training time "
            "saved, summed over parallel trials: about 2:10, between 1:30 and 2:50.",
        ),
        (
            Saving(3, None, None, 0.0, NOT_COMPLETED),
            "Early termination stopped 3 of 20 trials; what that saved cannot be estimated: no trial has completed.",
        ),
        (
            Saving(3, 12, None, 0.1, NOT_TIMED),
            "Early termination stopped 3 of 20 trials; what that saved cannot be estimated: no completed trial has "
            "logged the metric twice in one attempt.",
        ),
        (
            Saving(1, 0, Span(0.0, 0.0, 0.0), 0.0),
            "Early termination stopped 1 of 20 trials, but none was shorter than the completed ones: nothing was "
            "saved.",
        ),
    ],
)
def test_what_was_saved_or_why_nothing_tells(saving: Saving, text: str) -> None:
    counts = dict.fromkeys(("Queued", "Running", "Interrupted", "Completed", "Canceled", "Failed"), 0)
    summary = Summary("Completed", "", counts, 20, 20, None, 0, 1.0, saving, False)
    assert saving_text(summary) == text


@pytest.mark.parametrize(
    ("values", "open_", "checkpoints", "text"),
    [
        ((0.1, 0.9), False, {}, ""),
        (
            (0.1, 0.9, 0.5, 0.4),
            False,
            {},
            "the best value is that of interval 2, but trial 0 continued to interval 4: its latest files in outputs/ "
            "are of the later interval; no checkpoint of the best interval is kept",
        ),
        (
            (0.1, 0.9, 0.5, 0.4),
            False,
            {1: "checkpoint 1", 2: "checkpoint 2"},
            "the best value is that of interval 2, but trial 0 continued to interval 4: its latest files in outputs/ "
            "are of the later interval; checkpoint 2 is of interval 2",
        ),
        (
            (0.9, 0.5),
            True,
            {},
            "the best value is that of interval 1, but trial 0 is now at interval 2: its latest files in outputs/ "
            "are of the later interval; no checkpoint of the best interval is kept",
        ),
    ],
)
def test_a_best_trial_that_went_on_is_told(
    values: tuple[float, ...], open_: bool, checkpoints: dict[int, str], text: str
) -> None:
    config = RunConfig(
        experiment="e",
        metric=Metric(name="a", goal=PrimaryMetricGoal.MAXIMIZE),
        sampling=RandomParameterSampling({"x": uniform(0.0, 1.0)}),
        policy=NoTerminationPolicy(),
        limits=Limits(max_total_runs=1, max_concurrent_runs=1),
        trial=TrialSpec(kind="command", command="python t.py ${{search_space.x}}"),
        seed=1,
    )
    sweep = Sweep(config)
    facts: list[Fact] = [Started(0.0, 1), Suggested(0.0, 0, {"x": 0.5}), Began(0.0, 0, 1)]
    facts += [Reported(float(k), 0, 1, k, k, value) for k, value in enumerate(values, 1)]
    for fact in facts if open_ else [*facts, Ended(9.0, 0, 1, 0)]:
        sweep.handle(fact)
    assert best_notice(sweep, checkpoints) == text
