"""Sweep files of other tools become sweep files that mean the same; what does not carry over is told."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from raydrive.compat.convert import wanted_from
from raydrive.core.errors import ConfigError
from raydrive.settings.yaml_source import parse_yaml
from raydrive.sweepfile.loader import load_sweep
from raydrive.sweepfile.other_tools import tool_of

WANDB = """\
program: train.py
method: bayes
name: nightly
project: my project
metric: {name: val_loss, goal: minimize}
parameters:
  lr: {distribution: log_uniform_values, min: 0.0001, max: 0.1}
  momentum: {min: 0.5, max: 0.99}
  layers: {min: 2, max: 4}
  width: {min: 16, max: 512}
  amp: {values: [true, false]}
  optimizer: {values: [adam, sgd], probabilities: [0.7, 0.3]}
  decay: {distribution: log_uniform, min: -9, max: -2}
  noise: {distribution: normal}
  epochs: {value: 10}
early_terminate: {type: hyperband, min_iter: 3}
"""
KATIB = """\
apiVersion: kubeflow.org/v1beta1
kind: Experiment
metadata: {name: random-example, namespace: kubeflow}
spec:
  objective: {type: maximize, goal: 0.99, objectiveMetricName: accuracy}
  algorithm: {algorithmName: tpe}
  earlyStopping:
    algorithmName: medianstop
    algorithmSettings: [{name: start_step, value: "5"}, {name: min_trials_required, value: "3"}]
  parallelTrialCount: 3
  maxTrialCount: 12
  parameters:
    - {name: lr, parameterType: double, feasibleSpace: {min: "0.01", max: "0.05"}}
    - {name: layers, parameterType: int, feasibleSpace: {min: "1", max: "3"}}
    - {name: optimizer, parameterType: categorical, feasibleSpace: {list: [sgd, adam]}}
    - {name: drop, parameterType: double, feasibleSpace: {min: "0.1", max: "0.5", step: "0.1"}}
  trialTemplate:
    primaryContainerName: training
    trialParameters:
      - {name: learningRate, reference: lr}
      - {name: numberLayers, reference: layers}
      - {name: optimizer, reference: optimizer}
      - {name: drop, reference: drop}
    trialSpec:
      apiVersion: batch/v1
      kind: Job
      spec:
        template:
          spec:
            containers:
              - name: training
                image: example/mnist
                env: [{name: SEED, value: "1"}]
                command:
                  - python3
                  - train.py
                  - --lr=${trialParameters.learningRate}
                  - --layers=${trialParameters.numberLayers}
                  - --optimizer=${trialParameters.optimizer}
                  - --drop=${trialParameters.drop}
                resources: {limits: {cpu: "2", nvidia.com/gpu: 1}}
"""
DETERMINED = """\
name: mnist
entrypoint: python3 train.py
hyperparameters:
  batch: 64
  model: {depth: {type: int, minval: 1, maxval: 2}, act: relu}
  lr: {type: log, base: 10, minval: -4, maxval: -1}
  filters: {type: int, minval: 8, maxval: 10}
  dropout: {type: double, minval: 0.2, maxval: 0.8}
  kind: {type: categorical, vals: [a, b]}
searcher: {name: adaptive_asha, metric: error, smaller_is_better: true, max_trials: 16, max_length: {batches: 100}}
resources: {slots_per_trial: 2}
max_restarts: 1
"""
NNI = """\
searchSpace:
  batch: {_type: choice, _value: [16, 32]}
  lr: {_type: loguniform, _value: [0.0001, 0.1]}
  units: {_type: randint, _value: [2, 5]}
trialCommand: python3 model.py
trialCodeDirectory: code
trialConcurrency: 2
maxTrialNumber: 10
maxExperimentDuration: 2h
tuner: {name: TPE, classArgs: {optimize_mode: maximize}}
assessor: {name: Medianstop, classArgs: {start_step: 4}}
trainingService: {platform: local}
"""
HYDRA = """\
hydra:
  sweeper:
    n_trials: 20
    n_jobs: 2
    direction: maximize
    sampler: {_target_: optuna.samplers.TPESampler}
    params:
      model.lr: tag(log, interval(0.001, 0.1))
      layers: range(1, 4)
      name: choice(resnet, vgg)
      width: 16,32
      epochs: 3
