"""Pipelines of the SDK v1: the step that tunes becomes a tuning run, the others are named and not run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from recorded import config as recorded_config
from recorded import record

from raydrive.compat.azure_notices import NotHereError
from raydrive.compat.azureml._names import stand_in
from raydrive.compat.azureml.core import Dataset, Experiment, Workspace
from raydrive.compat.azureml.core.script_run_config import ScriptRunConfig
from raydrive.compat.azureml.train.hyperdrive import (
    HyperDriveConfig,
    PrimaryMetricGoal,
    RandomParameterSampling,
    choice,
)
from raydrive.compat.azureml.widgets import RunDetails
from raydrive.compat.single_run import with_fewer_trials
from raydrive.core.errors import ConfigError

CORE, STEPS = "azureml.pipeline.core", "azureml.pipeline.steps"


def of(name: str, module: str = CORE) -> Any:
    return stand_in(module, name)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    (tmp_path / "train.py").write_text("")
    (tmp_path / "raydrive.toml").write_text(
        f'storage = "{tmp_path}/runs"\n[input_mapping]\n"azureml:clean" = "clean"\n"azureml:raw" = "s3://b/raw.csv"\n'
    )
    (tmp_path / "clean").mkdir()
    monkeypatch.chdir(tmp_path)
    return Workspace.from_config()


def tuned(*arguments: Any) -> HyperDriveConfig:
    script = ScriptRunConfig(".", "train.py", arguments=list(arguments))
    space = RandomParameterSampling({"--c": choice(1, 2)})
    return HyperDriveConfig(space, "acc", PrimaryMetricGoal.MAXIMIZE, 2, run_config=script)


def test_arguments_of_a_pipeline_are_what_they_stand_for(workspace: Workspace, tmp_path: Path) -> None:
    store = workspace.get_default_datastore()
    data = of("DataReference", "azureml.data.data_reference")(store, "data", path_on_datastore="folder")
    clean, model = of("PipelineData")("clean", datastore=store), of("PipelineData")("model")
    named = of("DatasetConsumptionConfig", "azureml.data.dataset_consumption_config")
    raw = named("raw", Dataset.get_by_name(workspace, "raw")).as_download()
    epochs = of("PipelineParameter")("epochs", 3)
    given = ["--data", data, "--clean", clean, "--epochs", epochs, "--model", model, "--raw", raw]
    step = of("HyperDriveStep", STEPS)("tune", tuned(*given), inputs=[data, clean], outputs=[model])
    trial = step.config(workspace, {"epochs": 7}).config.trial
    where = store.path("folder").where
    assert trial.arguments == (
        *("--data", where, "--clean", str(tmp_path / "clean"), "--epochs", "7"),
        *("--model", "outputs/model", "--raw", "${{inputs.raw}}"),
    )
    assert trial.inputs == {"data": where, "clean": str(tmp_path / "clean"), "raw": "s3://b/raw.csv"}
    assert step.config(workspace, {}).config.trial.arguments[5] == "3"


def test_arguments_of_the_step_replace_those_of_the_script(workspace: Workspace) -> None:
    step = of("HyperDriveStep", STEPS)("tune", tuned("--a", 1), estimator_entry_script_arguments=["--b", 2])
    assert step.config(workspace, {}).config.trial.arguments == ("--b", "2")


def test_what_a_step_writes_that_is_not_run_needs_a_place(workspace: Workspace) -> None:
    table = of("OutputFileDatasetConfig", "azureml.data")(name="table").as_mount()
    step = of("HyperDriveStep", STEPS)("tune", tuned("--table", table))
    with pytest.raises(NotHereError, match='"azureml:table" = "PATH'):
        step.config(workspace, {})


def test_a_pipeline_has_the_steps_that_its_steps_follow(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    script = of("PythonScriptStep", STEPS)
    first, last = script(script_name="prepare.py", source_directory="."), script("register.py", "register")
    tune = of("HyperDriveStep", STEPS)("tune", tuned())
    tune.run_after(first)
    last.run_after([tune])
    pipeline = of("Pipeline")(workspace=workspace, steps=[[last], of("StepSequence")([first])])
    assert pipeline.validate() == []
    assert {step.name for step in pipeline.steps} == {"prepare.py", "tune", "register"}
    with pytest.raises(NotHereError, match="run-script"):
        pipeline.publish("name")
    kept: list[Any] = []

    def recorder(submission: Any) -> None:
        kept.append(submission)
        raise KeyboardInterrupt

    Experiment.recorder = staticmethod(recorder)
    try:
        with pytest.raises(KeyboardInterrupt):
            Experiment(workspace, "e").submit(pipeline, pipeline_parameters={}, regenerate_outputs=True)
    finally:
        Experiment.recorder = None
    assert kept[0].config.metric.name == "acc"
    assert "steps of the pipeline that are not run here: prepare.py, register" in capsys.readouterr().err


def test_a_pipeline_that_tunes_nothing_is_answered(workspace: Workspace) -> None:
    with pytest.raises(NotHereError, match=r"without a HyperDriveStep \(prepare.py\)"):
        of("Pipeline")(workspace, of("PythonScriptStep", STEPS)("prepare.py")).submit("e")
    with pytest.raises(ConfigError, match="a HyperDriveConfig"):
        of("HyperDriveStep", STEPS)("tune", None)


def test_the_run_of_a_pipeline_leads_to_the_tuning_run(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from raydrive.api.run import HyperDriveRun as Native
    from raydrive.compat.azureml._pipeline_runs import PipelineRun, StepRun
    from raydrive.compat.azureml._runs import HyperDriveRun

    experiment = Experiment(workspace, "e")
    tuning = HyperDriveRun.of(Native(record(tmp_path / "recorded", recorded_config(2))), experiment)
    output = of("PipelineData")("metrics", pipeline_output_name="all", training_output=of("TrainingOutput")("Metrics"))
    run = PipelineRun(experiment, [StepRun("prepare", None), StepRun("tune", tuning, (), output)])
    assert run.id == tuning.id
    assert run.wait_for_completion() == run.status == "Completed"
    found = run.find_step_run("tune")[0]
    assert of("HyperDriveStepRun", STEPS)(step_run=found) is tuning
    assert next(found.get_children()) is tuning
    assert found.get_metrics() == tuning.get_metrics()
    left = run.get_pipeline_output("all")
    assert left.download(str(tmp_path)) == 1
    written = json.loads((tmp_path / "azureml" / tuning.id / "metrics").read_text())
    assert set(written) == set(tuning.get_metrics())
    assert all(isinstance(value, list) for values in written.values() for value in values.values())
    RunDetails(run).show()
    RunDetails(next(tuning.get_children())).show()
    assert capsys.readouterr().out.count("Completed") == 2
    with pytest.raises(NotHereError, match="'prepare' of the pipeline was not run"):
        of("HyperDriveStepRun", STEPS)(run.find_step_run("prepare")[0])
    with pytest.raises(NotHereError, match="not of a step that tunes"):
        run.get_pipeline_output("none")
    with pytest.raises(NotHereError, match="raydrive list"):
        PipelineRun(experiment, "0123")


def test_a_first_try_has_fewer_trials(workspace: Workspace) -> None:

    submission = tuned().to_submission("e")
    assert with_fewer_trials(submission, None) is submission
    assert with_fewer_trials(submission, 2) is submission
    limits = with_fewer_trials(submission, 1).config.limits
    assert (limits.max_total_runs, limits.max_concurrent_runs) == (1, 1)
