"""Scripts of other tools: what they give to wandb and nni, and what a Hydra program returns, reaches the trial."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from script_runs import RunScript

from raydrive.compat.other_tools.hydra import CALLBACK


@pytest.fixture(params=["old", "new"])
def python(request: pytest.FixtureRequest) -> str:
    """Both Pythons: one without raydrive, one with it; neither has wandb or nni."""
    return request.getfixturevalue("old_python") if request.param == "old" else sys.executable


WANDB = """\
import argparse, wandb
from wandb.keras import WandbCallback
class Mine(WandbCallback):
    pass
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=1.0)
parser.add_argument("--layers", type=int, default=1)
args = parser.parse_args()
run = wandb.init(project="p", config=args)
assert wandb.run is run
assert (wandb.config.lr, wandb.config["lr"], wandb.config.layers) == (0.1, 0.1, 2), dict(wandb.config)
wandb.config.update({"lr": 5, "more": 1})
assert (wandb.config.lr, run.config.more) == (0.1, 1)
try:
    wandb.config.nothing
except AttributeError as error:
    assert "wandb.config has no 'nothing'; it has" in str(error)
else:
    raise SystemExit("an attribute that is not there")
wandb.watch(object(), log="all")
Mine(save_model=False)
for epoch in range(3):
    wandb.log({"loss": 1.0 - epoch / 4, "epoch": epoch, "text": "x", "image": wandb.Image([1])})
    wandb.log({"val": {"acc": epoch / 2}}, step=epoch)
run.summary["best"] = 0.75
with wandb.init() as inner:
    inner.log({"late": True}, step=7)
wandb.finish()
"""


def test_wandb_of_a_script_is_the_trial(run_script: RunScript, python: str, tmp_path: Path) -> None:
    file = tmp_path / "train.py"
    file.write_text(WANDB)
    done = run_script(file, "--lr=0.1", "--layers=2", python=python)
    assert done.metrics["loss"] == [1.0, 0.75, 0.5]
    assert done.metrics["val.acc"] == [0.0, 0.5, 1.0]
    assert (done.metrics["best"], done.metrics["late"]) == ([0.75], [1.0])
    assert not {"text", "image"} & set(done.metrics)


NNI = """\
import nni
from nni.utils import merge_parameter
params = {"lr": 1.0, "momentum": 0.5}
params.update(nni.get_next_parameter())
assert params == {"lr": 0.1, "momentum": 0.5}, params
from argparse import Namespace
assert merge_parameter(Namespace(lr=1.0, other=2), nni.get_next_parameter()) == Namespace(lr=0.1, other=2)
assert merge_parameter({"other": 2}, nni.get_next_parameter()) == {"lr": 0.1, "other": 2}
for epoch in range(2):
    nni.report_intermediate_result(epoch / 4)
nni.report_intermediate_result({"default": 0.5, "loss": 2})
nni.report_final_result({"default": 0.5, "loss": 2})
nni.report_final_result(0.625)
"""


def test_nni_of_a_script_is_the_trial(run_script: RunScript, python: str, tmp_path: Path) -> None:
    file = tmp_path / "train.py"
    file.write_text(NNI)
    done = run_script(file, python=python)
    assert done.metrics["default"] == [0.0, 0.25, 0.5, 0.625]
    assert done.metrics["loss"] == [2.0]


def package(folder: Path, name: str, **files: str) -> None:
    """Writes a package that is found behind the training folder, as an installed one is."""
    (folder / name).mkdir(parents=True)
    for file, text in files.items():
        (folder / name / f"{file}.py").write_text(text)


def test_an_installed_nni_keeps_its_other_names(run_script: RunScript, python: str, tmp_path: Path) -> None:
    package(tmp_path / "installed", "nni", __init__="def get_next_parameter(): return {}\nother = 5\n")
    file = tmp_path / "train.py"
    file.write_text("import nni\nassert nni.other == 5\nnni.report_final_result(nni.get_next_parameter()['lr'])\n")
    done = run_script(file, python=python, env={"PYTHONPATH": str(tmp_path / "installed")})
    assert done.metrics["default"] == [0.1]


@pytest.mark.parametrize(
    ("returned", "metrics"),
    [("cfg.x ** 2", {"value": [4.0]}), ("(cfg.x, cfg.x + 1)", {"value": [2.0], "value_1": [3.0]}), ("None", {})],
)
def test_what_a_hydra_program_returns_is_a_metric(
    run_script: RunScript, tmp_path: Path, returned: str, metrics: dict[str, Any]
) -> None:
    file = tmp_path / "train.py"
    file.write_text(
        "import hydra\nfrom omegaconf import DictConfig\n"
        "@hydra.main(config_path=None, config_name=None, version_base=None)\n"
        f"def program(cfg: DictConfig):\n    return {returned}\nprogram()\n"
    )
    done = run_script(file, "+x=2", CALLBACK)
    assert done.metrics == metrics


def test_a_hydra_program_that_fails_fails(run_script: RunScript, tmp_path: Path) -> None:
    file = tmp_path / "train.py"
    file.write_text(
        "import hydra\n@hydra.main(config_path=None, config_name=None, version_base=None)\n"
        "def program(cfg):\n    raise ValueError('broken')\nprogram()\n"
    )
    done = run_script(file, CALLBACK, code=1)
    assert "broken" in done.output
    assert done.metrics == {}


DETERMINED = """\
import json, pathlib
import determined as det
info = det.get_cluster_info()
assert info is not None and info.trial.trial_id == 7 and info.latest_checkpoint is None
assert info.trial.hparams == {"lr": 0.1, "model": {"depth": 3, "width": 8}}, info.trial.hparams
with det.core.init(distributed=det.core.DistributedContext.from_torch_distributed()) as core_context:
    assert core_context.distributed.rank == 0 and core_context.distributed.allgather(4) == [4]
    for operation in core_context.searcher.operations():
        for batch in range(operation.length):
            core_context.train.report_training_metrics(steps_completed=batch + 1, metrics={"loss": 1.0 / (batch + 1)})
            core_context.train.report_validation_metrics(steps_completed=batch + 1, metrics={"loss": 2.0, "name": "x"})
            with core_context.checkpoint.store_path({"steps_completed": batch + 1}) as (path, name):
                (path / "state").write_text(str(batch))
            assert not core_context.preempt.should_preempt()
        operation.report_completed(2.0)
    try:
        with core_context.checkpoint.restore_path("other"):
            pass
    except FileNotFoundError as error:
        assert "goes on from none" in str(error)
    else:
        raise SystemExit("a checkpoint that is not there")
