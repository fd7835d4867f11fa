"""What users ask of a driver's run: recorded, answered, carried out, and the same after the next driver took over."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from driver_helpers import a_driver_run, recorded, report, started
from trial_actor_helpers import until

from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.early_stopping.policies import BanditPolicy, MedianStoppingPolicy
from raydrive.core.early_stopping.policy_record import policy_record
from raydrive.core.errors import ConfigError
from raydrive.core.json_values import json_of
from raydrive.core.records import Cancelled, Suggested
from raydrive.core.search.bayesian.sampling import BayesianParameterSampling
from raydrive.core.search.grid_search import GridParameterSampling
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.search.sampling_record import sampling_record
from raydrive.core.space.search_space import choice, uniform
from raydrive.core.user_facts import Added, Edited, RunPaused
from raydrive.runtime.driver import running_driver
from raydrive.storage.run_reader import RunReader
from raydrive.testing.runners import function_config


@pytest.fixture(autouse=True)
def _no_lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_driver, "LINGER_S", 0.0)


def a_config(**changes: Any) -> RunConfig:
    return replace(function_config(tuple(range(20)), max_concurrent_runs=2), **changes)


def edit(**patch: Any) -> dict[str, Any]:
    return {"do": "edit", "patch": patch, "by": "ada"}


def test_more_trials_at_a_time_begin_at_once(tmp_path: Path) -> None:
    layout = a_driver_run(tmp_path, a_config())

    async def main() -> None:
        async with started(layout) as (driver, pool):
            await until(lambda: len(pool.launched) == 2)
            answer = await driver.steer(edit(limits={"max_concurrent_runs": 4}))
            assert answer["recorded"] == ["limits.max_concurrent_trials: 2 -> 4"]
            assert answer["effect"] == "limits now"
            assert answer["revision"] == 1
            await until(lambda: len(pool.launched) == 4)
        assert [fact.by for fact in recorded(layout, Edited)] == ["ada"]

    asyncio.run(main())


def test_two_edits_at_once_are_both_recorded_in_order(tmp_path: Path) -> None:
    layout = a_driver_run(tmp_path, a_config())

    async def main() -> None:
        async with started(layout) as (driver, _):
            requests = [edit(limits={"max_total_runs": 30 + n}) for n in range(3)]
            answers = await asyncio.gather(*map(driver.steer, requests))
            assert [answer["revision"] for answer in answers] == [1, 2, 3]
            with pytest.raises(ConfigError, match=r"--expect-revision: found 1, but the run has revision 3"):
                await driver.steer({**edit(limits={"max_total_runs": 9}), "expect_revision": 1})
        assert [fact.patch["limits"]["max_total_runs"] for fact in recorded(layout, Edited)] == [30, 31, 32]

    asyncio.run(main())


def test_an_exchanged_policy_judges_from_the_next_report_on(tmp_path: Path) -> None:
    layout = a_driver_run(tmp_path, a_config())

    async def main() -> None:
        async with started(layout) as (driver, pool):
            await until(lambda: len(pool.launched) == 2)
            pool.begin(0)
            pool.begin(1)
            assert await driver.report(0, 1, 1, [report(1, 0.9)])
            assert await driver.report(1, 1, 1, [report(1, 0.1)])
            await driver.steer(edit(policy=policy_record(BanditPolicy(slack_amount=0.2))))
            assert pool.stopped == []
            assert not await driver.report(1, 1, 1, [report(2, 0.1)])
            await until(lambda: [stop.trial for stop in pool.stopped] == [1])

    asyncio.run(main())


def test_rejudging_looks_at_all_running_trials_now(tmp_path: Path) -> None:
    layout = a_driver_run(tmp_path, a_config())

    async def main() -> None:
        async with started(layout) as (driver, pool):
            await until(lambda: len(pool.launched) == 2)
            pool.begin(0)
            pool.begin(1)
            await driver.report(0, 1, 1, [report(1, 0.9)])
            await driver.report(1, 1, 1, [report(1, 0.1)])
            policy = policy_record(BanditPolicy(slack_amount=0.2))
            answer = await driver.steer({**edit(policy=policy), "rejudge": True})
            assert answer["effect"] == "the policy now, for all running trials"
            await until(lambda: [(stop.trial, stop.by) for stop in pool.stopped] == [(1, "policy")])

    asyncio.run(main())


def test_a_policy_that_asks_for_more_than_a_lean_judge_kept_gets_it(tmp_path: Path) -> None:
    layout = a_driver_run(tmp_path, a_config(sampling=RandomParameterSampling({"x": uniform(0, 1)})))

    async def main() -> None:
        async with started(layout) as (driver, pool):
            await until(lambda: len(pool.launched) == 2)
            for trial in range(6):
                await until(lambda trial=trial: len(pool.launched) > trial)
                pool.begin(trial)
                await driver.report(trial, 1, 1, [report(1, 0.9), report(2, 0.8), report(3, 0.9)])
                pool.end(trial)
            await until(lambda: len(pool.closed) == 6 and len(pool.launched) == 8)
            await driver.steer({**edit(policy=policy_record(MedianStoppingPolicy())), "rejudge": True})
            pool.begin(6)
            assert not await driver.report(6, 1, 1, [report(1, 0.1)])
            await until(lambda: "average" in pool.stopped[0].why or "median" in pool.stopped[0].why)

    asyncio.run(main())


def test_given_configurations_come_first_and_a_pause_holds_all_up(tmp_path: Path) -> None:
    layout = a_driver_run(tmp_path, a_config(sampling=RandomParameterSampling({"x": uniform(0, 1)})))

    async def main() -> None:
        async with started(layout) as (driver, pool):
            await until(lambda: len(pool.launched) == 2)
            await driver.steer({"do": "pause", "why": "lunch"})
            answer = await driver.steer({"do": "add", "points": [{"params": {"x": 0.25}}, {"params": {"x": 0.75}}]})
            assert answer["recorded"] == ["trial 2: x=0.25", "trial 3: x=0.75"]
            pool.begin(0)
            await driver.report(0, 1, 1, [report(1)])
            pool.end(0)
            await until(lambda: pool.closed == [0])
            assert len(pool.launched) == 2
            await driver.steer({"do": "unpause"})
            await until(lambda: len(pool.launched) == 3)
            assert pool.launched[2].params == {"x": 0.25}
            pool.begin(1)
            await driver.report(1, 1, 1, [report(1)])
            pool.end(1)
            await until(lambda: len(pool.launched) == 4)
            assert pool.launched[3].params == {"x": 0.75}
        assert [fact.why for fact in recorded(layout, RunPaused)] == ["lunch"]
        assert len(recorded(layout, Added)) == 2

    asyncio.run(main())


def test_a_failed_trial_is_retried_from_its_checkpoint_before_new_ones_come(tmp_path: Path) -> None:
    layout = a_driver_run(tmp_path, a_config(sampling=RandomParameterSampling({"x": uniform(0, 1)})))

    async def main() -> None:
        async with started(layout) as (driver, pool):
            await until(lambda: len(pool.launched) == 2)
            pool.begin(0)
            await driver.report(0, 1, 1, [report(1), ("checkpoint", 1.0, 1, "1")])
            pool.end(0, exit_code=1)
            await until(lambda: pool.closed == [0] and len(pool.launched) == 3)
            answer = await driver.steer({"do": "retry", "failed": True})
            assert answer["recorded"] == ["trial 0 is tried again, from its checkpoint of interval 1"]
            assert len(pool.launched) == 3  # both slots are taken
            pool.begin(1)
            await driver.report(1, 1, 1, [report(1)])
            pool.end(1)
            await until(lambda: len(pool.launched) == 4)
            again = pool.launched[3]
            assert (again.trial, again.attempt, again.resume_from, again.interval) == (0, 2, "1", 1)
            pool.begin(0, attempt=2)
            assert await driver.report(0, 2, 1, [("report", 5.0, 1, 2, 0.7, {}, None, {})])
            pool.end(0, attempt=2)
            await until(lambda: pool.closed == [0, 1, 0])
        sweep = RunReader.open(layout).sweep
        assert sweep.trials[0].state == "Completed"
        assert sweep.curves.length(0) == 2

    asyncio.run(main())


def test_what_a_slow_sampler_proposed_for_the_old_space_is_void(tmp_path: Path) -> None:
    slow = BayesianParameterSampling({"x": uniform(0, 1)}, seed=1)
    layout = a_driver_run(tmp_path, a_config(sampling=slow))
    new = sampling_record(BayesianParameterSampling({"x": uniform(5, 6), "y": choice(1, 2)}, seed=1))

    async def main() -> None:
        async with started(layout) as (driver, pool):
            await driver.steer(edit(sampling=new))
            await until(lambda: len(pool.launched) == 2)
            facts: Sequence[Any] = recorded(layout)
            edited = next(place for place, fact in enumerate(facts) if isinstance(fact, Edited))
            after = [fact for fact in facts[edited:] if isinstance(fact, Suggested)]
            assert all(5 <= fact.params["x"] <= 6 and "y" in fact.params for fact in after)

    asyncio.run(main())


def test_trials_later_run_with_edited_resources_also_after_a_new_driver_took_over(tmp_path: Path) -> None:
    layout = a_driver_run(tmp_path, a_config())

    async def main() -> None:
        config = a_config()
        async with started(layout) as (driver, pool):
            await until(lambda: len(pool.launched) == 2)
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr("raydrive.runtime.driver.user_requests.check_feasible", lambda *_, **__: None)
                patched.setattr("raydrive.runtime.driver.user_requests.autoscaling", lambda: False)
                resources = json_of(replace(config.trial.resources, cpus=2))
                await driver.steer(edit(trial={"resources": resources}))
            await until(lambda: "reconfigure 2" in pool.calls)
        async with started(layout) as (_, second):
            assert second.generation == 1

    asyncio.run(main())


def test_a_driver_that_takes_over_goes_on_with_the_edits_of_the_one_before(tmp_path: Path) -> None:
    grid = GridParameterSampling({"a": choice(1, 2), "b": choice(1, 2)})
    layout = a_driver_run(tmp_path, a_config(sampling=grid, limits=Limits(max_total_runs=4, max_concurrent_runs=2)))
    wider = sampling_record(GridParameterSampling({"a": choice(1, 2, 3), "b": choice(2, 4)}))

    async def run_all(driver: Any, pool: Any, epoch: int, trials: Sequence[int]) -> None:
        for trial in trials:
            await until(lambda trial=trial: trial in [launch.trial for launch in pool.launched])
            pool.begin(trial)
            await driver.report(trial, 1, epoch, [report(1)])
            pool.end(trial)

    async def main() -> None:
        async with started(layout) as (driver, pool):
            await run_all(driver, pool, 1, [0])
            await driver.steer(edit(sampling=wider))
        async with started(layout) as (driver, pool):
            await until(lambda: pool.adopted)
            for trial, _ in list(pool.adopted):
                pool.begin(trial)
                await driver.report(trial, 1, 2, [report(1)])
                pool.end(trial)
            seen = len(pool.adopted) + 1
            sweep = RunReader.open(layout).sweep
            total = sweep.limits.max_total_runs
            await run_all(driver, pool, 2, range(seen, total))
            await until(lambda: bool(pool.finished))
        sweep = RunReader.open(layout).sweep
        inside = [
            (trial.params["a"], trial.params["b"])
            for trial in sweep.trials
            if sweep.config.sampling.space.contains(trial.params)
        ]
        assert sorted(inside) == [(a, b) for a in (1, 2, 3) for b in (2, 4)]
        assert not recorded(layout, Cancelled)

    asyncio.run(main())


def test_pausing_now_ends_attempts_that_go_on_from_their_checkpoints_later(tmp_path: Path) -> None:
    layout = a_driver_run(tmp_path, a_config(sampling=RandomParameterSampling({"x": uniform(0, 1)})))

    async def main() -> None:
        async with started(layout) as (driver, pool):
            await until(lambda: len(pool.launched) == 2)
            pool.begin(0)
            pool.begin(1)
            await driver.report(0, 1, 1, [report(1), ("checkpoint", 1.0, 1, "1"), report(2)])
            answer = await driver.steer({"do": "pause", "now": True, "by": "ada"})
            assert answer["recorded"][1:] == [
                "trial 0 pauses, with a checkpoint of interval 1",
                "trial 1 pauses, with no checkpoint so far: it will restart from the beginning",
            ]
            await until(lambda: sorted(stop.trial for stop in pool.stopped) == [0, 1])
            pool.end(0, -15)
            pool.end(1, -15)
            await until(lambda: len(RunReader.open(layout).sweep.paused_trials) == 2)
            assert len(pool.launched) == 2
        async with started(layout) as (driver, pool):  # a driver that takes over pauses, too
            answer = await driver.steer({"do": "unpause"})
            assert answer["recorded"] == ["the run continues", "the paused trials continue: 0, 1"]
            await until(lambda: len(pool.launched) == 2)
            again = [(one.trial, one.attempt, one.resume_from, one.interval) for one in pool.launched]
            assert again == [(0, 2, "1", 1), (1, 2, None, 0)]

    asyncio.run(main())
