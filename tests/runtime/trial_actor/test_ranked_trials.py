"""Trials of several processes: who counts, and where a rank comes from before the trial."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_actor import Driver, a_run, an_actor

from raydrive.context import Run


def events_of(tmp_path: Path, train: Callable[[dict[str, Any]], None], **trial: Any) -> list[Any]:
    async def main() -> list[Any]:
        driver = Driver()
        driver.open.set()
        async with an_actor(*a_run(tmp_path, train, **trial), driver) as actor:
            rest = await asyncio.wait_for(actor.run(1, 0, 1, {}, None, 0), 60)
            return list({repr(event): event for event in [*driver.events, *rest]}.values())

    return asyncio.run(main())


def curve(events: list[Any]) -> list[float]:
    return [event[4] for event in events if event[0] == "report" and event[3]]


def ranks(*, steps: bool, told: bool) -> Callable[[dict[str, Any]], None]:
    """Starts three processes, one after the other, each of which logs three epochs."""

    def train(params: dict[str, Any]) -> None:
        step = ", step=k" if steps else ""
        code = f"from raydrive import Run\nfor k in range(3): Run.get_context().log('score', k / 2{step})"
        for rank in range(3):
            env = {**os.environ, **({"RANK": str(rank), "WORLD_SIZE": "3"} if told else {})}
            subprocess.run([sys.executable, "-c", code], env=env, check=True)

    return train


@pytest.mark.parametrize(
    ("steps", "told", "said"),
    [(False, True, "rank 1"), (True, True, "rank 1"), (True, False, "logged again for step 0")],
)
def test_the_curve_is_that_of_one_process(tmp_path: Path, steps: bool, told: bool, said: str) -> None:
    events = events_of(tmp_path, ranks(steps=steps, told=told))
    assert curve(events) == [0.0, 0.5, 1.0]
    (text,) = [event[2] for event in events if event[0] == "note"]
    assert said in text
    (log,) = (tmp_path / "storage").rglob("log.txt")
    assert f"raydrive: {text}\n" in log.read_text()


def test_a_user_may_have_all_ranks_count(tmp_path: Path) -> None:
    train = ranks(steps=False, told=True)
    events = events_of(tmp_path, train, environment_variables={"RAYDRIVE_ALL_RANKS": "1"})
    assert curve(events) == [0.0, 0.5, 1.0] * 3


def test_the_rank_of_the_node_in_its_cluster_is_none_of_a_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray's workers have the variables of whatever has started Ray."""
    monkeypatch.setenv("SLURM_PROCID", "3")
    monkeypatch.setenv("SLURM_NTASKS", "4")

    def train(params: dict[str, Any]) -> None:
        Run.get_context().log("score", 1.0)

    events = events_of(tmp_path, train)
    assert curve(events) == [1.0]
    assert not [event for event in events if event[0] == "note"]
