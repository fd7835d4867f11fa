"""A trial that puts something else in the place of its log or of its files: its actor neither waits nor reads it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from trial_actor_helpers import Driver, a_run, an_actor, notes, of_kind

from raydrive.context import Run
from raydrive.core.reports.attempt_reports import ReportEvent
from raydrive.runtime.trial_events import EndedEvent
from raydrive.storage.checkpoints import manifests
from raydrive.storage.folder.contained import remove_tree
from raydrive.storage.run_layout import RunLayout

SECRET = "root:x:the secret of another user"
LONGEST_S = 60.0


def attempt(storage: Path, train: Callable[[dict[str, Any]], object], trials: int = 1) -> tuple[RunLayout, list[Any]]:
    """Runs trials one after the other in one actor; returns the run and all that was reported."""

    async def main() -> tuple[RunLayout, list[Any]]:
        driver = Driver(is_open=True)
        layout, config = a_run(storage.parent, train)
        async with an_actor(layout, config, driver) as actor:
            for trial in range(trials):
                parameters = {"trial": trial}
                driver.events += await asyncio.wait_for(actor.run(1, trial, 1, parameters, None, 0), LONGEST_S)
        return layout, driver.events

    return asyncio.run(main())


def ends(events: list[Any]) -> list[Any]:
    return [(event.exit_code, event.error) for event in of_kind(events, EndedEvent)]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    path = tmp_path / "etc" / "log.txt"
    path.parent.mkdir()
    path.write_text(SECRET)
    return path


@pytest.mark.parametrize("instead", ["FIFO", "link", "device", "folder", "folder above", "nothing"])
def test_the_last_words_of_a_trial_come_from_its_own_log_only(tmp_path: Path, outside: Path, instead: str) -> None:
    def train(params: dict[str, Any]) -> None:
        (log,) = (tmp_path / "storage").rglob("attempt-1/log.txt")
        Run.get_context().log("score", 1)
        log.unlink()
        if instead == "FIFO":
            os.mkfifo(log)
        elif instead == "link":
            log.symlink_to(outside)
        elif instead == "device":
            log.symlink_to("/dev/zero")
        elif instead == "folder":
            log.mkdir()
        elif instead == "folder above":
            log.parent.rmdir()
            log.parent.symlink_to(outside.parent)
        os._exit(3)

    _, events = attempt(tmp_path / "storage", train)
    assert ends(events) == [(3, "")]
    assert [(event.seq, event.interval, event.value) for event in of_kind(events, ReportEvent)][:1] == [(1, 1, 1)]
    assert ("its log is no longer read" in " ".join(notes(events))) == (instead != "nothing")
    assert SECRET not in str(events)
    assert outside.read_text() == SECRET, "a line of ours does not get there either"


@pytest.mark.parametrize("instead", ["FIFO", "link", "folder"])
def test_a_trial_cannot_lay_a_trap_for_the_next_one(tmp_path: Path, outside: Path, instead: str) -> None:
    def train(params: dict[str, Any]) -> None:
        print("trial", params["trial"], "has its say")
        Run.get_context().log("score", 1)
        if params["trial"]:
            return
        trials = next((tmp_path / "storage").rglob("trials"))
        if instead == "folder":
            (trials / "00001").symlink_to(outside.parent)
            return
        (trials / "00001/attempt-1").mkdir(parents=True)
        if instead == "FIFO":
            os.mkfifo(trials / "00001/attempt-1/log.txt")
        else:
            (trials / "00001/attempt-1/log.txt").symlink_to(outside)

    _, events = attempt(tmp_path / "storage", train, trials=2)
    first, second = ends(events)
    assert first == (0, "")
    assert second[0] is None
    assert {"FIFO": "a fifo or a socket is in its place", "link": "a link is in its place"}.get(
        instead, "has created a link there"
    ) in second[1]
    assert outside.read_text() == SECRET
    assert [path.name for path in outside.parent.iterdir()] == ["log.txt"]


@pytest.mark.parametrize("instead", ["file", "folder", "inside"])
def test_a_checkpoint_holds_what_is_the_runs_own(tmp_path: Path, outside: Path, instead: str) -> None:
    def train(params: dict[str, Any]) -> None:
        staging = Path(os.environ["RAYDRIVE_CHECKPOINT_DIR"])
        Run.get_context().log("score", 1)
        if instead == "folder":
            (staging / "a").symlink_to(outside.parent)
        else:
            (staging / "a").mkdir()
            (staging / "a/weights").write_text("weights")
            Path("outputs/best").write_text("best")
            target = outside if instead == "file" else Path("outputs/best").resolve()
            (staging / "a/link").symlink_to(target)
        (staging / "a.done").touch()

    layout, events = attempt(tmp_path / "storage", train)
    assert ends(events) == [(0, "")]
    found = manifests(layout, 0)
    assert [sorted(one.files) for one in found] == ([["link", "weights"]] if instead == "inside" else [])
    for path in (tmp_path / "storage").rglob("*"):
        assert not path.is_file() or SECRET not in path.read_text(errors="replace"), path
    log = layout.attempt(0, 1).read_bytes("log.txt").decode()
    assert ("leaves the" in log and "run" in log) == (instead != "inside"), log
    assert outside.read_text() == SECRET


def test_folders_nested_deeper_than_python_calls_are_no_fault_of_the_trial(tmp_path: Path) -> None:
    def train(params: dict[str, Any]) -> None:
        Run.get_context().log("score", 1)
        for start in (".", "outputs"):
            folder = os.open(start, os.O_RDONLY)
            for _ in range(1200):
                os.mkdir("d", dir_fd=folder)
                below = os.open("d", os.O_RDONLY, dir_fd=folder)
                os.close(folder)
                folder = below
            os.close(folder)

    layout, events = attempt(tmp_path / "storage", train)
    assert ends(events) == [(0, "")]
    assert [item.name for item in layout.trial(0).walk()] == ["attempt-1/log.txt"]
    remove_tree(tmp_path / "storage")  # pytest could not
