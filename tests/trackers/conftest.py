"""A run's folder, as a driver finds it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from raydrive import HyperDriveConfig, RandomParameterSampling, uniform
from raydrive.storage.run_layout import RunLayout, new_run_id


@pytest.fixture
def run_layout(tmp_path: Path) -> RunLayout:
    made = HyperDriveConfig(
        RandomParameterSampling({"x": uniform(0, 1)}), "loss", "minimize", 9, run_config=print, tags={"team": "a"}
    )
    layout = RunLayout.create(tmp_path / "runs", "sweep", new_run_id("sweep"))
    layout.write_config(json.dumps(made.config.to_json()).encode())
    return layout
