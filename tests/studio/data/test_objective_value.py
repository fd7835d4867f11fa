"""A run that is ranked by its trials' last values: every reader says so and ranks so."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from recorded import Watched, config, record

from raydrive.api.display.console import events, last_words
from raydrive.api.run import HyperDriveRun
from raydrive.core.early_stopping.policies import BanditPolicy
from raydrive.storage.run_layout import RunLayout
from raydrive.studio.data.page_data import ROW, Documents
from raydrive.studio.data.run_history import open_history
from raydrive.studio.data.whatif import what_if
from raydrive.studio.export.export import export_run, run_json
from raydrive.studio.notebook.cell import run_cell
from raydrive.studio.web.report import write_report

CLI = "import sys; from raydrive.cli.app import run; sys.exit(run(sys.argv[1:]))"
CURVES = {0: [0.1, 0.9, 0.3], 1: [0.5, 0.6, 0.6], 2: [0.2, 0.8, 0.7], 3: [0.6, 0.5, 0.4]}
"""By best points: 0, 2, 1, 3; by last values: 2, 1, 3, 0."""


def recorded(folder: Path, value: str, **more: Any) -> RunLayout:
    wanted = config(4, **more)
    wanted = replace(wanted, metric=replace(wanted.metric, value=value))
    return record(folder, wanted, lambda number, _: [(1.0, one) for one in CURVES[number]])


@pytest.fixture
def layout(tmp_path: Path) -> RunLayout:
    return recorded(tmp_path / "storage", "last")


def test_the_api_ranks_by_it(layout: RunLayout) -> None:
    run = HyperDriveRun(layout)
    assert [row["run_id"][-1] for row in run.get_children_sorted_by_primary_metric()] == ["2", "1", "3", "0"]
    assert [row["best_primary_metric"] for row in run.get_children_sorted_by_primary_metric()] == [0.7, 0.6, 0.4, 0.3]
    best = run.get_best_run_by_primary_metric()
    assert best is not None
    assert (best.number, best.best_value) == (2, 0.7)
    assert run.get_details()["properties"]["score"] == 0.7
    assert json.loads(run.get_details()["properties"]["primary_metric_config"])["value"] == "last"
    assert [(row["best"], row["last"]) for row in run.rows()] == [(0.9, 0.3), (0.6, 0.6), (0.8, 0.7), (0.6, 0.4)]
    assert list(run.plot_best().data[0].y) == [0.3, 0.6, 0.7, 0.4]
    assert run.plot_best().layout.yaxis.title.text == "accuracy (last)"
    assert list(run.plot_scatter().data[0].marker.color) == [0.3, 0.6, 0.7, 0.4]


def test_words_say_what_counts(layout: RunLayout) -> None:
    run = HyperDriveRun(layout)
    lines = "\n".join([*events(run.reader), *last_words(run.reader)])
    assert "trial 0 Completed: last accuracy 0.3;" in lines
    assert "best so far (last): 0.7 (trial 2, interval 3); an interval is one value of accuracy" in lines
    assert "best accuracy (last) 0.7 (trial 2)" in lines
    assert "  accuracy (last) = 0.7 at interval 3" in lines
    assert "best accuracy (last)" in run._repr_html_()


def test_the_page_ranks_by_it_and_says_so(layout: RunLayout) -> None:
    story = open_history(layout)
    document = Documents(story).full()
    head = document["head"]
    assert (head["run"]["objective"], head["run"]["label"]) == ("last", "accuracy (last)")
    assert head["best"] == {"trial": 2, "value": 0.7, "interval": 3}
    assert [(row[ROW.index("best")], row[ROW.index("best_at")]) for row in document["rows"]] == [
        (0.3, 3),
        (0.6, 3),
        (0.7, 3),
        (0.4, 3),
    ]
    assert [trial for _, trial, _, _ in head["rises"]][-1] == 2
    assert "accuracy (last)" in run_cell(story)


def test_exports_have_it(layout: RunLayout, tmp_path: Path) -> None:
    story = open_history(layout)
    told = run_json(story)
    assert (told["objective"], told["best"]["trial"], told["config"]["metric"]["value"]) == ("last", 2, "last")
    optuna = pytest.importorskip("optuna")
    target = f"sqlite:///{tmp_path / 'study.db'}"
    export_run(story, "optuna", target)
    study = optuna.load_study(study_name=layout.run_id, storage=target)
    assert [trial.value for trial in study.trials] == [0.3, 0.6, 0.7, 0.4]
    assert study.best_trial.user_attrs["raydrive_trial"] == 2


def test_another_value_has_a_column_of_its_name(tmp_path: Path) -> None:
    layout = recorded(tmp_path / "storage", "mean_last_2")
    means = [pytest.approx(one) for one in (0.6, 0.6, 0.75, 0.45)]
    assert [row["mean_last_2"] for row in HyperDriveRun(layout).rows()] == means
    export_run(open_history(layout), "csv", str(tmp_path))
    with (tmp_path / f"{layout.run_id}-trials.csv").open() as file:
        assert [float(row["mean_last_2"]) for row in csv.DictReader(file)] == means
    done = subprocess.run(
        [sys.executable, "-c", CLI, "trials", "last", "--storage", str(tmp_path / "storage")],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:5] == ["trial", "state", "mean_last_2", "best", "last"]
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == ["2", "0", "1", "3"]


def test_a_what_if_asks_for_the_same_value(layout: RunLayout) -> None:
    outcome = what_if(open_history(layout), BanditPolicy(slack_amount=0.15))
    assert (outcome.recorded_best, outcome.recorded_best_trial) == (0.7, 2)
    assert outcome.lost_best  # its best of interval 1 was far behind
    assert outcome.best != 0.7


def test_the_page_in_a_browser_names_what_counts_and_the_bound_of_a_saving(browser: Any, tmp_path: Path) -> None:
    policy = BanditPolicy(slack_amount=0.2, delay_evaluation=2)
    layout = recorded(tmp_path / "storage", "last", policy=policy)
    write_report(open_history(layout), tmp_path / "report.html")
    watching = Watched(browser)
    watching.open((tmp_path / "report.html").as_uri())
    page = watching.page
    tiles = page.locator("header .tiles").inner_text().casefold()
    assert "best accuracy (last)" in tiles
    assert "trial 2, interval 3" in tiles
    assert "\n≈ " in tiles
    assert "saved, summed over parallel trials, between" in tiles
    assert "trials stopped" in tiles
    assert "accuracy (last)" in page.locator("#trials thead").inner_text()
    assert "last accuracy" not in page.locator("#trials thead").inner_text()
    assert page.locator("#trials tbody tr").first.inner_text().split()[:2] == ["★", "2"]
    assert watching.errors == []
    page.close()
