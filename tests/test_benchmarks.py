"""The benchmarks that need no cluster run, go on after a cut, and count as they say."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"


def module(name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A script of the folder as a module, under a name of its own."""
    monkeypatch.syspath_prepend(str(FOLDER))  # the modules import each other
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    made: ModuleType = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, made)
    spec.loader.exec_module(made)
    return made


def run(made: Any, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", [made.__file__, *words])
    monkeypatch.setattr(sys, "path", list(sys.path))
    return int(made.main())


def test_quality_prints_regret_rank_and_cost_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quality = module("quality", monkeypatch)
    tasks = tmp_path / "few_tasks.py"
    tasks.write_text(
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('own_tasks', {str(FOLDER / 'own_tasks.py')!r})\n"
        "own = sys.modules['own_tasks'] = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(own)\n"
        "def tasks():\n    return [task for task in own.tasks() if task.name in ('branin', 'tree5')]\n"
    )
    record = tmp_path / "cells.jsonl"
    words = ["--tasks", str(tasks), "--trials", "17", "--samplers", "raydrive,raydrive-tpe", "--no-timing"]
    assert run(quality, monkeypatch, *words, "--seeds", "1", "--record", str(record)) == 0
    assert len(record.read_text().splitlines()) == 2 * 2 * 2  # tasks, samplers, in flight
    capsys.readouterr()
    played = record.read_text().splitlines(keepends=True)
    record.write_text("".join(played[:3]))  # a cut
    assert run(quality, monkeypatch, *words, "--seeds", "1", "--record", str(record)) == 0
    cells = [json.loads(line) for line in record.read_text().splitlines()]
    assert len(cells) == 8
    assert "".join(played[:3]) == record.read_text()[: len("".join(played[:3]))]
    assert [cell["regret"] for cell in cells] == [json.loads(line)["regret"] for line in played]
    out = capsys.readouterr().out
    assert "17 trials, 4 in flight, 1 seeds, 2 tasks" in out
    assert "| sampler | mean regret | standard error | average rank |" in out
    mean = np.mean([cell["regret"] for cell in cells if cell["sampler"] == "raydrive" and cell["workers"] == 1])
    assert f"| raydrive | {mean:.3f} |" in out


def test_quality_times_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    quality = module("quality", monkeypatch)
    words = ["--only-timing", "--samplers", "raydrive-tpe", "--counts", "12,20", "--clock", "cpu"]
    assert run(quality, monkeypatch, *words) == 0
    out = capsys.readouterr().out
    assert "| sampler | 12 | 20 |" in out
    assert "in flight" not in out


def test_own_tasks_are_as_good_as_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    own = module("own_tasks", monkeypatch)
    rng = np.random.default_rng(0)
    for task in own.tasks():
        values = [
            task.evaluate({dim["name"]: own.at(dim, u) for dim, u in zip(task.space, row, strict=True)})
            for row in rng.random((60, len(task.space)))
        ]
        assert np.all(np.isfinite(values)), task.name
        assert task.optimum < task.rs_median < np.median(values), task.name
        assert min(values) >= task.optimum - 1e-9, task.name


def test_tasks_of_weak_kinds_are_as_good_as_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    families = importlib.import_module("own_kinds.families")
    sets = [importlib.import_module(f"own_kinds.{name}").tasks() for name in ("choose", "check")]
    assert not {task.name for task in sets[0]} & {task.name for task in sets[1]}
    rng = np.random.default_rng(0)
    for task in (*sets[0], *sets[1]):
        draws = {dim["name"]: families.spread(dim, rng.random(60)) for dim in task.space}
        values = task.function(draws)
        alone = task.evaluate({name: column[7] for name, column in draws.items()})
        assert values[7] == pytest.approx(alone), task.name
        assert np.all(np.isfinite(values)), task.name
        assert task.optimum < task.rs_median < np.median(values), task.name
        assert min(values) >= task.optimum - 1e-9, task.name


def test_the_suite_says_how_often_a_figure_was_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    suite = module("suite", monkeypatch)
    page = tmp_path / "LOG.md"
    page.write_text("before\n" + "\n".join([*suite.MARKS, "between", *suite.PEER_MARKS]) + "\nafter\n")
    monkeypatch.setattr(suite, "PAGE", page)

    def record(ratio: float, seconds: float) -> dict[str, Any]:
        figures = [
            suite.Figure("a", "trials", [ratio * 50], "/s", "floor", [50.0], ">= 0.7"),
            suite.Figure("b", "import", [seconds, seconds + 2, seconds + 4], "s", reach="<= 5"),
        ]
        return {"setting": "raydrive 0, 2 cores, load 1 1 1", "load": "0.1 to 0.2", "figures": figures}

    suite.write_page([{"x": record(0.8, 1)}, {}, {"x": record(0.6, 2)}], suite.MARKS)
    suite.write_page([{"y": record(0.9, 1)}], suite.PEER_MARKS)
    text = page.read_text()
    assert "| trials | 35 (30 to 40) /s | floor: 50 (50 to 50) | 0.7 (0.6 to 0.8) | >= 0.7: **in 1 of 2** |" in text
    assert "| import | 3.5 (3 to 4) s |  |  | <= 5: in 2 of 2 |" in text
    assert "| import | 3 (1 to 5) s |  |  | <= 5: yes |" in text
    assert (
        text.index("`benchmarks/x.py` (load 0.1 to 0.2, 0.1 to 0.2)")
        < text.index("between")
        < text.index("`benchmarks/y")
    )
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")


def test_the_suite_finds_the_places_of_its_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    suite = module("suite", monkeypatch)
    text = suite.PAGE.read_text()
    assert [text.count(mark) for mark in (*suite.MARKS, *suite.PEER_MARKS)] == [1, 1, 1, 1]


def test_the_performance_page_names_benchmarks_that_exist() -> None:
    page = (FOLDER.parent / "docs" / "performance.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith("| what")]
    named = [line.split("|")[-2].strip().removesuffix(", peers") for line in rows]
    assert len(named) > 25
    assert [name for name in named if not (FOLDER / name).is_file()] == []
