"""Runs on an embedded Ray, with raydrive's start and with plain Ray."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import heads
import pytest

from raydrive import HyperDriveRun, Workspace
from raydrive.runtime.ray_cluster.plain_ray import VARIABLE

pytestmark = pytest.mark.ray

LOOK = """
import os
import psutil
from raydrive import Run

session = os.environ.get("SESSION")
near = psutil.process_iter() if session else psutil.Process(int(os.environ["SUBMITTER"])).children()
raylets = [each for each in near if each.name() == "raylet"]
raylet = next(each for each in raylets if not session or session in " ".join(each.cmdline()))
siblings = [(each, " ".join(each.cmdline())) for each in raylet.children()]
run = Run.get_context()
run.log("stubs", sum("agent_stub.py" in line for _, line in siblings))
own = [each for each, line in siblings if line.startswith("ray::Trial")]
run.log("pydantic", sum(any("pydantic_core" in part.path for part in each.memory_maps()) for each in own))
run.log("x", 1)
"""
"""A trial: which processes its raylet has, and which of our actors have imported what Ray's serializer may need."""

SWEEP = """
type: sweep
trial: {command: "python look.py ${{search_space.x}}", code: .}
search_space: {x: {type: choice, values: [1]}}
sampling_algorithm: grid
objective: {goal: maximize, primary_metric: x}
limits: {max_total_trials: 1}
"""

KNOWN = """
import os, sys
from raydrive.cli import main
os.environ["SUBMITTER"] = str(os.getpid())
sys.exit(main())
"""
"""The command line; trials know its process."""
WITHOUT = """
from ray._private.node import Node

start_monitor = Node.start_monitor
del Node.start_monitor


def renamed(self, name):
    if name != "start_monitor":
        raise AttributeError(name)
    return start_monitor.__get__(self)


Node.__getattr__ = renamed
"""
"""The command line, with a Ray whose class lacks what raydrive changes of it; its own calls still find it."""


def submit(folder: Path, program: list[str], *options: str, **variables: str) -> tuple[HyperDriveRun, str]:
    """Submits the sweep; returns the run and what was printed to stderr."""
    (folder / "look.py").write_text(LOOK)
    (folder / "sweep.yml").write_text(SWEEP)
    env = {name: text for name, text in os.environ.items() if name not in (VARIABLE, "RAY_ADDRESS")}
    env |= {"RAYDRIVE_STORAGE": str(folder / "runs"), **variables}
    done = subprocess.run(
        [*program, "submit", "sweep.yml", *options], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return next(Workspace(str(folder / "runs")).runs()), done.stderr


def seen(run: HyperDriveRun) -> tuple[bool, bool]:
    """Whether a stub stood for an agent, and whether an actor has imported pydantic."""
    metrics = run.get_best_run_by_primary_metric().get_metrics()
    return metrics["stubs"] > 0, metrics["pydantic"] > 0


CLI = [sys.executable, "-c", KNOWN]


def test_raydrives_start_and_plain_ray_run_the_same_sweep(tmp_path: Path) -> None:
    for name in ("known", "variable", "key"):
        (tmp_path / name).mkdir()
    (tmp_path / "key" / "raydrive.toml").write_text("plain_ray = true\n")
    known, told = submit(tmp_path / "known", CLI)
    assert seen(known) == (True, False)
    assert "plain Ray" not in told
    variable, _ = submit(tmp_path / "variable", CLI, **{VARIABLE: "1"})
    assert seen(variable) == (False, True)
    key, _ = submit(tmp_path / "key", CLI)
    assert seen(key) == (False, True)
    assert known.get_status() == variable.get_status() == key.get_status() == "Completed"


def test_a_ray_that_lacks_a_part_runs_as_it_is_and_one_line_tells_it(tmp_path: Path) -> None:
    run, told = submit(tmp_path, [sys.executable, "-c", WITHOUT + KNOWN])
    assert seen(run) == (False, True)
    lines = [line for line in told.splitlines() if "plain Ray" in line]
    assert len(lines) == 1
    assert "has no ray._private.node.Node.start_monitor, which raydrive's start modifies" in lines[0]


def test_the_key_holds_for_our_actors_on_a_cluster_that_runs_already(tmp_path: Path) -> None:
    with heads.head("--include-dashboard=false", SESSION="{folder}") as (address, _):
        for plain in (False, True):
            folder = tmp_path / str(plain)
            folder.mkdir()
            run, _ = submit(folder, CLI, "--address", address, "--set", f"raydrive.plain_ray={plain}")
            assert seen(run) == (False, plain)


@pytest.mark.parametrize("plain", [False, True])
def test_doctor_tells_how_ray_is_started(tmp_path: Path, plain: bool) -> None:
    (tmp_path / "raydrive.toml").write_text(f"plain_ray = {str(plain).lower()}\n")
    env = {name: text for name, text in os.environ.items() if name not in (VARIABLE, "RAY_ADDRESS")}
    command = [*CLI, "doctor", "--storage", str(tmp_path / "runs"), "-o", "json"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    checks = {row["check"]: row["found"] for row in json.loads(done.stdout)["checks"]}
    expected = "plain Ray: plain_ray is true in the settings" if plain else "raydrive's start (Ray "
    assert checks["embedded Ray"].startswith(expected)
