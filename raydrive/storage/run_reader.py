"""Reading a run from its folder: what it was given, how far it is, and its state.

All that shows a run, or builds on it, is on ``RunReader``: ``HyperDriveRun``, charts and tables, the studio, warm
start and ``resume``. It needs no Ray and writes nothing but where ``cut`` is asked for.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from raydrive.core.config.lineage import Lineage
from raydrive.core.config.run_config import RunConfig
from raydrive.core.errors import ConfigError, DamagedJournalError, JournalError, NonsenseError, StorageError
from raydrive.core.records import RUNNING, Reported
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.sweep.warm_start_data import EMPTY, WarmStartData, load
from raydrive.core.views.heartbeat import Heartbeat, parse_heartbeat
from raydrive.core.views.status import AT_REST, SILENT_S, RunStatus, entries_due, missing, run_status
from raydrive.core.views.summary import Summary, row, row_json, summarize
from raydrive.storage.journal.reader import JournalReader, JournalRewoundError
from raydrive.storage.journal.repair import cut
from raydrive.storage.run_layout import Place, RunLayout

POLL_S = 0.2
"""Seconds between two looks at a run."""
MOST_REWINDS = 10
"""Times that one ``refresh`` begins again since entries were withdrawn; each is a driver that was superseded."""
ASK_AFTER_S = SILENT_S / 3
"""Age of a heartbeat, in seconds, after which its driver is asked where it can be."""


class RunReader:
    """A run as it is read from its folder, again and again as it continues.

    The cost of a ``refresh`` is that of what is new, not of the run.

    Args:
        layout: The run's folder.

    Raises:
        RunNotFoundError: If the folder is not a run's.
        ConfigError: If a newer raydrive wrote the configuration.
        JournalError: If what earlier runs brought is damaged.
        StorageError: If a file cannot be read, or the configuration is damaged.
    """

    def __init__(self, layout: RunLayout) -> None:
        self.layout = layout
        self.given, self.warm_start = read_given(layout)
        """``given`` is the configuration that the run was submitted with."""
        self.generation = 0
        """Raised when entries that were read turned out not to count: all that was made of them is void."""
        self.ask_driver: Callable[[RunLayout], Heartbeat] | None = None
        """Asks the driver itself where its heartbeat is old: on a full disk it lives and cannot write one."""
        self._begin()

    @classmethod
    def open(cls, place: Place | RunLayout) -> RunReader:
        """Returns a run, read to the end of what its journal holds now.

        Args:
            place: Its folder.

        Raises:
            StorageError: If it cannot be read; see the class.
            ConfigError: If a newer raydrive wrote it.
        """
        run = cls(place if isinstance(place, RunLayout) else RunLayout.open(place))
        run.refresh()
        return run

    def _begin(self) -> None:
        # Before the journal, which may grow meanwhile.
        self._beat = self._found_heartbeat(Heartbeat())
        self._due = entries_due(self._beat, time.time())
        self._unreadable = ""
        self._nonsense = False
        self.journal = JournalReader(self.layout.journal)
        self.begin()

    # ------------------------------------------------------------------ what it is

    @property
    def id(self) -> str:
        """Name of the run."""
        return self.layout.run_id

    @property
    def uri(self) -> str:
        """The run's folder."""
        return self.layout.uri

    @property
    def config(self) -> RunConfig:
        """The configuration of the run as its edits left it."""
        return self.sweep.config

    @property
    def lineage(self) -> Lineage:
        """The earlier runs it was warm-started from, and the trials of theirs that continue here."""
        return self.config.lineage

    def child_id(self, number: int) -> str:
        """Returns the id of a trial: the run's and its number."""
        return f"{self.id}_{number}"

    # ------------------------------------------------------------------ its journal

    def begin(self) -> None:
        """Forgets all that was folded; for subclasses that fold more than the sweep."""
        self.sweep = Sweep(self.given, self.warm_start)
        """The run as far as its journal has been read."""

    def fold(self) -> None:
        """Folds what is new in the journal; for subclasses that fold more than the sweep.

        Raises:
            JournalError: As ``JournalReader.follow``.
            JournalRewoundError: As ``JournalReader.follow``.
            StorageError: As ``JournalReader.follow``.
        """
        self.journal.follow(self.sweep)

    @property
    def entries(self) -> int:
        """Entries of the journal read so far."""
        return self.journal.entries

    def refresh(self) -> bool:
        """Reads what is new in the journal, of a damaged one what can be read; returns whether anything was.

        Raises:
            StorageError: If the storage cannot be read.
        """
        before = self.generation, self.entries, self.damage
        for attempt in range(MOST_REWINDS):
            try:
                self._read_on()
                break
            except JournalRewoundError:
                # What a superseded driver wrote was withdrawn: what is left is read again from the start.
                if attempt == MOST_REWINDS - 1:
                    raise
                self.generation += 1
                self._begin()
        return (self.generation, self.entries, self.damage) != before

    def begin_anew(self) -> None:
        """Forgets all that was read; the next ``refresh`` reads it again."""
        self.generation += 1
        self._begin()

    def _read_on(self) -> None:
        if self._nonsense:
            return  # all behind an entry that makes no sense follows from another state
        try:
            self.fold()
        except JournalRewoundError:
            raise
        except JournalError as error:
            self._unreadable = str(error)
            self._nonsense = any(isinstance(one, NonsenseError) for one in (error, error.__cause__))
        else:
            self._unreadable = ""

    @property
    def damage(self) -> str:
        """What is wrong with the journal, and how many entries can be read; empty when it is whole."""
        found = self._unreadable or missing(self._due, self.entries)
        return found.replace("raydrive resume RUN", f"raydrive resume {self.id}")

    def notices(self, state: str = "") -> list[str]:
        """Returns what of the record does not count, in words: torn lines, late writes of superseded drivers.

        Args:
            state: How the run stands; empty = as ``status`` gives it.
        """
        torn = self.journal.unfinished
        if torn and (state or self.status().state) == RUNNING:
            torn = ""  # the driver is just writing it
        return [*filter(None, [self.damage]), *self.journal.notices, *filter(None, [torn])]

    def cut(self, entries: int) -> None:
        """Discards everything in the journal after an entry, for good, and reads the resulting run.

        What is left out stays in its files until they are compacted.

        Args:
            entries: How many entries count, 0 or more and no more than can be read.

        Raises:
            ConfigError: If there are not so many.
            StorageError: If the storage cannot be read or written.
        """
        cut(self.layout, entries)
        self.begin_anew()
        self.refresh()

    # ------------------------------------------------------------------ how it goes

    def heartbeat(self) -> Heartbeat:
        """Returns the driver's last heartbeat.

        Raises:
            StorageError: If it cannot be read.
        """
        return self._asked(read_heartbeat(self.layout))

    def last_heartbeat(self) -> Heartbeat:
        """Returns the driver's last heartbeat; where it cannot be read, the one read before, and why in ``trouble``."""
        self._beat = self._found_heartbeat(self._beat)
        return self._asked(self._beat)

    def _found_heartbeat(self, before: Heartbeat) -> Heartbeat:
        try:
            return read_heartbeat(self.layout)
        except StorageError as error:
            return dataclasses.replace(before, trouble=str(error))

    def _asked(self, beat: Heartbeat) -> Heartbeat:
        if self.ask_driver is not None and beat.state == RUNNING and beat.age_s(time.time()) > ASK_AFTER_S:
            return self.ask_driver(self.layout) or beat
        return beat

    def status(self, now: float | None = None) -> RunStatus:
        """Returns the state of the run, as far as its journal has been read.

        Args:
            now: Seconds since the epoch; None = the clock's.
        """
        beat = Heartbeat() if self.sweep.finished else self.last_heartbeat()
        return run_status(self.sweep, beat, time.time() if now is None else now, damaged=bool(self.damage))

    def summary(self) -> Summary:
        """Returns the summary of the run, as far as its journal has been read."""
        return summarize(self.sweep, time.time())

    def watch(self, interval_s: float = POLL_S) -> Iterator[Summary]:
        """Yields the summary again and again until the run has ended or its driver is gone.

        Args:
            interval_s: Seconds between two looks, above 0.

        Raises:
            StorageError: If the storage cannot be read.
        """
        while True:
            self.refresh()
            yield self.summary()
            if self.sweep.finished or self.status().state in AT_REST:
                self.refresh()
                yield self.summary()
                return
            time.sleep(interval_s)

    # ------------------------------------------------------------------ its trials

    def rows(self) -> list[dict[str, Any]]:
        """Returns the trials as flat dicts, by number."""
        stands, now = self.status(), time.time()
        known: dict[str, Any] = {"interrupted": stands.interrupted, "gpu_use": stands.beat.gpu_use}
        return [row_json(row(self.sweep, one, now, **known)) for one in self.sweep.trials]

    def reports(self, number: int | None = None) -> Iterator[Reported]:
        """Yields the recorded reports of one trial, or of all, in order of arrival.

        Raises:
            StorageError: If the journal cannot be read.
        """
        try:
            for fact, _ in JournalReader(self.layout.journal).read():
                if isinstance(fact, Reported) and number in (None, fact.trial):
                    yield fact
        except DamagedJournalError:
            self.refresh()  # notes the damage

    def all_metrics(self, number: int | None = None) -> dict[int, dict[str, list[Any]]]:
        """Returns every logged value by trial and name, in order."""
        out: dict[int, dict[str, list[Any]]] = {}
        primary = self.config.metric.name
        for fact in self.reports(number):
            metrics = out.setdefault(fact.trial, {})
            if fact.interval:
                metrics.setdefault(primary, []).append(fact.value)
            for name, value in fact.metrics.items():
                metrics.setdefault(name, []).append(value)
        return out