"""
FILES = {
    "W&B sweep": WANDB,
    "Katib experiment": KATIB,
    "Determined experiment": DETERMINED,
    "NNI experiment": NNI,
    "Hydra sweep": HYDRA,
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the scripts that the files name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text("")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "model.py").write_text("")
    return tmp_path


def wanted(here: Path, text: str) -> str:
    """The converted file."""
    (here / "theirs.yaml").write_text(text)
    written: str = wanted_from(Path("theirs.yaml"), "", here)[0]
    return written


def carried(here: Path, text: str) -> tuple[Any, str]:
    """The configuration that the converted file loads as, and the sentences about it."""
    (here / "theirs.yaml").write_text(text)
    written, report = wanted_from(Path("theirs.yaml"), "", here)
    return load_sweep(here / "sweep.yml", text=written).submission, "\n".join(report)


def expressions(submission: Any) -> dict[str, Any]:
    from raydrive.core.search.sampling_record import sampling_record

    found: dict[str, Any] = sampling_record(submission.config.sampling)["space"]
    return found


@pytest.mark.parametrize("tool", FILES)
def test_a_file_is_recognised_and_submit_tells_the_command(here: Path, tool: str) -> None:
    raw = parse_yaml(FILES[tool], "theirs.yaml")[0].plain()
    assert tool_of(raw) == tool
    (here / "theirs.yaml").write_text(FILES[tool])
    with pytest.raises(ConfigError, match=f"This looks like a {tool}: raydrive convert theirs.yaml -o sweep.yml"):
        load_sweep("theirs.yaml")


@pytest.mark.parametrize(
    "text", ["type: sweep\ntrial: {command: x}\nparameters: {}\nmethod: x", "a: 1", "- 1", "parameters: {a: 1}"]
)
def test_other_files_are_not_recognised(text: str) -> None:
    assert tool_of(parse_yaml(text, "x")[0].plain()) == ""


def test_wandb(here: Path) -> None:
    submission, report = carried(here, WANDB)
    config, space = submission.config, expressions(submission)
    assert config.trial.command == (
        "python train.py --lr=${{search_space.lr}} --momentum=${{search_space.momentum}} "
        "--layers=${{search_space.layers}} --width=${{search_space.width}} --amp=${{search_space.amp}} "
        "--optimizer=${{search_space.optimizer}} --decay=${{search_space.decay}} --noise=${{search_space.noise}} "
        "--epochs=10"
    )
    assert submission.source_directory == here
    assert math.exp(space["lr"]["min_value"]) == pytest.approx(1e-4, rel=1e-12)
    assert math.exp(space["lr"]["max_value"]) == pytest.approx(0.1, rel=1e-12)
    assert (space["momentum"]["type"], space["layers"]["values"]) == ("uniform", [2, 3, 4])
    assert {key: space["width"][key] for key in ("type", "min_value", "max_value", "q")} == {
        "type": "quniform", "min_value": 16, "max_value": 512, "q": 1,
    }  # fmt: skip
    assert (space["decay"]["min_value"], space["noise"]["sigma"]) == (-9, 1)
    assert type(config.sampling).__name__ == "BayesianParameterSampling"
    assert (config.metric.name, config.metric.goal.value) == ("val_loss", "minimize")
    assert (config.experiment, config.display_name, config.limits.max_total_runs) == ("my-project", "nightly", 100)
    assert (config.policy.min_intervals, config.policy.reduction_factor, config.policy.mode) == (3, 3, "stop")
    assert "probabilities" in report
    assert "no run_cap" in report
    assert "wandb.log" in report


def told(submission: Any) -> dict[str, Any]:
    """What the tracker's module of a trial is told."""
    found: dict[str, Any] = json.loads(submission.config.trial.environment_variables["RAYDRIVE_TRACKER_PARAMETERS"])
    return found


