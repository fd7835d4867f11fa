"""Where trackers keep their data, whatever folder their process is in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from raydrive.trackers.places import with_absolute_paths


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("http://h:5000", "http://h:5000"),
        ("databricks", "databricks"),
        ("databricks://profile", "databricks://profile"),
        ("file:/a/b", "file:/a/b"),
        ("sqlite:///ml.db", "sqlite:////base/ml.db"),
        ("sqlite:////a/ml.db", "sqlite:////a/ml.db"),
        ("mlruns", "/base/mlruns"),
    ],
)
def test_paths_become_absolute_and_uris_stay(given: str, meant: str) -> None:
    assert with_absolute_paths({"mlflow": {"uri": given}}, Path("/base")) == {"mlflow": {"uri": meant}}


def test_paths_start_from_the_current_folder_or_home() -> None:
    track = {"tensorboard": {"dir": "boards"}, "wandb": {"project": "p", "dir": "~/w"}}
    found = with_absolute_paths(track)
    assert found["tensorboard"]["dir"] == os.path.join(os.getcwd(), "boards")
    assert found["wandb"] == {"project": "p", "dir": os.path.expanduser("~/w")}
