"""How commands show a run's rules: how far it is by those that end it, and its configurations by mean."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from raydrive.api.run import HyperDriveRun
from raydrive.cli.app import run as run_command
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.run_rules import RunRules
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import uniform
from raydrive.runtime.simulated import simulate
from raydrive.storage.journal.writer import JournalWriter
from raydrive.storage.run_layout import RunLayout
from raydrive.studio.data.page_data import Documents
from raydrive.studio.data.run_history import RunHistory

RUN_ID = "first-20261129-120000-0001"
PAGE = (Path(__file__).parents[2] / "docs" / "json.md").read_text()
RULES: dict[str, Any] = {
    "finish_when": {"no_improvement": 50, "budget": {"cpu_hours": 100}},
    "repeats": {"max": 3},
    "notify": {"webhook": "https://hooks.example.org/T0/abcdef", "command": "tell abcdef"},
}


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HyperDriveRun:
    layout = RunLayout.create(str(tmp_path), "first", RUN_ID)
    config = RunConfig(
        experiment="first",
        metric=Metric(name="accuracy", goal=PrimaryMetricGoal.MAXIMIZE),
        sampling=RandomParameterSampling({"lr": uniform(0, 1)}),
        limits=Limits(max_total_runs=20, max_concurrent_runs=2),
        trial=TrialSpec(kind="command", command="python train.py ${{search_space.lr}} ${{search_space.seed}}"),
        seed=0,
        rules=RunRules.of(RULES),
    )
    layout.write_config(json.dumps(config.to_json()).encode())
    with JournalWriter.open(layout.journal) as writer:
        simulate(config, lambda trial, params: [(3600.0, params["lr"] + 0.01 * params["seed"])], writer=writer)
    monkeypatch.setenv("RAYDRIVE_STORAGE", str(tmp_path))
    return HyperDriveRun(layout)


def printed(capfd: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert run_command([*arguments, "-o", "json"]) == 0
    return json.loads(capfd.readouterr().out)


def described(section: str) -> set[str]:
    text = re.split(r"(?m)^## ", PAGE.split(f"\n## {section}\n", 1)[1])[0]
    return set(re.findall(r"(?m)^\| `([^`]+)` \|", text))


def test_status_tells_how_far_the_run_is(recorded: HyperDriveRun, capfd: pytest.CaptureFixture[str]) -> None:
    found = printed(capfd, "status")["finish_when"]
    assert [one["rule"] for one in found] == ["no_improvement", "budget.cpu_hours"]
    assert found[1]["now"] == pytest.approx(20.0)
    assert found[1]["left"] == pytest.approx(80.0)
    assert {f"finish_when[].{key}" for one in found for key in one} <= described("status")
    assert run_command(["status"]) == 0
    text = capfd.readouterr().out
    assert "CPU hours: 20.0 of 100, 80.0 left" in text
    assert "best configuration: trials " in text


def test_trials_are_grouped_by_configuration(recorded: HyperDriveRun, capfd: pytest.CaptureFixture[str]) -> None:
    rows = printed(capfd, "trials", "last", "--by-configuration")["configurations"]
    assert {f"configurations[].{key}" for row in rows for key in row} == described("trials --by-configuration") - {
        "configurations"
    }
    assert sum(len(row["trials"]) for row in rows) == 20
    assert [row["mean"] for row in rows] == sorted((row["mean"] for row in rows), reverse=True)
    assert "seed" not in rows[0]["params"]
    best = recorded.get_best_run_by_primary_metric()
    assert best is not None
    assert best.number in rows[0]["trials"]


def test_a_run_without_repeats_has_no_groups(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    layout = RunLayout.create(str(tmp_path), "first", RUN_ID)
    config = RunConfig(
        experiment="first",
        metric=Metric(name="m", goal=PrimaryMetricGoal.MAXIMIZE),
        sampling=RandomParameterSampling({"lr": uniform(0, 1)}),
        limits=Limits(max_total_runs=2, max_concurrent_runs=2),
        trial=TrialSpec(kind="command", command="true"),
        seed=0,
    )
    layout.write_config(json.dumps(config.to_json()).encode())
    assert run_command(["trials", RUN_ID, "--by-configuration", "--storage", str(tmp_path)]) == 2
    assert "raydrive.repeats" in capfd.readouterr().err


def test_the_page_has_rules_and_configurations_and_no_secret(recorded: HyperDriveRun) -> None:
    history = RunHistory(recorded.layout)
    history.refresh()
    head = Documents(history).head()
    assert [one["rule"] for one in head["finish_when"]] == ["no_improvement", "budget.cpu_hours"]
    assert head["configurations"][0]["mean"] is not None
    assert "abcdef" not in json.dumps(head)
    assert head["run"]["config"]["rules"]["repeats"] == {"max": 3, "parameter": "seed", "race": True}
