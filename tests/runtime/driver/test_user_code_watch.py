"""A user's policy or sampler that does not return: the run's heartbeat names it while the driver waits."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from driver_helpers import recorded, report, started
from trial_actor_helpers import until
from waiting import wait_until

from raydrive import uniform
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.early_stopping.policies import BanditPolicy
from raydrive.core.early_stopping.policy_record import RecordedPolicy
from raydrive.core.records import Began, Reported
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.search.sampling_record import RecordedSampling
from raydrive.core.views.heartbeat import Heartbeat
from raydrive.runtime.driver import running_driver, user_code_watch
from raydrive.runtime.driver.user_code_watch import UserCodeWatch
from raydrive.storage.code_snapshot import store_code
from raydrive.storage.run_layout import RunLayout, new_run_id
from raydrive.storage.run_reader import read_heartbeat

CODE = """
import os, time
from raydrive import RandomParameterSampling, SamplingSpec

def waited(path):
    while not os.path.exists(path): time.sleep(0.02)  # line 6

class Slow:
    def __init__(self, until): self.until = until
    def judge(self, trial, interval, curves):
        waited(self.until)

class SlowSampling(SamplingSpec):
    def __init__(self, parameter_space, properties=None, *, seed=None, until=""):
        super().__init__(parameter_space, properties, seed=seed)
        self.until = until
    def build(self, seed, maximize):
        return SlowSampler(RandomParameterSampling(self.space).build(seed, maximize), self.until)

class SlowSampler:
    cheap = True
    def __init__(self, sampler, until): self.sampler, self.until = sampler, until
    def ask(self, number, history):
        if number:
            waited(self.until)
        return self.sampler.ask(number, history)
"""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_code_watch, "SLOW_S", 0.2)
    monkeypatch.setattr(user_code_watch, "PERIOD_S", 0.05)
    monkeypatch.setattr(running_driver, "HEARTBEAT_S", 0.1)
    monkeypatch.setattr(running_driver, "LINGER_S", 0.0)


def a_run(folder: Path, gate: Path, *, slow: str) -> RunLayout:
    """A run whose policy or sampler comes from its code."""
    source = folder / "code"
    source.mkdir()
    module = f"slow_{slow}"
    (source / f"{module}.py").write_text(CODE)
    space = RandomParameterSampling({"x": uniform(0, 1)})
    recorded_sampling = {"type": f"{module}:SlowSampling", "space": space.space.to_json(), "until": str(gate)}
    policy = RecordedPolicy({"type": f"{module}:Slow", "until": str(gate)})
    config = RunConfig(
        experiment="e",
        metric=Metric(name="m", goal=PrimaryMetricGoal.MAXIMIZE),
        sampling=RecordedSampling(recorded_sampling) if slow == "sampler" else space,
        policy=policy if slow == "policy" else BanditPolicy(slack_factor=0.1),
        limits=Limits(max_total_runs=2, max_concurrent_runs=1),
        trial=TrialSpec(kind="command", command="true"),
        seed=0,
    )
    layout = RunLayout.create(folder / "storage", "e", new_run_id("e"))
    trial = dataclasses.replace(config.trial, code_sha256=store_code(layout, source))
    layout.write_config(json.dumps(dataclasses.replace(config, trial=trial).to_json()).encode())
    return layout


@contextmanager
def in_a_thread(layout: RunLayout) -> Iterator[None]:
    """A driver whose first trial logs once and ends, in a thread of its own."""
    over = threading.Event()

    async def main() -> None:
        async with started(layout) as (driver, pool):
            await until(lambda: len(pool.launched) == 1)
            pool.begin(0)
            await until(lambda: bool(recorded(layout, Began)))
            await driver.report(0, 1, 1, [report(1)])
            pool.end(0)
            await until(over.is_set)

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize(
    ("slow", "call"), [("policy", "slow_policy:Slow: judge"), ("sampler", "slow_sampler:SlowSampling: ask")]
)
def test_the_heartbeat_names_what_the_driver_waits_for(
    tmp_path: Path, slow: str, call: str, capfd: pytest.CaptureFixture[str]
) -> None:
    gate = tmp_path / "gate"
    layout = a_run(tmp_path, gate, slow=slow)

    def beat() -> Heartbeat:
        return read_heartbeat(layout)

    with in_a_thread(layout):
        try:
            wait_until(lambda: beat().trouble, "the sentence in the heartbeat")
            first, at = beat().trouble, beat().at
            place = rf"since \d\d:\d\d:\d\d UTC \(slow_{slow}.py, line 6\)"
            assert re.match(rf"{call} has not returned {place}. The driver waits for it", first)
            assert "trials buffer what they log, and end after 180 s without their driver." in first
            assert beat().at == at  # nothing was heard of the driver itself
        finally:
            gate.touch()
        wait_until(lambda: not beat().trouble, "the end of the trouble")
        assert beat().at > at
        assert beat().notice.startswith("a call of the run's policy or sampler took ")
        wait_until(lambda: recorded(layout, Reported), "the report, in the journal")
    assert capfd.readouterr().err.count("has not returned") == 1


def test_raydrives_own_classes_are_not_watched(tmp_path: Path) -> None:
    told: list[Any] = []
    watch = UserCodeWatch(BanditPolicy(slack_factor=0.1), RandomParameterSampling({"x": uniform(0, 1)}), told.append)
    threads = threading.active_count()
    watch.start()
    assert threading.active_count() == threads
    with watch.during(told.append):
        assert watch.is_at_work
    assert not watch.is_at_work
    assert told == []