def test_nested_parameters_of_wandb_are_in_its_configuration(here: Path) -> None:
    submission, report = carried(
        here,
        "program: train.py\nmethod: random\nmetric: {name: acc, goal: maximize, target: 0.9}\nrun_cap: 4\nparameters:\n"
        "  optimizer:\n    parameters:\n      lr: {min: 0.1, max: 0.5}\n      name: {value: sgd}\n"
        "  data.batch: {values: [8, 16]}\n  epochs: {value: 2}\n",
    )
    config = submission.config
    assert set(expressions(submission)) == {"optimizer_lr", "data_batch"}
    assert config.trial.command == "python train.py --data.batch=${{search_space.data_batch}} --epochs=2"
    assert told(submission) == {
        "names": {"optimizer_lr": ["optimizer", "lr"], "data_batch": ["data.batch"]},
        "constants": [[["optimizer", "name"], "sgd"]],
    }
    assert list(config.trial.unused_ok) == ["optimizer_lr"]
    assert config.rules.finish_when.target == 0.9
    assert "Nested parameters are in wandb.config alone" in report


def test_a_command_of_wandb_without_arguments(here: Path) -> None:
    (here / "train.py").write_text("import wandb\n")
    submission, _ = carried(
        here,
        "program: train.py\nmethod: grid\nmetric: {name: a}\ncommand: [python, '${program}']\n"
        "parameters: {lr: {values: [1, 2]}, epochs: {value: 2}}\n",
    )
    assert submission.config.trial.command == "python train.py"
    assert told(submission) == {"constants": [[["epochs"], 2]]}
    assert list(submission.config.trial.unused_ok) == ["lr"]


@pytest.mark.parametrize(
    ("hyperband", "first", "factor"),
    [("min_iter: 4, eta: 2", 4, 2), ("max_iter: 27, s: 2, eta: 3", 3, 3), ("max_iter: 27, s: 2", 3, 3)],
)
def test_the_brackets_of_wandbs_hyperband(here: Path, hyperband: str, first: int, factor: int) -> None:
    text = WANDB.replace("hyperband, min_iter: 3", f"hyperband, {hyperband}")
    submission, _ = carried(here, text)
    assert (submission.config.policy.min_intervals, submission.config.policy.reduction_factor) == (first, factor)


def test_a_job_of_wandb_launch_is_told(here: Path) -> None:
    (here / "theirs.yaml").write_text(
        "job: a/b:latest\nmetric: {name: x}\nscheduler: {num_workers: 2}\nparameters: {lr: {min: 0, max: 1}}\n"
    )
    with pytest.raises(ConfigError, match="only W&B has the jobs of W&B Launch"):
        wanted_from(Path("theirs.yaml"), "", here)


def test_wandb_flags_words_and_the_command(here: Path) -> None:
    head = "program: train.py\nmethod: grid\nmetric: {name: a}\n"
    head += "parameters: {amp: {values: [true, false]}, n: {value: 2}}\n"
    command = "command: ['${env}', python3, -u, '${program}', '${args_no_boolean_flags}']\n"
    submission, _ = carried(here, head + command)
    assert submission.config.trial.command == "python3 -u train.py ${{search_space.amp}} --n=2"
    assert expressions(submission)["amp"]["values"] == ["--amp", ""]
    submission, _ = carried(here, head + "command: ['${interpreter}', '${program}', '${args_no_hyphens}']\n")
    assert submission.config.trial.command == "python train.py amp=${{search_space.amp}} n=2"


def test_everything_wrong_with_a_file_is_told_at_once(here: Path) -> None:
    (here / "theirs.yaml").write_text(
        "method: magic\nmetric: {goal: minimize}\nparameters:\n  a: {parameters: 3}\n  c: {distribution: beta}\n"
    )
    with pytest.raises(ConfigError) as failure:
        wanted_from(Path("theirs.yaml"), "", here)
    wrong = {problem.where for problem in failure.value.problems}
    assert wrong == {"method", "metric.name", "parameters.a.parameters", "parameters.c.distribution", "program"}


