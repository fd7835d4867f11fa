"""The log of a trial is followed while it grows, and read to its end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from raydrive import RandomParameterSampling, uniform
from raydrive.core.config import Limits, RunConfig
from raydrive.core.printed import PrintedMetrics
from raydrive.core.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.runtime.printed_log import printed_metrics


def config(metrics: PrintedMetrics | None) -> RunConfig:
    return RunConfig(
        experiment="printing",
        metric=Metric(name="accuracy", goal=PrimaryMetricGoal.MAXIMIZE),
        sampling=RandomParameterSampling({"x": uniform(0, 1)}),
        limits=Limits(max_total_runs=1, max_concurrent_runs=1),
        trial=TrialSpec(kind="command", command="true", metrics=metrics),
        seed=0,
    )


def test_lines_arrive_while_it_grows_and_the_rest_at_its_end(tmp_path: Path) -> None:
    log, taken, full = tmp_path / "log.txt", [], False

    async def trial() -> None:
        nonlocal full
        async with printed_metrics(log, config(PrintedMetrics(("acc=([0-9.]+)",))), taken.extend, lambda: full):
            log.write_text("acc=0.1\nacc=0.")  # it did not exist before
            for _ in range(2000):
                if taken:
                    break
                await asyncio.sleep(0.01)
            assert values(taken) == [0.1]
            full = True  # nothing more is taken now, and nothing is lost
            with log.open("a") as file:
                file.write("2\nacc=0.3")
            await asyncio.sleep(0.3)
            assert values(taken) == [0.1]

    asyncio.run(trial())
    assert values(taken) == [0.1, 0.2, 0.3]


def test_nothing_is_read_where_nothing_is_asked_for(tmp_path: Path) -> None:
    async def trial() -> None:
        async with printed_metrics(tmp_path / "log.txt", config(None), fail, lambda: False):
            (tmp_path / "log.txt").write_text("acc=1\n")

    def fail(messages: object) -> None:
        raise AssertionError(messages)

    asyncio.run(trial())


def test_a_configuration_keeps_its_patterns() -> None:
    for metrics in (None, PrintedMetrics(("a=(?P<a>.)", "b=(?P<b>.)"), json_lines=True)):
        kept = RunConfig.from_json(config(metrics).to_json())
        assert kept.trial.metrics == metrics
    raw = config(None).to_json()
    del raw["trial"]["metrics"]  # written by an earlier version
    assert RunConfig.from_json(raw).trial.metrics is None


def values(taken: list[dict[str, Any]]) -> list[float]:
    return [message["m"]["accuracy"] for message in taken]