try:
    from determined import pytorch
except ImportError as error:
    assert "trial classes are run by Determined alone" in str(error)
else:
    raise SystemExit("pytorch of determined")
"""


def test_the_core_api_of_determined_is_the_trial(run_script: RunScript, python: str, tmp_path: Path) -> None:
    file = tmp_path / "train.py"
    file.write_text(DETERMINED)
    about = {"constants": {"model.width": 8, "model.depth": 3}, "names": {}, "length": 2}
    done = run_script(file, python=python, env={"RAYDRIVE_DETERMINED": json.dumps(about)})
    assert done.metrics == {"training/loss": [1.0, 0.5], "loss": [2.0, 2.0]}


def test_the_core_api_of_determined_goes_on_from_a_checkpoint(run_script: RunScript, tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    (tmp_path / "before" / "state").write_text("41")
    file = tmp_path / "train.py"
    file.write_text(
        "import determined as det\ninfo = det.get_cluster_info()\n"
        "with det.core.init() as core, core.checkpoint.restore_path(info.latest_checkpoint) as path:\n"
        "    core.train.report_validation_metrics(1, {'x': int((path / 'state').read_text())})\n"
    )
    done = run_script(file, env={"RAYDRIVE_RESUME_FROM": str(tmp_path / "before")})
    assert done.metrics == {"x": [41.0]}


def test_names_and_constants_that_a_converted_sweep_tells(run_script: RunScript) -> None:
    told = {"names": {"opt_lr": ["opt", "lr"], "data_n": ["data.n"]}, "constants": [[["opt", "name"], "sgd"]]}
    script = (
        "import wandb\nwandb.init(config={'opt': {'lr': 5}, 'other': 1})\n"
        "assert dict(wandb.config) == {'opt': {'name': 'sgd', 'lr': 0.2}, 'data.n': 3, 'other': 1}, wandb.config\n"
        "wandb.log({'a': 1})\n"
    )
    env = {"RAYDRIVE_TRACKER_PARAMETERS": json.dumps(told)}
    assert run_script(script, env=env, params={"opt_lr": 0.2, "data_n": 3}).metrics["a"] == [1]


def test_options_of_nni_that_have_hyperparameters(run_script: RunScript) -> None:
    script = (
        "import nni\nparams = nni.get_next_parameter()\n"
        "assert params == {'layer': {'_name': 'conv', 'size': 2, 'act': {'_name': 'relu'}}, 'lr': 1}, params\n"
        "nni.report_final_result(1.0)\n"
    )
    env = {"RAYDRIVE_TRACKER_PARAMETERS": json.dumps({"nested": ["layer"]})}
    params = {"layer": {"conv": {"size": 2, "act": {"relu": {}}}}, "lr": 1}
    assert run_script(script, env=env, params=params).metrics["default"] == [1.0]
