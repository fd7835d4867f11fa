"""Edits of the rules of a run: what each does from when on, and that the journal replays to the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from journalled_sweep import StartedSweep

from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.run_rules import RunRules
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, Resources, TrialSpec
from raydrive.core.errors import ConfigError
from raydrive.core.out_of_memory.recognition import BY_KERNEL
from raydrive.core.records import Close, Ended, EndRun, Launch, Stop, Suggested
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import uniform
from raydrive.core.user_requests.requests import plan

GIB = 1 << 30


def a_config(value: str = "best", **rules: Any) -> RunConfig:
    return RunConfig(
        experiment="ruled",
        metric=Metric(name="m", goal=PrimaryMetricGoal.MAXIMIZE, value=value),
        sampling=RandomParameterSampling({"x": uniform(0, 1)}, seed=1),
        limits=Limits(max_total_runs=9, max_concurrent_runs=3, first_failures=0),
        trial=TrialSpec(kind="function", resources=Resources(memory=GIB)),
        seed=1,
        rules=RunRules.of(rules),
    )


class Ruled(StartedSweep):
    """Trials 0 and 1 have ended with 0.5 and 0.4, trial 2 trains and has 0.3."""

    def __init__(self, config: RunConfig) -> None:
        super().__init__(config)
        more = dict.fromkeys(config.rules.parameters, 0)
        for number, value in enumerate((0.5, 0.4, 0.3)):
            self.tell(Suggested(self.at(), number, {"x": number / 10, **more}))
            self.begin(number)
            self.report(number, value)
            if number < 2:
                self.end(number, 0)

    def edit(self, **rules: Any) -> tuple[list[str], list[Any]]:
        planned = plan(self.sweep, {"do": "edit", "patch": {"rules": rules}}, self.at())
        (fact,) = planned.facts
        return [*planned.recorded, planned.effect], list(self.tell(fact))


@pytest.mark.parametrize(
    ("value", "rule", "why"),
    [
        ("best", {"target": 0.45}, "target reached: m of trial 0 is 0.5, the target is 0.45"),
        ("last", {"target": 0.45}, "target reached: m (last) of trial 0 is 0.5, the target is 0.45"),
        ("best", {"no_improvement": 1}, "no improvement: 1 trials have ended since m was 0.5, and none was better"),
    ],
)
def test_a_rule_that_holds_already_ends_the_run_at_once(value: str, rule: dict[str, Any], why: str) -> None:
    run = Ruled(a_config(value))
    _, decisions = run.edit(finish_when=rule)
    assert [type(one) for one in decisions] == [EndRun, Stop]
    assert decisions[0].why == why
    run.end(2)
    assert run.sweep.finished is not None
    assert run.sweep.finished.why == why
    run.verify()


def test_rules_that_do_not_hold_yet_count_from_what_has_been() -> None:
    run = Ruled(a_config(finish_when={"target": 0.6}))
    lines, decisions = run.edit(finish_when={"no_improvement": {"trials": 2, "tolerance": 0.05}})
    assert lines == [
        "raydrive.finish_when.target: 0.6 -> nothing",
        "raydrive.finish_when.no_improvement: nothing -> {'tolerance': 0.05, 'trials': 2}",
        "what ends the run now",
    ]
    assert decisions == []
    assert run.report(2, 0.54) == ()  # no target any more, and better by less than the tolerance
    assert any(isinstance(one, EndRun) and one.rule == "no_improvement" for one in run.end(2, 0))
    run.verify()


def test_a_run_that_a_rule_has_ended_goes_on_without_it() -> None:
    run = Ruled(a_config(finish_when={"target": 0.6}))
    run.report(2, 0.7)
    run.end(2)
    assert run.sweep.finished is not None
    lines, _ = run.edit(finish_when=None)
    assert lines[0] == "raydrive.finish_when.target: 0.6 -> nothing"
    assert run.sweep.steering.reopens
    assert run.sweep.config.rules.finish_when is None
    run.verify()


def test_out_of_memory_is_judged_by_the_present_rule() -> None:
    run = Ruled(a_config())
    lines, _ = run.edit(on_oom={"memory": "x2", "up_to": "4GiB"})
    assert lines[-1] == "out of memory from the next attempt that ends"
    (again,) = run.tell(Ended(run.at(), 2, 1, -9, BY_KERNEL))
    assert isinstance(again, Launch)
    assert again.memory == 2 * GIB
    run.edit(on_oom={})
    run.begin(2)
    (closed,) = run.tell(Ended(run.at(), 2, 2, -9, BY_KERNEL))
    assert isinstance(closed, Close)
    assert closed.outcome == "infeasible"
    run.verify()


def test_repeats_change_in_number_and_not_in_kind() -> None:
    run = Ruled(a_config(repeats={"max": 2}))
    lines, _ = run.edit(repeats={"max": 4, "race": False})
    assert lines == [
        "raydrive.repeats.max: 2 -> 4",
        "raydrive.repeats.race: True -> False",
        "repeats from the next trial on",
    ]
    for rule, words in ((None, "found nothing"), ({"max": 4, "parameter": "fold"}, "repeats.parameter: found 'fold'")):
        with pytest.raises(ConfigError, match=words) as caught:
            run.edit(repeats=rule)
        assert "each of its trials has, or lacks, a value of the parameter by which repeats differ" in str(caught.value)
    with pytest.raises(ConfigError, match=r"raydrive.repeats: found \{'max': 2\} in a run without"):
        Ruled(a_config()).edit(repeats={"max": 2})
    run.verify()


def test_of_notices_an_edit_changes_what_is_told_and_no_address() -> None:
    run = Ruled(a_config(notify={"webhook": "https://example.org/secret"}))
    lines, _ = run.edit(notify={"on": ["best"]})
    assert lines[0] == "raydrive.notify.on: ['finished', 'failed', 'interrupted'] -> ['best']"
    assert "secret" not in "".join(run.lines)
    rule = run.sweep.config.rules.notify
    assert rule is not None
    assert (rule.on, rule.webhook) == (("best",), "https://example.org/secret")
    for wanted in ({"webhook": "https://example.org/other"}, {"on": ["best"], "command": "mail"}, None):
        with pytest.raises(ConfigError, match="may hold a secret, and all readers see an edit"):
            run.edit(notify=wanted)
    with pytest.raises(ConfigError, match=r"raydrive.notify: found a rule in a run without"):
        Ruled(a_config()).edit(notify={"on": ["best"]})
    run.verify()


def test_a_rule_is_checked_with_the_rest_of_the_configuration() -> None:
    run = Ruled(replace(a_config(), trial=TrialSpec(kind="function")))
    with pytest.raises(ConfigError, match="memory"):
        run.edit(on_oom={"memory": "x2", "up_to": "4GiB"})
    with pytest.raises(ConfigError, match=r"budget\.gpu_hours"):
        run.edit(finish_when={"budget": {"gpu_hours": 3}})
    with pytest.raises(ConfigError, match=r"raydrive.points: found .*raydrive add RUN has configurations tried next"):
        run.edit(points=[{"x": 1}])
    with pytest.raises(ConfigError, match="its members have trained, and were exchanged"):
        run.edit(population={"every": 3})
    assert plan(run.sweep, {"do": "edit", "patch": {"limits": {"max_total_runs": 12}}}, 9.0).facts
