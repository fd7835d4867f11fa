"""Follows a run's journal and sends what is new to a tracker; one process for each tracker.

It has no part in any decision: it reads what is recorded. A tracker that is away is tried again, ever later up to half
a minute, and receives everything that it has missed. How far it has been updated is in the run's folder
(``trackers/NAME.json``): another process, also of a resumed run, continues there.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from raydrive.core.config.tracker_settings import LIBRARIES
from raydrive.core.errors import ConfigError, Problem, RaydriveError, StorageError
from raydrive.package_path import code_of
from raydrive.storage.folder.base import redact
from raydrive.storage.journal.reader import JournalReader, JournalRewoundError
from raydrive.storage.run_layout import RunLayout
from raydrive.storage.run_reader import read_config
from raydrive.trackers.journal_updates import JournalUpdates
from raydrive.trackers.protocol import About, RunEnded, Tracker, Update

BOOT = code_of("raydrive.trackers.follower", "module.main()")
"""What ``python -c`` runs; the task comes as a line of JSON on stdin."""
LOOK_S = 1.0
"""Seconds between two looks at the journal."""
LONGEST_PAUSE_S = 30.0
PATIENCE_S = 10.0
"""Seconds for which a tracker that is away is tried after the run's end; ``raydrive track`` brings it the rest."""
_MOST = 500
"""Updates that are delivered at once."""
_HOMES = {"mlflow": "MlflowTracker", "wandb": "WandbTracker", "tensorboard": "TensorboardTracker"}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a tracker was told."""

    delivered: int = 0
    """Entries of the journal."""
    over: bool = False
    """Whether it was told that the run has ended, or nobody tells it more for now."""
    trouble: str = ""
    """What is wrong; empty when nothing is."""

    @classmethod
    def read(cls, layout: RunLayout, name: str) -> Progress:
        """Returns what is recorded of a tracker; nothing was told where there is no record.

        Raises:
            StorageError: If it cannot be read.
        """
        data = layout.read_tracker(name)
        if data is None:
            return cls()
        try:
            raw = json.loads(data)
            return cls(int(raw["delivered"]), bool(raw["over"]), str(raw["trouble"]))
        except (ValueError, LookupError, TypeError):
            return cls()  # told again: better twice than not at all

    def write(self, layout: RunLayout, name: str) -> None:
        """Records it.

        Raises:
            StorageError: If it cannot be written.
        """
        raw = {"delivered": self.delivered, "over": self.over, "trouble": self.trouble}
        layout.write_tracker(name, json.dumps(raw).encode())


def about_of(layout: RunLayout) -> About:
    """Returns the run as trackers are told of it.

    Raises:
        StorageError: If its configuration cannot be read.
    """
    config = read_config(layout)
    return About(
        run_id=layout.run_id,
        experiment=config.experiment,
        metric=config.metric.name,
        maximize=config.metric.maximize,
        tags=dict(config.tags),
        uri=redact(layout.uri),
    )


def tracker_of(name: str, settings: Mapping[str, str], about: About) -> Tracker:
    """Makes a tracker by its name.

    Raises:
        ConfigError: If its library is not installed; says how to install it.
    """
    try:
        tracker: Tracker = getattr(importlib.import_module(f"raydrive.trackers.{name}"), _HOMES[name])(settings, about)
    except ImportError as error:
        fix = f"pip install 'raydrive[{name}]'"
        found = f"no module {LIBRARIES[name]!r} ({error})"
        raise ConfigError(Problem(f"track.{name}", found, f"{LIBRARIES[name]} installed", fix)) from error
    return tracker


class Follower:
    """Sends one run to one tracker.

    Args:
        layout: The run.
        name: The tracker's name.
        tracker: Makes it; asked again after an error.
        tell: Is called with what is wrong, and with an empty text when nothing is any more.
        record: Name under which it is recorded how far the tracker was told; empty = that of the tracker.
    """

    def __init__(
        self,
        layout: RunLayout,
        name: str,
        tracker: Callable[[], Tracker],
        tell: Callable[[str], None] = lambda _: None,
        record: str = "",
    ) -> None:
        self._layout, self._name, self._record_name = layout, name, record or name
        self._make, self._tell = tracker, tell
        self._tracker: Tracker | None = None
        self._progress = Progress.read(layout, self._record_name)
        self._begin()

    def _begin(self) -> None:
        self._journal = JournalReader(self._layout.journal)
        self._updates = JournalUpdates(about_of(self._layout))
        self._waiting: deque[tuple[int, list[Update]]] = deque()
        """What was read and not delivered: the number of the entry, and what it means."""

    @property
    def progress(self) -> Progress:
        """How far the tracker was told."""
        return self._progress

    def follow(self, stop: threading.Event, patience_s: float = PATIENCE_S) -> Progress:
        """Sends the tracker what is new until it has received the end of the run, or is to stop; returns how far.

        Args:
            stop: Set when nothing new will come: what is recorded is delivered, and then it ends.
            patience_s: So long a tracker that is away is tried once nothing new will come, in seconds.
        """
        pause_s, end = LOOK_S, 0.0
        self._record()
        while True:
            last = stop.is_set()
            trouble = self._step()
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S) if trouble else LOOK_S
            if not trouble and (self._is_over or last):
                break
            if trouble and (last or self._is_over):
                end = end or time.monotonic() + patience_s
                pause_s = min(pause_s, 1.0)
                if time.monotonic() > end:
                    break
            if trouble != self._progress.trouble:
                self._record(trouble=trouble)
            stop.wait(pause_s) if not last else time.sleep(min(pause_s, 0.2))
        self._close()
        self._record(over=True, trouble=trouble and f"{trouble} {self._missing()}")
        return self._progress

    @property
    def _is_over(self) -> bool:
        """Whether nothing that was read is left behind the end of the run."""
        rest = [update for _, updates in self._waiting for update in updates]
        ended = rest[-1] if rest else self._last
        return isinstance(ended, RunEnded)

    _last: Update | None = None
    """The update that was delivered last."""

    def _missing(self) -> str:
        count = len(self._waiting)
        command = f"raydrive track {self._layout.run_id}"
        return f"{count:,} entries are not delivered; to deliver them: {command}" if count else ""

    def _step(self) -> str:
        """Reads and delivers what is new; returns the problem, or an empty text."""
        try:
            self._read()
            if self._tracker is None:
                tracker = self._make()
                tracker.begin()
                self._tracker = tracker
            while self._waiting:
                self._deliver(self._tracker)
        except JournalRewoundError:
            self._begin()
        except StorageError as error:
            return f"{self._name}: {error}"
        except ConfigError as error:
            return str(error)
        except Exception as error:  # whatever a library raises when its server is away
            self._close()
            text = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            return f"{self._name} is unavailable ({text}). Trials continue; everything is delivered when it returns."
        return ""

    def _read(self) -> None:
        for entry in self._journal.read():
            updates = list(self._updates.of(entry))
            number = self._journal.entries
            if number <= self._progress.delivered:
                self._last = updates[-1] if updates else self._last
            else:
                self._waiting.append((number, updates))

    def _deliver(self, tracker: Tracker) -> None:
        """Delivers the next entries and records that."""
        batch: list[Update] = []
        taken: list[int] = []
        for number, updates in self._waiting:
            batch += updates
            taken.append(number)
            if len(batch) >= _MOST:
                break
        if batch:
            tracker.deliver(batch)
        for _ in taken:
            self._waiting.popleft()
        self._last = batch[-1] if batch else self._last
        self._record(delivered=taken[-1], trouble="")

    def _record(self, *, delivered: int | None = None, over: bool = False, trouble: str = "") -> None:
        before, known = self._progress, self._progress.delivered
        self._progress = Progress(known if delivered is None else delivered, over, trouble)
        if self._progress != before:
            with contextlib.suppress(StorageError):  # the next time
                self._progress.write(self._layout, self._record_name)
        if trouble != before.trouble:
            self._tell(trouble)

    def _close(self) -> None:
        tracker, self._tracker = self._tracker, None
        if tracker is not None:
            with contextlib.suppress(Exception):  # what was delivered is there
                tracker.close()


def main() -> None:
    """Follows the run that the first line of stdin names, until that ends; prints what is wrong, a JSON text a line."""
    task: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    stop, out = threading.Event(), sys.stdout
    sys.stdout = sys.stderr  # libraries print

    def watch() -> None:
        sys.stdin.buffer.read()  # its end: the driver is gone, or its run has ended
        stop.set()

    threading.Thread(target=watch, daemon=True).start()
    layout = RunLayout.open(task["run"])
    name, settings = task["name"], task["settings"]

    def tell(trouble: str) -> None:
        with contextlib.suppress(OSError):
            print(json.dumps(trouble), file=out, flush=True)

    with contextlib.suppress(RaydriveError):
        Follower(layout, name, lambda: tracker_of(name, settings, about_of(layout)), tell).follow(stop)
