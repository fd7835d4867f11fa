"""``Experiment``, ``HyperDriveRun`` and ``Run`` with the SDK's signatures; the SDK's module names re-export them."""

from __future__ import annotations

import dataclasses
import importlib
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from raydrive.api.argument_types import CHILD_OBJECT, RUN_OBJECT
from raydrive.api.config import HyperDriveConfig as NativeConfig
from raydrive.api.config import ScriptRunConfig
from raydrive.api.run import HyperDriveRun as NativeRun
from raydrive.api.run import Run as Child
from raydrive.api.submit.submission import Submission
from raydrive.api.workspace import Experiment as NativeExperiment
from raydrive.compat.azure_notices import NotHereError, note
from raydrive.compat.azureml._interactive import InteractiveRun
from raydrive.compat.azureml._models import Model, keep
from raydrive.compat.azureml._names import with_methods_of
from raydrive.compat.azureml._trial_names import TrialNames
from raydrive.compat.azureml.wants import EXPERIMENT, NAME, TAGS, WORKSPACE
from raydrive.compat.single_run import as_line, with_end, with_fewer_trials
from raydrive.context import Run as TrainingRun
from raydrive.core.argument_checks import ANYTHING, NOTHING, PATH, checked, checks_arguments
from raydrive.core.errors import ConfigError, Problem, RunNotFoundError, show
from raydrive.core.search.grid_search import GridParameterSampling
from raydrive.core.space.search_space import choice
from raydrive.storage.run_layout import RunLayout, find_run


