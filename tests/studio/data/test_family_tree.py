"""The family of a warm-started run: as far as configurations can be read, and never without its own words."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from recorded import config, record, warm_started

from raydrive.core.config.lineage import Lineage, Parent
from raydrive.core.sweep.warm_start_data import EMPTY, PriorTrial, WarmStartData, dump
from raydrive.storage.run_layout import RunLayout
from raydrive.studio.data.family_tree import (
    MOST_CURVES,
    MOST_GENERATIONS,
    MOST_RUNS,
    ancestor_curves,
    family,
)
from raydrive.studio.data.run_history import RunHistory, open_history


def family_of(layout: RunLayout) -> dict[str, Any]:
    found = family(open_history(layout))
    assert found is not None
    json.dumps(found, allow_nan=False)
    return found


def folder_of(layout: RunLayout) -> Path:
    path = layout.folder.local_path
    assert path is not None
    return path


def recorded_with(storage: Path, name: str, *parents: Parent) -> RunLayout:
    """A run that has not begun, with these parents in its configuration."""
    layout = RunLayout.create(storage, "family", name)
    given = replace(config(1), lineage=Lineage(parents=parents))
    layout.write_config(json.dumps(given.to_json()).encode())
    layout.write_warm_start(dump(EMPTY))
    return layout


def test_a_run_without_parents_has_no_family(tmp_path: Path) -> None:
    assert family(open_history(record(tmp_path, config(1)))) is None


def test_runs_generations_and_what_was_brought(tmp_path: Path) -> None:
    first = record(tmp_path, config(6, experiment="first"))
    second = warm_started(tmp_path, config(6, experiment="second"), first, going_on=0)
    other = record(tmp_path, config(5, experiment="other"))
    third = warm_started(tmp_path, config(8, experiment="third"), second, other, going_on=2)
    found = family_of(third)
    generations = {run["run"]: (run["experiment"], run["generation"]) for run in found["runs"]}
    assert generations == {
        third.run_id: ("third", 0),
        second.run_id: ("second", 1),
        other.run_id: ("other", 1),
        first.run_id: ("first", 2),
    }
    assert found["runs"][0] == {"run": third.run_id, "experiment": "third", "generation": 0}
    ties = {(earlier, later): text for earlier, later, text in found["ties"]}
    assert ties == {
        (second.run_id, third.run_id): "4 curves; 2 trials continued",
        (other.run_id, third.run_id): "5 curves",
        (first.run_id, second.run_id): "6 curves",
    }
    best = open_history(second).sweep.best
    assert best is not None
    (row,) = [run for run in found["runs"] if run["run"] == second.run_id]
    assert (row["best"], row["best_trial"], row["state"], row["trials"]) == (best.value, best.trial, "Completed", 6)
    assert [one["here"] for one in [*found["parents"], *found["continued"]]] == [True] * 4
    assert "params" not in found["continued"][0]
    assert found["continued"][1]["text"] == f"{second.run_id}_1: from its checkpoint 1, after 5 intervals"


def test_the_family_ends_at_a_run_that_is_gone_or_cannot_be_read(tmp_path: Path) -> None:
    first = record(tmp_path, config(3, experiment="first"))
    second = warm_started(tmp_path, config(3, experiment="second"), first, going_on=0)
    third = warm_started(tmp_path, config(3, experiment="third"), second, going_on=0)
    (folder_of(second) / "config.json").write_text("{")
    assert [run["run"] for run in family_of(third)["runs"]] == [third.run_id, second.run_id]
    shutil.rmtree(folder_of(second))
    assert [run["run"] for run in family_of(third)["runs"]] == [third.run_id, second.run_id]


def test_a_circle_of_runs_and_a_very_large_family_end(tmp_path: Path) -> None:
    one = recorded_with(tmp_path, "one", Parent(run="two", experiment="family"))
    recorded_with(tmp_path, "two", Parent(run="one", experiment="family"))
    found = family_of(one)
    assert [run["run"] for run in found["runs"]] == ["one", "two"]
    assert [tie[:2] for tie in found["ties"]] == [["two", "one"], ["one", "two"]]
    many = recorded_with(tmp_path, "many", *(Parent(run=f"p{k}", experiment="family") for k in range(2 * MOST_RUNS)))
    assert len(family_of(many)["runs"]) == MOST_RUNS
    for k in range(2 * MOST_GENERATIONS):
        recorded_with(tmp_path, f"g{k}", Parent(run=f"g{k + 1}", experiment="family"))
    runs = family_of(RunLayout.open(tmp_path / "family" / "g0"))["runs"]
    assert [run["generation"] for run in runs] == list(range(MOST_GENERATIONS + 1))


def test_of_very_many_curves_an_even_spread_is_drawn(tmp_path: Path) -> None:
    trials = tuple(PriorTrial(0, k, {}, "Completed", [float(k)] * 50) for k in range(2 * MOST_CURVES + 1))
    given = replace(config(1), lineage=Lineage(parents=(Parent(run="earlier", experiment="e"),)))
    layout = record(tmp_path, given, warm_start=WarmStartData(trials, ()))
    found = ancestor_curves(RunHistory(layout), most_points=10)
    assert [row[1] for row in found] == list(range(0, 2 * MOST_CURVES + 1, 3))
    assert all(row[0] == 0 and row[2] == "Completed" for row in found)
    assert len(found) <= MOST_CURVES
