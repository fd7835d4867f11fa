"""What ``-o json`` prints is what ``docs/json.md`` describes, key by key, for every command that has it."""

from __future__ import annotations

import csv
import inspect
import io
import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from raydrive.cli.app import app, run
from raydrive.cli.console import Format
from raydrive.core.views.json_output import SCHEMA_VERSION, finite

ROOT = Path(__file__).parent.parent.parent
RELEASED = ROOT / "tests" / "formats" / "0.1.0"
EMPTY = inspect.Parameter("output", inspect.Parameter.KEYWORD_ONLY)
PAGE = (ROOT / "docs" / "json.md").read_text()
TYPES: dict[str, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str),
    "whole number": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "true or false": lambda value: isinstance(value, bool),
    "list": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}
SWEEP = """\
type: sweep
trial: {command: "echo ${{search_space.x}}"}
search_space: {x: {type: choice, values: [1, 2.0, "a b"]}}
objective: {goal: maximize, primary_metric: score}
sampling_algorithm: {type: grid}
limits: {max_total_trials: 3}
"""
RUNS = ["old-20261128-120001-0001", "old-20261128-120003-0003", "old-20261128-120005-0005"]
"""A run that is over, one that was warm-started, and one that was interrupted."""


def described(section: str) -> dict[str, str]:
    """The keys of a section of the page with their types, but those that only some runs have."""
    text = re.split(r"(?m)^## ", PAGE.split(f"\n## {section}\n", 1)[1])[0]
    rows = re.findall(r"(?m)^\| `([^`]+)` \| ([^|]+?) \| ([^|]*)", text)
    some = tuple(key for key, _, what in rows if what.startswith("only in a run with"))
    return {key: kind for key, kind, _ in rows if not (some and key.startswith(some))}


def is_a(kind: str, value: Any) -> bool:
    if kind == "true or false":
        return TYPES[kind](value)
    return any(TYPES[one](value) for one in kind.split(" or "))