def test_katib(here: Path) -> None:
    submission, report = carried(here, KATIB)
    config, space = submission.config, expressions(submission)
    assert config.trial.command == (
        "python3 train.py --lr=${{search_space.lr}} --layers=${{search_space.layers}} "
        "--optimizer=${{search_space.optimizer}} --drop=${{search_space.drop}}"
    )
    assert (space["lr"]["min_value"], space["lr"]["max_value"]) == (0.01, 0.05)
    assert (space["layers"]["values"], space["optimizer"]["values"]) == ([1, 2, 3], ["sgd", "adam"])
    assert (space["drop"]["type"], space["drop"]["q"]) == ("quniform", 0.1)
    assert (config.limits.max_total_runs, config.limits.max_concurrent_runs) == (12, 3)
    assert (config.trial.resources.cpus, config.trial.resources.gpus) == (2, 1)
    assert config.trial.environment_variables == {"SEED": "1"}
    assert config.policy.delay_evaluation == 5
    assert config.trial.metrics is not None
    assert "example/mnist is not used" in report
    assert "min_trials_required: not carried over" in report


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ("int, feasibleSpace: {min: '32', max: '64', distribution: logUniform}", {"type": "log_int", "min_value": 32}),
        ("double, feasibleSpace: {min: '1', max: '3', distribution: normal}", {"type": "normal", "mu": 2.0}),
        ("double, feasibleSpace: {min: '1', max: '4', step: '0.5', distribution: logNormal}", {"type": "qlognormal"}),
        ("int, feasibleSpace: {min: '10', max: '40', step: '10'}", {"type": "quniform", "q": 10}),
        ("int, feasibleSpace: {min: '1', max: '7', step: '2'}", {"type": "choice", "values": [1, 3, 5, 7]}),
    ],
)
def test_distributions_of_katib(here: Path, space: str, expected: dict[str, Any]) -> None:
    given = 'int, feasibleSpace: {min: "1", max: "3"}'
    submission, _ = carried(here, KATIB.replace(given, space))
    found = expressions(submission)["layers"]
    assert {key: found[key] for key in expected} == expected


def test_hyperband_of_katib(here: Path) -> None:
    settings = "[{name: resource_name, value: layers}, {name: r_l, value: '9'}, {name: eta, value: '3'}]"
    algorithm = f"algorithmName: hyperband, algorithmSettings: {settings}"
    early = KATIB[KATIB.index("  earlyStopping") : KATIB.index("  parallelTrialCount")]
    submission, _ = carried(here, KATIB.replace("algorithmName: tpe", algorithm).replace(early, ""))
    assert expressions(submission)["layers"]["values"] == [9]
    assert (submission.config.policy.max_intervals, submission.config.policy.mode) == (9, "stop")
    assert submission.config.rules.finish_when.target == 0.99


def test_what_katib_says_of_the_trial(here: Path) -> None:
    names = (
        "      - {name: trial, reference: '${trialSpec.Name}'}\n      - {name: kind, reference: '${trialSpec.Kind}'}\n"
    )
    text = KATIB.replace("    trialSpec:", names + "    trialSpec:")
    text = text.replace('value: "1"}]', 'value: "${trialParameters.trial}-${trialParameters.kind}"}]')
    submission, report = carried(here, text)
    assert submission.config.trial.command.startswith("SEED=$RAYDRIVE_TRIAL_ID- python3 train.py ")
    assert "kind: empty; only Kubernetes has them" in report


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("kind: Job", "kind: Workflow"), "trialSpec.kind: found 'Workflow'"),
        (("                command:", "                args:"), "a container with arguments alone"),
    ],
)
def test_trials_of_katib_that_have_no_command(here: Path, change: tuple[str, str], expected: str) -> None:
    (here / "theirs.yaml").write_text(KATIB.replace(*change))
    with pytest.raises(ConfigError, match=expected):
        wanted_from(Path("theirs.yaml"), "", here)


def test_pods_of_katib_are_nodes_of_a_trial(here: Path) -> None:
    text = (
        "apiVersion: kubeflow.org/v1beta1\nkind: Experiment\nspec:\n"
        "  objective: {type: minimize, objectiveMetricName: loss}\n  algorithm: {algorithmName: random}\n"
        "  maxTrialCount: 4\n"
        "  parameters: [{name: lr, parameterType: double, feasibleSpace: {min: '0.1', max: '0.2'}}]\n"
        "  trialTemplate:\n    primaryContainerName: pytorch\n"
        "    trialParameters: [{name: lr, reference: lr}]\n    trialSpec:\n      kind: PyTorchJob\n      spec:\n"
        "        pytorchReplicaSpecs:\n          Master: &pod\n            replicas: 1\n"
        "            template: {spec: {containers: [{name: pytorch, image: a, command: [python3, train.py, "
        "'--lr=${trialParameters.lr}'], resources: {limits: {nvidia.com/gpu: 2}}}]}}\n"
        "          Worker: {replicas: 3}\n"
    )
    submission, report = carried(here, text)
    trial = submission.config.trial
    assert (trial.resources.nodes, trial.resources.gpus, trial.resources.strategy) == (4, 2, "SPREAD")
    assert (trial.distribution, trial.command) == ("pytorch", "python3 train.py --lr=${{search_space.lr}}")
    assert "The 4 pods of the PyTorchJob are 4 nodes of a trial" in report


