"""What a driver tells where the storage does not take which checkpoints other trials go on from."""

from __future__ import annotations

import asyncio
from pathlib import Path

from driver_helpers import a_driver_run, report, started
from trial_actor_helpers import until

from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.run_rules import RunRules
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import uniform


def test_a_pin_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    config = RunConfig(
        experiment="members",
        metric=Metric(name="accuracy", goal=PrimaryMetricGoal.MAXIMIZE),
        sampling=RandomParameterSampling({"x": uniform(0, 1)}),
        limits=Limits(max_total_runs=2, max_concurrent_runs=2),
        trial=TrialSpec(kind="function"),
        seed=0,
        rules=RunRules.of({"population": {"every": 2, "quantile": 0.5}}),
    )
    layout = a_driver_run(tmp_path, config)
    place = layout.checkpoints(1).local_path
    assert place is not None
    place.parent.mkdir(parents=True)
    place.write_text("no folder")

    async def main() -> None:
        async with started(layout) as (driver, pool):
            await until(lambda: len(pool.launched) == 2)
            pool.begin(0)
            pool.begin(1)
            await driver.report(1, 1, 1, [report(1, 0.9), report(2, 0.9), ("checkpoint", 1.0, 2, "1")])
            assert not await driver.report(0, 1, 1, [report(1, 0.1), report(2, 0.1)])
            assert (await driver.view())["notice"].startswith("storage: ")

    asyncio.run(main())
