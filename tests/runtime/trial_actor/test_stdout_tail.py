"""The log of a trial is followed while it grows, and read to its end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from raydrive import RandomParameterSampling, uniform
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.stdout_metrics import PrintedMetrics
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.runtime.trial_actor.files.capped_log import CappedLog
from raydrive.runtime.trial_actor.stdout_tail import StdoutTail, watched


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
        watch = StdoutTail(CappedLog(log, 0), config(PrintedMetrics(("acc=([0-9.]+)",))), taken.extend, lambda: full)
        async with watched(watch):
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
        async with watched(StdoutTail(CappedLog(tmp_path / "log.txt", 0), config(None), fail, lambda: False)):
            (tmp_path / "log.txt").write_text("acc=1\n")

    def fail(messages: object) -> None:
        raise AssertionError(messages)

    asyncio.run(trial())


def test_a_slow_pattern_and_a_flood_leave_the_loop_its_turns(tmp_path: Path) -> None:
    """The loop's turns are counted while the matching takes place: it must not wait for a whole log, or a line."""
    log, taken, notes = tmp_path / "log.txt", [], []
    log.write_text(("a" * 60 + "b\n") * 40 + "acc=0.5\n" * 50_000)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.001)
            turns += 1

    async def trial() -> None:
        counting = asyncio.ensure_future(count())
        patterns = PrintedMetrics((r"(a|aa)+$", "acc=([0-9.]+)"))
        log_, note = CappedLog(log, 0), lambda text, lost: notes.append((text, lost))
        async with watched(StdoutTail(log_, config(patterns), taken.extend, lambda: False, note)):
            pass
        counting.cancel()

    asyncio.run(trial())
    assert len(values(taken)) == 50_000
    assert turns > 100  # of some 2,000 ms, with 40 lines of 50 ms each
    assert len(notes) == 1
    assert "takes more than" in notes[0][0]


def test_what_was_dropped_before_it_was_searched_is_said(tmp_path: Path) -> None:
    path, taken, notes = tmp_path / "log.txt", [], []
    path.write_text("acc=1\n" + "x" * 63 + "\n" * 1 + ("y" * 63 + "\n") * 20_000 + "acc=2\n")
    log = CappedLog(path, 100_000)
    assert log.cut()  # before anybody has read it

    async def trial() -> None:
        note = lambda text, lost: notes.append((text, lost))  # noqa: E731
        async with watched(
            StdoutTail(log, config(PrintedMetrics(("acc=([0-9.]+)",))), taken.extend, lambda: False, note)
        ):
            pass

    asyncio.run(trial())
    assert values(taken) == [1.0, 2.0]
    assert [lost for _, lost in notes] == [True, True]
    assert "part of it was skipped" in notes[0][0]
    assert "longer than log_limit (100,000 bytes)" in notes[1][0]


def test_a_configuration_keeps_its_patterns() -> None:
    for metrics in (None, PrintedMetrics(("a=(?P<a>.)", "b=(?P<b>.)"), json_lines=True)):
        kept = RunConfig.from_json(config(metrics).to_json())
        assert kept.trial.metrics == metrics
    raw = config(None).to_json()
    del raw["trial"]["metrics"]  # written by an earlier version
    assert RunConfig.from_json(raw).trial.metrics is None


def values(taken: list[dict[str, Any]]) -> list[float]:
    return [message["m"]["accuracy"] for message in taken]
