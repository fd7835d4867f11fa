"""Scripts of Ray Tune and Optuna with the callbacks of libraries that train: each round or epoch is an interval."""

from __future__ import annotations

import importlib.util
import os
import threading
from pathlib import Path

import pytest
from script_runs import Done, RunScript, run_script

from raydrive import wire
from raydrive.compat.tuners import in_trial

pytestmark = pytest.mark.integrations
__all__ = ["run_script"]

XGBOOST = """\
import numpy, xgboost
from ray import tune
from ray.tune.integration.xgboost import TuneReportCheckpointCallback
x = numpy.arange(40.0).reshape(20, 2)
y = (x[:, 0] > 17).astype(int)

def train(config):
    data = xgboost.DMatrix(x, label=y)
    callback = TuneReportCheckpointCallback({"loss": "eval-logloss"}, frequency=2, filename="kept.json")
    xgboost.train(
        {"objective": "binary:logistic", "eta": config["lr"], "nthread": 1}, data, num_boost_round=3,
        evals=[(data, "eval")], verbose_eval=False, callbacks=[callback],
    )

tune.run(train, config={"lr": tune.uniform(0, 1)}, metric="loss", mode="min")
"""
KERAS = """\
import keras, numpy
from ray import train, tune
from ray.tune.integration.keras import CALLBACK

def fit(config):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(config["lr"] / 100), loss="mse")
    x = numpy.arange(8.0).reshape(4, 2) / 8
    model.fit(x, x.sum(axis=1), epochs=3, verbose=0, callbacks=[CALLBACK(ARGUMENTS)])

tune.Tuner(fit, param_space={"lr": tune.uniform(0, 1)}, tune_config=tune.TuneConfig(metric="error", mode="min")).fit()
"""
NET = """\
class Net(pl.LightningModule):
    def __init__(self, lr):
        super().__init__()
        self.lr, self.layer = lr, torch.nn.Linear(2, 1)
    def training_step(self, batch, index):
        return self.layer(batch[0]).pow(2).mean()
    def validation_step(self, batch, index):
        self.log("val_loss", self.layer(batch[0]).pow(2).mean())
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr)
"""
LIGHTNING = """\
import torch
MODULE
from ray import tune
from ray.tune.integration.pytorch_lightning import TuneReportCheckpointCallback, TuneReportCallback

NET

def fit(config):
    torch.manual_seed(1)
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(4, 2)))
    trainer = pl.Trainer(
        max_epochs=3, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, accelerator="cpu",
        callbacks=[TuneReportCheckpointCallback({"loss": "val_loss"}, filename="net.ckpt", on="validation_end")],
    )
    trainer.fit(Net(config["lr"]), data, data)

tune.run(fit, config={"lr": tune.uniform(0, 1)}, metric="loss", mode="min")
"""
OPTUNA = {
    "xgboost": """\
import numpy, xgboost
x = numpy.arange(40.0).reshape(20, 2)
def objective(trial):
    data = xgboost.DMatrix(x, label=(x[:, 0] > 17).astype(int))
    lr = trial.suggest_float("lr", 0, 1)
    callback = optuna_integration.XGBoostPruningCallback(trial, "eval-logloss")
    results = {}
    xgboost.train({"objective": "binary:logistic", "eta": lr, "nthread": 1}, data, num_boost_round=3,
                  evals=[(data, "eval")], verbose_eval=False, callbacks=[callback], evals_result=results)
    return results["eval"]["logloss"][-1]
""",
    "keras": """\
import keras, numpy
def objective(trial):
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(trial.suggest_float("lr", 0, 1) / 100), loss="mse")
    x = numpy.arange(8.0).reshape(4, 2) / 8
    callback = optuna_integration.KerasPruningCallback(trial, "loss")
    return model.fit(x, x.sum(axis=1), epochs=3, verbose=0, callbacks=[callback]).history["loss"][-1]
""",
    "lightning": """\
import lightning.pytorch as pl, torch
NET
def objective(trial):
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(4, 2)))
    callback = optuna_integration.PyTorchLightningPruningCallback(trial, monitor="val_loss")
    trainer = pl.Trainer(max_epochs=3, logger=False, enable_checkpointing=False, enable_progress_bar=False,
                         num_sanity_val_steps=0, enable_model_summary=False, accelerator="cpu", callbacks=[callback])
    trainer.fit(Net(trial.suggest_float("lr", 0, 1)), data, data)
    return trainer.callback_metrics["val_loss"].item()
""",
}


