"""Populations that run inline: takeovers, turns, a schedule that is trained again."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from raydrive import Run
from raydrive.api.display.console import events
from raydrive.api.run import HyperDriveRun
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.run_rules import RunRules
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.population.schedule import settings_of
from raydrive.core.population.shown import changes_json, schedule_json
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import uniform
from raydrive.core.views.summary import row, row_json
from raydrive.runtime.inline import run_inline
from raydrive.settings.schedule_file import schedule_text, with_schedule
from raydrive.storage.journal.writer import JournalWriter
from raydrive.storage.run_layout import RunLayout
from raydrive.studio.data.members import members_json
from raydrive.testing.memory import Memory
from raydrive.testing.sweep_invariants import check_journal

EPOCHS = 6
PLACE: list[Path] = []
"""Where training puts what it saves."""


@pytest.fixture(autouse=True)
def place(tmp_path: Path) -> None:
    PLACE[:] = [tmp_path]


def config_of(population: dict[str, Any], trials: int) -> RunConfig:
    return RunConfig(
        experiment="inline-population",
        metric=Metric(name="total", goal=PrimaryMetricGoal.MAXIMIZE),
        sampling=RandomParameterSampling({"x": uniform(0.1, 1)}),
        limits=Limits(max_total_runs=trials, max_concurrent_runs=1),
        trial=TrialSpec(kind="function"),
        seed=3,
        rules=RunRules.of({"population": population}),
    )


def train(params: dict[str, Any]) -> None:
    """Adds its hyperparameter in each epoch; the total and the epochs are in the checkpoint."""
    run, total, done = Run.get_context(), 0.0, 0
    if run.resume_from is not None:
        text = (Path(run.resume_from) / "state").read_text().split()
        total, done = float(text[0]), int(text[1])
    for epoch in range(done + 1, EPOCHS + 1):
        total += params["x"]
        folder = Path(tempfile.mkdtemp(dir=PLACE[0]))
        (folder / "state").write_text(f"{total!r} {epoch}")
        run.report({"total": total}, step=epoch, checkpoint=folder)


def test_members_take_turns_and_a_schedule_gives_the_same_model(tmp_path: Path) -> None:
    memory = Memory()
    config = config_of({"every": 2, "quantile": 0.34, "max_intervals": EPOCHS, "perturb": {"resample": 0}}, 3)
    sweep = run_inline(config, train, memory, files=tmp_path / "files")
    check_journal(config, memory.lines)
    assert [sweep.curves.length(trial) for trial in range(3)] == [EPOCHS] * 3
    taken = [one for changes in sweep.changes.values() for one in changes]
    assert taken
    assert all(one.source is not None and one.source_interval == one.interval for one in taken)
    # What each member has trained is what its schedule adds up to.
    for trial in range(3):
        parts = sweep.trained_with(trial)
        bounds = [*(part.interval for part in parts[1:]), EPOCHS]
        total = sum((end - part.interval) * part.params["x"] for part, end in zip(parts, bounds, strict=True))
        assert sweep.curves.last(trial) == pytest.approx(total)

    best = sweep.best
    assert best is not None
    path = tmp_path / "best.yml"
    path.write_text(schedule_text({"trial": best.trial, **schedule_json(sweep.trained_with(best.trial))}))
    given = with_schedule({"schedule": "best.yml"}, tmp_path)
    assert given["schedule"] == settings_of(schedule_json(sweep.trained_with(best.trial)))
    again = run_inline(config_of(given, 1), train, files=tmp_path / "again")
    assert again.finished is not None
    assert again.finished.state == "Completed"
    assert again.curves.last(0) == pytest.approx(best.value)


def test_changes_are_in_the_rows_and_for_the_chart(tmp_path: Path) -> None:
    config = config_of({"every": 2, "quantile": 0.34, "max_intervals": EPOCHS}, 3)
    sweep = run_inline(config, train, files=tmp_path)
    assert all(trial.state == "Completed" for trial in sweep.trials)
    assert sweep.changes
    rows = [row_json(row(sweep, trial, 0.0)) for trial in sweep.trials]
    for number, found in enumerate(rows):
        assert found["changes"] == changes_json(sweep.changes.get(number, ()))
        assert found["param_x"] == (
            found["changes"][-1]["params"]["x"] if found["changes"] else sweep.trials[number].params["x"]
        )
    shown = members_json(sweep)
    assert shown is not None
    assert shown["parameters"] == ["x"]
    assert [len(parts) for parts in shown["members"]] == [1 + len(found["changes"]) for found in rows]


def test_who_took_over_from_whom_is_among_the_events_of_a_run(tmp_path: Path) -> None:
    config = config_of({"every": 2, "quantile": 0.34, "max_intervals": EPOCHS}, 3)
    layout = RunLayout.create(str(tmp_path), "events", "events-20261119-120000-0001")
    layout.write_config(json.dumps(config.to_json()).encode())
    with JournalWriter.open(layout.journal) as writer:
        sweep = run_inline(config, train, writer, files=tmp_path / "files")
    taken = [(trial, one.why) for trial, changes in sweep.changes.items() for one in changes]
    lines = list(events(HyperDriveRun.open(layout.uri).reader))
    assert taken
    for trial, why in taken:
        assert ": continues from trial " in why
        assert sum(line.endswith(f"  trial {trial}: {why}") for line in lines) == 1


def test_training_without_checkpoints_ends_the_run_with_the_reason() -> None:
    def forgets(params: dict[str, Any]) -> None:
        for epoch in range(4):
            Run.get_context().log("total", params["x"] + epoch)

    sweep = run_inline(config_of({"every": 2}, 2), forgets)
    assert sweep.finished is not None
    assert sweep.finished.state == "Failed"
    assert "no trial has saved one" in sweep.finished.why
