from __future__ import annotations

import json
from pathlib import Path

import pytest

from raydrive.core.config.command_line import sweep_variables, trial_argv
from raydrive.core.config.run_config import RunConfig
from raydrive.core.errors import ConfigError
from raydrive.core.space.search_space import Choice, Uniform
from raydrive.sweepfile.inputs_outputs import DataMapping
from raydrive.sweepfile.loader import load_sweep

COMPONENT = """\
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
type: command
name: train_model
display_name: Train
version: 1
inputs:
  training_data: {type: uri_folder}
  max_epochs: {type: integer, min: 1}
  learning_rate: {type: number, default: 0.01}
  kernel: {type: string, default: rbf}
  shuffle: {type: boolean, default: "true"}
  test: {type: uri_file, optional: true}
outputs:
  model_output: {type: mlflow_model}
  scores: {type: uri_file}
code: ./src
environment: azureml:AzureML-sklearn-1.5@latest
command: >-
  python train.py
  --training_data ${{inputs.training_data}}
  --max_epochs ${{inputs.max_epochs}}
  --learning_rate ${{ inputs.learning_rate }}
  --kernel ${{inputs.kernel}} --shuffle ${{inputs.shuffle}}
  $[[--test ${{inputs.test}}]]
  --model_output ${{outputs.model_output}} --scores ${{outputs.scores}}
"""
PIPELINE = """\
$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
type: pipeline
display_name: pipeline_with_hyperparameter_sweep
experiment_name: tune
description: Tune hyperparameters
tags: {team: a}
settings: {default_compute: azureml:cpu-cluster}
inputs:
  data: {type: uri_folder, path: ./data}
  epochs: "20"
outputs: {best: }
jobs:
  sweep_step:
    type: sweep
    inputs:
      training_data: ${{parent.inputs.data}}
      max_epochs: ${{ parent.inputs.epochs }}
    outputs:
      model_output: ${{parent.outputs.best}}
    sampling_algorithm: random
    trial: ./components/train.yml
    search_space:
      learning_rate: {type: uniform, min_value: 0.001, max_value: 0.1}
      kernel: {type: choice, values: [linear, rbf]}
    objective: {goal: minimize, primary_metric: training_f1_score}
    limits: {max_total_trials: 5, max_concurrent_trials: 3, timeout: 7200}
  predict_step:
    type: command
    component: ./components/predict.yml
    inputs: {model: "${{parent.jobs.sweep_step.outputs.model_output}}"}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "components" / "src").mkdir(parents=True)
    (tmp_path / "components" / "src" / "train.py").write_text("")
    (tmp_path / "components" / "train.yml").write_text(COMPONENT)
    (tmp_path / "data").mkdir()
    (tmp_path / "pipeline.yml").write_text(PIPELINE)
    return tmp_path


def test_a_sweep_node_runs_with_its_component(folder: Path) -> None:
    loaded = load_sweep(folder / "pipeline.yml", default_seed=0)
    config = loaded.submission.config
    assert (config.experiment, config.display_name) == ("tune", "sweep_step")
    assert config.tags == {"team": "a"}
    assert loaded.submission.source_directory == folder / "components" / "src"
    assert config.sampling.space.expressions == {
        "learning_rate": Uniform(0.001, 0.1), "kernel": Choice(("linear", "rbf")),
    }  # fmt: skip
    assert config.trial.outputs == {"model_output": "model_output", "scores": "scores"}
    assert config.trial.output_files == ("scores",)
    params = {"learning_rate": 0.05, "kernel": "linear"}
    assert trial_argv(config.trial, params)[1:] == (
        "train.py", "--training_data", str(folder / "data"), "--max_epochs", "20", "--learning_rate", "0.05",
        "--kernel", "linear", "--shuffle", "True", "--model_output", "outputs/model_output", "--scores",
        "outputs/scores",
    )  # fmt: skip
    assert any("only this step of the pipeline is run; not predict_step" in note for note in loaded.warnings)
    assert RunConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    variables = sweep_variables(config.trial, params, {"model_output": "/o/m", "scores": "/o/s"})
    assert variables["AZUREML_SWEEP_learning_rate"] == "0.05"
    assert variables["AZUREML_SWEEP_max_epochs"] == "20"
    assert variables["AZUREML_SWEEP_scores"] == "/o/s"


def test_a_node_is_chosen_by_name(folder: Path) -> None:
    assert load_sweep(folder / "pipeline.yml", node="sweep_step").submission.config.display_name == "sweep_step"
    for name, message in [
        ("sweep_stp", r"'sweep_stp'; allowed: .*sweep_step. Did you mean 'sweep_step'\?"),
        ("predict_step", "which is a command node"),
    ]:
        with pytest.raises(ConfigError, match=message):
            load_sweep(folder / "pipeline.yml", node=name)
    (folder / "sweep.yml").write_text("type: sweep\n")
    with pytest.raises(ConfigError, match="--node: found 'x'; allowed: a pipeline"):
        load_sweep(folder / "sweep.yml", node="x")


def test_what_other_steps_would_give_can_be_given(folder: Path) -> None:
    text = PIPELINE.replace("${{parent.inputs.data}}", "${{parent.jobs.prep.outputs.out}}")
    (folder / "pipeline.yml").write_text(text)
    with pytest.raises(ConfigError, match=r"--set inputs\.training_data=PATH"):
        load_sweep(folder / "pipeline.yml")
    loaded = load_sweep(folder / "pipeline.yml", overrides=["inputs.training_data=data"])
    assert loaded.submission.config.trial.inputs["training_data"] == str(folder / "data")


def test_inputs_elsewhere_are_fetched_unless_the_script_wants_the_address(folder: Path) -> None:
    (folder / "sweep.yml").write_text(
        """\
