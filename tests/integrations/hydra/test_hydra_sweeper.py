"""Hydra programs that sweep with raydrive, from their own command lines."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from raydrive import Workspace

PROGRAM = """
import hydra, time
from dataclasses import dataclass
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.utils import to_absolute_path
from omegaconf import DictConfig
from raydrive import Run

import helper


@dataclass
class Loader:
    workers: int = 1


ConfigStore.instance().store(group="loader", name="of_code", node=Loader)


@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(config: DictConfig) -> float:
    run = Run.get_context()
    loss = config.opt.lr + helper.cost(config.layers)
    if config.opt.name == "bad":
        loss += 1e6
    for epoch in range(config.epochs):
        run.log("loss", loss + 1 / (epoch + 1), step=epoch + 1)
        time.sleep(config.pause)
    open(HydraConfig.get().runtime.output_dir + "/seen.txt", "w").write(open(to_absolute_path("data.txt")).read())
    return loss


if __name__ == "__main__":
    main()
"""
FILES = {
    "train.py": PROGRAM,
    "helper.py": "def cost(layers): return layers / 100\n",
    "data.txt": "the data",
    "conf/config.yaml": "defaults: [{opt: sgd}, {loader: of_code}, _self_]\nlayers: 1\nepochs: 3\npause: 0\n",
    "conf/opt/sgd.yaml": "name: sgd\nlr: 0.1\n",
    "conf/opt/adam.yaml": "name: adam\nlr: 0.01\n",
    "conf/opt/bad.yaml": "name: bad\nlr: 0.01\n",
}


@pytest.fixture
def program(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def sweep(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "train.py", "-m", "hydra/sweeper=raydrive", "hydra.sweep.dir=swept", *words]
    environment = {**os.environ, "RAYDRIVE_STORAGE": str(folder / "runs")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240)


@pytest.mark.ray
def test_a_sweep_draws_stops_and_keeps_and_can_be_extended(program: Path) -> None:
    settings = ("metric=loss", "max_total_runs=5", "policy={type: bandit, slack_amount: 10, delay_evaluation: 2}")
    drawn = ("opt=sgd,bad", "opt.lr=tag(log,interval(1e-4,1e-1))", "layers=range(1,4)", "epochs=20")
    words = [f"hydra.sweeper.{one}" for one in settings]
    done = sweep(program, *words, *drawn, "pause=0.1", "hydra.sweeper.max_concurrent_runs=1")
    assert done.returncode == 0, done.stderr
    run = Workspace(str(program / "runs")).get_run("last")
    assert run.experiment == "train"
    trials = list(run.get_children())
    assert len(trials) == 5
    for trial in trials:
        assert 1e-4 <= trial.params["opt.lr"] <= 0.1
        assert trial.params["layers"] in (1, 2, 3)
    by_state = {trial.get_status(): trial for trial in trials}
    assert set(by_state) == {"Completed", "Canceled"}
    stopped, whole = by_state["Canceled"], by_state["Completed"]
    assert stopped.params["opt"] == "bad"
    assert stopped.why.startswith("bandit")
    assert len(stopped.get_metrics()["loss"]) < 20
    curve = whole.get_metrics()["loss"]
    assert len(curve) == 21, "what the task returns is its last value"
    assert curve[-1] == min(curve)

    kept = {name.removeprefix("outputs/") for name in whole.get_file_names()}
    assert {".hydra/config.yaml", ".hydra/overrides.yaml", "train.log", "seen.txt"} <= kept
    configuration = OmegaConf.load(whole.download_file("outputs/.hydra/config.yaml", str(program / "found.yaml")))
    assert configuration.opt.lr == whole.params["opt.lr"]
    assert configuration.loader.workers == 1
    results = OmegaConf.load(program / "swept" / "optimization_results.yaml")
    assert (results.name, results.run) == ("raydrive", run.id)
    assert results.best_value == run.get_best_run_by_primary_metric().best_value
    assert (program / "swept" / "multirun.yaml").is_file()

    more = sweep(program, *words, *drawn, "hydra.sweeper.resume=last", "hydra.sweeper.more=1")
    assert more.returncode == 0, more.stderr
    run.refresh()
    assert len(list(run.get_children())) == 6
    assert run.get_status() == "Completed"


@pytest.mark.ray
def test_choices_alone_are_a_grid_as_with_hydras_own_sweeper(program: Path) -> None:
    done = sweep(program, "opt=sgd,adam", "layers=range(1,3)", "hydra.sweeper.metric=loss")
    assert done.returncode == 0, done.stderr
    run = Workspace(str(program / "runs")).get_run("last")
    tried = sorted((trial.params["opt"], trial.params["layers"]) for trial in run.get_children())
    assert tried == [("adam", 1), ("adam", 2), ("sgd", 1), ("sgd", 2)]
    assert run.get_best_run_by_primary_metric().params == {"opt": "adam", "layers": 1}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("opt=sgd",), "found 'opt=sgd'; allowed: one sweep or more"),
        (("opt=sgd,adam", "hydra.sweeper.goal=low"), "found 'low'; allowed: maximize or minimize"),
        (("opt=sgd,adam", "hydra.sweeper.policy=median"), "policy"),
        (("opt=sgd,adam", "hydra.sweeper.resume=nothing"), "nothing"),
        (("opt=sgd,adam", "hydra.sweeper.options={first_failure: 1}"), "Did you mean 'first_failures'"),
    ],
)
def test_what_is_wrong_is_told_without_a_traceback(words: tuple[str, ...], told: str, program: Path) -> None:
    done = sweep(program, *words)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_program_that_does_not_sweep_runs_as_ever(program: Path) -> None:
    command = [sys.executable, "train.py", "layers=2", "hydra.run.dir=here"]
    done = subprocess.run(command, cwd=program, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("loss = ")
