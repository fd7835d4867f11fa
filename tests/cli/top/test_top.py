"""``raydrive top``, driven by textual's own pilot on run folders."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot
from textual.widgets import DataTable, Static

from raydrive.api.run import HyperDriveRun
from raydrive.api.workspace import Workspace
from raydrive.cli.app import run as run_command
from raydrive.cli.top.actions import ACTIONS, RUN, TRIAL, Action
from raydrive.cli.top.app import RunsScreen, TopApp
from raydrive.cli.top.curve import plot
from raydrive.cli.top.run_screen import AskScreen, RunScreen
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.run_rules import RunRules
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, Resources, TrialSpec
from raydrive.core.records import Began, Ended, Fact, Reported, Started, Suggested, dump
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import uniform
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.views.heartbeat import dump_heartbeat
from raydrive.core.views.summary import INTERRUPTED
from raydrive.storage.journal.writer import JournalWriter
from raydrive.storage.run_layout import RunLayout

RUN_ID = "first-20261129-120000-0001"
SIZE = (130, 40)


class Recording:
    """A run folder that goes on: what is told is judged and written, as a driver does."""

    def __init__(self, storage: Path, gpus: float = 0) -> None:
        self.layout = RunLayout.create(str(storage), "first", RUN_ID)
        config = RunConfig(
            experiment="first",
            metric=Metric(name="accuracy", goal=PrimaryMetricGoal.MAXIMIZE),
            sampling=RandomParameterSampling({"lr": uniform(0, 1)}),
            limits=Limits(max_total_runs=9, max_concurrent_runs=3),
            trial=TrialSpec(kind="command", command="python train.py", resources=Resources(gpus=gpus)),
            seed=0,
            rules=RunRules.of({"finish_when": {"target": 0.97}}),
        )
        self.layout.write_config(json.dumps(config.to_json()).encode())
        self.sweep, self.writer = Sweep(config), JournalWriter.open(self.layout.journal)

    def tell(self, *facts: Fact) -> None:
        self.writer.append([dump(fact, self.sweep.handle(fact)) for fact in facts])

    def begin(self, number: int, *values: float) -> None:
        """A trial begins and logs some values."""
        lr = {"lr": (number + 1) / 8}
        self.tell(Suggested(1000.0 + number, number, lr, "random"), Began(1001.0 + number, number, 1, "node-1", 7))
        for interval, value in enumerate(values, 1):
            self.report(number, interval, value)
        folder = Path(self.layout.trial(number).uri.removeprefix("file://")) / "attempt-1"
        folder.mkdir(parents=True)
        (folder / "log.txt").write_text(f"epoch 1 of trial {number}\nloss is falling\n")

    def report(self, number: int, interval: int, value: float) -> None:
        self.tell(Reported(1002.0 + interval, number, 1, interval, interval, value))


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    made = Recording(tmp_path)
    made.tell(Started(1000.0, 1))
    made.begin(0, 0.1, 0.5, 0.8)
    made.begin(1, 0.2, 0.9)
    return made


def driven(app: TopApp, steps: Callable[[Pilot[Any]], Awaitable[None]]) -> None:
    async def main() -> None:
        async with app.run_test(size=SIZE) as pilot:
            await steps(pilot)

    asyncio.run(main())


async def until(pilot: Pilot[Any], condition: Callable[[], Any]) -> Any:
    """Waits until something is shown."""
    for _ in range(400):
        await pilot.pause(0.05)
        if found := condition():
            return found
    screen = pilot.app.screen
    texts = [str(one.render()) for one in screen.query(Static) if one.id != "curve"]
    raise AssertionError(f"it is never shown: {screen} {texts}")


def shown(pilot: Pilot[Any], name: str) -> str:
    return str(pilot.app.screen.query_one(f"#{name}", Static).render())


def cells(pilot: Pilot[Any], name: str = "trials") -> list[list[str]]:
    table = pilot.app.screen.query_one(f"#{name}", DataTable)
    return [list(map(str, table.get_row(row.key))) for row in table.ordered_rows]


def test_a_run_with_its_trials_curve_log_and_rules(recording: Recording, tmp_path: Path) -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen) and len(cells(pilot)) == 2)
        assert [row[:3] for row in cells(pilot)] == [["1", "Running", "0.9"], ["0", "Running", "0.8"]]
        assert shown(pilot, "summary").startswith(f"{RUN_ID}  ")
        assert "best accuracy 0.9 (trial 1)" in shown(pilot, "summary")
        await until(pilot, lambda: "target 0.97: best 0.9" in shown(pilot, "rules"))
        await until(pilot, lambda: "epoch 1 of trial 1" in shown(pilot, "log"))
        assert "accuracy of trial 1" in shown(pilot, "curve")
        await pilot.press("down")
        await until(pilot, lambda: "epoch 1 of trial 0" in shown(pilot, "log"))
        assert "accuracy of trial 0" in shown(pilot, "curve")
        recording.report(0, 4, 0.95)  # it goes on
        recording.begin(2)
        await until(pilot, lambda: [row[0] for row in cells(pilot)] == ["0", "1", "2"])
        assert pilot.app.screen.query_one("#trials", DataTable).cursor_row == 0  # still on trial 0
        await pilot.press("s")
        recording.report(2, 1, 0.3)
        await until(pilot, lambda: [row[0] for row in cells(pilot)] == ["0", "1", "2"] and cells(pilot)[2][2] == "0.3")

    driven(TopApp(Workspace(str(tmp_path)), HyperDriveRun(recording.layout)), steps)


def test_what_trials_use_of_their_gpus(tmp_path: Path) -> None:
    made = Recording(tmp_path, gpus=1)
    made.tell(Started(1000.0, 1))
    made.begin(0, 0.1)
    made.begin(1, 0.2)
    made.tell(Ended(1010.0, 0, 1, 0, usage={"gpu_percent": 41.0, "gpu_memory_bytes": 2e9}))
    live = {"1": {"gpu_percent": 83.4, "gpu_memory_bytes": 3.21e9}}
    made.layout.write_driver(dump_heartbeat({"state": "Running", "at": time.time(), "epoch": 1, "gpu_use": live}))

    async def steps(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen) and len(cells(pilot)) == 2)
        await until(pilot, lambda: [row[6:8] for row in cells(pilot)] == [["83", "3.21"], ["41", "2.00"]])

    driven(TopApp(Workspace(str(tmp_path)), HyperDriveRun(made.layout)), steps)


def test_the_list_of_runs_opens_one_and_comes_back(recording: Recording, tmp_path: Path) -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: isinstance(pilot.app.screen, RunsScreen) and cells(pilot, "runs"))
        assert cells(pilot, "runs")[0][0] == RUN_ID
        assert cells(pilot, "runs")[0][2:4] == ["0/9", "0.9"]
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen) and cells(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunsScreen))
        recording.tell(Ended(1100.0, 1, 1, 0))
        await until(pilot, lambda: cells(pilot, "runs")[0][2] == "1/9")

    driven(TopApp(Workspace(str(tmp_path))), steps)


def test_a_folder_without_runs_says_what_to_do(tmp_path: Path) -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: "raydrive submit" in shown(pilot, "told"))

    driven(TopApp(Workspace(str(tmp_path))), steps)


@pytest.mark.parametrize("answer", ["y", "no"])
def test_an_action_asks_first_and_is_carried_out_only_then(
    recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    """Each key of the table asks; the table is what tests put their own actions into."""
    done: list[tuple[int | None, str]] = []

    def act(run: HyperDriveRun, trial: int | None, text: str, address: str | None) -> str:
        done.append((trial, text))
        return f"{run.id} was told"

    own = tuple(Action(one.key, one.name, one.about, one.question, act, one.prompt) for one in ACTIONS)
    monkeypatch.setattr("raydrive.cli.top.run_screen.ACTIONS", own)

    async def steps(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen) and len(cells(pilot)) == 2)
        for place, action in enumerate(own):
            await pilot.press(action.key)
            await until(pilot, lambda: isinstance(pilot.app.screen, AskScreen))
            what = f"run {RUN_ID}" if action.about == RUN else "trial 1"
            assert action.question.format(what=what) in shown(pilot, "question")
            keys = ["a", "=", "1", "enter"] if action.prompt else ["y"]
            await pilot.press(*(keys if answer == "y" else ["escape"]))
            await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen))
            if answer == "y":
                await until(pilot, lambda place=place: len(done) == place + 1)
                await until(pilot, lambda: f"{RUN_ID} was told" in shown(pilot, "told"))

    driven(TopApp(Workspace(str(tmp_path)), HyperDriveRun(recording.layout)), steps)
    expected = [(1 if one.about == TRIAL else None, "a=1" if one.prompt else "") for one in own]
    assert done == (expected if answer == "y" else [])


def test_a_run_without_a_driver_is_told_so(recording: Recording, tmp_path: Path) -> None:
    """The real action: what is over is not cancelled, and no cluster is asked."""
    recording.tell(Ended(1100.0, 1, 1, 0))

    async def steps(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen) and len(cells(pilot)) == 2)
        assert cells(pilot)[0][:2] == ["1", "Completed"]
        await pilot.press("c")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskScreen))
        await pilot.press("y")
        await until(pilot, lambda: "Trial 1 had already ended." in shown(pilot, "told"))

    driven(TopApp(Workspace(str(tmp_path)), HyperDriveRun(recording.layout)), steps)


def test_no_two_actions_have_one_key() -> None:
    keys = [action.key for action in ACTIONS]
    assert len(set(keys)) == len(keys)
    assert not set(keys) & {"s", "b", "q", "escape", "enter"}


def test_without_a_terminal_it_names_what_scripts_use(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run_command(["top", "--storage", str(tmp_path)]) == 2
    assert "raydrive status" in capsys.readouterr().err


curves = st.lists(st.floats(), max_size=30)


@given(st.lists(curves, max_size=4), curves, st.integers(20, 80), st.integers(2, 12))
def test_a_plot_has_its_size_whatever_is_drawn(others: list[list[float]], chosen: list[float], w: int, h: int) -> None:
    lines = plot(others, chosen, w, h).plain.split("\n")
    if any(math.isfinite(value) for curve in (*others, chosen) for value in curve):
        assert len(lines) == h
        assert {len(line) for line in lines} == {11 + (w - 11)}
    else:
        assert lines == ["no values yet"]


def test_a_plot_rises_where_its_curve_does() -> None:
    lines = plot([], [0.0, 1.0], 31, 4).plain.split("\n")
    assert [line[:11].strip() for line in lines] == ["1", "", "", "0"]
    first = [next(place for place, sign in enumerate(line[11:]) if sign != chr(0x2800)) for line in lines]
    assert first == sorted(first, reverse=True)


def test_steering_a_run_without_a_driver_is_recorded_for_its_resume(recording: Recording, tmp_path: Path) -> None:
    """The real actions of the table: what was recorded is told, and the next look shows it."""
    recording.layout.write_driver(dump_heartbeat({"state": INTERRUPTED, "at": 1100.0, "epoch": 1}))
    run = HyperDriveRun(recording.layout)

    async def steps(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen) and len(cells(pilot)) == 2)
        for key, text, found in (
            ("e", "limits.max_concurrent_trials=5", lambda: run.sweep.limits.max_concurrent_runs == 5),
            ("a", "lr=0.625", lambda: run.sweep.steering.given),
            ("p", "", lambda: run.sweep.steering.paused and "paused" in shown(pilot, "rules")),
            ("p", "", lambda: run.sweep.steering.paused is None),
        ):
            await pilot.press(key)
            await until(pilot, lambda: isinstance(pilot.app.screen, AskScreen))
            await pilot.press(*([*(NAMES.get(sign, sign) for sign in text), "enter"] if text else ["y"]))
            await until(pilot, lambda: "It takes effect" in shown(pilot, "told"))
            await until(pilot, found)
            pilot.app.screen.query_one("#told", Static).update("")

    driven(TopApp(Workspace(str(tmp_path)), run), steps)


NAMES = {"=": "equals_sign", ".": "full_stop", "_": "underscore"}
"""What textual calls keys that are no letters."""