@checks_arguments(workspace=WORKSPACE, tags=TAGS)
class Experiment(NativeExperiment):
    """A name that groups runs.

    Args:
        workspace: Where its runs are kept and executed.
        name: Its name.
        **kwargs: Not looked at.
    """

    recorder: Callable[[Submission], None] | None = None
    """What ``submit`` calls instead of starting a run; set by `raydrive convert`."""
    most_trials: int | None = None
    """Trials of a run at most, for a first try; None = as many as it has. Set by ``--trials``."""
    submitted: list[HyperDriveRun] = []  # noqa: RUF012 - of the process, for `raydrive run-script`
    """The runs that this process has started."""

    def __init__(self, workspace: Any, name: str, **kwargs: Any) -> None:
        super().__init__(workspace, name)

    def submit(self, config: Any, tags: Mapping[str, str] | None = None, **kwargs: Any) -> Any:
        """Starts a run and returns at once.

        Args:
            config: A ``HyperDriveConfig``; of a ``ScriptRunConfig`` one trial is run, which is returned; of a
                ``Pipeline`` the steps that tune.
            tags: Kept with the run.
            **kwargs: ``pipeline_parameters`` of a pipeline; others are not looked at.

        Raises:
            NotHereError: If it is none of these, or no step of a pipeline tunes.
            ConfigError: If the configuration cannot be used.
        """
        if isinstance(config, ScriptRunConfig):
            return self._submit_script(config, tags)
        if hasattr(config, "submitted"):  # a pipeline
            return config.submitted(self, kwargs.get("pipeline_parameters"), tags)
        if not isinstance(config, NativeConfig | Submission):
            found = f"found {type(config).__name__}"
            raise NotHereError(f"submit takes a HyperDriveConfig or a ScriptRunConfig here, {found}")
        submission = config if isinstance(config, Submission) else config.to_submission(self.name)
        if tags:
            merged = dataclasses.replace(submission.config, tags={**submission.config.tags, **tags})
            submission = dataclasses.replace(submission, config=merged)
        if Experiment.recorder is not None:
            Experiment.recorder(submission)
        run = HyperDriveRun.of(super().submit(with_fewer_trials(submission, Experiment.most_trials)), self)
        run.hyperdrive_config = config
        Experiment.submitted.append(run)
        return run

    def _submit_script(self, script: ScriptRunConfig, tags: Mapping[str, str] | None) -> ScriptRun | None:
        if Experiment.recorder is not None:
            note("submit(ScriptRunConfig): a single run is not a sweep and is skipped")
            return None
        make: Any = importlib.import_module(f"{__package__}.train.hyperdrive.runconfig").HyperDriveConfig
        config = make(GridParameterSampling({"single_run": choice(1)}), "completed", "MAXIMIZE", 1, run_config=script)
        spec = script.to_spec(config.config.trial.resources)
        command = as_line(spec.script, spec.arguments) if spec.kind == "script" else spec.command
        ended = with_end(command, "completed", "1")
        trial = dataclasses.replace(
            config.config.trial, kind="command", script="", arguments=(), command=ended, flags=()
        )
        config.config = dataclasses.replace(config.config, trial=trial)
        return ScriptRun(self.submit(config, tags))

    def start_logging(self, *args: Any, **kwargs: Any) -> InteractiveRun:
        """Returns a run that this process logs to; what it logs stays in this process.

        Args:
            *args: Not looked at.
            **kwargs: Not looked at.
        """
        return InteractiveRun(self)

    def get_runs(self, *args: Any, **kwargs: Any) -> Iterator[HyperDriveRun]:
        """Yields the runs of the experiment, newest first."""
        return (HyperDriveRun.of(run, self) for run in super().get_runs())

    @staticmethod
    def list(workspace: Any, *args: Any, **kwargs: Any) -> Any:
        """Returns the experiments of a workspace."""
        return [Experiment(workspace, name) for name in workspace.experiments()]

    @property
    def id(self) -> str:
        """Its name."""
        return self.name

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Does nothing: tags belong to runs, ``submit(config, tags=...)``."""

    tag = set_tags

    def __str__(self) -> str:
        return self.name


@with_methods_of("azureml.train.automl.run.AutoMLRun")
@checks_arguments(experiment=EXPERIMENT, run=RUN_OBJECT)
class HyperDriveRun(NativeRun):
    """A tuning run.

    Args:
        experiment: Its experiment.
        run_id: Its id.
        hyperdrive_config: What it was started with; None = not known.
        **kwargs: Not looked at.

    Raises:
        RunNotFoundError: If there is no such run.
        NotHereError: If it is the id of a run that Azure keeps.
    """

    def __init__(self, experiment: Any, run_id: str, hyperdrive_config: Any = None, **kwargs: Any) -> None:
        try:
            found = find_run(experiment.workspace.storage, run_id)
        except RunNotFoundError as error:
            if not _OF_AZURE.fullmatch(run_id):
                raise
            raise NotHereError(f"run {run_id} is stored by Azure; `raydrive list` lists those here") from error
        super().__init__(RunLayout.open(found.uri))
        self._of_experiment = experiment
        self.hyperdrive_config = hyperdrive_config

    @classmethod
    def of(cls, run: NativeRun, experiment: Any) -> HyperDriveRun:
        """Returns a run under the SDK's names."""
        made = cls.__new__(cls)
        NativeRun.__init__(made, run.layout)
        made._of_experiment = experiment
        made.hyperdrive_config = None
        return made

    @property
    def experiment(self) -> Any:
        """The experiment."""
        return Experiment(self._of_experiment.workspace, self.config.experiment)

    @property
    def status(self) -> str:
        """As ``get_status()``."""
        return self.get_status()

    @property
    def type(self) -> str:
        """Kind of the run."""
        return "hyperdrive"

    @property
    def properties(self) -> dict[str, Any]:
        """What is under properties in ``get_details()``."""
        return dict(self.get_details()["properties"])

    def get_tags(self) -> dict[str, str]:
        """Returns the tags."""
        return dict(self.tags)

    def get_children(self, *args: Any, **kwargs: Any) -> Iterator[Run]:
        """Yields the trials by number."""
        return (Run.of(child) for child in super().get_children())

    def get_child(self, number: int) -> Run:
        """Returns one trial.

        Raises:
            TrialError: If the run has no such trial.
        """
        return Run.of(super().get_child(number))

    def get_best_run_by_primary_metric(
        self, include_failed: bool = True, include_canceled: bool = True, include_resume_from_runs: bool = True
    ) -> Run | None:
        """Returns the trial with the best value over everything it logged, None when none has one."""
        best = super().get_best_run_by_primary_metric(include_failed, include_canceled, include_resume_from_runs)
        if best is None:
            return None
        if not isinstance(best.parent, HyperDriveRun):
            best.parent = HyperDriveRun.of(best.parent, self._of_experiment)
        return Run.of(best)

    def fail(self, *args: Any, **kwargs: Any) -> None:
        """Is not there.

        Raises:
            NotHereError: Always.
        """
        raise NotHereError("a run cannot be marked as failed, nor could it in HyperDrive: run.cancel() ends it")

    def get_diagnostics(self, *args: Any, **kwargs: Any) -> None:
        """Is not there.

        Raises:
            NotHereError: Always.
        """
        raise NotHereError(f"raydrive report {self.id} writes a run with all its logs into one file")

    def get_portal_url(self) -> str:
        """Returns the command that shows the run in a browser; there is no portal."""
        return f"raydrive studio {self.id}"


