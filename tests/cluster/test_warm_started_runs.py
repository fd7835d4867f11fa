"""Warm start on a real cluster: trials of earlier runs go on, their curves count, and nothing needs the earlier run."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

import raydrive
from raydrive import (
    BanditPolicy,
    BayesianParameterSampling,
    Experiment,
    HyperDriveConfig,
    HyperDriveRun,
    RandomParameterSampling,
    Resources,
    Run,
    ScriptRunConfig,
    Workspace,
    uniform,
)
from raydrive.api.submit.launch import resume
from raydrive.storage.journal.writer import JournalReader
from raydrive.testing.sweep_invariants import check_journal, picture

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]


def train(params: dict[str, Any]) -> None:
    run = Run.get_context()
    start = 0
    if run.resume_from:
        start = json.loads((Path(run.resume_from) / "state.json").read_text())
        run.log("went_on_at", start)
    folder = Path("state")
    folder.mkdir()
    for epoch in range(start + 1, start + 5):
        run.log("score", params["x"] * epoch)
        (folder / "state.json").write_text(str(epoch))
    run.save_checkpoint(folder)


def tuned(storage: str, trials: int, **options: Any) -> HyperDriveRun:
    sampling = options.pop("sampling", RandomParameterSampling({"x": uniform(0.5, 1)}))
    resources = Resources(cpus=0.5)
    return raydrive.tune(
        *(train, {}),
        metric="score",
        sampling=sampling,
        max_total_runs=trials,
        max_concurrent_runs=2,
        **{"resources": resources, "storage": storage, "experiment": "warm", "show_output": False, **options},
    )


def test_trials_go_on_and_the_model_starts_from_an_earlier_run(storage: str) -> None:
    parent = tuned(storage, 3)
    best = parent.get_best_run_by_primary_metric()
    assert best is not None
    sampling = BayesianParameterSampling({"x": uniform(0, 1)}, initial_points=3)
    config = HyperDriveConfig(
        *(sampling, "score", "maximize", 3, 1),
        policy=BanditPolicy(slack_amount=10),
        run_config=train,
        resources=Resources(cpus=0.5),
        seed=0,
        resume_from=[parent],
        resume_child_runs=[best],
    )
    run = Experiment(Workspace(storage), "warm").submit(config)
    shutil.rmtree(parent.uri)  # nothing depends on it any more
    run.wait_for_completion()
    assert run.get_status() == "Completed"
    first = run.get_child(0)
    assert first.params == best.params
    assert first.get_metrics()["went_on_at"] == 4
    assert list(run.sweep.curves.values(0)) == pytest.approx([best.params["x"] * k for k in range(1, 9)])
    assert [trial.origin for trial in run.sweep.trials] == ["resumed", "model", "model"]
    assert run.sweep.best is not None
    assert run.sweep.best.interval > 4
    again = HyperDriveRun.open(run.uri)
    assert picture(again.sweep) == picture(run.sweep)
    entries = JournalReader(run.layout.journal).read_lines()
    assert picture(check_journal(run.config, list(entries), again.sweep.warm_start)) == picture(run.sweep)
    resume(again.reader, address=None, limits={"max_total_runs": 4})  # another driver, which reads it all again
    again.wait_for_completion()
    assert [trial.origin for trial in again.sweep.trials] == ["resumed", "model", "model", "model"]
    assert picture(HyperDriveRun.open(run.uri).sweep) == picture(again.sweep)


SCRIPT = """
import os, sys
from raydrive.context import Run
run = Run.get_context()
print("arguments", sys.argv[1:])
if "--resume-from" in sys.argv:
    print("weights", open(sys.argv[sys.argv.index("--resume-from") + 1] + "/weights").read())
open("outputs/weights", "w").write(str(run.params["x"]))
for epoch in range(3):
    run.log("score", 1.0)
"""


def test_a_script_goes_on_from_the_outputs_of_a_trial_without_a_checkpoint(storage: str, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    target = ScriptRunConfig(tmp_path, "train.py", python=sys.executable)
    space = RandomParameterSampling({"x": uniform(0, 1)})

    def submit(**more: Any) -> HyperDriveRun:
        config = HyperDriveConfig(
            *(space, "score", "maximize", 2, 2), run_config=target, resources=Resources(cpus=0.5), seed=1, **more
        )
        run = Experiment(Workspace(storage), "warm").submit(config)
        run.wait_for_completion()
        return run

    parent = submit()
    run = submit(resume_child_runs=[f"{parent.id}_1"])
    went_on, fresh = run.get_child(0), run.get_child(1)
    assert f"weights {parent.get_child(1).params['x']}" in went_on.logs()
    assert "--resume-from" not in fresh.logs()
    assert run.sweep.curves.length(0) == 6
    assert "3 of them in" in went_on.why
    assert len(run.sweep.trials) == 2  # it counts in the budget