def test_the_launcher_of_determined_is_a_distribution(here: Path) -> None:
    launcher = "python3 -m determined.launch.torch_distributed -- python3 train.py"
    submission, report = carried(here, DETERMINED.replace("python3 train.py", launcher))
    trial = submission.config.trial
    assert (trial.distribution, trial.resources.processes_per_node, trial.resources.gpus) == ("pytorch", 2, 2)
    assert trial.command.startswith("python3 train.py --model.depth ")
    assert "2 processes on one node" in report


def test_a_grid_of_katib_has_the_values_of_its_steps(here: Path) -> None:
    submission, _ = carried(
        here,
        KATIB.replace("algorithmName: tpe", "algorithmName: grid").replace(
            'min: "0.01", max: "0.05"', 'min: "0.01", max: "0.05", step: "0.01"'
        ),
    )
    assert expressions(submission)["lr"]["values"] == [0.01, 0.02, 0.03, 0.04, 0.05]
    assert expressions(submission)["drop"]["values"] == [0.1, 0.2, 0.3, 0.4, 0.5]


def test_katibs_own_form_of_a_metric_line_is_found(here: Path) -> None:
    import re

    submission, _ = carried(here, KATIB)
    match = re.search(submission.config.trial.metrics.patterns[0], "epoch 3 accuracy=0.93")
    assert match is not None
    assert (match["name"], match["value"]) == ("accuracy", "0.93")
    form = r"{metricName: ([\w|-]+), metricValue: ((-?\d+)(\.\d+)?)}"
    named = KATIB + f"  metricsCollectorSpec: {{source: {{filter: {{metricsFormat: ['{form}']}}}}}}\n"
    submission, _ = carried(here, named)
    match = re.search(submission.config.trial.metrics.patterns[0], "{metricName: loss, metricValue: 0.25}")
    assert match is not None
    assert (match["name"], match["value"]) == ("loss", "0.25")


def test_determined(here: Path) -> None:
    submission, report = carried(here, DETERMINED)
    config, space = submission.config, expressions(submission)
    assert math.exp(space["lr"]["min_value"]) == pytest.approx(1e-4, rel=1e-12)
    assert space["filters"]["values"] == [8, 9, 10]
    assert config.trial.command.startswith("python3 train.py --model.depth ${{search_space.model_depth}} --lr ")
    assert config.trial.command.endswith("--batch 64 --model.act relu")
    assert (config.metric.name, config.metric.goal.value, config.limits.max_total_runs) == ("error", "minimize", 16)
    assert config.trial.resources.gpus == 2
    assert "adaptive_asha" in report
    assert "max_restarts: not carried over" in report


def test_a_grid_of_determined_has_as_many_values_as_it_counts(here: Path) -> None:
    grid = DETERMINED.replace("name: adaptive_asha", "name: grid").replace("max_trials: 16, ", "")
    grid = grid.replace("maxval: -1}", "maxval: -1, count: 4}").replace("maxval: 0.8}", "maxval: 0.8, count: 3}")
    submission, _ = carried(here, grid)
    space = expressions(submission)
    assert space["lr"]["values"] == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1])
    assert space["dropout"]["values"] == pytest.approx([0.2, 0.5, 0.8])
    assert submission.config.limits.max_total_runs == 4 * 3 * 3 * 2 * 2


def test_nni(here: Path) -> None:
    submission, report = carried(here, NNI)
    config, space = submission.config, expressions(submission)
    assert submission.source_directory == here / "code"
    assert math.exp(space["lr"]["max_value"]) == pytest.approx(0.1, rel=1e-12)
    assert space["units"]["values"] == [2, 3, 4]
    limits = config.limits
    assert (limits.max_total_runs, limits.max_concurrent_runs, limits.max_duration_s) == (10, 2, 7200)
    assert config.policy.delay_evaluation == 4
    assert config.trial.command == "python3 model.py"
    assert set(config.trial.unused_ok) == set(space)
    assert "get_next_parameter() returns the hyperparameters" in report


