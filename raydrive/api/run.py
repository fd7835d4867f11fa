"""``HyperDriveRun`` and its trials, ``Run``, as their user sees them.

They read storage only, through ``RunReader``. What reaches the driver: ``cancel``, the methods that change a run
(``steering``), and the question for a heartbeat where the one in storage is old and this process has started the driver
(on a full disk it lives and cannot write one).
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from raydrive.api import hyperdrive_format as hyperdrive
from raydrive.api.argument_types import LAYOUT, RUN_OBJECT
from raydrive.api.display.notebook_html import Rows, trial_html
from raydrive.api.display.text import run_text, trial_text
from raydrive.api.plot_methods import PlotMethods
from raydrive.api.recorded_run import RecordedRun
from raydrive.api.resume_method import ResumeMethod
from raydrive.api.table_methods import Tables, once_or_list, own_metrics
from raydrive.api.user_requests.request_methods import RequestMethods
from raydrive.core.argument_checks import NOTHING, PATH, TEXT, checks_arguments, whole
from raydrive.core.errors import StorageError, TrialError
from raydrive.core.records import CANCELED, FAILED, Params
from raydrive.core.sweep.state import Trial, losses_text
from raydrive.core.views.configurations import best_repeated
from raydrive.core.views.status import NOT_RESPONDING, is_interrupted
from raydrive.core.views.summary import INTERRUPTED, best_among, state_of, value_by
from raydrive.runtime.driver_client import view_own_driver
from raydrive.storage.rank_logs import check_rank, ranks_of, whole_rank_logs
from raydrive.storage.run_layout import RunLayout
from raydrive.storage.run_reader import RunReader
from raydrive.storage.trial_files import copy_file, copy_files, list_files, whole_log

_ENDED_BADLY = (FAILED, CANCELED)


@checks_arguments(layout=LAYOUT, uri=PATH)
class HyperDriveRun(RecordedRun, PlotMethods, ResumeMethod, RequestMethods, Tables):
    """One tuning job, running or ended.

    Made by ``Experiment.submit``, ``Workspace.get_run`` and ``HyperDriveRun.open``.
    """

    def __init__(self, layout: RunLayout) -> None:
        self.reader = RunReader(layout)
        """The run as it is read from storage: what charts, tables and the console draw."""
        self.reader.ask_driver = view_own_driver
        self.reader.refresh()

    @classmethod
    def open(cls, uri: str) -> HyperDriveRun:
        """Returns the run whose folder is ``uri``.

        Raises:
            StorageError: If the folder cannot be read.
        """
        return cls(RunLayout.open(uri))

    def __repr__(self) -> str:
        return f"HyperDriveRun({run_text(self.reader)})"

    def cut(self, entries: int) -> HyperDriveRun:
        """Discards everything in the journal after an entry, for good, and returns the resulting run.

        The discarded entries stay in the files until these are compacted.

        Args:
            entries: How many entries count, 0 or more and no more than can be read.

        Raises:
            ConfigError: If there are fewer.
            StorageError: If the storage cannot be read or written.
        """
        self.reader.cut(entries)
        return self

    # ------------------------------------------------------------------ its trials

    def get_children(self) -> Iterator[Run]:
        """Yields the trials by number."""
        self.refresh()
        for trial in self.sweep.trials:
            yield Run(self, trial.number)

    def get_child(self, number: int) -> Run:
        """Returns one trial.

        Raises:
            TrialError: If the run has no such trial.
        """
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

        If configurations are tried several times, the best mean counts, and its best trial is returned.
        If the objective is another value (``last``, ``mean_last_5``), that counts; ties go to the lower number.

        Args:
            include_failed: Whether failed trials count.
            include_canceled: Whether trials that were stopped count.
            include_resume_from_runs: Whether the runs it was warm-started from count too; a trial of theirs is
                returned as a child of its own run. A run that no longer exists is skipped with a warning.

        Returns:
            The trial, or None when none logged a finite value.
        """
        left_out = {s for s, kept in zip(_ENDED_BADLY, (include_failed, include_canceled), strict=True) if not kept}
        self.refresh()
        metric, found = self.config.metric, list[tuple[float, Run]]()
        for run in [*(self._parents() if include_resume_from_runs else ()), self]:
            number = best_repeated(run.sweep) if run is self else None
            number = best_among(run.sweep, metric, left_out) if number is None else number
            value = None if number is None else value_by(run.sweep, number, metric)
            if number is not None and value is not None:
                found.append((value, Run(run, number)))
        choose = max if metric.maximize else min
        return choose(found, key=lambda one: one[0])[1] if found else None

    def _parents(self) -> Iterator[HyperDriveRun]:
        for parent in self.lineage.parents:
            try:
                yield HyperDriveRun(self.layout.sibling(parent.experiment, parent.run, parent.uri))
            except StorageError as error:
                had = (
                    f"its best was {parent.best:g} (trial {parent.best_trial})"
                    if parent.best is not None
                    else "no best"
                )
                warnings.warn(f"{parent.run} is ignored because it cannot be read ({error}); {had}", stacklevel=3)

    def get_children_sorted_by_primary_metric(
        self, top: int = 0, reverse: bool = False, discard_no_metric: bool = False
    ) -> Rows:
        """Returns the trials as dicts, best first, those without the metric last.

        Args:
            top: At most this many; 0 = all.
            reverse: Worst first.
            discard_no_metric: Leave out trials without the metric.

        Returns:
            Dicts with ``run_id``, ``hyperparameters`` (a JSON string, as HyperDrive gives it),
            ``best_primary_metric`` and ``status``.
        """
        found = hyperdrive.sorted_children(self.reader, is_interrupted(self.get_status()), reverse, discard_no_metric)
        return Rows(found[:top] if top else found)