def needs(library: str) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"large library: `make integrations` installs {library} and runs this")


def trial_of(run_script: RunScript, folder: Path, text: str) -> tuple[Done, list[str]]:
    """Runs a script as a trial; also returns the files of its checkpoints, those of one after those of another."""
    staged, arrived, train = folder / "staged", folder / "arrived", folder / "train.py"
    for each in (staged, arrived):
        each.mkdir()
    train.write_text(text)
    ended = threading.Event()
    taker = threading.Thread(target=take, args=(staged, arrived, ended))
    taker.start()
    env = {"RAYDRIVE_CHECKPOINT_DIR": str(staged), "KERAS_BACKEND": os.environ.get("KERAS_BACKEND", "")}
    try:
        given = {name: each for name, each in env.items() if each}
        done = run_script(Path(in_trial.__file__), "0", str(train), env=given)
    finally:
        ended.set()
        taker.join()
    files = [path.name for path in sorted(arrived.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    return done, files


def take(staged: Path, arrived: Path, ended: threading.Event) -> None:
    """Takes checkpoints away, as a trial actor does: training waits for that."""
    while True:
        last = ended.is_set()
        for path in staged.glob(f"*{wire.SAVED}"):
            path.rename(arrived / path.name)
        if last:
            return
        ended.wait(0.01)


def test_xgboost_of_ray_tune(run_script: RunScript, tmp_path: Path) -> None:
    needs("xgboost")
    done, files = trial_of(run_script, tmp_path, XGBOOST)
    losses = done.metrics["loss"]
    assert len(losses) == 3
    assert losses == sorted(losses, reverse=True)
    assert files == ["kept.json", "kept.json"], "after the second round, and at the end"


@pytest.mark.parametrize(
    ("callback", "arguments", "saved"),
    [
        ("TuneReportCheckpointCallback", "metrics={'error': 'loss'}", True),
        ("TuneReportCallback", "{'error': 'loss'}, on='epoch_end'", False),
    ],
)
def test_keras_of_ray_tune(run_script: RunScript, tmp_path: Path, callback: str, arguments: str, saved: bool) -> None:
    needs("keras")
    text = KERAS.replace("CALLBACK", callback).replace("ARGUMENTS", arguments)
    done, files = trial_of(run_script, tmp_path, text)
    assert len(done.metrics["error"]) == 3
    assert files == ["model.keras"] * 3 * saved


@pytest.mark.parametrize(
    ("library", "line"),
    [("lightning", "import lightning.pytorch as pl"), ("pytorch_lightning", "import pytorch_lightning as pl")],
)
def test_lightning_of_ray_tune(run_script: RunScript, tmp_path: Path, library: str, line: str) -> None:
    needs(library)
    done, files = trial_of(run_script, tmp_path, LIGHTNING.replace("MODULE", line).replace("NET\n", NET))
    assert len(done.metrics["loss"]) == 3
    assert files == ["net.ckpt"] * 3


@pytest.mark.parametrize("library", list(OPTUNA))
def test_pruning_callbacks_of_optuna(run_script: RunScript, tmp_path: Path, library: str) -> None:
    needs(library)
    needs("optuna_integration")
    end = "study = optuna.create_study(direction='minimize')\nstudy.optimize(objective, n_trials=2)\n"
    done, _ = trial_of(
        run_script, tmp_path, f"import optuna, optuna_integration\n{OPTUNA[library]}{end}".replace("NET\n", NET)
    )
    values = done.metrics["value"]
    assert len(values) == 3, "each interval once: what is returned is the last of them"
    assert len(set(values)) > 1
