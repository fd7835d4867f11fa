"""A run that TensorBoard follows, on a real cluster: as it happens, to its end, and on after it was extended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import raydrive
from raydrive import Run, uniform

pytestmark = pytest.mark.ray


def train(params: dict[str, float]) -> None:
    run = Run.get_context()
    names = ("WANDB_DIR", "WANDB_RUN_GROUP", "WANDB_NAME", "WANDB_PROJECT")
    run.log("variables", json.dumps([os.environ.get(name) for name in names]))
    for epoch in range(1, 4):
        run.log("loss", params["x"] / epoch, step=epoch)


def boards(folder: Path) -> int:
    """Bytes of all event files."""
    return sum(file.stat().st_size for file in folder.rglob("events*"))


def test_a_tracker_has_the_whole_run_when_it_is_over_and_when_it_is_extended(tmp_path: Path) -> None:
    run = raydrive.tune(
        train,
        {"x": uniform(0, 1)},
        metric="loss",
        goal="minimize",
        max_total_runs=2,
        storage=str(tmp_path / "runs"),
        track={"tensorboard": str(tmp_path / "boards")},
        show_output=False,
    )
    folder = tmp_path / "boards" / run.id
    assert sorted(path.name for path in folder.glob("trial-*")) == ["trial-00000", "trial-00001"]
    progress = json.loads((Path(run.uri) / "trackers" / "tensorboard.json").read_text())
    assert progress == {"delivered": run.reader.entries, "over": True, "trouble": ""}
    outputs, group, name, project = json.loads(run.get_child(1).get_metrics()["variables"])
    assert outputs.endswith("outputs")
    assert (group, name, project) == (run.id, run.get_child(1).id, None)

    before = boards(folder)
    run.resume(more=1)
    run.wait_for_completion()
    assert (folder / "trial-00002").is_dir()
    assert boards(folder) > before

    other = tmp_path / "other"
    command = [str(Path(sys.executable).parent / "raydrive"), "track", run.id, "--storage", str(tmp_path / "runs")]
    done = subprocess.run([*command, "--to", f"tensorboard={other}"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(list(other.glob(f"{run.id}/trial-*"))) == 3
    again = subprocess.run([*command, "-o", "json"], capture_output=True, text=True, timeout=120)
    run.reader.refresh()
    assert json.loads(again.stdout)["trackers"] == [
        {"tracker": "tensorboard", "delivered": run.reader.entries, "trouble": ""}
    ]
