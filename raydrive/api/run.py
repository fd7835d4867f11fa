"""``HyperDriveRun``: a run as its user sees it. Reads storage only; control goes to the driver."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from raydrive.api.argument_types import LAYOUT
from raydrive.api.display.notebook_html import Rows
from raydrive.api.plot_methods import PlotMethods
from raydrive.core.argument_checks import PATH, above, checks_arguments
from raydrive.core.config.lineage import Lineage
from raydrive.core.errors import DamagedJournalError, JournalError, RaydriveError, StorageError, TrialError
from raydrive.core.records import CANCELED, FAILED, RUNNING, Reported
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.views.heartbeat import age_s, parse_heartbeat
from raydrive.core.views.status import DAMAGED, NOT_RESPONDING, SILENT_S, is_live, missing, status
from raydrive.core.views.summary import INTERRUPTED, Summary, ranked, row, row_json, state_of, summarize
from raydrive.storage.journal.repair import cut
from raydrive.storage.journal.writer import JournalReader, JournalRewoundError
from raydrive.storage.opening import read_given, read_heartbeat
from raydrive.storage.run_layout import RunLayout

if TYPE_CHECKING:
    import pyarrow

    from raydrive.api.child import Run

POLL_S = 0.2
"""Seconds between two looks at a run."""


@checks_arguments(layout=LAYOUT, uri=PATH, interval_s=above(0, "a number of seconds above 0"))
class HyperDriveRun(PlotMethods):
    """One tuning job, running or over.

    Made by ``Experiment.submit``, ``Workspace.get_run`` and ``HyperDriveRun.open``.
    """

    def __init__(self, layout: RunLayout) -> None:
        self.layout = layout
        self.config, self._heritage = read_given(layout)
        beat = read_heartbeat(layout)  # before the journal, which may grow meanwhile
        self._left = {} if is_live(beat, time.time()) else beat
        self._unreadable = ""
        self._reader = JournalReader(layout.journal)
        self.sweep = Sweep(self.config, self._heritage)
        """The run as far as the journal has been read; ``refresh`` reads on."""
        self.refresh()

    @classmethod
    def open(cls, uri: str) -> HyperDriveRun:
        """Returns the run whose folder is ``uri``.

        Raises:
            StorageError: If the folder cannot be read.
        """
        return cls(RunLayout.open(uri))

    # ------------------------------------------------------------------ what it is

    @property
    def id(self) -> str:
        """Name of the run."""
        return self.layout.run_id

    @property
    def experiment(self) -> str:
        """Name of its experiment."""
        return self.config.experiment

    @property
    def uri(self) -> str:
        """The run's folder."""
        return self.layout.uri

    @property
    def tags(self) -> Mapping[str, str]:
        """Free text by name."""
        return self.config.tags

    @property
    def lineage(self) -> Lineage:
        """The earlier runs it was warm-started from, and the trials of theirs that go on here."""
        return self.config.lineage

    def __repr__(self) -> str:
        return f"HyperDriveRun({self.id!r}, {self.get_status()})"

    # ------------------------------------------------------------------ how it goes

    def refresh(self) -> Summary:
        """Reads what is new in the journal and returns the summary; of a damaged one what can be read.

        Raises:
            StorageError: If the storage cannot be read.
        """
        try:
            self._read_on()
        except JournalRewoundError:
            # What a driver of the past wrote too late was withdrawn: what is left is read again from the start.
            self.sweep = Sweep(self.config, self._heritage)
            self._reader = JournalReader(self.layout.journal)
            self._read_on()
        return summarize(self.sweep, time.time())

    def _read_on(self) -> None:
        try:
            self._reader.follow(self.sweep)
        except JournalRewoundError:
            raise
        except JournalError as error:
            self._unreadable = str(error)
        else:
            self._unreadable = ""

    @property
    def damage(self) -> str:
        """What is wrong with the journal, and how many entries can be read; empty when it is whole."""
        found = self._unreadable or missing(self._left, self._reader.entries)
        return found.replace("raydrive resume RUN", f"raydrive resume {self.id}")

    @property
    def notices(self) -> list[str]:
        """What of its record does not count, in words: a torn line, what a driver wrote that had been replaced."""
        # What a live driver is just writing is unfinished for a moment.
        torn = self._reader.unfinished if self.sweep.finished or self.get_status() != RUNNING else ""
        return [*filter(None, [self.damage]), *self._reader.notices, *filter(None, [torn])]

    def cut(self, entries: int) -> HyperDriveRun:
        """Leaves out all of the journal behind an entry, for good, and returns the run as it is then.

        What is left out stays in its files until they are compacted.

        Args:
            entries: How many entries count, 0 or more and no more than can be read.

        Raises:
            ConfigError: If there are not so many.
            StorageError: If the storage cannot be read or written.
        """
        cut(self.layout, entries)
        return HyperDriveRun(self.layout)

    def heartbeat(self) -> dict[str, Any]:
        """Returns the driver's last sign of life (``at``, ``state``, ``address``, ``waiting``, ``trouble``), or {}."""
        found = parse_heartbeat(self.layout.read_driver())
        if found.get("state") == "Running" and age_s(found, time.time()) > SILENT_S / 3:
            from raydrive.api.control import ask_own_driver

            found = ask_own_driver(self) or found
        return found

    def get_status(self) -> str:
        """Returns Queued, Running, Completed, Canceled, Failed, Interrupted, NotResponding or Damaged."""
        self.refresh()
        beat = {} if self.sweep.finished or self.damage else self.heartbeat()
        return status(self.sweep, beat, time.time(), damaged=bool(self.damage))

    @property
    def why(self) -> str:
        """Why the run ended, word for word; empty while it runs."""
        return self.refresh().why

    def wait_for_completion(
        self, show_output: bool = False, wait_post_processing: bool = False, raise_on_error: bool = True
    ) -> dict[str, Any]:
        """Waits until the run is over.

        Args:
            show_output: Show the live table (a line per event where there is no terminal).
            wait_post_processing: Accepted for HyperDrive's sake; nothing is left to do after the end.
            raise_on_error: Raise when the run failed.

        Returns:
            ``get_details()``.

        Raises:
            RaydriveError: If the run failed (with ``raise_on_error``), or its driver is gone.
        """
        if show_output:
            from raydrive.api.display.console import follow

            follow(self)
        else:
            for _ in self.watch():
                pass
        status = self.get_status()
        if status == FAILED and raise_on_error:
            raise RaydriveError(f"run {self.id} failed: {self.why}")
        if status == DAMAGED and raise_on_error:
            raise DamagedJournalError(f"run {self.id}: {self.damage}")
        if status in (NOT_RESPONDING, INTERRUPTED) and raise_on_error:
            trouble = self.heartbeat().get("trouble", "")
            raise RaydriveError(
                f"run {self.id} has no driver any more. {trouble} Go on with it: raydrive resume {self.id}"
            )
        return self.get_details()

    def watch(self, interval_s: float = POLL_S) -> Iterator[Summary]:
        """Yields the summary again and again until the run is over or its driver is gone.

        Args:
            interval_s: Seconds between two looks, above 0.
        """
        while True:
            yield self.refresh()
            if self.sweep.finished or self.get_status() in (NOT_RESPONDING, INTERRUPTED, DAMAGED):
                yield self.refresh()
                return
            time.sleep(interval_s)

    def cancel(self, why: str = "canceled by the user") -> None:
        """Ends the run; its running trials are Canceled.

        Args:
            why: Kept as the reason.

        Raises:
            ClusterError: If its driver cannot be reached.
        """
        self.cancel_trial(None, why)

    def cancel_trial(self, number: int | None, why: str = "canceled by the user") -> bool:
        """Ends one trial, or the whole run (None).

        Returns:
            False when it was over already.

        Raises:
            ClusterError: If the driver cannot be reached.
        """
        from raydrive.api.control import call_driver

        return bool(call_driver(self, "cancel", number, why))

    # ------------------------------------------------------------------ its trials

    def get_children(self) -> Iterator[Run]:
        """Yields the trials by number."""
        from raydrive.api.child import Run

        self.refresh()
        for trial in self.sweep.trials:
            yield Run(self, trial.number)

    def get_child(self, number: int) -> Run:
        """Returns one trial.

        Raises:
            TrialError: If the run has no such trial.
        """
        from raydrive.api.child import Run

        self.refresh()
        if not 0 <= number < len(self.sweep.trials):
            count = len(self.sweep.trials)
            have = f"0 to {count - 1}" if count else "none yet"
            raise TrialError(f"run {self.id} has no trial {number}; its trials: {have}")
        return Run(self, number)

    def get_best_run_by_primary_metric(
        self, include_failed: bool = True, include_canceled: bool = True, include_resume_from_runs: bool = True
    ) -> Run | None:
        """Returns the trial with the best value over everything it logged; ties go to the first that achieved it.

        Where the objective is another value (``last``, ``mean_last_5``), that counts; ties go to the lower number.

        Args:
            include_failed: Whether failed trials count.
            include_canceled: Whether trials that were stopped count.
            include_resume_from_runs: Whether the runs it was warm-started from count too; a trial of theirs is
                returned as a child of its own run. One that is not there any more is warned about and left out.

        Returns:
            The trial, or None when none logged a finite value.
        """
        from raydrive.api.heirs import best_of_all

        if include_resume_from_runs and self.config.lineage.parents:
            return best_of_all(self, include_failed, include_canceled)
        return self._own_best(include_failed, include_canceled)

    def _own_best(self, include_failed: bool, include_canceled: bool) -> Run | None:
        from raydrive.api.child import Run

        self.refresh()
        left_out = {state for state, kept in ((FAILED, include_failed), (CANCELED, include_canceled)) if not kept}
        best = self.sweep.best
        if best is not None and self.sweep.trials[best.trial].state not in left_out:
            return Run(self, best.trial)
        for trial in ranked(self.sweep):
            if trial.state not in left_out and self.sweep.curves.objective(trial.number) is not None:
                return Run(self, trial.number)
        return None

    def get_children_sorted_by_primary_metric(
        self, top: int = 0, reverse: bool = False, discard_no_metric: bool = False
    ) -> Rows:
        """Returns the trials as dicts, best first, those without the metric last.

        Args:
            top: So many at most; 0 = all.
            reverse: Worst first.
            discard_no_metric: Leave out trials without the metric.

        Returns:
            Dicts with ``run_id``, ``hyperparameters`` (a JSON string, as HyperDrive gives it),
            ``best_primary_metric`` and ``status``.
        """
        interrupted = self.get_status() == INTERRUPTED
        rows = [
            {
                "run_id": self.child_id(trial.number),
                "hyperparameters": json.dumps(trial.params),
                "best_primary_metric": self.sweep.curves.objective(trial.number),
                "status": state_of(trial, interrupted),
            }
            for trial in ranked(self.sweep)
        ]
        valued = [item for item in rows if item["best_primary_metric"] is not None]
        bare = [item for item in rows if item["best_primary_metric"] is None]
        ordered = [*(reversed(valued) if reverse else valued), *([] if discard_no_metric else bare)]
        return Rows(ordered[:top] if top else ordered)

    def child_id(self, number: int) -> str:
        """Returns the id of a trial: the run's and its number."""
        return f"{self.id}_{number}"

    def get_hyperparameters(self) -> dict[str, str]:
        """Returns the hyperparameters of every trial as a JSON string, by trial id."""
        self.refresh()
        return {self.child_id(trial.number): json.dumps(trial.params) for trial in self.sweep.trials}

    def get_metrics(self) -> dict[str, dict[str, Any]]:
        """Returns the metrics of every trial by id: a scalar where a name was logged once, else a list."""
        out: dict[str, dict[str, Any]] = {self.child_id(trial.number): {} for trial in self.sweep.trials}
        for number, metrics in self.all_metrics().items():
            out[self.child_id(number)] = {name: v[0] if len(v) == 1 else v for name, v in metrics.items()}
        return out

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
            self.refresh()  # says so

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

    # ------------------------------------------------------------------ tables

    def rows(self) -> Rows:
        """Returns the trials as flat dicts, by number; a list that a notebook shows as a table."""
        interrupted, now = self.get_status() in (INTERRUPTED, DAMAGED), time.time()
        return Rows(row_json(row(self.sweep, trial, now, interrupted=interrupted)) for trial in self.sweep.trials)

    def trials_table(self) -> pyarrow.Table:
        """Returns one row per trial: number, state, ``param_*``, best, last, intervals, seconds, why, ..."""
        from raydrive.api.display.tables import trials_table

        return trials_table(self.rows())

    def metrics_table(self) -> pyarrow.Table:
        """Returns one row per logged value: trial, attempt, interval, step, time, name, value, text."""
        from raydrive.api.display.tables import metrics_table

        return metrics_table(self.reports(), self.config.metric.name)

    def get_details(self) -> dict[str, Any]:
        """Returns the run as HyperDrive describes it: runId, status, startTimeUtc, properties, ..."""
        summary = self.refresh()
        best = summary.best
        return {
            "runId": self.id,
            "target": "ray",
            "status": self.get_status(),
            "startTimeUtc": utc(self.sweep.started_at),
            "endTimeUtc": utc(self.sweep.last_at) if self.sweep.finished else None,
            "properties": {
                "primary_metric_config": json.dumps(self.config.to_json()["metric"]),
                "runTemplate": "HyperDrive",
                "best_child_run_id": self.child_id(best.trial) if best else None,
                "score": best.value if best else None,
                "cancellation_reason": summary.why,
                **_ancestry(self.config.lineage),
            },
            "tags": dict(self.tags),
        }


def _ancestry(lineage: Lineage) -> dict[str, str]:
    """Earlier runs and trials, under HyperDrive's names."""
    given = {
        "resume_from": [parent.run for parent in lineage.parents],
        "resume_child_runs": [one.child_id for one in lineage.continued],
    }
    return {name: json.dumps(ids) for name, ids in given.items() if ids}


def utc(seconds: float | None) -> str | None:
    """Returns a time as ISO 8601 in UTC, None for None."""
    import datetime

    if seconds is None:
        return None
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat(timespec="milliseconds")


__all__ = ["INTERRUPTED", "NOT_RESPONDING", "HyperDriveRun", "StorageError", "utc"]
