"""Rules of a run on a real cluster: its end by a target, trials out of memory, and what is told of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_until

from raydrive import (
    Experiment,
    GridParameterSampling,
    HyperDriveConfig,
    HyperDriveRun,
    RandomParameterSampling,
    Resources,
    Run,
    Workspace,
    choice,
    uniform,
)
from raydrive.core import records
from raydrive.core.records import FAILED, EndRun, Launch

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]
MIB = 2**20


def submitted(tmp_path: Path, **options: Any) -> HyperDriveRun:
    sampling = options.pop("sampling", None) or RandomParameterSampling({"x": uniform(0, 1)})
    config = HyperDriveConfig(sampling, "score", "maximize", seed=0, max_concurrent_runs=2, **options)
    run = Experiment(Workspace(tmp_path / "runs"), "rules").submit(config)
    run.wait_for_completion()
    return run


def decisions(run: HyperDriveRun, kind: type[Any]) -> list[Any]:
    lines = [
        line for file in sorted((Path(run.uri) / "journal").glob("e*.jsonl")) for line in file.read_text().splitlines()
    ]
    found = []
    for line in lines:
        text = line.rpartition("]")[0] + "]"
        if text.startswith('[{"kind"'):
            found += [one for one in records.load(text)[1] if isinstance(one, kind)]
    return found


def train(params: dict[str, Any]) -> None:
    run = Run.get_context()
    for step in range(1, 6):
        run.log("score", step * params["x"])


def test_a_target_ends_a_run_and_a_command_is_told(tmp_path: Path) -> None:
    told = tmp_path / "told.jsonl"
    run = submitted(
        tmp_path,
        run_config=train,
        max_total_runs=50,
        finish_when={"target": 2.0},
        notify={"command": f"cat >> {told}; echo >> {told}", "on": ["finished"]},
    )
    assert run.get_status() == "Completed"
    (end,) = decisions(run, EndRun)
    assert end.rule == "target"
    assert end.numbers["value"] >= 2.0
    assert len(run.sweep.trials) < 50
    wait_until(lambda: told.exists() and told.read_text().endswith("\n"), "the notice")
    (notice,) = map(json.loads, told.read_text().splitlines())
    assert notice["event"] == "finished"
    assert notice["why"] == end.why
    assert "told.jsonl" not in (Path(run.uri) / "driver.json").read_text()


def out_of_memory(params: dict[str, Any]) -> None:
    """Ends as a trial does that the kernel has killed, until it has more memory; or as one without a GPU's memory."""
    run = Run.get_context()
    if params["kind"] == "gpu":
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
    mark = Path(params["mark"])
    if params["kind"] == "host" and len(list(mark.parent.glob("mark-*"))) < 2:
        (mark.parent / f"mark-{len(list(mark.parent.glob('mark-*')))}").touch()
        raise RuntimeError("out of memory: the kernel killed it")
    run.log("score", 1.0)


def test_trials_out_of_memory_start_again_with_more_or_are_infeasible(tmp_path: Path) -> None:

    run = submitted(
        tmp_path,
        sampling=GridParameterSampling({"kind": choice("gpu", "host", "fine"), "mark": choice(str(tmp_path / "mark"))}),
        run_config=out_of_memory,
        max_total_runs=3,
        first_failures=1,
        resources=Resources(cpus=1, memory=100 * MIB),
        on_oom={"memory": "x2", "up_to": "1GiB"},
    )
    by_kind = {trial.params["kind"]: trial for trial in run.sweep.trials}
    assert run.get_status() == "Completed"
    assert by_kind["gpu"].state == FAILED
    assert by_kind["gpu"].infeasible
    assert by_kind["gpu"].why.startswith("infeasible: GPU out of memory: ")
    assert by_kind["host"].state == "Completed"
    amounts = [one.memory for one in decisions(run, Launch) if one.trial == by_kind["host"].number]
    assert amounts == [None, 200 * MIB, 400 * MIB]