def test_other_spellings_of_nni(here: Path) -> None:
    python = NNI
    for ours, theirs in (
        ("searchSpace", "search_space"), ("trialCommand", "trial_command"), ("maxTrialNumber", "max_trial_number"),
        ("trialConcurrency", "trial_concurrency"), ("trialCodeDirectory", "trial_code_directory"),
        ("classArgs", "class_args"), ("maxExperimentDuration", "max_experiment_duration"),
    ):  # fmt: skip
        python = python.replace(ours, theirs)
    assert carried(here, python.replace("mode: maximize", "mode: minimize"))[0].config.metric.goal.value == "minimize"
    assert wanted(here, python) == wanted(here, NNI)
    (here / "space.json").write_text('{"lr": {"_type": "uniform", "_value": [0, 1]}}')
    submission, _ = carried(
        here,
        "authorName: a\nexperimentName: b\ntrialConcurrency: 1\nmaxTrialNum: 5\nsearchSpacePath: space.json\n"
        "tuner: {builtinTunerName: TPE}\ntrial: {command: python3 model.py, codeDir: code, gpuNum: 0}\n",
    )
    assert submission.config.limits.max_total_runs == 5
    assert submission.config.trial.command == "python3 model.py"


def test_a_nested_search_space_of_nni(here: Path) -> None:
    nested = "  layer: {_type: choice, _value: [{_name: none}, {_name: conv, size: {_type: choice, _value: [1, 2]}}]}\n"
    submission, _ = carried(here, NNI.replace("  batch:", nested + "  batch:"))
    assert told(submission) == {"nested": ["layer"]}
    options = expressions(submission)["layer"]["values"]
    assert [next(iter(option)) for option in options] == ["none", "conv"]
    assert options[1]["conv"]["size"]["values"] == [1, 2]


def test_an_experiment_of_nni_without_a_search_space(here: Path) -> None:
    (here / "theirs.yaml").write_text(NNI.replace(NNI[: NNI.index("trialCommand")], "searchSpace: {}\n"))
    with pytest.raises(ConfigError, match="annotations of a script, are not read"):
        wanted_from(Path("theirs.yaml"), "", here)


def test_an_advisor_of_nni(here: Path) -> None:
    advisor = "advisor: {name: Hyperband, classArgs: {optimize_mode: minimize, R: 81}}"
    lines = [line for line in NNI.splitlines() if not line.startswith(("tuner", "assessor"))]
    submission, report = carried(here, "\n".join([*lines, advisor, ""]))
    assert expressions(submission)["TRIAL_BUDGET"]["values"] == [81]
    assert submission.config.metric.goal.value == "minimize"
    assert submission.config.policy.max_intervals == 81
    assert type(submission.config.sampling).__name__ == "RandomParameterSampling"
    assert "advisor Hyperband" in report
    assert "tuner" not in report


def test_hydra_with_several_objectives(here: Path) -> None:
    (here / "app.py").write_text("import hydra\n@hydra.main(config_path='.', config_name='c')\ndef f(cfg): ...\n")
    submission, report = carried(here, HYDRA.replace("direction: maximize", "direction: [maximize, minimize]"))
    assert submission.config.metric.goal.value == "maximize"
    assert "the first one is optimised" in report


def test_hydra(here: Path) -> None:
    (here / "app.py").write_text("import hydra\n@hydra.main(config_path='.', config_name='c')\ndef f(cfg): ...\n")
    submission, report = carried(here, HYDRA)
    config, space = submission.config, expressions(submission)
    assert config.trial.command == (
        "python app.py model.lr=${{search_space.model_lr}} layers=${{search_space.layers}} name=${{search_space.name}} "
        "width=${{search_space.width}} epochs=3 "
        "'+hydra.callbacks.raydrive={_target_: raydrive_trackers.hydra_callback.LogReturnValue}'"
    )
    assert math.exp(space["model_lr"]["min_value"]) == pytest.approx(1e-3, rel=1e-12)
    assert (space["layers"]["values"], space["name"]["values"], space["width"]["values"]) == (
        [1, 2, 3], ["resnet", "vgg"], [16, 32],
    )  # fmt: skip
    assert (config.limits.max_total_runs, config.limits.max_concurrent_runs) == (20, 2)
    assert config.metric.goal.value == "maximize"
    assert "'value'" in report


