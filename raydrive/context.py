"""The part of raydrive that a training process uses: ``Run.get_context()``.

    from raydrive.context import Run

    run = Run.get_context()
    run.log("accuracy", 0.93)

Inside a trial, logged values go to the trial actor, from any process with the trial's environment. Elsewhere the same
script runs, and ``log`` prints. Nothing is buffered: a call that has returned has delivered its line.
Standard library only, nothing newer than Python 3.8: training scripts import this in their own environments.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any, Iterable, Iterator, Mapping, Sequence  # noqa: UP035  (Python 3.8)

from raydrive import context_values, ranks, variables, wire
from raydrive.context_values import ExperimentName, ParentRun
from raydrive.trial_ray import RayOfTrial


class RunEnvironmentError(RuntimeError):
    """``Run.get_context(allow_offline=False)`` was called outside a trial."""


_process: context_values.Process | None = None


def current() -> context_values.Process:
    """Returns the state of the present process; for raydrive's own modules, not for scripts.

    A module may have called ``get_context`` before a fork, or before its environment said that it is a trial: a ``Run``
    therefore holds nothing, and looks here.
    """
    global _process
    if _process is None or _process.pid != os.getpid() or _process.channel != os.environ.get(wire.CHANNEL, ""):
        _process = context_values.Process()
    return _process


def reset_for_next_trial() -> None:
    """Forgets the trial of this process, and closes its connections: the next trial in it begins again.

    For raydrive's own modules, not for scripts.
    """
    global _process
    wire.hang_up()
    _process = None  # with the metrics and tags that get_metrics() and get_tags() return


class Run(RayOfTrial):
    """The trial that this process belongs to; get it with ``Run.get_context()``."""

    @classmethod
    def get_context(cls, allow_offline: bool = True) -> Run:
        """Returns the trial this process runs in, or a stand-in that prints.

        Args:
            allow_offline: Whether to return the stand-in outside a trial.

        Raises:
            RunEnvironmentError: This is not a trial, and ``allow_offline`` is false.
        """
        if not allow_offline and not current().channel:
            raise RunEnvironmentError(
                f"this process is not a trial of raydrive ({wire.CHANNEL} is not set); start it with "
                "`raydrive submit`, or pass allow_offline=True to have metrics printed"
            )
        return cls()

    # ------------------------------------------------------------------ identity

    @property
    def offline(self) -> bool:
        """Whether this is not a trial, so that logging prints."""
        return not current().channel

    @property
    def id(self) -> str:
        """Id of the trial; ``OfflineRun_...`` outside one."""
        return os.environ.get(wire.TRIAL_ID, "") or current().offline_id

    @property
    def number(self) -> int | None:
        """Number of the trial within its run, from 0; None outside a trial."""
        text = os.environ.get(wire.TRIAL, "")
        return int(text) if text else None

    @property
    def attempt(self) -> int:
        """Number of this attempt of the trial, from 1."""
        return int(os.environ.get(wire.ATTEMPT, "") or 1)

    @property
    def rank(self) -> int:
        """Rank of this process among those that train together, from 0."""
        return ranks.rank_of(os.environ)

    @property
    def world_size(self) -> int:
        """Number of processes that train together; 1 for a process that trains alone."""
        return ranks.size_of(os.environ)

    @property
    def params(self) -> dict[str, Any]:
        """The trial's hyperparameters; empty outside a trial."""
        return variables.read_with_tuples(wire.PARAMS, wire.TUPLES)

    @property
    def parent(self) -> ParentRun | None:
        """The run this trial belongs to; None outside a trial."""
        run_id = os.environ.get(wire.RUN_ID, "")
        return ParentRun(self, run_id, _note) if run_id else None

    @property
    def experiment(self) -> ExperimentName:
        """The experiment: its ``name``; empty outside a trial."""
        return ExperimentName(os.environ.get(wire.EXPERIMENT, ""))

    @property
    def output_directory(self) -> str:
        """Directory whose files are stored with the trial; ``./outputs`` outside one (not created there)."""
        return os.environ.get(wire.OUTPUT_DIR, "") or os.path.abspath("outputs")

    @property
    def resume_from(self) -> str | None:
        """Local directory with the checkpoint to continue from; None when the trial starts from nothing."""
        return os.environ.get(wire.RESUME_FROM, "") or None

    def save_checkpoint(self, directory: str | os.PathLike[str], *, sharded: bool = False) -> None:
        """Saves a folder as a checkpoint that the trial can continue from, wherever it is started again.

        The folder is copied; the next call waits only while the copy is still being uploaded.

        Args:
            directory: The folder.
            sharded: Whether each training process saves a part, in files with unique names; otherwise rank 0 saves.

        Raises:
            NotADirectoryError: The folder does not exist.
        """
        context_values.check_folder(directory, "save_checkpoint takes a folder")
        root, process = os.environ.get(wire.CHECKPOINT_DIR, ""), current()
        if not root:
            return _note("save_checkpoint does nothing outside a trial")
        if self.rank and not sharded:
            return _note(f"save_checkpoint does nothing on rank {self.rank}: rank 0 saves, or all with sharded=True")
        part = (self.rank, self.world_size) if sharded and self.world_size > 1 else ()
        with process.saving:
            place = wire.part_folder(root, self.rank) if part else root
            name = context_values.stage_checkpoint(os.fspath(directory), place)
            if process.client is not None:
                process.client.send(wire.checkpoint_message(name, part))

    def report(
        self,
        metrics: Mapping[str, Any],
        *,
        step: float | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        description: str = "",
    ) -> None:
        """Logs values together and, if given, saves a folder as the checkpoint that belongs to them.

        Both are recorded or neither is, so a trial that resumes from the checkpoint continues right after these values.

        Args:
            metrics: Numbers or strings by name.
            step: Position in the training, such as the epoch.
            checkpoint: A folder to save, as by ``save_checkpoint``: it is copied.
            description: A readable description of the values.

        Raises:
            TypeError: ``metrics`` is not a mapping, or a value neither a number nor a string.
            ValueError: There is no value, or a name is empty.
            NotADirectoryError: The folder does not exist.
        """
        values = context_values.row(metrics, "report({...})")
        step = None if step is None else context_values.scalar(step, "report({...}), the step", "give a number")
        if checkpoint is not None:
            context_values.check_folder(checkpoint, "report takes a folder as its checkpoint")
        root, this = os.environ.get(wire.CHECKPOINT_DIR, ""), current()
        for name, value in values.items():
            this.metrics.setdefault(name, []).append(value)
        if checkpoint is not None and (this.rank or not root):
            _note(f"report keeps no checkpoint {f'of rank {this.rank}: rank 0 saves' if root else 'outside a trial'}")
            checkpoint = None
        with this.saving if checkpoint is not None else contextlib.nullcontext():
            saved = context_values.stage_reported(checkpoint, root)
            message = wire.metrics_message(values, step, description, this.rank, saved)
            if this.client is None or not this.client.send(message):
                for name, value in values.items():
                    context_values.say_value(name, value, step)

    # ------------------------------------------------------------------ metrics

    def log(self, name: str, value: Any, description: str = "", step: float | None = None) -> None:
        """Logs one value; logging a name repeatedly makes a curve.

        Args:
            name: Any text; the run's primary metric is found by this name.
            value: A number (numpy's and one-element tensors included) or a string.
            description: A readable description.
            step: Position in the training, such as the epoch.

        Raises:
            TypeError: The value is neither a number nor a string.
            ValueError: The name is empty.
        """
        context_values.check_name(name)
        value = context_values.scalar(
            value, f"log({context_values.shown(name)}, ...)", "use log_list for several values"
        )
        self._log("scalar", name, value, description, step)

    def log_list(self, name: str, value: Iterable[Any], description: str = "") -> None:
        """Logs a list of numbers or strings.

        Raises:
            TypeError: An element is neither a number nor a string.
        """
        context_values.check_name(name)
        self._log(
            "list", name, context_values.column(value, f"log_list({context_values.shown(name)}, ...)"), description
        )

    def log_row(self, name: str, description: str = "", **kwargs: Any) -> None:
        """Logs one row of a table, a column for each keyword.

        Raises:
            TypeError: A value is neither a number nor a string.
            ValueError: No column is given.
        """
        context_values.check_name(name)
        if not kwargs:
            raise ValueError(
                f"log_row({context_values.shown(name)}): found no column; give at least one: log_row(NAME, x=1)"
            )
        where = f"log_row({context_values.shown(name)}, ...)"
        row = {key: context_values.scalar(item, f"{where}, {key}", "use log_table") for key, item in kwargs.items()}
        self._log("row", name, row, description)

    def log_table(self, name: str, value: Mapping[str, Any], description: str = "") -> None:
        """Logs a table at once.

        Args:
            name: Name of the metric.
            value: Column names and their values: sequences, or single values for a table of one row.
            description: A readable description.

        Raises:
            TypeError: The value is not a mapping, or an element neither a number nor a string.
        """
        context_values.check_name(name)
        where = f"log_table({context_values.shown(name)}, ...)"
        if not isinstance(value, Mapping):
            raise TypeError(f"{where}: found {type(value).__name__}; expected a mapping of column names to values")
        table = {str(key): context_values.cell(item, f"{where}, {key}") for key, item in value.items()}
        self._log("table", name, table, description)

    def log_image(self, name: str, path: str | None = None, plot: Any = None, description: str = "") -> None:
        """Stores an image with the trial.

        Args:
            name: Name of the metric.
            path: An image file; or else
            plot: ``matplotlib.pyplot``, or one of its figures.
            description: A readable description.

        Raises:
            ValueError: Neither or both of ``path`` and ``plot`` are given.
            OSError: The image cannot be read or written.
        """
        context_values.check_name(name)
        if (path is None) == (plot is None):
            raise ValueError(f"log_image({context_values.shown(name)}): give either path= or plot=")
        if self.offline:
            self._log("image", name, path if path is not None else plot, description)
            return
        with current().lock:
            stored = context_values.keep_picture(name, len(current().metrics.get(name, ())) + 1, path, plot)
            self._log("image", name, {"image": stored}, description)

    def log_confusion_matrix(self, name: str, value: Any, description: str = "") -> None:
        """Logs a confusion matrix: a mapping, or its JSON text, stored unchanged."""
        self._log_json("confusion matrix", name, value, description)

    def log_accuracy_table(self, name: str, value: Any, description: str = "") -> None:
        """Logs an accuracy table: a mapping, or its JSON text, stored unchanged."""
        self._log_json("accuracy table", name, value, description)

    def log_residuals(self, name: str, value: Any, description: str = "") -> None:
        """Logs a residuals chart: a mapping, or its JSON text, stored unchanged."""
        self._log_json("residuals", name, value, description)

    def log_predictions(self, name: str, value: Any, description: str = "") -> None:
        """Logs a predictions chart: a mapping, or its JSON text, stored unchanged."""
        self._log_json("predictions", name, value, description)

    def get_metrics(self, name: str | None = None) -> dict[str, Any]:
        """Returns what this process has logged: a value if logged once, else the list of values.

        Args:
            name: Only this metric.
        """
        metrics = current().metrics
        names = list(metrics) if name is None else [name] if name in metrics else []
        return {key: metrics[key][0] if len(metrics[key]) == 1 else list(metrics[key]) for key in names}

    # ------------------------------------------------------------------ files

    def upload_file(self, name: str, path_or_stream: context_values.PathOrStream) -> str:
        """Stores a copy of a file with the trial. Files in ``./outputs`` are stored in any case.

        Args:
            name: Path of the copy below the trial's files, such as ``outputs/model.pkl``.
            path_or_stream: A path, or an object with ``read``.

        Returns:
            Path of the copy; outside a trial nothing is copied, and it is empty.

        Raises:
            ValueError: The name is empty or leads out of the trial's files.
            OSError: The file cannot be read or written.
        """
        target = context_values.target_of(name)
        if not target:
            context_values.say(f"file {name}: not copied outside a trial")
            return ""
        context_values.copy_file(path_or_stream, target)
        return target

    def upload_files(self, names: Sequence[str], paths: Sequence[str]) -> list[str]:
        """Stores copies of several files; see ``upload_file``.

        Raises:
            ValueError: The numbers of names and paths differ.
        """
        if len(names) != len(paths):
            raise ValueError(f"upload_files: found {len(names)} names and {len(paths)} paths; expected equal numbers")
        return [self.upload_file(name, path) for name, path in zip(names, paths)]  # noqa: B905  (Python 3.8)

    def upload_folder(self, name: str, path: str | os.PathLike[str]) -> str:
        """Stores a copy of a folder with the trial; see ``upload_file``.

        Raises:
            ValueError: The name is empty or leads out of the trial's files.
            NotADirectoryError: ``path`` is not a folder.
        """
        root = os.fspath(path)
        if not os.path.isdir(root):
            raise NotADirectoryError(f"upload_folder({context_values.shown(name)}): no such folder: {root!r}")
        target = context_values.target_of(name)
        if target:
            context_values.copy_folder(root, target)
        else:
            context_values.say(f"folder {name}: not copied outside a trial")
        return target

    # ------------------------------------------------------------------ tags and state

    def tag(self, key: str, value: Any = None) -> None:
        """Sets one tag of the trial; values are converted to strings."""
        self.set_tags(context_values.tag_of(key, value))

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Sets tags of the trial; values are converted to strings."""
        texts = context_values.tags_of(tags)
        this = current()
        this.tags.update(texts)
        if this.client is None or not this.client.send(wire.tags_message(texts, self.rank)):
            for key, text in texts.items():
                context_values.say_value(f"tag {key}", text)

    def get_tags(self) -> dict[str, str]:
        """Returns the tags this process has set."""
        return dict(current().tags)

    def flush(self, timeout_seconds: float = 300) -> None:
        """Does nothing: every call delivers its line before it returns. For scripts that call it."""

    def complete(self) -> None:
        """Marks the trial as complete. Its final state still depends on how its process ends."""
        self._state("Completed", "")

    def fail(self, error_details: Any = None, error_code: Any = None) -> None:
        """Marks the trial as failed, with a reason (text or exception) and a short name. The process continues."""
        current().failed = True
        self._state(wire.FAILED, ": ".join(str(part) for part in (error_code, error_details) if part is not None))

    def _state(self, state: str, why: str) -> None:
        this = current()
        if this.client is None or not this.client.send(wire.state_message(state, why)):
            context_values.say_value("state", f"{state}: {why}" if why else state)

    # ------------------------------------------------------------------ inside

    def _log_json(self, kind: str, name: str, value: Any, description: str) -> None:
        context_values.check_name(name)
        where = f"log_{kind.replace(' ', '_')}({context_values.shown(name)}, ...)"
        self._log(kind, name, context_values.chart(value, where), description)

    def _log(self, kind: str, name: str, value: Any, description: str, step: float | None = None) -> None:
        this = current()
        step = (
            None
            if step is None
            else context_values.scalar(step, f"the step of {context_values.shown(name)}", "give a number")
        )
        this.metrics.setdefault(name, []).append(value)
        message = wire.metrics_message({name: value}, step, description, this.rank)
        if this.client is None or not this.client.send(message):
            context_values.say_value(name, value, step)


def _note(text: str) -> None:
    this = current()
    if text not in this.noted:
        this.noted.append(text)
        print(f"raydrive: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def in_process(environment: Mapping[str, str], client: wire.Client) -> Iterator[None]:
    """Makes this process a trial for as long as the ``with`` block lasts: debugging, notebooks, tests.

    Processes that the trial starts cannot reach ``client``: what they log is printed.

    Args:
        environment: What ``wire.trial_environment`` returns.
        client: Receives what the trial logs.
    """
    global _process
    names = {*wire.TRIAL_VARIABLES, *environment}
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    outer, _process = _process, None
    os.environ.update(environment)
    try:
        current().client = client
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)
        os.environ.update(before)
        _process = outer
