"""A policy or sampling of a user's class: its record, what a reader gets, and the error when it fails."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from raydrive import BanditPolicy, RandomParameterSampling, SamplingSpec, Suggestion, Verdict, uniform
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.early_stopping.curves import Curves
from raydrive.core.early_stopping.policy_record import RecordedPolicy, built_policy, policy_record
from raydrive.core.errors import ConfigError, UserCodeError
from raydrive.core.records import Began, Reported, Started, Suggested
from raydrive.core.search.protocol import Sampler
from raydrive.core.search.sampling_record import RecordedSampling, built_sampling, sampling_record
from raydrive.core.search.trial_record import TrialRecord
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.sweep.warm_start_data import sampler_of

SPACE = {"x": uniform(0, 1)}


class Subclass(BanditPolicy):
    """One of raydrive's with another judgement."""

    def judge(self, trial: int, interval: int, curves: Curves) -> Verdict | None:
        return Verdict(True, f"by the subclass at {interval}")


@dataclass(frozen=True)
class Plain:
    """A dataclass that is nobody's subclass."""

    patience: int = 3
    names: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.patience < 1:
            raise ValueError("patience has to be 1 or more")

    def judge(self, trial: int, interval: int, curves: Curves) -> Verdict | None:
        return Verdict(1 / (self.patience - 7) > 1, "1")


class OwnJson:
    """It says itself what it is."""

    def __init__(self, low: float, high: float) -> None:
        self.pair = (low, high)

    def judge(self, trial: int, interval: int, curves: Curves) -> Verdict | None:
        return None

    def to_json(self) -> dict[str, Any]:
        return {"type": "my own name", "between": list(self.pair)}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> OwnJson:
        return cls(*raw["between"])


class Walk(SamplingSpec):
    """The least that a sampling has."""

    learns = True

    def __init__(
        self, parameter_space: Any, properties: Any = None, *, seed: int | None = None, step: float = 0.5
    ) -> None:
        self.step = step
        super().__init__(parameter_space, properties, seed=seed)

    def build(self, seed: int, maximize: bool, before: Sequence[TrialRecord] = ()) -> Sampler:
        return Walker(self.step)


class Walker:
    cheap = True

    def __init__(self, step: Any) -> None:
        self.step = step

    def ask(self, number: int, history: Sequence[TrialRecord]) -> Suggestion | None:
        if isinstance(self.step, str):
            return self.step  # type: ignore[return-value]
        if self.step < 0:
            return Suggestion({"y": 1}, "walk")
        return Suggestion({"x": 1 / (self.step - 1) + 3}, "walk")


def a_run(policy: Any = None, sampling: SamplingSpec | None = None) -> RunConfig:
    more = {"policy": policy} if policy is not None else {}
    return RunConfig(
        experiment="e",
        metric=Metric(name="m", goal=PrimaryMetricGoal.MAXIMIZE),
        sampling=sampling or RandomParameterSampling(SPACE),
        limits=Limits(max_total_runs=4, max_concurrent_runs=1),
        trial=TrialSpec(kind="command", command="true"),
        seed=1,
        **more,
    )


def test_a_subclass_is_never_recorded_as_its_parent() -> None:
    raw = policy_record(Subclass(slack_factor=0.1))
    assert raw == {
        "type": f"{__name__}:Subclass",
        "evaluation_interval": 1,
        "slack_factor": 0.1,
        "slack_amount": None,
        "delay_evaluation": 0,
    }
    assert policy_record(BanditPolicy(slack_factor=0.1)) == {
        "type": "bandit",
        "evaluation_interval": 1,
        "slack_factor": 0.1,
        "delay_evaluation": 0,
    }
    again = built_policy(raw, lambda name: Subclass)
    assert type(again) is Subclass
    assert again == Subclass(slack_factor=0.1)


@pytest.mark.parametrize("policy", [Plain(), Plain(2, ["a"]), OwnJson(0.5, 2)])
def test_a_policy_comes_back_from_its_record(policy: Any) -> None:
    raw = json.loads(json.dumps(policy_record(policy)))
    assert raw["type"] == f"{__name__}:{type(policy).__name__}"
    again = built_policy(raw, lambda name: type(policy))
    assert type(again) is type(policy)
    assert vars(again) == vars(policy)


def test_a_sampling_comes_back_from_its_record() -> None:
    raw = json.loads(json.dumps(sampling_record(Walk(SPACE, seed=5, step=0.25))))
    assert raw["type"] == f"{__name__}:Walk"
    assert (raw["step"], raw["seed"], raw["learns"], list(raw["space"])) == (0.25, 5, True, ["x"])
    again = built_sampling(raw, lambda name: Walk)
    assert again == Walk(SPACE, seed=5, step=0.25)

    class Finer(RandomParameterSampling):
        pass

    raw = sampling_record(Finer(SPACE, rule="sobol"))
    assert raw["type"].endswith("<locals>.Finer")
    assert raw["rule"] == "sobol"