def test_hydra_takes_the_program_that_names_the_configuration(here: Path) -> None:
    (here / "conf").mkdir()
    for name, config in (("one", "theirs"), ("two", "others")):
        (here / f"{name}.py").write_text(
            f"import hydra\n@hydra.main(config_path='.', config_name='{config}')\ndef f(cfg): ...\n"
        )
    submission, _ = carried(here, HYDRA.replace("range(1, 4)", "range(-1.0, 1.0, step=0.5)"))
    assert submission.config.trial.command.startswith("python one.py ")
    assert expressions(submission)["layers"]["values"] == [-1.0, -0.5, 0.0, 0.5]


def test_hydra_without_a_program(here: Path) -> None:
    (here / "theirs.yaml").write_text(HYDRA)
    with pytest.raises(ConfigError, match=r"one Python file with @hydra\.main"):
        wanted_from(Path("theirs.yaml"), "", here)


def test_a_wandb_grid_without_a_metric_logs_that_trials_have_ended_well(here: Path) -> None:
    sweep = "program: train.py\nmethod: grid\nparameters: {flag: {values: [true, false]}}\n"
    submission, report = carried(here, sweep)
    assert submission.config.metric.name == "completed"
    command = submission.config.trial.command
    assert command.startswith("( python train.py --flag=${{search_space.flag}} ) && python -c ")
    assert "its runs are not compared" in report
    (here / "theirs.yaml").write_text(sweep.replace("grid", "bayes"))
    with pytest.raises(ConfigError, match=r"metric\.name"):
        wanted_from(Path("theirs.yaml"), "", here)


def test_the_ax_sweeper_of_hydra(here: Path) -> None:
    (here / "app.py").write_text("import hydra\n@hydra.main(config_path='.', config_name='c')\ndef f(cfg): ...\n")
    submission, report = carried(
        here,
        "hydra:\n  sweeper:\n    ax_config:\n      max_trials: 7\n      experiment: {minimize: false}\n"
        "      early_stop: {max_epochs_without_improvement: 3}\n      params:\n"
        "        m.x: {type: range, bounds: [-5, 10.1]}\n        n: {type: range, bounds: [1, 3]}\n"
        "        lr: {type: range, bounds: [0.001, 1.0], log_scale: true}\n"
        "        act: {type: choice, values: [relu, tanh]}\n        seed: {type: fixed, value: 4}\n",
    )
    space = expressions(submission)
    assert (space["m_x"]["min_value"], space["m_x"]["max_value"]) == (-5, 10.1)
    assert (space["n"]["values"], space["act"]["values"]) == ([1, 2, 3], ["relu", "tanh"])
    assert math.exp(space["lr"]["min_value"]) == pytest.approx(1e-3, rel=1e-12)
    assert " m.x=${{search_space.m_x}} " in submission.config.trial.command
    assert " seed=4 " in submission.config.trial.command
    assert submission.config.limits.max_total_runs == 7
    assert submission.config.metric.goal.value == "maximize"
    assert "hydra.sweeper.ax_config.early_stop: not carried over" in report


def test_the_nevergrad_sweeper_of_hydra(here: Path) -> None:
    (here / "app.py").write_text("import hydra\n@hydra.main(config_path='.', config_name='c')\ndef f(cfg): ...\n")
    submission, report = carried(
        here,
        "hydra:\n  sweeper:\n    optim: {optimizer: OnePlusOne, budget: 9, num_workers: 2}\n    params:\n"
        "      lr: {init: 0.02, step: 2.0, log: true}\n      shift: {init: 1, step: 0.5}\n"
        "      drop: {lower: 0.0, upper: 1.0}\n      batch: int(interval(4, 16))\n"
        "      wide: {lower: 1, upper: 1000, integer: true, log: true}\n",
    )
    space = expressions(submission)
    assert (space["lr"]["type"], space["lr"]["sigma"]) == ("lognormal", pytest.approx(math.log(2)))
    assert math.exp(space["lr"]["mu"]) == pytest.approx(0.02, rel=1e-12)
    assert (space["shift"]["mu"], space["shift"]["sigma"]) == (1.0, 0.5)
    assert (space["drop"]["type"], space["batch"]["values"]) == ("uniform", list(range(4, 17)))
    assert (space["wide"]["type"], space["wide"]["max_value"]) == ("log_int", 1000)
    limits = submission.config.limits
    assert (limits.max_total_runs, limits.max_concurrent_runs) == (9, 2)
    assert "no bounds, written as lognormal around init" in report