def differences(found: Mapping[str, Any], keys: Mapping[str, str]) -> list[str]:
    """What is not as the page has it: keys that are not there or not described, values of another type."""
    out = []
    top = {key: kind for key, kind in keys.items() if "[]." not in key}
    out += [f"not described: {key}" for key in found.keys() - top.keys() - {"schema_version"}]
    for key, kind in top.items():
        if key not in found:
            out.append(f"not there: {key}")
        elif not is_a(kind, found[key]):
            out.append(f"{key} is no {kind}: {found[key]!r}")
        below = {name.removeprefix(f"{key}[]."): kind for name, kind in keys.items() if name.startswith(f"{key}[].")}
        for row in found.get(key, ()) if below else ():
            out += [f"{key}[]: {one}" for one in differences(row, below)]
    return out


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A storage with runs of an earlier version, and a folder with a sweep file."""
    shutil.copytree(RELEASED, tmp_path / "storage")
    (tmp_path / "sweep.yml").write_text(SWEEP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAYDRIVE_STORAGE", str(tmp_path / "storage"))
    return tmp_path


COMMANDS: list[tuple[str, list[str]]] = [
    ("list", ["list"]),
    *(("status", ["status", name]) for name in RUNS),
    *(("trials", ["trials", name]) for name in RUNS),
    *(("best", ["best", name]) for name in RUNS),
    *(("whatif", ["whatif", name]) for name in RUNS),
    ("whatif", ["whatif", RUNS[0], "--policy", '{"type": "bandit", "slack_factor": 0.2}']),
    ("submit --dry-run", ["submit", "sweep.yml", "--dry-run"]),
    ("validate", ["validate", "sweep.yml"]),
    ("compare", ["compare", *RUNS]),
    *(("history", ["history", name]) for name in RUNS),
    ("diff", ["diff", *RUNS[:2]]),
    ("edit", ["edit", RUNS[0], "--set", "limits.max_total_trials=99", "--dry-run"]),
    ("edit", ["edit", RUNS[0], "--set", "limits.max_total_trials=99"]),
    ("edit", ["retry", RUNS[0], "0"]),
    ("edit", ["note", RUNS[0], "1", "looks odd", "--tag", "by=ada"]),
    ("doctor", ["doctor"]),
    ("track", ["track", RUNS[0], "--to", "tensorboard=boards"]),
    ("explain", ["explain"]),
    ("explain", ["explain", "limits.timeout"]),
]
ON_A_CLUSTER = {"submit", "resume"}
"""Commands that print the best trial when the run is over; what they print is what ``best`` prints."""
LIKE_EDIT = {"pause", "unpause", "add", "retry", "stop", "cancel", "note"}
"""Commands that print what ``edit`` prints."""


@pytest.mark.parametrize(("section", "arguments"), COMMANDS, ids=lambda value: " ".join(value)[:50])
def test_json_is_as_described(
    place: Path, capfd: pytest.CaptureFixture[str], section: str, arguments: list[str]
) -> None:
    assert run([*arguments, "-o", "json"]) in (0, 5 if section == "doctor" else 0)
    found = json.loads(capfd.readouterr().out, parse_constant=lambda text: pytest.fail(f"{text} is not JSON"))
    assert found["schema_version"] == SCHEMA_VERSION == 2
    keys = described(section)
    assert keys
    assert differences(found, keys) == []


def test_every_command_with_json_is_described() -> None:
    found = set()
    for one in app.registered_commands:
        assert one.callback is not None
        if inspect.signature(one.callback).parameters.get("output", EMPTY).default is Format.TABLE:
            found.add(one.name or one.callback.__name__)
    assert found == {section.split()[0] for section, _ in COMMANDS} | ON_A_CLUSTER | LIKE_EDIT


def test_an_export_is_as_described(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in RUNS:
        assert run(["export", name, "--to", "json", "-o", "run.json"]) == 0
        found = json.loads((place / "run.json").read_text())
        assert found["schema_version"] == SCHEMA_VERSION
        assert differences(found, described("export --to json")) == []


def read(capfd: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capfd.readouterr()
    run([*arguments, "-o", "json"])
    return json.loads(capfd.readouterr().out)


@pytest.mark.parametrize("name", RUNS)
def test_list_and_status_count_the_same(place: Path, capfd: pytest.CaptureFixture[str], name: str) -> None:
    (listed,) = [one for one in read(capfd, "list")["runs"] if one["run"] == name]
    shown = read(capfd, "status", name)
    states = ["queued", "running", "interrupted", "paused", "completed", "canceled", "failed"]
    counts = ["trials", "trials_ended", "max_total_trials", *states]
    assert [listed[key] for key in counts] == [shown[key] for key in counts]
    assert sum(shown[key] for key in states) == shown["trials"] == len(read(capfd, "trials", name)["trials"])
    assert shown["trials_ended"] == sum(shown[key] for key in states[4:])


def test_tables_count_the_same(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["list"]) == run(["status", RUNS[2]]) == 0
    out = capfd.readouterr().out
    (row,) = [line.split() for line in out.splitlines() if line.startswith(RUNS[2])]
    assert row[3] == "2/8"
    assert re.search(r"(?m)^trials +2/8$", out)


def test_hyperparameters_have_one_form(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rows = {one["trial"]: one["params"] for one in read(capfd, "trials", RUNS[0])["trials"]}
    best = read(capfd, "best", RUNS[0])
    assert best["params"] == rows[best["trial"]]
    assert best["params"]["kind"] == {"deep": [1, 2.5]}
    assert run(["export", RUNS[0], "--to", "json", "-o", "run.json"]) == 0
    exported = json.loads((place / "run.json").read_text())["trials"]
    assert {one["trial"]: one["params"] for one in exported} == rows
    (continued,) = read(capfd, "status", RUNS[1])["continued"]
    assert continued["params"] == rows[continued["trial"]]


def test_csv_has_a_column_for_each_hyperparameter(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["trials", RUNS[0], "--sort", "number", "-o", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capfd.readouterr().out)))
    assert [row["param_x"] for row in rows[:1]] == ["0.8050029237453802"]
    assert "params" not in rows[0]
    assert run(["list", "-o", "csv"]) == 0
    (row,) = [row for row in csv.DictReader(io.StringIO(capfd.readouterr().out)) if row["run"] == RUNS[2]]
    assert (row["trials"], row["trials_ended"], row["max_total_trials"], row["interrupted"]) == ("4", "2", "8", "2")


def test_a_run_without_a_best_trial(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    journal = place / "storage" / "old" / RUNS[2] / "journal"
    shutil.rmtree(journal)
    journal.mkdir()
    assert run(["best", RUNS[2], "-o", "json"]) == 3
    out, err = capfd.readouterr()
    assert json.loads(out) == {"schema_version": SCHEMA_VERSION, "run": RUNS[2], "trial": None}
    assert "has no best trial" in err


def test_a_file_that_is_not_valid(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (place / "sweep.yml").write_text(SWEEP.replace("max_total_trials: 3", "max_total_trials: 0"))
    assert run(["validate", "sweep.yml", "-o", "json"]) == 2
    found = json.loads(capfd.readouterr().out)
    assert (found["config"], found["valid"]) == ("sweep.yml", False)
    (problem,) = found["problems"]
    assert (problem["where"], problem["found"]) == ("limits.max_total_trials", "0")
    assert problem["place"].startswith("sweep.yml:6:")
    assert problem["allowed"] == "a whole number of 1 or more"


def test_numbers_that_json_does_not_know_are_null() -> None:
    given = {"a": float("nan"), "b": [float("inf"), 1, 0.5, True, "nan"], 3: (None,)}
    assert finite(given) == {"a": None, "b": [None, 1, 0.5, True, "nan"], "3": [None]}
