"""What a tracker is told of a journal: everything, in order, also when it was away or the follower was killed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest
from waiting import wait_until

from raydrive.core.errors import ConfigError
from raydrive.core.records import Began, Close, Ended, Finish, Launch, Lost, Reported, Started, Suggested, dump
from raydrive.storage.journal.writer import JournalWriter
from raydrive.storage.run_layout import RunLayout
from raydrive.trackers.follower import Follower, Progress, about_of, tracker_of
from raydrive.trackers.journal_updates import JournalUpdates
from raydrive.trackers.protocol import About, Improved, Logged, RunEnded, Tracker, TrialBegan, TrialEnded, Update

X = {"x": 0.5}


class Memory:
    """A tracker in memory, which can be away."""

    def __init__(self) -> None:
        self.told: list[Update] = []
        self.begun = 0
        self.away = False

    def begin(self) -> None:
        self._reach()
        self.begun += 1

    def deliver(self, updates: Sequence[Update]) -> None:
        self._reach()
        self.told += updates

    def close(self) -> None:
        pass

    def _reach(self) -> None:
        if self.away:
            raise ConnectionError("no route to the tracker")


def entry(*records: Any) -> str:
    return dump(records[0], records[1:])


def report(trial: int, k: int, attempt: int = 1, value: float | None = None, **other: Any) -> str:
    return entry(Reported(10.0 + k, trial, attempt, k, k, 1.0 / k if value is None else value, **other))


FIRST = [
    entry(Started(1.0, 1)),
    entry(Suggested(2.0, 0, X), Launch(0, 1, X)),
    entry(Began(3.0, 0, 1)),
    report(0, 1, metrics={"acc": 0.5, "note": "text"}),
]
REST = [report(0, 2), entry(Ended(20.0, 0, 1, 0), Close(0, "Completed", "ended by itself"), Finish("Completed", "all"))]
TOLD = [
    TrialBegan(2.0, 0, X),
    Logged(11.0, 0, 1, {"loss": 1.0, "acc": 0.5}, 0),
    Improved(11.0, 0, 1, 1.0),
    Logged(12.0, 0, 2, {"loss": 0.5}, 1),
    Improved(12.0, 0, 2, 0.5),
    TrialEnded(20.0, 0, "Completed", "ended by itself"),
    RunEnded(20.0, "Completed", "all"),
]


def following(follower: Follower, patience_s: float = 0.5) -> tuple[threading.Thread, threading.Event]:
    stop = threading.Event()
    thread = threading.Thread(target=follower.follow, args=(stop, patience_s))
    thread.start()
    return thread, stop


def test_a_tracker_is_told_all_of_a_run_and_the_follower_ends_with_it(run_layout: RunLayout) -> None:
    memory = Memory()
    follower = Follower(run_layout, "mlflow", lambda: memory)
    with JournalWriter.open(run_layout.journal) as writer:
        writer.append(FIRST)
        thread, _ = following(follower)
        wait_until(lambda: len(memory.told) == 3, "the tracker to be told")
        writer.append(REST)
        thread.join(30)
    assert memory.told == TOLD
    assert Progress.read(run_layout, "mlflow") == Progress(len(FIRST) + len(REST), over=True)


def test_a_tracker_that_is_away_is_told_all_of_it_when_it_returns(run_layout: RunLayout) -> None:
    memory, troubles = Memory(), list[str]()
    memory.away = True
    follower = Follower(run_layout, "wandb", lambda: memory, troubles.append)
    with JournalWriter.open(run_layout.journal) as writer:
        writer.append(FIRST)
        thread, _ = following(follower, patience_s=60)
        wait_until(lambda: bool(troubles), "the tracker to be told")
        writer.append(REST)
        memory.away = False
        thread.join(60)
    assert memory.told == TOLD
    assert "wandb is unavailable (ConnectionError: no route to the tracker)" in troubles[0]
    assert troubles[-1] == ""


def test_what_did_not_arrive_until_the_end_is_named_and_delivered_by_the_next_follower(run_layout: RunLayout) -> None:
    memory, troubles = Memory(), list[str]()
    with JournalWriter.open(run_layout.journal) as writer:
        writer.append(FIRST)
        thread, stop = following(Follower(run_layout, "mlflow", lambda: memory))
        wait_until(lambda: len(memory.told) == 3, "the tracker to be told")
        stop.set()
        thread.join(30)
        writer.append(REST)
    memory.away = True
    ended = Follower(run_layout, "mlflow", lambda: memory, troubles.append).follow(threading.Event(), 0.1)
    assert ended.trouble.endswith(f"2 entries are not delivered; to deliver them: raydrive track {run_layout.run_id}")
    assert troubles[-1] == ended.trouble
    memory.away = False
    ended = Follower(run_layout, "mlflow", lambda: memory, troubles.append).follow(threading.Event())
    assert (memory.told, memory.begun, ended.trouble) == (TOLD, 2, "")


def test_a_resumed_run_goes_on_where_it_was(run_layout: RunLayout) -> None:
    memory = Memory()
    with JournalWriter.open(run_layout.journal) as writer:
        writer.append([*FIRST, *REST])
    Follower(run_layout, "mlflow", lambda: memory).follow(threading.Event())
    more = [entry(Started(30.0, 2)), entry(Suggested(31.0, 1, X), Launch(1, 1, X)), report(1, 1)]
    with JournalWriter.open(run_layout.journal) as writer:
        writer.append(more)
        thread, stop = following(Follower(run_layout, "mlflow", lambda: memory))
        wait_until(lambda: len(memory.told) == len(TOLD) + 2, "the tracker to be told")
        assert not Progress.read(run_layout, "mlflow").over
        stop.set()
        thread.join(30)
    assert memory.told[len(TOLD) :] == [TrialBegan(31.0, 1, X), Logged(11.0, 1, 1, {"loss": 1.0})]


def test_a_follower_that_is_told_to_stop_delivers_what_is_recorded(run_layout: RunLayout) -> None:
    memory, stop = Memory(), threading.Event()
    stop.set()
    with JournalWriter.open(run_layout.journal) as writer:
        writer.append(FIRST)
    Follower(run_layout, "mlflow", lambda: memory).follow(stop)
    assert memory.told == TOLD[:3]


def test_a_missing_library_is_named_with_the_line_that_installs_it(
    run_layout: RunLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    monkeypatch.delitem(sys.modules, "raydrive.trackers.tensorboard", raising=False)
    with pytest.raises(ConfigError, match=r"pip install 'raydrive\[tensorboard\]'"):
        tracker_of("tensorboard", {"dir": "x"}, about_of(run_layout))
    stop, troubles = threading.Event(), list[str]()
    stop.set()
    make = lambda: tracker_of("tensorboard", {"dir": "x"}, about_of(run_layout))  # noqa: E731
    Follower(run_layout, "tensorboard", make, troubles.append).follow(stop, 0.0)
    assert "pip install" in troubles[0]


# --- what entries mean -----------------------------------------------------------------------------------------------

ABOUT = About(run_id="r", experiment="e", metric="acc", maximize=True)


def updates(*entries: Any) -> list[Update]:
    turned = JournalUpdates(ABOUT)
    return [update for one in entries for update in turned.of(one)]


def logged(k: int, value: float, attempt: int = 1, **other: Any) -> Any:
    return (Reported(1.0 * k, 0, attempt, k, k, value, **other), ())


BEGAN = (Suggested(0.0, 0, X), (Launch(0, 1, X),))


def test_what_a_later_attempt_logs_once_more_is_left_out() -> None:
    found = updates(
        BEGAN,
        logged(1, 0.5, metrics={"lr": 1.0}),
        logged(2, 0.6),
        (Lost(3.0, 0, 1, "node"), (Launch(0, 2, X),)),
        logged(2, 0.6, attempt=2),
        logged(1, 0.5, attempt=2, metrics={"lr": 1.0}),
        logged(3, 0.7, attempt=2),
    )
    assert [(one.step, dict(one.values)) for one in found if isinstance(one, Logged)] == [
        (1, {"acc": 0.5, "lr": 1.0}),
        (2, {"acc": 0.6}),
        (3, {"acc": 0.7}),
    ]
    assert sum(isinstance(one, TrialBegan) for one in found) == 1


def test_the_best_is_of_finite_values_and_strictly_better() -> None:
    found = updates(
        BEGAN, *(logged(k, value) for k, value in enumerate([float("nan"), 0.5, 0.5, float("inf"), 0.7], 1))
    )
    assert [(one.step, one.value) for one in found if isinstance(one, Improved)] == [(2, 0.5), (5, 0.7)]


def test_reports_without_the_primary_metric_have_their_own_step_or_are_counted() -> None:
    found = updates(
        BEGAN,
        (Reported(1.0, 0, 1, 1, 0, None, {"gpu": 1.0}, step=7), ()),
        (Reported(2.0, 0, 1, 2, 0, None, {"mem": 1.0}), ()),
        (Reported(3.0, 0, 1, 3, 0, None, {"mem": 2, "ok": True, "text": "t"}), ()),
        (Reported(4.0, 0, 1, 4, 0, None, {"big": 10**400}), ()),
    )
    assert [(one.step, dict(one.values)) for one in found[1:]] == [
        (7, {"gpu": 1.0}),
        (1, {"mem": 1.0}),
        (2, {"mem": 2.0}),
    ]


def test_memory_is_a_tracker() -> None:
    tracker: Tracker = Memory()
    tracker.begin()
    tracker.close()
