"""``Run``: one trial as its user sees it."""

from __future__ import annotations

import json
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raydrive.api.argument_types import RUN_OBJECT
from raydrive.core.argument_checks import NOTHING, PATH, checks_arguments, whole
from raydrive.core.config.command_line import trial_argv
from raydrive.core.errors import StorageError, show
from raydrive.core.records import Params
from raydrive.core.sweep.state import losses_text
from raydrive.core.views.summary import INTERRUPTED, seconds_of, state_of
from raydrive.storage.folder.base import failure
from raydrive.storage.trial_files import download_file, list_files, log_size, read_file, read_log

if TYPE_CHECKING:
    from raydrive.api.run import HyperDriveRun


@checks_arguments(parent=RUN_OBJECT, output_file_path=PATH | NOTHING, attempt=whole(1) | NOTHING)
class Run:
    """A child run: one configuration that is, or was, trained.

    Made by ``HyperDriveRun``. Inside a training process ``raydrive.Run.get_context()`` gives the object to log with.
    """

    def __init__(self, parent: HyperDriveRun, number: int) -> None:
        self.parent = parent
        self.number = number

    @property
    def _trial(self) -> Any:
        return self.parent.sweep.trials[self.number]

    @property
    def id(self) -> str:
        """The run's id and the number."""
        return self.parent.child_id(self.number)

    @property
    def params(self) -> Params:
        """The hyperparameters."""
        params: Params = self._trial.params
        return params

    @property
    def why(self) -> str:
        """Why it ended (or is being stopped), word for word; empty while it trains."""
        self.parent.refresh()
        return str(self._trial.why)

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
        """What it is ranked by: the best finite value of the primary metric so far, or what else the objective is."""
        self.parent.refresh()
        return self.parent.sweep.curves.objective(self.number)

    def get_status(self) -> str:
        """Returns Queued, Running, Completed, Canceled or Failed; Interrupted if the run is and it was open."""
        self.parent.refresh()
        return state_of(self._trial, self._trial.open and self.parent.get_status() == INTERRUPTED)

    def get_metrics(self, name: str | None = None) -> dict[str, Any]:
        """Returns what it logged: a scalar where a name was logged once, else a list.

        Args:
            name: Only this metric.
        """
        metrics = self.parent.all_metrics(self.number).get(self.number, {})
        return {
            key: values[0] if len(values) == 1 else values for key, values in metrics.items() if name in (None, key)
        }

    @property
    def arguments(self) -> list[str]:
        """The exact command line after the interpreter and script, or the whole command of a ``command`` trial."""
        spec = self.parent.config.trial
        if spec.kind == "function":
            return []
        argv = list(trial_argv(spec, self.params, python=spec.python or "python"))
        return argv[2:] if spec.kind == "script" else argv

    def get_details(self) -> dict[str, Any]:
        """Returns the trial as HyperDrive describes it; the arguments stand under ``runDefinition``."""
        from raydrive.api.run import utc

        status, trial, spec = self.get_status(), self._trial, self.parent.config.trial
        return {
            "runId": self.id,
            "status": status,
            "startTimeUtc": utc(trial.created_at),
            "endTimeUtc": utc(trial.ended_at),
            "duration_s": seconds_of(trial, time.time()),
            "why": trial.why,
            "attempt": trial.attempt,
            "node": trial.node,
            "gpus": trial.gpus,
            "losses": trial.losses,
            "lost": losses_text(trial),
            "notes": list(trial.notes),
            "properties": {"origin": trial.origin, "details": json.dumps(trial.details)},
            "runDefinition": {
                "script": spec.script,
                "command": spec.command,
                "arguments": self.arguments,
                "hyperparameters": dict(trial.params),
            },
            "logFiles": {name: f"{self.uri}/{name}" for name in self._listed() if name.endswith("log.txt")},
        }

    @property
    def uri(self) -> str:
        """The trial's folder in the storage."""
        return str(self.parent.layout.trial(self.number).uri)

    def get_file_names(self) -> list[str]:
        """Returns the names of its files: ``outputs/...``, ``logs/...`` and ``attempt-1/log.txt``.

        Raises:
            StorageError: If the storage cannot be read.
        """
        return list_files(self.parent.layout, self.number)

    def _listed(self) -> list[str]:
        """Its files; none where they cannot be listed, which does not keep the rest of its details back."""
        try:
            return self.get_file_names()
        except StorageError:
            return []

    def download_file(self, name: str, output_file_path: str | None = None) -> str:
        """Copies one of its files here.

        Args:
            name: As ``get_file_names`` gives it.
            output_file_path: Where to; a folder (or a path ending in ``/``) keeps the file's name. None = this folder.

        Returns:
            The path of the copy.

        Raises:
            TrialError: If it has no such file.
            StorageError: If it cannot be read, is a link that leaves the run's folder, or cannot be written.
        """
        target = Path(output_file_path or ".").expanduser()
        try:
            if target.is_dir() or (output_file_path or "").endswith("/"):
                target = target / Path(name).name
            if target.exists() and not target.is_file():  # a terminal, a pipe: it is written to and not replaced
                target.write_bytes(read_file(self.parent.layout, self.number, name))
            else:
                download_file(self.parent.layout, self.number, name, target)
        except OSError as error:
            raise failure("write", show(str(target)), error) from error
        return str(target)

    def download_files(self, prefix: str = "", output_directory: str = ".") -> list[str]:
        """Copies all files whose names begin with ``prefix``, keeping their folders; returns the paths.

        What is no file of the trial (a link that leaves the run's folder, a FIFO) is left out with a warning.

        Raises:
            StorageError: If some cannot be read or written; the others are there.
        """
        root, skipped = Path(output_directory).expanduser(), list[str]()
        copied, failed = list[str](), list[str]()
        for name in [one for one in list_files(self.parent.layout, self.number, skipped) if one.startswith(prefix)]:
            try:
                download_file(self.parent.layout, self.number, name, root / name)
                copied.append(str(root / name))
            except (OSError, StorageError) as error:
                failed.append(f"{name} ({error})")
        if left_out := [text for text in skipped if text.startswith(prefix)]:
            warnings.warn(f"of trial {self.id} these were not copied: {', '.join(left_out[:20])}", stacklevel=2)
        if failed:
            total = len(failed) + len(copied)
            raise StorageError(f"{len(failed)} of {total} files could not be copied: {', '.join(failed[:5])}")
        return copied

    def logs(self, attempt: int | None = None) -> str:
        """Returns what it wrote to stdout and stderr.

        Args:
            attempt: From 1; None = the last one.

        Raises:
            StorageError: If the log cannot be read.
        """
        self.parent.refresh()
        layout, chosen = self.parent.layout, attempt or max(1, self._trial.attempt)
        whole, start, data = bytearray(), 0, b"..."
        end = log_size(layout, self.number, chosen)  # of one that grows faster than it can be read, too
        while data and start < end:
            data, start = read_log(layout, self.number, chosen, start)
            whole += data
        return whole.decode("utf-8", "replace")

    def cancel(self, why: str = "canceled by the user") -> None:
        """Ends the trial; the run goes on.

        Raises:
            ClusterError: If the run's driver cannot be reached.
        """
        self.parent.cancel_trial(self.number, why)

    def _repr_html_(self) -> str:
        from raydrive.api.display.notebook_html import trial_html

        return trial_html(self)

    def __repr__(self) -> str:
        return f"Run({self.id!r}, {self._trial.state})"
