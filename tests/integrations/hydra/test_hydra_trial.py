"""A trial of a Hydra program in a real trial actor: metrics, a policy's stop, a kill that leaves the same curve."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from callback_contract import EPOCHS, CallbackContract, after_interval
from hydra._internal.callbacks import Callbacks
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.config_store import ConfigStore
from hydra.core.singleton import Singleton
from hydra.core.utils import setup_globals
from hydra.types import RunMode
from omegaconf import DictConfig

from raydrive.context import Run
from raydrive.core.errors import ConfigError
from raydrive.integrations.hydra.trial import HydraTrial, configuration_files

CONFIGURATION = {"rate": 0.5, "kill": None, "pause": 0.0, "x": 0.0}


def task(config: DictConfig) -> float:
    """Halves a number in each epoch, with a checkpoint of it; returns the last one, as Hydra's sweepers ask for."""
    run = Run.get_context()
    state = {"epoch": 0, "loss": 1.0}
    if run.resume_from:
        state = json.loads(Path(run.resume_from, "state.json").read_text())
    for epoch in range(state["epoch"] + 1, EPOCHS + 1):
        state = {"epoch": epoch, "loss": state["loss"] * config.rate}
        Path("ck").mkdir(exist_ok=True)
        Path("ck", "state.json").write_text(json.dumps(state))
        run.report({"loss": state["loss"]}, step=epoch, checkpoint="ck")
        after_interval(dict(config), epoch)
    return state["loss"]


def trial(folder: str | None = None) -> HydraTrial:
    """The trial of a program with this task."""
    setup_globals()
    ConfigStore.instance().store(name="of_test", node=CONFIGURATION)
    path = create_config_search_path(folder)
    loader = ConfigLoaderImpl(config_search_path=path)
    config = loader.load_configuration("of_test", overrides=["hydra.job.name=of_test"], run_mode=RunMode.MULTIRUN)
    return HydraTrial(
        task=task,
        config=config,
        search_path=path,
        callbacks=Callbacks(),
        singletons=Singleton.get_state(),
        files=configuration_files(path),
        fixed=(),
        metric="loss",
    )


def train(params: dict[str, Any]) -> Any:
    return trial()(params)


class TestHydra(CallbackContract):
    train = staticmethod(train)
    metric = "loss"
    goal = "minimize"


def test_configuration_files_travel_with_the_trial(tmp_path: Path) -> None:
    for name in ("config.yaml", "opt/adam.yaml", "outputs/.hydra/config.yaml", ".git/x.yaml", "multirun/y.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"name: {name}")
    (tmp_path / "notes.txt").write_text("no configuration")
    (files,) = trial(f"file://{tmp_path}").files.values()
    assert files == {"config.yaml": b"name: config.yaml", "opt/adam.yaml": b"name: opt/adam.yaml"}


def test_a_folder_that_is_too_large_is_refused(tmp_path: Path) -> None:
    (tmp_path / "large.yaml").write_bytes(b"#" * 10_000_001)
    with pytest.raises(ConfigError, match=r"Keep configuration files in a separate folder"):
        trial(str(tmp_path))
