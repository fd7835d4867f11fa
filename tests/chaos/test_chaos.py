"""The chaos loop, shortened: one refusal and one run on a cluster of several raylets. All of it: ``make chaos``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

LOOP = Path(__file__).parent / "loop.py"


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nothing_is_lost_whatever_dies(tmp_path: Path) -> None:
    """In a process of its own, as this one is connected to another cluster already."""
    command = [sys.executable, str(LOOP), "--seeds", "1", "--first", "6", "--nodes", "2", "--refusal"]
    command += ["--record", str(tmp_path / "record")]
    done = subprocess.run(command, text=True, capture_output=True, timeout=280)
    rows = [json.loads(line) for line in (tmp_path / "record").read_text().splitlines()]
    assert done.returncode == 0, (rows, done.stdout[-2000:], done.stderr[-4000:])
    refusal, seed = rows
    assert refusal == {"refusal": []}
    assert seed["wrong"] == []
    assert sum(seed["faults"].values()) >= 3
    assert seed["acknowledged"] > 50  # the hook was at work


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_trials_that_pause_come_back_whatever_dies(tmp_path: Path) -> None:
    command = [sys.executable, str(LOOP), "--seeds", "1", "--first", "4", "--nodes", "3", "--halving"]
    command += ["--record", str(tmp_path / "record")]
    done = subprocess.run(command, text=True, capture_output=True, timeout=280)
    (seed,) = [json.loads(line) for line in (tmp_path / "record").read_text().splitlines()]
    assert done.returncode == 0, (seed, done.stdout[-2000:], done.stderr[-4000:])
    assert seed["wrong"] == []
    assert seed["pauses"] > 2
