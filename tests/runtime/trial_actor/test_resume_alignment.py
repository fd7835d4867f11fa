"""A curve is the same whether a script saves before it logs or after, and wherever it is killed and goes on."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_actor import Driver, a_run, an_actor

from raydrive.context import Run
from raydrive.core.config.run_config import RunConfig
from raydrive.core.records import Entry, Launch, Reported, Started, Suggested
from raydrive.core.sweep.sweep import Sweep
from raydrive.runtime.trial_events import to_facts
from raydrive.storage.run_layout import RunLayout
from raydrive.testing.runners import function_config

EPOCHS = 7
Step = Callable[[Run, int], None]


def save(run: Run, epoch: int) -> None:
    Path("state").mkdir(exist_ok=True)
    Path("state/epoch").write_text(json.dumps(epoch))
    run.save_checkpoint("state")


def log(run: Run, epoch: int) -> None:
    run.log("score", epoch / 10, step=epoch)


def report(run: Run, epoch: int) -> None:
    Path("state").mkdir(exist_ok=True)
    Path("state/epoch").write_text(json.dumps(epoch))
    run.report({"score": epoch / 10, "loss": 1.0}, step=epoch, checkpoint="state")


def arrived() -> None:
    """Waits until the last checkpoint is in the storage."""
    while os.listdir(os.environ["RAYDRIVE_CHECKPOINT_DIR"]):
        time.sleep(0.01)
    time.sleep(0.1)


def training(order: tuple[Step, ...], kills: dict[int, tuple[int, int]]) -> Callable[[dict[str, Any]], None]:
    """Trains with these steps in each epoch; attempt a is killed in epoch e after n of them: ``kills[a] = (e, n)``."""

    def train(params: dict[str, Any]) -> None:
        run = Run.get_context()
        start = 0
        if run.resume_from:
            start = json.loads((Path(run.resume_from) / "epoch").read_text())
        for epoch in range(start + 1, EPOCHS + 1):
            for done, step in enumerate(order):
                if kills.get(run.attempt) == (epoch, done):
                    arrived()
                    os.kill(os.getpid(), signal.SIGKILL)
                step(run, epoch)
            if kills.get(run.attempt) == (epoch, len(order)):
                arrived()
                os.kill(os.getpid(), signal.SIGKILL)

    return train


def trained(layout: RunLayout, config: RunConfig) -> tuple[list[float], list[Launch]]:
    """The curve of a trial whose attempts are relaunched as the judge has it, and those launches."""

    async def main() -> tuple[list[float], list[Launch]]:
        driver = Driver()
        driver.open.set()
        sweep = Sweep(config)
        sweep.handle(Started(1.0, 1))
        (decision,) = sweep.handle(Suggested(2.0, 0, {"x": 1.0}))
        launches: list[Launch] = []
        async with an_actor(layout, config, driver) as actor:
            while isinstance(decision, Launch):
                launches.append(decision)
                driver.events.clear()
                known = (decision.recorded, decision.first_step, decision.last_step)
                call = actor.run(1, 0, decision.attempt, {}, decision.resume_from, decision.interval, *known)
                rest = await asyncio.wait_for(call, 60)
                events = list({repr(event): event for event in [*driver.events, *rest]}.values())
                decisions: list[Any] = []
                for fact in to_facts(0, decision.attempt, events):
                    if sweep.accepts(fact):
                        decisions += sweep.handle(fact)
                decision = decisions[0]
            assert decision.state == "Completed", decision
        return list(sweep.curves.values(0)), launches

    return asyncio.run(main())


ORDERS = {"log, save": (log, save), "save, log": (save, log), "report": (report,)}
KILLS = {
    "never": {},
    "after an epoch": {1: (3, 2)},
    "within an epoch": {1: (4, 1)},
    "before an epoch": {1: (4, 0)},
    "again and again": {1: (3, 2), 2: (4, 1), 3: (6, 1), 4: (6, 2)},
    "at once again": {1: (4, 1), 2: (4, 1), 3: (5, 0)},
}


@pytest.mark.parametrize("kills", KILLS.values(), ids=KILLS)
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_both_orders_end_with_the_same_curve(
    tmp_path: Path, order: tuple[Step, ...], kills: dict[int, tuple[int, int]]
) -> None:
    kills = {attempt: (epoch, min(done, len(order))) for attempt, (epoch, done) in kills.items()}
    layout, config = a_run(tmp_path, training(order, kills))
    config = replace(config, limits=replace(config.limits, max_attempts=9))
    curve, launches = trained(layout, config)
    assert curve == [epoch / 10 for epoch in range(1, EPOCHS + 1)]
    assert len(launches) > 1 or not kills
    assert all(launch.resume_from is not None for launch in launches[1:])


def test_a_journal_knows_the_steps_again_after_a_restart() -> None:
    entries: list[Entry] = []
    sweep = Sweep(function_config())

    def take(fact: Any) -> None:
        entries.append((fact, sweep.handle(fact)))

    take(Started(1.0, 1))
    take(Suggested(2.0, 0, {"x": 1.0}))
    for k, step in enumerate((2, 4, 8), 1):
        take(Reported(3.0 + k, 0, 1, k, k, 0.5, {}, step))
    assert sweep.trials[0].steps == Sweep.replay(function_config(), entries).trials[0].steps == (3, 2.0, 8.0)
    take(Reported(9.0, 0, 1, 4, 4, 0.5, {}, 3))  # they do not grow: nothing can be aligned by them
    assert sweep.trials[0].steps is None
    take(Reported(9.5, 0, 1, 5, 5, 0.5, {}, 99))
    assert sweep.trials[0].steps is None