def read_given(layout: RunLayout) -> tuple[RunConfig, WarmStartData]:
    """Returns what a run was given when it was submitted: its configuration, and what earlier runs brought.

    Raises:
        JournalError: If the warm-start data are damaged.
        StorageError: As ``read_config``.
        ConfigError: As ``read_config``.
    """
    config = read_config(layout)
    if not config.lineage:
        return config, EMPTY
    try:
        return config, load(layout.read_warm_start())
    except JournalError as error:
        raise JournalError(f"the warm-start data of {layout.run_id} cannot be read: {error}") from error


def read_config(layout: RunLayout) -> RunConfig:
    """Returns the configuration of a run.

    Raises:
        RunNotFoundError: If the folder is not a run's.
        ConfigError: If a newer raydrive wrote it.
        StorageError: If it cannot be read, or is damaged.
    """
    try:
        return RunConfig.from_json(json.loads(layout.read_config()))
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        if isinstance(error, ConfigError):
            raise ConfigError(
                dataclasses.replace(problem, place=f"{layout.folder}/config.json") for problem in error.problems
            ) from error
        raise StorageError(
            f"cannot read the configuration of run {layout.run_id}: {layout.folder}/config.json is damaged "
            f"({type(error).__name__}: {error}). Hint: restore the file from a backup; the rest of the run is intact"
        ) from error


def read_heartbeat(layout: RunLayout) -> Heartbeat:
    """Returns the last heartbeat of a run's driver.

    Raises:
        StorageError: If it cannot be read.
    """
    return parse_heartbeat(layout.read_driver())