_OF_AZURE = re.compile(r"([A-Za-z]+_)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Ids of runs that Azure gave: ``HD_``, ``AutoML_`` or nothing, and a UUID."""
_LOGS = ("logs/azureml", "azureml-logs", "user_logs", "system_logs")
"""Where Azure kept a run's log; here it is ``attempt-1/log.txt``."""


def _plain(name: str) -> str:
    """A name of a file without what is before it in some notebooks: ``./`` or ``/``."""
    return name.removeprefix(".").lstrip("/") if name.startswith(("./", "/")) else name


class AnyCase(dict[str, Any]):
    """A dict that is read by a name in any case: ``arguments`` and, as old documentation has it, ``Arguments``."""

    def __missing__(self, key: str) -> Any:
        for name in self:
            if name.casefold() == str(key).casefold():
                return self[name]
        raise KeyError(key)


@with_methods_of("azureml.train.automl.run.AutoMLRun")
@checks_arguments(
    workspace=WORKSPACE,
    experiment=EXPERIMENT,
    child=CHILD_OBJECT,
    model_name=NAME,
    model_path=PATH | NOTHING,
    tags=ANYTHING,
)
class Run(TrialNames):
    """A trial.

    Args:
        experiment: The experiment of its run.
        run_id: Its id: that of the run, ``_`` and its number.
        outputs: Not looked at.
        **kwargs: Not looked at.

    Raises:
        RunNotFoundError: If there is no such run.
        TrialError: If the run has no such trial.
    """

    @checked(experiment=EXPERIMENT | NOTHING)
    def __new__(cls, experiment: Any = None, run_id: str = "", *args: Any, **kwargs: Any) -> Any:
        """Returns a trial, or a run where the id is one."""
        if experiment is None or _split(run_id) is not None:
            return super().__new__(cls)
        return HyperDriveRun(experiment, run_id)

    def __init__(self, experiment: Any, run_id: str, outputs: Any = None, **kwargs: Any) -> None:
        parent, number = _split(run_id) or ("", 0)
        run = HyperDriveRun(experiment, parent)
        run.get_child(number)
        super().__init__(run, number)

    @classmethod
    def of(cls, child: Child) -> Run:
        """Returns a trial under the SDK's names."""
        made: Run = object.__new__(cls)
        Child.__init__(made, child.parent, child.number)
        return made

    @staticmethod
    def get_context(allow_offline: bool = True) -> TrainingRun:
        """Returns the trial that this process is; see ``raydrive.Run.get_context``.

        Raises:
            RunEnvironmentError: This is not a trial, and ``allow_offline`` is false.
        """
        return TrainingRun.get_context(allow_offline)

    @staticmethod
    def get(workspace: Any, run_id: str) -> Any:
        """Returns a trial, or a run, by its id.

        Raises:
            RunNotFoundError: If there is none.
        """
        return Run(Experiment(workspace, ""), run_id)

    @property
    def experiment(self) -> Any:
        """The experiment."""
        parent: Any = self.parent
        return parent.experiment

    @property
    def status(self) -> str:
        """As ``get_status()``."""
        return self.get_status()

    @property
    def type(self) -> str:
        """Kind of the run."""
        return "azureml.scriptrun"

    @property
    def properties(self) -> dict[str, Any]:
        """What is under properties in ``get_details()``."""
        return dict(self.get_details()["properties"])

    def get_properties(self) -> dict[str, Any]:
        """Returns ``properties``."""
        return self.properties

    def get_details(self) -> dict[str, Any]:
        """Returns the trial as HyperDrive describes it; ``runDefinition`` is read in any case."""
        details = super().get_details()
        return {**details, "runDefinition": AnyCase(details["runDefinition"])}

    def wait_for_completion(self, show_output: bool = False, **kwargs: Any) -> dict[str, Any]:
        """Waits until the trial, or its run, has ended, and returns ``get_details()``."""
        for _ in self.parent.watch():
            if self.get_status() in ("Completed", "Canceled", "Failed"):
                break
        return self.get_details()

    def download_file(self, name: str, output_file_path: str | None = None, *args: Any, **kwargs: Any) -> str:
        """Copies one of its files here; a name may begin with ``/`` or ``./``, or be one of Azure's for the log.

        Raises:
            TrialError: If it has no such file.
            StorageError: If it cannot be read or written.
        """
        wanted = _plain(name)
        if wanted.startswith(tuple(f"{folder}/" for folder in _LOGS)) and wanted not in self.get_file_names():
            logs = [each for each in self.get_file_names() if each.startswith("attempt-") and each.endswith("/log.txt")]
            wanted = logs[-1] if logs else wanted
            if output_file_path is None or output_file_path.endswith("/") or Path(output_file_path).is_dir():
                output_file_path = str(Path(output_file_path or ".") / Path(name).name)
        return super().download_file(wanted, output_file_path or None)

    def download_files(
        self, prefix: str | None = "", output_directory: str | None = ".", *args: Any, **kwargs: Any
    ) -> list[str]:
        """Copies all files whose names begin with ``prefix``, which may itself begin with ``/`` or ``./``.

        Raises:
            StorageError: If some cannot be read or written; the others are there.
        """
        return super().download_files(_plain(prefix or ""), output_directory or ".")

    def register_model(
        self, model_name: str, model_path: str | None = None, tags: Any = None, properties: Any = None, **kwargs: Any
    ) -> Model:
        """Keeps a file or folder of the trial as the next version of a model, below the workspace's storage.

        Args:
            model_name: Name of the model.
            model_path: Such as ``outputs/model.pkl``; None = all of ``outputs``, ``.`` = all its files.
            tags: Not kept.
            properties: Not kept.
            **kwargs: Not looked at.

        Raises:
            ConfigError: If the trial has no such file.
            StorageError: If something cannot be read or written.
        """
        wanted = _plain(model_path or "outputs").strip("/")
        files = self.get_file_names()
        if wanted in _LOGS and not any(name.startswith(f"{wanted}/") for name in files):
            files, wanted = [name for name in files if name.startswith("attempt-")], "."
        names = [name for name in files if wanted in ("", ".") or name == wanted or name.startswith(f"{wanted}/")]
        if not names:
            listed = ", ".join(self.get_file_names()) or "none: it left no files"
            raise ConfigError(Problem("model_path", show(model_path), f"one of its files: {listed}"))
        with tempfile.TemporaryDirectory(prefix="raydrive-model-") as folder:
            for name in names:
                self.download_file(name, str(Path(folder, name)))
            return keep(self.experiment.workspace, model_name, Path(folder, wanted))

    def get_portal_url(self) -> str:
        """Returns the command that shows the run in a browser; there is no portal."""
        return f"raydrive studio {self.parent.id}"


class ScriptRun(Run):
    """The only trial of a run.

    Args:
        run: The run.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Returns a new object."""
        return object.__new__(cls)

    def __init__(self, run: HyperDriveRun) -> None:
        Child.__init__(self, run, 0)

    def get_status(self) -> str:
        """Returns Queued until it has begun, then as other trials."""
        self.parent.refresh()
        return super().get_status() if self._begun else "Queued"

    @property
    def _begun(self) -> bool:
        return len(self.parent.sweep.trials) > 0

    def wait_for_completion(self, show_output: bool = False, **kwargs: Any) -> dict[str, Any]:
        """Waits until it ends, prints its log if asked to, and returns ``get_details()``."""
        self.parent.wait_for_completion(show_output=False, raise_on_error=kwargs.get("raise_on_error", True))
        if show_output:
            print(self.logs())
        return self.get_details()


def _split(run_id: str) -> tuple[str, int] | None:
    """The run and the number in a trial's id; ids of runs end in four hexadecimal digits behind a dash."""
    run, mark, number = run_id.rpartition("_")
    return (run, int(number)) if mark and number.isdigit() else None