def test_a_reader_has_the_record_and_gives_it_back_unchanged() -> None:
    config = a_run(Plain(4), Walk(SPACE, seed=5))
    raw = json.loads(json.dumps(config.to_json()))
    read = RunConfig.from_json(raw)
    assert read.to_json() == raw
    assert isinstance(read.policy, RecordedPolicy)
    assert (read.policy.kind, read.policy.parameters) == (f"{__name__}:Plain", {"patience": 4, "names": []})
    assert isinstance(read.sampling, RecordedSampling)
    assert read.sampling.parameters == {"step": 0.5}
    assert read.sampling.learns
    assert read.sampling.space == Walk(SPACE).space
    Sweep(read)
    with pytest.raises(UserCodeError, match="only the run's driver loads it"):
        read.policy.judge(0, 1, Curves(True))
    with pytest.raises(UserCodeError, match="only the run's driver loads"):
        sampler_of(read)


class Forgets:
    def __init__(self, patience: int) -> None:
        self._patience = patience

    def judge(self, trial: int, interval: int, curves: Curves) -> None:
        return None


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        (
            Forgets(3),
            "policy.patience: found an argument of .*Forgets that its objects do not keep; allowed: an attribute",
        ),
        (Plain(names=[len]), r"policy.names: found \[<built-in function len>\] .* allowed: JSON: .* to_json\(\)"),  # type: ignore[list-item]
        (Plain(names=("a",)), r"policy.names: found \('a',\); .* be restored as \['a'\]"),  # type: ignore[arg-type]
        (Plain(patience=float("nan")), "policy.patience: found nan"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_recorded_is_refused_with_the_way_out(policy: Any, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        policy_record(policy)


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        (
            {"patient": 2},
            "policy.patient: found an unknown key; allowed: type, patience, names. Did you mean 'patience'",
        ),
        (
            {"patience": 0},
            r"policy: found {'patience': 0}; .*ValueError: patience has to be 1 or more.*test_user_classes.py",
        ),
    ],
)
def test_parameters_that_a_class_does_not_take_are_named(parameters: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        built_policy({"type": "m:Plain", **parameters}, lambda name: Plain)


def test_a_missing_parameter_and_a_class_of_another_kind_are_named() -> None:
    with pytest.raises(
        ConfigError, match=r"policy\.patience: found nothing; allowed: a value: .*Forgets needs patience"
    ):
        built_policy({"type": "m:Forgets"}, lambda name: Forgets)
    with pytest.raises(ConfigError, match=r"a class with judge\(trial, interval, curves\)"):
        built_policy({"type": "m:Walk"}, lambda name: Walk)
    with pytest.raises(ConfigError, match="a subclass of raydrive's SamplingSpec"):
        built_sampling({"type": "m:Plain", "space": {}}, lambda name: Plain)
    with pytest.raises(ConfigError, match=r"policy\.type: found 'gone'"):
        built_policy({"type": "gone"}, lambda name: None)


def test_a_policy_that_raises_is_named_with_the_line_in_its_file() -> None:
    sweep = Sweep(a_run(Plain(7)))
    params = {"x": 0.5}
    for fact in (Started(0.0, 1), Suggested(1.0, 0, params), Began(2.0, 0, 1, "node", 1)):
        sweep.handle(fact)
    lines = Path(__file__).read_text().splitlines()
    line = next(number for number, text in enumerate(lines, start=1) if "1 / (self.patience - 7)" in text)
    where = rf"test_user_classes:Plain failed in judge\(trial 0, interval 1\): ZeroDivisionError: .*, line {line}$"
    with pytest.raises(UserCodeError, match=where):
        sweep.handle(Reported(3.0, 0, 1, 1, value=0.5, interval=1))


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (1, r"test_user_classes:Walker failed in ask\(trial 0\): ZeroDivisionError: .*test_user_classes.py, line"),
        (-1, r"Walker.ask returned {'y': 1}, which are not values of x, for trial 0"),
        ("up", r"Walker.ask returned 'up', which is not a Suggestion, a Continuation or None, for trial 0"),
    ],
)
def test_a_sampler_that_fails_is_named(step: Any, text: str) -> None:
    sampler = sampler_of(a_run(sampling=Walk(SPACE, step=step)))
    assert sampler.cheap
    with pytest.raises(UserCodeError, match=text):
        sampler.ask(0, [])
    assert sampler_of(a_run(sampling=Walk(SPACE))).ask(0, []) == Suggestion({"x": 1.0}, "walk")