type: sweep
trial:
  command: python t.py ${{inputs.table}} ${{inputs.folder}} ${{inputs.asset}} ${{inputs.address}} ${{search_space.x}}
search_space: {x: {type: choice, values: [1]}}
objective: {goal: maximize, primary_metric: m}
limits: {max_total_trials: 1}
inputs:
  table: {type: uri_file, path: https://example.org/t.csv}
  folder: {path: wasbs://c@a.blob.core.windows.net/data}
  asset: {type: uri_folder, path: azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/blob/paths/a/b}
  address: {type: uri_file, path: s3://bucket/x.csv, mode: direct}
"""
    )
    (folder / "site").mkdir()
    (folder / "site" / "site.yml").write_text("input_mapping: {'azureml://datastores/blob/paths/': ../store/}\n")
    (folder / "store" / "a" / "b").mkdir(parents=True)
    config = load_sweep(folder / "sweep.yml", site=[folder / "site" / "site.yml"]).submission.config
    assert config.trial.inputs == {
        "table": "https://example.org/t.csv",
        "folder": "wasbs://c@a.blob.core.windows.net/data",
        "asset": str(folder / "store" / "a" / "b"),
        "address": "s3://bucket/x.csv",
    }
    assert config.trial.fetched == {"table": "file", "folder": "folder"}
    rules = json.loads(config.trial.environment_variables["RAYDRIVE_DATA_MAPPING"])
    assert rules == {"azureml://datastores/blob/paths/": f"{folder}/store/"}


def test_names_of_data_are_mapped_by_the_longest_rule() -> None:
    mapping = DataMapping(
        {
            "azureml:iris": "/data/iris",
            "azureml://datastores/blob/paths/": "s3://b/",
            "azureml://datastores/blob/paths/x": "/x",
        }
    )
    for name, target in [
        ("azureml:iris", "/data/iris"),
        ("azureml:iris:3", "/data/iris"),
        ("azureml:iris@latest", "/data/iris"),
        ("azureml:iris2", None),
        ("azureml://datastores/blob/paths/a/b.csv", "s3://b/a/b.csv"),
        ("azureml://datastores/blob/paths/x/y", "/x/y"),
        ("azureml://datastores/blob/paths/xy", "s3://b/xy"),
        ("azureml://datastores/other/paths/x", None),
        ("azureml://subscriptions/1/resourceGroups/2/workspaces/3/datastores/blob/paths/q", "s3://b/q"),
    ]:
        assert mapping.resolve(name) == target


def test_settings_of_the_site_lie_under_and_over_a_file(folder: Path) -> None:
    (folder / "raydrive.toml").write_text('grace_s = 1\npython = "/a/python"\n[resources]\ncpus = 0.25\ngpus = 1\n')
    (folder / "over.yml").write_text("raydrive: {resources: {gpus: 0.5}}\n")
    (folder / "pipeline.yml").write_text(PIPELINE + "raydrive: {python: /b/python}\n")
    loaded = load_sweep(folder / "pipeline.yml", defaults=folder / "raydrive.toml", site=[folder / "over.yml"])
    trial = loaded.submission.config.trial
    assert (trial.grace_s, trial.python, trial.resources.cpus, trial.resources.gpus) == (1, "/b/python", 0.25, 0.5)


@pytest.mark.parametrize(
    ("distribution", "kind", "processes", "note"),
    [
        ("{type: pytorch, process_count_per_instance: 4}", "pytorch", 4, ""),
        ("{type: PyTorch, process_count_per_instance: 1}", "pytorch", 1, ""),
        ("{type: mpi, process_count_per_instance: '2'}", "mpi", 2, ""),
        ("{type: ray, port: 6379}", "ray", 1, "the trial uses the Ray cluster that it runs in"),
    ],
)
def test_a_component_has_nodes_and_processes(
    folder: Path, distribution: str, kind: str, processes: int, note: str
) -> None:
    about = f"distribution: {distribution}\nresources: {{instance_count: 2}}\n"
    (folder / "components" / "train.yml").write_text(COMPONENT + about)
    loaded = load_sweep(folder / "pipeline.yml")
    trial = loaded.submission.config.trial
    assert (trial.distribution, trial.resources.processes_per_node, trial.resources.nodes) == (kind, processes, 2)
    told = [text for text in loaded.warnings if ": trial.distribution" in text]
    assert len(told) == bool(note)
    assert note in "".join(told)
