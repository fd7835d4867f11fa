"""Trials of a training function in a real trial actor, killed and relaunched as the judge decides."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trial_actor_helpers import Driver, a_run, an_actor, once

from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal
from raydrive.core.early_stopping.policies import NoTerminationPolicy, Policy
from raydrive.core.records import Launch, Reported, Started, Stop, Suggested
from raydrive.core.sweep.sweep import Sweep

KILLED = "KILLED_IN"
"""Environment variable: the interval after which the first attempt ends its process."""


@dataclass
class Trained:
    """What came of a trial."""

    curve: list[float]
    launches: list[Launch]
    state: str
    why: str
    metrics: dict[str, list[Any]]
    """Every value of the other metrics by name."""


def wait_for_storage() -> None:
    """Waits in a trial until its last checkpoint is in the storage, so that a kill loses nothing by chance."""
    while os.listdir(os.environ["RAYDRIVE_CHECKPOINT_DIR"]):
        time.sleep(0.01)
    time.sleep(0.1)


def train_in_attempts(
    tmp_path: Path,
    function: Callable[[dict[str, Any]], object],
    metric: str,
    *,
    goal: str = "maximize",
    policy: Policy | None = None,
    others: Mapping[int, list[float]] | None = None,
    params: Mapping[str, Any] | None = None,
    **trial: Any,
) -> Trained:
    """Trains one trial until it is over, in as many attempts as its failures ask for.

    Args:
        tmp_path: Where its run is kept.
        function: The training function.
        metric: The primary metric.
        goal: ``maximize`` or ``minimize``.
        policy: May stop it; it is compared with ``others``.
        others: Curves of trials before it, by number from 0.
        params: Its hyperparameters.
        **trial: Further fields of the trial's specification.
    """
    layout, config = a_run(tmp_path, function, **trial)
    config = replace(
        config,
        metric=Metric(name=metric, goal=PrimaryMetricGoal(goal)),
        policy=policy or NoTerminationPolicy(),
        limits=replace(config.limits, max_attempts=9),
    )
    sweep = Sweep(config)
    sweep.handle(Started(1.0, 1))
    number = len(others or {})
    for other, curve in (others or {}).items():
        sweep.handle(Suggested(2.0, other, {"x": 1.0}))
        for interval, value in enumerate(curve, start=1):
            sweep.handle(Reported(2.0, other, 1, interval, interval, value))
    (decision,) = sweep.handle(Suggested(3.0, number, dict(params or {"x": 1.0})))
    launches: list[Launch] = []
    reports: list[Reported] = []

    async def main() -> Any:
        nonlocal decision
        driver = Driver(is_open=True)
        async with an_actor(layout, config, driver) as actor:
            while isinstance(decision, Launch):
                launches.append(decision)
                driver.events.clear()
                known = (decision.recorded, decision.first_step, decision.last_step)
                call = asyncio.ensure_future(
                    actor.run(
                        *(1, number, decision.attempt, dict(params or {}), decision.resume_from, decision.interval),
                        *known,
                        last_value=decision.last_value,
                    )
                )
                decision = await _follow(call, actor, driver, decision)
        return decision

    async def _follow(call: asyncio.Future[Any], actor: Any, driver: Driver, launch: Launch) -> Any:
        """Hands facts to the judge while the attempt trains, and carries out its stop."""
        told, decisions = 0, list[Any]()
        while True:
            done = call.done()
            events = once(driver.events, call.result() if done else ())
            for event in events[told:]:
                fact = event.to_fact(number, launch.attempt)
                if sweep.accepts(fact):
                    reports.extend([fact] if isinstance(fact, Reported) else [])
                    new = list(sweep.handle(fact))
                    if any(isinstance(one, Stop) for one in new):
                        await actor.stop(1, number, launch.attempt, 2.0)
                    decisions += [one for one in new if not isinstance(one, Stop)]
            told = len(events)
            if done:
                return decisions[0]
            await asyncio.sleep(0.01)

    last = asyncio.run(asyncio.wait_for(main(), 240))
    metrics: dict[str, list[Any]] = {}
    for report in reports:
        for name, value in report.metrics.items():
            metrics.setdefault(name, []).append(value)
    return Trained(list(sweep.curves.values(number)), launches, last.state, last.why, metrics)
