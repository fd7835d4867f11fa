"""Scripts of Ray Tune and Optuna: converted, run as a trial, and run whole with raydrive in the tuner's place."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from script_runs import RunScript

from raydrive.compat.tuners import expressions, in_trial
from raydrive.compat.tuners.scripts import tools_of
from raydrive.settings.yaml_source import parse_yaml

TUNE = """\
import argparse
from ray import train, tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search import ConcurrencyLimiter
from ray.tune.search.optuna import OptunaSearch

def relu(x):
    return max(x, 0.0)

def objective(config, data):
    assert data == [1, 2], data
    assert config["double"] == 2 * config["lr"]
    begin = 0
    checkpoint = tune.get_checkpoint()
    for epoch in range(begin, 50):
        tune.report({"loss": config["lr"] * (epoch + 1), "nested": {"acc": epoch}, "text": "x"})

parser = argparse.ArgumentParser()
parser.add_argument("--samples", type=int, default=8)
args = parser.parse_args()
tuner = tune.Tuner(
    tune.with_resources(tune.with_parameters(objective, data=[1, 2]), {"cpu": 1, "gpu": 0}),
    param_space={
        "lr": tune.loguniform(1e-4, 1e-1), "model": {"units": tune.randint(1, 9), "fixed": 3},
        "act": tune.choice([relu, None]), "double": tune.sample_from(lambda spec: 2 * spec.config.lr),
    },
    tune_config=tune.TuneConfig(
        metric="loss", mode="min", num_samples=args.samples, time_budget_s=60, scheduler=ASHAScheduler(max_t=50),
        search_alg=ConcurrencyLimiter(OptunaSearch(), max_concurrent=2),
    ),
    run_config=train.RunConfig(name="my_search", stop={"training_iteration": 3}),
)
results = tuner.fit()
best = results.get_best_result()
print("BEST", best.config["lr"], best.metrics["loss"], best.metrics["nested/acc"], len(results), results.num_errors)
"""

OLD_TUNE = """\
import ray
from ray import tune
from ray.air import session

class Counter(tune.Trainable):
    def setup(self, config):
        self.n = config["start"]
    def step(self):
        self.n += config_step
        return {"n": self.n, "done": self.n >= 100}
    def save_checkpoint(self, folder):
        return {"n": self.n}
    def load_checkpoint(self, state):
        self.n = state["n"]

config_step = 2
ray.init(num_cpus=1)
analysis = tune.run(Counter, config={"start": tune.grid_search([0, 10]), "b": 1}, stop={"training_iteration": 4},
                    checkpoint_at_end=True)
print(analysis.get_best_config("n", "max"))
"""

OPTUNA = """\
import optuna
def objective(trial):
    x = trial.suggest_float("x", -1, 1)
    kind = trial.suggest_categorical("kind", ["a", "b"])
    if kind == "b":
        for layer in range(trial.suggest_int("layers", 1, 2)):
            trial.suggest_float(f"width{layer}", 1e-3, 1, log=True)
    for step in range(2):
        trial.report(x + step, step)
        if trial.should_prune():
            raise optuna.TrialPruned()
    trial.set_user_attr("note", kind)
    return x * x

if __name__ == "__main__":
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.HyperbandPruner(min_resource=1))
    study.enqueue_trial({"x": 0.5, "kind": "b", "layers": 2, "width0": 0.1, "width1": 0.2})
    study.optimize(objective, n_trials=3, n_jobs=2, timeout=900)
    print("STUDY", len(study.get_trials(states=[optuna.trial.TrialState.COMPLETE])), study.best_value)
    best = study.best_trial
    x = best.params["x"]  # x ** 2 is not always x * x: the last bit of pow differs once in 1,100 values
    assert best.value == x * x and best.user_attrs["note"] == best.params["kind"], (best.value, best)
    first = len(study.trials)
    print("FIRST", study.trials[0].params["x"], [trial.state.name for trial in study.trials].count("WAITING"), first)
    study.optimize(objective, n_trials=1)
    print("AGAIN", len(study.trials) - first, study.trials[-1].params["x"] != 0.5)
