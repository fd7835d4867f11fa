"""Pipelines of the SDK v1: each ``HyperDriveStep`` is run as a tuning run; the other steps are named and not run."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from raydrive.compat.azure_notices import NotHereError, note
from raydrive.compat.azureml._pipeline_runs import PipelineRun, StepRun
from raydrive.compat.azureml._places import DataPlace, found
from raydrive.compat.azureml._runs import Experiment
from raydrive.compat.azureml.core.dataset import values_of
from raydrive.core.errors import ConfigError, Problem, show


class PipelineParameter:
    """A value of a pipeline that ``submit(..., pipeline_parameters={...})`` may replace.

    Args:
        name: Its name.
        default_value: Its value otherwise.
    """

    def __init__(self, name: str, default_value: Any = None) -> None:
        self.name = name
        self.default_value = default_value


class TrainingOutput:
    """What a step with a tuning run leaves: the metrics of its trials, or a file of the best one.

    Args:
        type: ``Metrics`` or ``Model``.
        iteration: Not looked at.
        metric: Not looked at.
        model_file: The file, such as ``outputs/model.pkl``.
    """

    def __init__(self, type: str, iteration: Any = None, metric: Any = None, model_file: str | None = None) -> None:
        self.type = type
        self.model_file = model_file


class PipelineData:
    """A folder that one step of a pipeline writes, and others read.

    Args:
        name: Its name.
        datastore: Not looked at.
        output_name: Not looked at.
        pipeline_output_name: What ``pipeline_run.get_pipeline_output`` calls it.
        training_output: What of a tuning run it is.
        **kwargs: Not looked at.
    """

    def __init__(
        self,
        name: str,
        datastore: Any = None,
        output_name: str | None = None,
        pipeline_output_name: str | None = None,
        training_output: TrainingOutput | None = None,
        **kwargs: Any,
    ) -> None:
        self.name = name
        self.datastore = datastore
        self.pipeline_output_name = pipeline_output_name
        self.training_output = training_output

    def as_dataset(self, *args: Any, **kwargs: Any) -> PipelineData:
        """Returns itself: it is a folder."""
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("as_", "drop_columns", "keep_columns", "parse_", "read_", "register")):
            return self.as_dataset  # what reads it is a step that is not run
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __str__(self) -> str:
        return self.name


class OutputFileDatasetConfig(PipelineData):
    """A folder that one step of a pipeline writes, and others read.

    Args:
        name: Its name; one is made up otherwise.
        destination: Not looked at.
        **kwargs: Not looked at.
    """

    def __init__(self, name: str | None = None, destination: Any = None, **kwargs: Any) -> None:
        super().__init__(name or f"output_{secrets.token_hex(4)}")


class DataReference(DataPlace):
    """A path of a datastore.

    Args:
        datastore: Such as ``ws.get_default_datastore()``.
        data_reference_name: Its name among the inputs.
        path_on_datastore: Path below the datastore; None = all of it.
        mode: Not looked at: data is read in place, or fetched once per node.
        **kwargs: Not looked at.
    """

    def __init__(
        self,
        datastore: Any,
        data_reference_name: str | None = None,
        path_on_datastore: str | None = None,
        mode: str = "mount",
        **kwargs: Any,
    ) -> None:
        place = datastore.path(path_on_datastore)
        super().__init__(place.where, place.file, data_reference_name or "")
        self.data_reference_name = data_reference_name

    def as_upload(self, path_on_compute: str | None = None, overwrite: bool = False) -> DataPlace:
        """Returns itself: it is written in place."""
        return self


class DatasetConsumptionConfig:
    """Makes ``dataset.as_named_input(name)``.

    Args:
        name: Its name among ``run.input_datasets``.
        dataset: The dataset, or a parameter of a pipeline with one.
        mode: Not looked at: data is read in place, or fetched once per node.
        path_on_compute: Not looked at.
    """

    def __new__(cls, name: str, dataset: Any, mode: str = "direct", path_on_compute: str | None = None) -> Any:
        """Returns the dataset under the name."""
        return getattr(dataset, "default_value", dataset).as_named_input(name)


class PipelineStep:
    """A step of a pipeline that is not run here.

    Args:
        *args: Not looked at, but for the name of steps that take it first.
        name: Its name.
        arguments: What its script is given.
        inputs: What it reads.
        outputs: What it writes.
        **kwargs: Not looked at.
    """

    def __init__(
        self,
        *args: Any,
        name: str | None = None,
        arguments: Sequence[Any] | None = None,
        inputs: Sequence[Any] | None = None,
        outputs: Sequence[Any] | None = None,
        output: Any = None,
        **kwargs: Any,
    ) -> None:
        first = args[0] if args and isinstance(args[0], str) else None
        self.name = str(name or kwargs.get("script_name") or first or type(self).__name__)
        self.inputs = [*(inputs or ()), *(arguments or ())]
        self.outputs = [one for one in [*(outputs or ()), output] if one is not None]
        self.earlier: list[PipelineStep] = []

    def run_after(self, step: Any) -> None:
        """Has this step follow another, or several."""
        self.earlier += step if isinstance(step, list) else [step]


class PythonScriptStep(PipelineStep):
    """A step that runs a script; not run here.

    Args:
        script_name: The script.
        name: Its name.
        arguments: What the script is given.
        **kwargs: As ``PipelineStep``.
    """

    def __init__(
        self, script_name: str = "", name: str | None = None, arguments: Sequence[Any] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(name=name or script_name, arguments=arguments, **kwargs)
        self.script_name = script_name


class OtherStep(PipelineStep):
    """A step of another kind; not run here."""


AdlaStep = AzureBatchStep = CommandStep = DataTransferStep = DatabricksStep = EstimatorStep = OtherStep
KustoStep = ModuleStep = MpiStep = ParallelRunStep = RScriptStep = SynapseSparkStep = OtherStep


class ParallelRunConfig:
    """Settings of a step that is not run here.

    Args:
        **kwargs: Kept as attributes.
    """

    def __init__(self, **kwargs: Any) -> None:
        self.__dict__.update(kwargs)


class HyperDriveStep(PipelineStep):
    """A step that tunes, which is run.

    Args:
        name: Its name.
        hyperdrive_config: A ``HyperDriveConfig``.
        estimator_entry_script_arguments: Fixed arguments of the script, in place of those of its configuration.
        inputs: Data; what is among the arguments reaches the script.
        outputs: Folders that the script writes; among the arguments one stands for ``outputs/NAME`` of the trial.
        metrics_output: What ``get_pipeline_output`` gives the metrics of the trials for.
        **kwargs: Not looked at.

    Raises:
        ConfigError: If ``hyperdrive_config`` is none.
    """

    def __init__(
        self,
        name: str,
        hyperdrive_config: Any,
        estimator_entry_script_arguments: Sequence[Any] | None = None,
        inputs: Sequence[Any] | None = None,
        outputs: Sequence[Any] | None = None,
        metrics_output: PipelineData | None = None,
        **kwargs: Any,
    ) -> None:
        if not hasattr(hyperdrive_config, "to_submission"):
            found_text = f"found {type(hyperdrive_config).__name__}"
            raise ConfigError(Problem("hyperdrive_config", found_text, "a HyperDriveConfig"))
        super().__init__(name=name, inputs=inputs, outputs=outputs)
        self.hyperdrive_config = hyperdrive_config
        self.metrics_output = metrics_output
        if metrics_output is not None and metrics_output.training_output is None:
            metrics_output.training_output = TrainingOutput("Metrics")
        script = hyperdrive_config.run_config
        self.arguments = list(estimator_entry_script_arguments or getattr(script, "arguments", None) or ())

    def config(self, workspace: Any, parameters: Mapping[str, Any]) -> Any:
        """Returns its configuration with the arguments of its script.

        Args:
            workspace: Where data is registered.
            parameters: Values of parameters of the pipeline.

        Raises:
            NotHereError: If an argument is what a step writes that is not run, and no rule has a place for it.
        """
        config = self.hyperdrive_config
        own = {id(one) for one in self.outputs}
        inputs: dict[str, str] = {}
        fetched: dict[str, str] = {}
        given = [_argument(one, own, workspace, parameters) for one in self.arguments]
        words = values_of(given, inputs, fetched)
        trial = config.config.trial
        if trial.kind == "script" and (words != trial.arguments or inputs != trial.inputs):
            trial = dataclasses.replace(trial, arguments=words, inputs=inputs, fetched=fetched)
            config.config = dataclasses.replace(config.config, trial=trial)
        return config


def _argument(one: Any, own: set[int], workspace: Any, parameters: Mapping[str, Any]) -> Any:
    """An argument of a script, as it is without a pipeline."""
    if isinstance(one, PipelineParameter):
        return parameters.get(one.name, one.default_value)
    if not isinstance(one, PipelineData):
        return one
    if id(one) in own:
        return f"outputs/{one.name}"
    try:
        where, file = found(workspace, one.name)
    except NotHereError as error:
        raise NotHereError(
            f"{show(one.name)} is written by a step that is not run here: name a place for it in raydrive.toml: "
            f'[input_mapping] "azureml:{one.name}" = "PATH or s3://..."'
        ) from error
    return DataPlace(where, file, one.name)


class Pipeline:
    """Steps, of which those that tune are run.

    Args:
        workspace: Where runs are kept.
        steps: The steps; those that they follow belong to it, too.
        description: Kept.
        **kwargs: Not looked at.
    """

    def __init__(self, workspace: Any, steps: Any, description: str | None = None, **kwargs: Any) -> None:
        self.workspace = workspace
        self.description = description
        self.steps = _with_earlier(steps)

    def validate(self) -> list[str]:
        """Returns nothing: what is wrong is an error of ``submit``."""
        return []

    def submit(self, experiment_name: str, pipeline_parameters: Mapping[str, Any] | None = None, **kwargs: Any) -> Any:
        """Starts the steps that tune and returns a run of the pipeline.

        Raises:
            NotHereError: If no step tunes.
            ConfigError: If the configuration of one cannot be used.
        """
        return Experiment(self.workspace, experiment_name).submit(self, pipeline_parameters=pipeline_parameters)

    def publish(self, *args: Any, **kwargs: Any) -> Any:
        """Is not there.

        Raises:
            NotHereError: Always.
        """
        raise NotHereError("a pipeline is not published here: run its file again, `raydrive run-script FILE`")

    def submitted(self, experiment: Any, parameters: Mapping[str, Any] | None, tags: Any) -> PipelineRun:
        """Starts the steps that tune.

        Args:
            experiment: Its experiment.
            parameters: Values of the pipeline's parameters.
            tags: Kept with the runs.

        Raises:
            NotHereError: If no step tunes.
        """
        others = [step.name for step in self.steps if not isinstance(step, HyperDriveStep)]
        if len(others) == len(self.steps):
            raise NotHereError(
                f"a pipeline without a HyperDriveStep ({', '.join(others[:5]) or 'no step'}): raydrive runs only the "
                "steps that tune; run a script with experiment.submit(ScriptRunConfig(...))"
            )
        if others:
            note(f"steps of the pipeline that are not run here: {', '.join(others)}")
        made = []
        for step in self.steps:
            run = None
            if isinstance(step, HyperDriveStep):
                run = experiment.submit(step.config(self.workspace, parameters or {}), tags)
            made.append(StepRun(step.name, run, step.outputs, getattr(step, "metrics_output", None)))
        return PipelineRun(experiment, made)


def _with_earlier(steps: Any) -> list[PipelineStep]:
    """The steps and those that they follow, in order; lists of steps may be inside lists."""
    out: list[PipelineStep] = []
    waiting = list(_flat(steps))
    while waiting:
        step = waiting.pop(0)
        if not any(step is one for one in out):
            out.append(step)
            waiting += step.earlier
    return out[::-1]


def _flat(steps: Any) -> Iterator[PipelineStep]:
    if isinstance(steps, PipelineStep):
        yield steps
    else:
        for one in getattr(steps, "steps", steps):
            yield from _flat(one)


class StepSequence:
    """Steps, each of which follows the one before.

    Args:
        steps: The steps.
        **kwargs: Not looked at.
    """

    def __init__(self, steps: Sequence[Any] = (), **kwargs: Any) -> None:
        self.steps = list(steps)