def test_a_script_that_asks_determined_has_no_arguments(here: Path) -> None:
    (here / "train.py").write_text("import determined as det\n")
    submission, report = carried(
        here, DETERMINED.replace("name: adaptive_asha", "name: adaptive_asha, max_length: {batches: 50}")
    )
    trial = submission.config.trial
    assert trial.command == "python3 train.py"
    about = json.loads(trial.environment_variables["RAYDRIVE_DETERMINED"])
    assert about == {
        "constants": {"batch": 64, "model.act": "relu"},
        "names": about["names"],
        "length": 50,
    }
    assert about["names"]["model_depth"] == "model.depth"
    assert set(trial.unused_ok) == set(expressions(submission))
    assert "Trials find a module determined" in report
    assert "max_length: not carried over" not in report


def test_words_of_a_command_of_wandb_are_kept_from_the_shell(here: Path) -> None:
    (here / "configs").mkdir()
    (here / "sub").mkdir()
    (here / "sub" / "run.py").write_text("")
    (here / "configs" / "theirs.yaml").write_text(
        "program: sub/run.py\nmethod: grid\nmetric: {name: a}\nparameters: {sizes: {values: [[1, 2], [3]]}}\n"
        "command: [python, '${program}', 'a b', 'dir=${now:%Y}', 'x-${envvar:HOME}/y', '${args_no_hyphens}']\n"
    )
    written, _ = wanted_from(Path("configs/theirs.yaml"), "", here)
    submission = load_sweep(here / "sweep.yml", text=written).submission
    assert submission.source_directory == here
    assert submission.config.trial.command == (
        "python sub/run.py 'a b' 'dir=${now:%Y}' x-\"${HOME}\"/y sizes=${{search_space.sizes}}"
    )


@pytest.mark.parametrize("known", [True, False])
def test_a_configuration_of_a_group_of_hydra(here: Path, known: bool) -> None:
    for folder in ("src", "conf/search"):
        (here / folder).mkdir(parents=True)
    main = (
        "import hydra\n@hydra.main(version_base='1.3', config_path='../conf', config_name='{}.yaml')\ndef f(cfg): ...\n"
    )
    (here / "src" / "evaluate.py").write_text(main.format("evaluate"))
    (here / "src" / "train.py").write_text(main.format("train"))
    for name in ("train", "evaluate"):
        (here / "conf" / f"{name}.yaml").write_text("defaults:\n  - search: null\n" if known else "defaults: []\n")
    (here / "conf" / "search" / "theirs.yaml").write_text(
        "# @package _global_\nhydra:\n  mode: MULTIRUN\n  sweeper:\n"
        "    optuna_config: {n_trials: 5, direction: maximize}\n"
        "    params:\n      model.dims: {type: categorical, choices: [[8, 4], [16]]}\n"
        "      lr: {type: float, low: 1e-4, high: 0.1, log: true}\n      n: {type: int, low: 2, high: 8, step: 2}\n"
    )
    written, _ = wanted_from(Path("conf/search/theirs.yaml"), "", here)
    submission = load_sweep(here / "sweep.yml", text=written).submission
    command = submission.config.trial.command
    assert command.startswith(f"python src/train.py {'' if known else '+'}search=theirs model.dims=")
    assert " hydra.mode=RUN " in command
    assert submission.source_directory == here
    space = expressions(submission)
    assert space["model_dims"]["values"] == [[8, 4], [16]]
    assert (space["lr"]["type"], space["n"]["type"], space["n"]["q"]) == ("loguniform", "quniform", 2)
    assert submission.config.limits.max_total_runs == 5