@checks_arguments(
    parent=RUN_OBJECT,
    output_file_path=PATH | NOTHING,
    attempt=whole(1) | NOTHING,
    why=TEXT,
    address=TEXT | NOTHING,
)
class Run:
    """A trial, HyperDrive's child run: one configuration that is, or was, trained.

    Made by ``HyperDriveRun``. Inside a training process ``raydrive.Run.get_context()`` gives the object to log with.
    """

    def __init__(self, parent: HyperDriveRun, number: int) -> None:
        self.parent = parent
        self.number = number

    @property
    def _trial(self) -> Trial:
        return self.parent.sweep.trials[self.number]

    @property
    def id(self) -> str:
        """The run's id and the number."""
        return self.parent.child_id(self.number)

    @property
    def params(self) -> Params:
        """The hyperparameters."""
        return self._trial.params

    @property
    def why(self) -> str:
        """The reason why it ended (or is being stopped), verbatim; empty while it trains."""
        self.parent.refresh()
        return self._trial.why

    @property
    def notes(self) -> tuple[str, ...]:
        """Notices about it, such as files that are missing from the storage; oldest first."""
        self.parent.refresh()
        return tuple(self._trial.notes)

    @property
    def lost(self) -> str:
        """How often and on which nodes it was lost with its actor or node, and why the last time; empty if never."""
        self.parent.refresh()
        return losses_text(self._trial)

    @property
    def best_value(self) -> float | None:
        """The value by which it is ranked: the best finite primary metric so far, or the run's objective."""
        self.parent.refresh()
        return self.parent.sweep.curves.objective(self.number)

    def get_status(self) -> str:
        """Returns Queued, Running, Completed, Canceled or Failed; Interrupted if the run is and it was open."""
        self.parent.refresh()
        return state_of(self._trial, self._trial.open and is_interrupted(self.parent.get_status()))

    def get_metrics(self, name: str | None = None, ranks: bool = False) -> dict[str, Any]:
        """Returns what it logged: a scalar where a name was logged once, else a list.

        Args:
            name: Only this metric; that of another rank than 0 is ``rank_3/loss``.
            ranks: Whether what other ranks have logged is among them, where several processes train together.
        """
        metrics = self.parent.all_metrics(self.number).get(self.number, {})
        return once_or_list(metrics if ranks or name is not None else own_metrics(metrics, self.parent.config), name)

    @property
    def arguments(self) -> list[str]:
        """The exact command line after the interpreter and script, or the whole command of a ``command`` trial."""
        return hyperdrive.arguments_of(self.parent.config.trial, self.params)

    def get_details(self) -> dict[str, Any]:
        """Returns the trial as HyperDrive describes it; the arguments are under ``runDefinition``."""
        return hyperdrive.trial_details(self.parent.reader, self.number, self.get_status())

    @property
    def uri(self) -> str:
        """The trial's folder in the storage."""
        return str(self.parent.layout.trial(self.number).uri)

    def get_file_names(self) -> list[str]:
        """Returns the names of its files: ``outputs/...``, ``logs/...`` and ``attempt-1/log.txt``.

        Where several processes train together, ``attempt-1/rank_3.txt`` is the log of rank 3, and what node 1 left is
        in ``outputs/node_1/...``.

        Raises:
            StorageError: If the storage cannot be read.
        """
        return list_files(self.parent.layout, self.number)

    def download_file(self, name: str, output_file_path: str | None = None) -> str:
        """Copies one of its files here, and prints on stderr what was copied where.

        Args:
            name: As ``get_file_names`` gives it.
            output_file_path: Where to; a folder (or a path ending in ``/``) keeps the file's name. None = this folder.

        Returns:
            The path of the copy.

        Raises:
            TrialError: If it has no such file.
            StorageError: If it cannot be read, is a link that leaves the run's folder, or cannot be written.
        """
        path = copy_file(self.parent.layout, self.number, name, output_file_path or ".")
        self._tell_copied(path)
        return path

    def download_files(self, prefix: str = "", output_directory: str = ".") -> list[str]:
        """Copies all files whose names begin with ``prefix``, keeping their folders; returns the paths.

        It prints on stderr how many files were copied and where to. Where no file has such a name, and for what is not
        a file of the trial (a link that leaves the run's folder, a FIFO), there is a warning.

        Raises:
            StorageError: If some cannot be read or written; the others are there.
        """
        copied, left_out = copy_files(self.parent.layout, self.number, prefix, output_directory)
        if left_out:
            warnings.warn(f"of trial {self.id} these were not copied: {', '.join(left_out[:20])}", stacklevel=2)
        if copied:
            self._tell_copied(output_directory, len(copied))
        elif not left_out:
            names = ", ".join(self.get_file_names()[:20]) or "none"
            warnings.warn(f"trial {self.id} has no file that begins with {prefix!r}; its files: {names}", stacklevel=2)
        return copied

    def _tell_copied(self, place: str, files: int = 1) -> None:
        where = os.path.abspath(os.path.expanduser(place))
        print(f"Copied {files} file{'s' * (files != 1)} of trial {self.number} to {where}", file=sys.stderr, flush=True)

    def logs(self, attempt: int | None = None, rank: int | None = None) -> str:
        """Returns what it wrote to stdout and stderr.

        Args:
            attempt: From 1; None = the last one.
            rank: Of one process, where several train together; None = all of them by time, each line with its rank.

        Raises:
            TrialError: If it has no such rank.
            StorageError: If the log cannot be read.
        """
        self.parent.refresh()
        layout, chosen, spec = self.parent.layout, attempt or max(1, self._trial.attempt), self.parent.config.trial
        ranks = ranks_of(layout, self.number, chosen)
        if rank is not None:
            check_rank(ranks, rank, self.number)
        elif len(ranks) > 1:
            return whole_rank_logs(layout, self.number, chosen, spec.log_limit)
        return whole_log(layout, self.number, chosen, rank or 0)

    def cancel(self, why: str = "canceled by the user", *, address: str | None = None) -> None:
        """Ends the trial; the run continues.

        Args:
            why: The reason, which is recorded.
            address: Address of a dashboard, if nothing else of the cluster can be reached.

        Raises:
            ClusterError: If the run's driver cannot be reached.
        """
        self.parent.cancel_trial(self.number, why, address=address)

    def _repr_html_(self) -> str:
        self.parent.refresh()
        return trial_html(self.parent.reader, self.number)

    def __repr__(self) -> str:
        return f"Run({trial_text(self.parent.reader, self.number)})"


__all__ = ["INTERRUPTED", "NOT_RESPONDING", "HyperDriveRun", "Run", "StorageError"]
