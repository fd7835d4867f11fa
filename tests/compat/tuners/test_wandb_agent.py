"""Scripts that make a sweep of W&B and start its agent: converted, and run as a trial."""

from __future__ import annotations

from pathlib import Path

import pytest
from script_runs import RunScript

from raydrive.compat.tuners import in_trial
from raydrive.compat.tuners.recorded import tuning_of
from raydrive.compat.tuners.scripts import tools_of
from raydrive.core.errors import ConfigError

SCRIPT = """\
import wandb
config = {
    "method": "bayes", "metric": {"name": "val/loss", "goal": "minimize"},
    "parameters": {
        "lr": {"min": 0.0, "max": 1.0}, "epochs": {"value": 2},
        "model": {"parameters": {"width": {"values": [8, 16]}, "act": {"value": "relu"}}},
    },
    "early_terminate": {"type": "hyperband", "min_iter": 2},
}

def train():
    run = wandb.init(config={"lr": 5, "other": 1})
    config = wandb.config
    assert config["epochs"] == 2 and config["other"] == 1, dict(config)
    for epoch in range(config["epochs"]):
        wandb.log({"val/loss": config["lr"] * (epoch + 1), "width": config["model"].get("width", 0)})
    assert config["model"]["act"] == "relu"

wandb.login()
sweep_id = wandb.sweep(config, project="my project")
wandb.agent(sweep_id, function=train, count=3)
raise SystemExit("behind the agent")
"""


def test_which_scripts_start_an_agent() -> None:
    assert tools_of("import wandb\nwandb.agent(1, f)\n") == ("W&B",)
    assert tools_of("from wandb import sweep, agent\n") == ("W&B",)
    assert tools_of("import wandb\n# wandb.agent(1, f)\nwandb.init()\n") == ()


def test_a_script_with_an_agent_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    (tmp_path / "train.py").write_text(SCRIPT)
    tuning = tuning_of(tmp_path / "train.py")
    assert (tuning.metric, tuning.goal, tuning.limits) == ("val/loss", "minimize", {"max_total_trials": 3})
    assert set(tuning.space) == {"lr", "model_width"}
    assert (tuning.sampling["type"], tuning.policy["min_intervals"], tuning.name) == ("bayesian", 2, "my project")
    assert [line.split(":")[0] for line in tuning.report] == ["early_terminate"]


def test_a_trial_calls_the_function_of_the_agent(run_script: RunScript, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    params = {"lr": 0.5, "model_width": 16}
    done = run_script(Path(in_trial.__file__), "0", str(tmp_path / "train.py"), params=params)
    assert done.metrics == {"val/loss": [0.5, 1.0], "width": [16, 16]}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("wandb.agent('me/project/abc', train)", "a sweep that this script made"),
        ("wandb.agent(wandb.sweep({'method': 'grid', 'parameters': {'a': {'values': [1]}}}))", "no function"),
        ("wandb.agent(wandb.sweep({'method': 'magic', 'parameters': {}}), function=print)", "grid, random, bayes"),
    ],
)
def test_agents_that_cannot_be_carried_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, told: str
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    (tmp_path / "train.py").write_text(f"import wandb\ntrain = print\n{line}\n")
    with pytest.raises(ConfigError) as failure:
        tuning_of(tmp_path / "train.py")
    assert told in str(failure.value)
