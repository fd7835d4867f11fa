"""A run as its folder records it: what it is, how it goes, and its end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from raydrive.api import hyperdrive_format as hyperdrive
from raydrive.api.user_requests.steer import steer
from raydrive.core.argument_checks import NOTHING, TEXT, above, checks_arguments, whole
from raydrive.core.config.lineage import Lineage
from raydrive.core.config.run_config import RunConfig
from raydrive.core.errors import DamagedJournalError, RaydriveError
from raydrive.core.records import FAILED
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.views.status import DAMAGED, NOT_RESPONDING
from raydrive.core.views.summary import INTERRUPTED, Summary
from raydrive.runtime.driver_client import is_ours
from raydrive.storage.run_layout import RunLayout
from raydrive.storage.run_reader import POLL_S, RunReader
from raydrive.trackers.places import await_delivery

NOTICES_S = 35.0
"""Seconds for which the end of a run waits for its notices: a little more than its driver does."""
TRACKERS_S = 20.0
"""Seconds for which it then waits for its trackers."""


@checks_arguments(
    interval_s=above(0, "a number of seconds above 0"),
    number=whole(0) | NOTHING,
    why=TEXT,
    address=TEXT | NOTHING,
)
class RecordedRun:
    """The methods of a run that show its state, wait for its end, or end it."""

    reader: RunReader
    """The run."""

    # ------------------------------------------------------------------ what it is

    @property
    def layout(self) -> RunLayout:
        """The run's folder, and the names in it."""
        return self.reader.layout

    @property
    def config(self) -> RunConfig:
        """The configuration, as edits of the run left it."""
        return self.reader.config

    @property
    def sweep(self) -> Sweep:
        """The run as far as the journal has been read; ``refresh`` reads on."""
        return self.reader.sweep

    @property
    def id(self) -> str:
        """Name of the run."""
        return self.reader.id

    @property
    def experiment(self) -> str:
        """Name of its experiment."""
        return self.config.experiment

    @property
    def uri(self) -> str:
        """The run's folder."""
        return self.reader.uri

    @property
    def tags(self) -> Mapping[str, str]:
        """Free text by name."""
        return self.config.tags

    @property
    def lineage(self) -> Lineage:
        """The earlier runs it was warm-started from, and the trials of theirs that continue here."""
        return self.config.lineage

    # ------------------------------------------------------------------ how it goes

    def refresh(self) -> Summary:
        """Reads what is new in the journal and returns the summary; of a damaged one what can be read.

        Raises:
            StorageError: If the storage cannot be read.
        """
        self.reader.refresh()
        return self.reader.summary()

    @property
    def damage(self) -> str:
        """What is wrong with the journal, and how many entries can be read; empty when it is whole."""
        return self.reader.damage

    @property
    def notices(self) -> list[str]:
        """Sentences on ignored parts of its record: a torn line, entries of a driver that had been replaced."""
        return self.reader.notices()

    def heartbeat(self) -> dict[str, Any]:
        """Returns the driver's last heartbeat (``at``, ``state``, ``address``, ``waiting``, ``trouble``), or {}.

        Raises:
            StorageError: If it cannot be read.
        """
        return self.reader.heartbeat().to_json()

    def get_status(self) -> str:
        """Returns Queued, Running, Completed, Canceled, Failed, Interrupted, NotResponding or Damaged."""
        self.reader.refresh()
        return self.reader.status().state

    @property
    def why(self) -> str:
        """The reason why the run ended, verbatim; empty while it runs."""
        return self.refresh().why

    def wait_for_completion(
        self, show_output: bool = False, wait_post_processing: bool = False, raise_on_error: bool = True
    ) -> dict[str, Any]:
        """Waits until the run ends.

        Args:
            show_output: Show the live table (a line per event where there is no terminal).
            wait_post_processing: Accepted for HyperDrive's sake; nothing is left to do after the end.
            raise_on_error: Raise if the run failed.

        Returns:
            ``get_details()``.

        Raises:
            RaydriveError: If the run failed (with ``raise_on_error``), or its driver is gone.
        """
        if show_output:
            from raydrive.api.display.console import follow  # lazy: rich, 0.01 s

            follow(self.reader)
        else:
            for _ in self.watch():
                pass
        self.wait_for_followers()
        status = self.get_status()
        if status == FAILED and raise_on_error:
            raise RaydriveError(f"run {self.id} failed: {self.why}{self._missing_module()}")
        if status == DAMAGED and raise_on_error:
            raise DamagedJournalError(f"run {self.id}: {self.damage}")
        if status in (NOT_RESPONDING, INTERRUPTED) and raise_on_error:
            trouble = self.reader.last_heartbeat().trouble
            now = (
                "has a driver that does not respond"
                if trouble and status == NOT_RESPONDING
                else "no longer has a driver"
            )
            raise RaydriveError(f"run {self.id} {now}. {trouble} To resume it: raydrive resume {self.id}")
        return self.get_details()

    def _missing_module(self) -> str:
        """What to do where a trial has not found a module."""
        if "ModuleNotFoundError" not in self.why or "raydrive.python" in self.why:
            return ""
        named = self.config.trial.python
        which = f"the Python {named}" if named else "the Python that raydrive runs in"
        return f". Trials use {which}; install the module there, or name another Python with raydrive.python"

    def wait_for_followers(self) -> None:
        """Waits until notices and trackers have received the end of the run: its driver may end with this process.

        Waits no longer than deliveries may take, and does not wait for a driver that is gone.

        Raises:
            StorageError: If the run cannot be read.
        """
        self._wait_for_notices()
        track = self.config.trial.track
        if track and self.sweep.finished is not None and is_ours(self.layout):
            await_delivery(self.layout, track, self.reader.entries, TRACKERS_S)

    def _wait_for_notices(self) -> None:
        run, until = self.reader, time.monotonic() + NOTICES_S
        while run.config.rules.notify is not None and run.sweep.finished and time.monotonic() < until:
            beat = run.last_heartbeat()
            if (beat.state == run.sweep.finished.state and not beat.telling) or beat.age_s(time.time()) > 2 * NOTICES_S:
                return
            time.sleep(0.1)
            run.refresh()

    def watch(self, interval_s: float = POLL_S) -> Iterator[Summary]:
        """Yields the summary repeatedly until the run ends or its driver is gone.

        Args:
            interval_s: Seconds between two summaries, above 0.
        """
        return self.reader.watch(interval_s)

    def cancel(self, why: str = "canceled by the user", *, address: str | None = None) -> None:
        """Ends the run; its running trials are Canceled. A run without a driver ends at once.

        Args:
            why: The reason, which is recorded.
            address: Address of a dashboard, if nothing else of the cluster can be reached.

        Raises:
            ClusterError: If its driver cannot be reached.
        """
        self.cancel_trial(None, why, address=address)

    def cancel_trial(
        self, number: int | None, why: str = "canceled by the user", *, address: str | None = None
    ) -> bool:
        """Ends one trial, or the whole run (None).

        Args:
            number: The trial's; None = the run.
            why: The reason, which is recorded.
            address: Address of a dashboard, if nothing else of the cluster can be reached.

        Returns:
            False if it had already ended.

        Raises:
            ConfigError: If there is no such trial.
            ClusterError: If the driver cannot be reached.
        """
        return bool(steer(self.reader, {"do": "cancel", "trial": number, "why": why}, address=address).recorded)

    def get_details(self) -> dict[str, Any]:
        """Returns the run as HyperDrive describes it: runId, status, startTimeUtc, properties, ..."""
        return hyperdrive.run_details(self.reader, self.get_status())