"""


def raydrive(folder: Path, *words: str, code: int = 0) -> str:
    """Runs a command in a process of its own, for the tuners of this one shall stay what they are."""
    main = "from raydrive.cli import main; main()"
    env = {name: text for name, text in os.environ.items() if not name.startswith("RAY")}
    env |= {"RAYDRIVE_STORAGE": str(folder / "runs"), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", main, *words], cwd=folder, env=env, text=True, capture_output=True, timeout=800
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def converted(folder: Path, text: str) -> tuple[dict[str, Any], str]:
    (folder / "train.py").write_text(text)
    report = raydrive(folder, "convert", "train.py", "-o", "sweep.yml")
    sweep: dict[str, Any] = parse_yaml((folder / "sweep.yml").read_text(), "sweep.yml")[0].plain()
    return sweep, report


def test_which_tuners_a_script_uses() -> None:
    assert tools_of("from ray import tune, train\n") == ("Ray Tune",)
    assert tools_of("import ray\nray.tune.run(f)\n") == ("Ray Tune",)
    assert tools_of("  import optuna.samplers\n") == ("Optuna",)
    assert tools_of("import ray\nfrom ray.data import read_csv\n") == ()
    assert tools_of("import optuna\nfrom azureml.core import Run\n") == ()


def test_values_that_no_file_can_hold_are_chosen_by_name() -> None:
    def relu() -> None: ...

    assert expressions.one_of([1, 2.5, "a", None])["values"] == [1, 2.5, "a", None]
    assert expressions.one_of([relu, [1, 2]])["values"] == ["0: relu", "1: [1, 2]"]
    assert expressions.chosen([relu, [1, 2]], "1: [1, 2]") == [1, 2]
    assert expressions.chosen([True, 1], expressions.one_of([True, 1])["values"][1]) == 1
    assert expressions.chosen(["a"], "b") == "b"
    assert expressions.unique_names([("a", "b"), ("a_b",), ("a b",), (1,)]) == ["a_b", "a_b2", "a_b3", "p_1"]
    assert expressions.stepped(0, 10, 5) == {"type": "quniform", "min_value": 0, "max_value": 10, "q": 5}
    assert expressions.stepped(1, 6, 2)["values"] == [1, 3, 5]
    assert expressions.whole(3, 3)["values"] == [3]


def test_a_script_of_ray_tune_is_converted(tmp_path: Path) -> None:
    sweep, report = converted(tmp_path, TUNE)
    space = sweep["search_space"]
    assert math.exp(space["lr"]["min_value"]) == pytest.approx(1e-4, rel=1e-12)
    assert space["model_units"] == {"type": "int_range", "min_value": 1, "max_value": 8}
    assert space["act"]["values"] == ["0: relu", "1: None"]
    assert set(space) == {"lr", "model_units", "act"}
    assert sweep["objective"] == {"goal": "minimize", "primary_metric": "loss"}
    assert sweep["limits"] == {"max_concurrent_trials": 2, "timeout": 60, "max_total_trials": 8}
    assert sweep["early_termination"]["type"] == "successive_halving"
    assert (sweep["sampling_algorithm"]["type"], sweep["experiment_name"]) == ("tpe", "my_search")
    assert sweep["raydrive"]["resources"] == {"cpus": 1}
    assert sweep["trial"]["command"].endswith("in_trial 0 train.py")
    assert "search_alg OptunaSearch: written as tpe" in report


def test_a_grid_of_a_class_without_a_metric_is_converted(tmp_path: Path) -> None:
    sweep, report = converted(tmp_path, OLD_TUNE)
    assert sweep["search_space"] == {"start": {"type": "choice", "values": [0, 10]}}
    assert (sweep["sampling_algorithm"]["type"], sweep["limits"]) == ("grid", {"max_total_trials": 2})
    assert sweep["objective"]["primary_metric"] == "completed"
    assert "No metric is named" in report


def test_a_population_of_ray_tune_is_converted(tmp_path: Path) -> None:
    sweep, report = converted(
        tmp_path,
        "from ray import tune\nfrom ray.tune.schedulers import PopulationBasedTraining\n"
        "pbt = PopulationBasedTraining(perturbation_interval=5, metric='acc', mode='max', "
        "hyperparam_mutations={'lr': tune.uniform(0.1, 1.0), 'm': [1, 2, 3]})\n"
        "tune.run(lambda config: None, scheduler=pbt, num_samples=4, config={'lr': 0.5, 'm': tune.choice([1, 2])})\n",
    )
    population = sweep["raydrive"]["population"]
    assert (population["every"], population["perturb"]["parameters"]) == (5, ["lr", "m"])
    assert sweep["search_space"]["lr"]["type"] == "uniform"
    assert (sweep["limits"]["max_total_trials"], sweep["objective"]["goal"]) == (4, "maximize")
    assert "members begin with values of its mutations" in report
    sweep, _ = converted(
        tmp_path,
        "from ray import tune\nfrom ray.tune.schedulers.pb2 import PB2\n"
        "pb2 = PB2(perturbation_interval=2, hyperparam_bounds={'lr': [0.1, 1.0]})\n"
        "tuner = tune.Tuner(lambda config: None, param_space={'lr': 0.5}, tune_config=tune.TuneConfig("
        "metric='acc', mode='max', scheduler=pb2, num_samples=4))\ntuner.fit()\n",
    )
    assert sweep["raydrive"]["population"]["model"] == {"type": "pb2", "parameters": ["lr"]}
    assert sweep["search_space"]["lr"] == {"type": "uniform", "min_value": 0.1, "max_value": 1.0}


def test_a_script_of_optuna_is_converted(tmp_path: Path) -> None:
    sweep, report = converted(tmp_path, OPTUNA)
    space = sweep["search_space"]
    assert set(space) == {"x", "kind", "layers", "width0", "width1"}
    assert (space["x"]["min_value"], space["kind"]["values"]) == (-1, ["a", "b"])
    assert math.exp(space["width1"]["min_value"]) == pytest.approx(1e-3, rel=1e-12)
    assert sweep["objective"] == {"goal": "maximize", "primary_metric": "value", "value": "last"}
    assert sweep["limits"] == {"max_total_trials": 3, "timeout": 900, "max_concurrent_trials": 2}
    assert sweep["early_termination"]["mode"] == "stop"
    assert sweep["raydrive"]["points"] == [{"x": 0.5, "kind": "b", "layers": 2, "width0": 0.1, "width1": 0.2}]
    assert "found by beginning the objective a few times" in report


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import optuna\n", "no such call"),
        ("from ray import tune\nraise ValueError('broken')\n", "ValueError: broken"),
        ("from ray import tune\ntune.run('PPO')\n", "Algorithms of RLlib are run by Ray alone"),
        ("from ray import tune\nimport nothing_like_it\n", "pip install nothing_like_it"),
    ],
)
def test_a_script_that_cannot_be_converted_is_told(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "train.py").write_text(text)
    assert told in raydrive(tmp_path, "convert", "train.py", code=2)


def test_a_trial_of_a_function_runs_the_script_up_to_its_tuner(run_script: RunScript, tmp_path: Path) -> None:
    train = tmp_path / "train.py"
    text = TUNE.replace("tune.randint(1, 9)", "4").replace("tune.choice([relu, None])", "0")
    train.write_text(text.replace('print("BEST"', 'raise SystemExit("the call of the tuner has ended"'))
    done = run_script(Path(in_trial.__file__), "0", str(train), "--samples", "2")
    assert done.metrics["loss"] == [pytest.approx(0.1 * number) for number in (1, 2, 3)]
    assert done.metrics["nested/acc"] == [0, 1, 2]


def test_a_trial_of_a_class_saves_at_its_end(run_script: RunScript, tmp_path: Path) -> None:
    train = tmp_path / "train.py"
    train.write_text(OLD_TUNE.replace('"start": tune.grid_search([0, 10])', '"lr": tune.choice([0.1]), "start": 5'))
    folder = tmp_path / "saved"
    folder.mkdir()
    done = run_script(Path(in_trial.__file__), "0", str(train), env={"RAYDRIVE_CHECKPOINT_DIR": str(folder)})
    assert done.metrics["n"] == [7, 9, 11, 13]
    assert done.metrics["completed"] == [1]


def test_calls_before_a_trials_own_return_what_they_have_found(run_script: RunScript, tmp_path: Path) -> None:
    train = tmp_path / "train.py"
    train.write_text(
        "from ray import tune\n"
        "first = tune.run(lambda config: 1 / 0, config={'lr': tune.uniform(0, 1)}, metric='a', mode='max')\n"
        "assert first.best_config == {'lr': 0.25}, first.best_config\n"
        "tune.run(lambda config: tune.report(a=config['lr'] + config['b']), "
        "config={**first.best_config, 'lr': tune.uniform(0, 1), 'b': first.best_config['lr']}, metric='a')\n"
    )
    told = {"number": 0, "params": {"lr": 0.25}, "state": "Completed", "metrics": {"a": [3.0]}}
    done = run_script(Path(in_trial.__file__), "1", str(train), env={"RAYDRIVE_EARLIER_CALLS": json.dumps([[told]])})
    assert done.metrics["a"] == [pytest.approx(0.35)]


def test_a_trial_without_its_call_fails(run_script: RunScript, tmp_path: Path) -> None:
    train = tmp_path / "train.py"
    train.write_text("from ray import tune\n")
    done = run_script(Path(in_trial.__file__), "0", str(train), code=1)
    assert "it ended before call 0 of its tuner" in done.output


def test_a_trial_of_optuna_reports_and_returns(run_script: RunScript, tmp_path: Path) -> None:
    train = tmp_path / "train.py"
    train.write_text(OPTUNA.replace('"x", -1, 1', '"lr", -1, 1').replace('["a", "b"]', '["a"]'))
    done = run_script(Path(in_trial.__file__), "0", str(train))
    assert done.metrics["value"] == [pytest.approx(each) for each in (0.1, 1.1, 0.01)]
    about = json.loads((done.files / "outputs" / "tuner.json").read_text())
    assert (about["state"], about["user_attrs"], about["params"]["lr"]) == ("COMPLETE", {"note": "a"}, 0.1)


def test_a_trial_of_a_notebook_runs_its_cells_up_to_the_tuner(run_script: RunScript, tmp_path: Path) -> None:
    cells = [
        "%matplotlib inline\n!pip install nothing\nfrom ray import tune",
        "def train(config):\n    return {'loss': 2 * config['lr']}\ndisplay(train, raw=True)",
        "get_ipython().run_line_magic('time', '')\n"
        "tune.Tuner(train, param_space={'lr': tune.uniform(0, 1)}).fit()\nraise SystemExit('behind the tuner')",
    ]
    notebook = {"cells": [{"cell_type": "code", "source": cell} for cell in cells]}
    (tmp_path / "train.ipynb").write_text(json.dumps(notebook))
    done = run_script(Path(in_trial.__file__), "0", str(tmp_path / "train.ipynb"))
    assert done.metrics == {"loss": [0.2], "completed": [1]}


def test_a_study_that_a_storage_has_already_is_no_error_in_a_trial(run_script: RunScript, tmp_path: Path) -> None:
    train = tmp_path / "train.py"
    stored = f"'sqlite:///{tmp_path}/own.db'"
    train.write_text(
        "import optuna\nfrom optuna.study import create_study\n"
        f"study = create_study(study_name='own', storage={stored}, direction='maximize')\n"
        f"again = optuna.load_study(study_name='gone', storage={stored})\n"
        "again.optimize(lambda trial: trial.suggest_float('lr', 0.1, 1.0, log=True), n_trials=1)\n"
    )
    lowest = {"lr": math.exp(math.log(0.1))}
    for _ in range(2):
        assert run_script(Path(in_trial.__file__), "0", str(train), params=lowest).metrics["value"] == [0.1]


def test_a_script_that_reads_its_storage_is_converted_and_leaves_no_study(tmp_path: Path) -> None:
    text = (
        "import optuna\nstudy = optuna.create_study(study_name='own', storage='sqlite:///own.db')\n"
        "assert optuna.get_all_study_summaries('sqlite:///own.db')[0].study_name == 'own'\n"
        "study.optimize(lambda trial: trial.suggest_float('x', 0, 1), n_trials=2)\n"
    )
    assert converted(tmp_path, text)[0]["limits"] == {"max_total_trials": 2}
    assert converted(tmp_path, text)[0]["experiment_name"] == "own"


@pytest.mark.ray
def test_a_script_of_ray_tune_runs_whole(tmp_path: Path) -> None:
    used = TUNE.replace("begin = 0", "begin = ray.get(ray.put(0))")  # in a trial Ray connects when it is used
    (tmp_path / "train.py").write_text(used.replace("parser = ", "import ray\nray.init()\nparser = ", 1))
    output = raydrive(tmp_path, "run-script", "train.py", "--samples", "3")
    best = next(line for line in output.splitlines() if line.startswith("BEST")).split()
    assert float(best[2]) == pytest.approx(float(best[1]) * (float(best[3]) + 1))
    assert best[4:] == ["3", "0"]


@pytest.mark.ray
@pytest.mark.timeout(900)  # two runs, each of which begins the objective and imports what a sampler needs
def test_a_script_of_optuna_runs_whole_and_tunes_again(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(OPTUNA)
    output = raydrive(tmp_path, "run-script", "train.py")
    assert "STUDY" in output
    assert "FIRST 0.5 0 3" in output, "the trial of enqueue_trial is the first one, and none waits"
    assert "AGAIN 1 True" in output, "the second call does not begin with that point again"
