"""Figures that people misread, in words: the interval of the best value, spaces without a number of configurations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from recorded import config, record

from raydrive.cli.app import run
from raydrive.storage.run_layout import RunLayout
from raydrive.studio.data.page_data import Documents
from raydrive.studio.data.run_history import open_history


@pytest.fixture
def peaked(tmp_path: Path) -> RunLayout:
    """A run whose only trial is best at interval 2 of 4."""
    values = [0.1, 0.9, 0.5, 0.4]
    return record(tmp_path, config(1, concurrent=1), lambda *_: [(1.0, value) for value in values])


TEXT = "the best value is that of interval 2, but trial 0 continued to interval 4: its latest files in outputs/ are of"


@pytest.mark.parametrize("name", ["best", "status"])
def test_a_best_value_before_the_last_interval_is_told(
    name: str, peaked: RunLayout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([name, peaked.run_id, "--storage", str(tmp_path), "-o", "json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert TEXT in told["notice"]
    assert "no checkpoint of the best interval is kept" in told["notice"]


def test_the_studio_tells_it_too(peaked: RunLayout) -> None:
    assert Documents(open_history(peaked)).head()["best_notice"].startswith(TEXT)


def test_a_continuous_space_is_not_called_infinite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "train.py").write_text("")
    (tmp_path / "sweep.yml").write_text(
        "type: sweep\ntrial:\n  code: .\n  command: python train.py --lr ${{search_space.lr}}\n"
        "sampling_algorithm: random\nsearch_space:\n  lr: {type: uniform, min_value: 0.1, max_value: 0.2}\n"
        "objective: {goal: maximize, primary_metric: a}\nlimits: {max_total_trials: 3, max_concurrent_trials: 1}\n"
    )
    assert run(["validate", str(tmp_path / "sweep.yml")]) == 0
    told = "".join(capsys.readouterr())
    assert "1 parameter, any number of configurations, up to 3 trials" in told
