"""The command line without a cluster: what it refuses and how, what it loads, what it prints where."""

from __future__ import annotations

import io
import json
import platform
import re
import shutil
import subprocess
import sys
import typing
from importlib import metadata
from pathlib import Path

import pytest

import raydrive
from raydrive.cli.app import app, run
from raydrive.cli.console import Format, emit, emit_one, resolve
from raydrive.cli.control import _check
from raydrive.sweepfile.loader import load_sweep

MAIN = "from raydrive.cli import main; main()"
BAD = Path(__file__).parent.parent / "bad_configs"
RELEASED = Path(__file__).parent.parent / "formats" / "0.1.0"
GOOD = """
type: sweep
experiment_name: good
trial: {code: code, command: "python train.py --x ${{search_space.x}}"}
search_space: {x: {type: choice, values: [1, 2.0, "a b"]}}
objective: {goal: maximize, primary_metric: score}
sampling_algorithm: {type: grid}
limits: {max_total_trials: 3}
"""


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A storage that does not exist yet, named by the environment; the current folder is an empty one."""
    place = tmp_path / "storage"
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("RAYDRIVE_STORAGE", str(place))
    return place


@pytest.fixture
def good(tmp_path: Path) -> str:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "train.py").touch()
    return str(path)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("bound_misspelt", "search_space.lr.max_vaule: found -2"),
        ("grid_of_continuous", "grid"),
        ("many_at_once", "problems:"),
        ("no_command", "command"),
        ("policy_both_slacks", "slack"),
        ("syntax_brace", "syntax_brace.yml:"),
        ("unknown_limit", "limits."),
        ("empty", "empty.yml"),
    ],
)
@pytest.mark.parametrize("command", ["submit", "validate"])
def test_a_broken_file_is_refused_with_its_place(
    storage: Path, capfd: pytest.CaptureFixture[str], command: str, name: str, says: str
) -> None:
    assert run([command, str(BAD / f"{name}.yml")]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert says in err
    assert f"{name}.yml" in err
    assert "Traceback" not in err
    assert not storage.exists()
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["submit"], "CONFIG"),
        (["submit", "nosuch.yaml"], "nosuch.yaml"),
        (["sumbit", "x.yaml"], "submit"),
        (["trials", "last", "--sort", "worst"], "worst"),
        (["status", "last", "-o", "xml"], "xml"),
        (["logs", "last", "first"], "TRIAL"),
        (["logs", "last", "-1"], "-1"),
        (["list", "--limt", "3"], "--limit"),
        (["list", "--limit", "0"], "--limit"),
        (["status", "nosuch"], "no run 'nosuch'"),
        (["cancel", "nosuch"], "no run 'nosuch'"),
        (["resume", "nosuch"], "no run 'nosuch'"),
        (["log", "accuracy"], "NAME=VALUE"),
    ],
)
def test_wrong_usage(storage: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], says: str) -> None:
    if arguments[0] == "log":
        code = subprocess.run([sys.executable, "-c", "from raydrive.cli import main; main()", *arguments]).returncode
    else:
        code = run(arguments)
    assert code == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert says in err
    assert "Traceback" not in err
    assert not storage.exists()


def test_detach_needs_a_cluster(storage: Path, good: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["submit", good, "--detach"]) == 2
    assert "a detached run needs a cluster" in capfd.readouterr().err


def test_a_dry_run_prints_commands_and_leaves_nothing(
    storage: Path, good: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["submit", good, "--dry-run"]) == 0
    out, err = capfd.readouterr()
    assert out.splitlines() == ["python train.py --x 1", "python train.py --x 2", "python train.py --x 'a b'"]
    assert "3 of up to 3 trials" in err
    assert run(["submit", good, "--dry-run", "-o", "json", "--set", "limits.max_total_trials=1"]) == 0
    rows = json.loads(capfd.readouterr().out)["trials"]
    assert rows == [{"trial": 0, "params": {"x": 1}, "command": "python train.py --x 1"}]
    assert run(["submit", good, "--dry-run", "--set", "limits.max_trials=1"]) == 2
    assert "max_total_trials" in capfd.readouterr().err
    assert not storage.exists()


@pytest.mark.parametrize(
    ("option", "allowed"),
    [
        ("--max-total-trials", "a whole number of 1 or more"),
        ("--max-concurrent-trials", "a whole number of 1 or more"),
        ("--timeout", "a number of seconds above 0"),
    ],
)
def test_a_limit_of_a_resume_is_refused_under_the_name_of_its_option(
    storage: Path, capfd: pytest.CaptureFixture[str], option: str, allowed: str
) -> None:
    shutil.copytree(RELEASED, storage)
    assert run(["resume", "old-20261128-120005-0005", option, "0"]) == 2
    assert re.search(f"  {option}: found 0(.0)?; allowed: {allowed}", capfd.readouterr().err)


def test_an_empty_storage(storage: Path, capfd: pytest.CaptureFixture[str]) -> None:
    storage.mkdir(exist_ok=True)
    assert run(["list"]) == 0
    out, err = capfd.readouterr()
    assert (out, err) == ("", f"No runs in {storage}.\n")
    assert run(["list", "-o", "json"]) == 0
    assert json.loads(capfd.readouterr().out) == {"schema_version": 2, "runs": []}
    assert run(["status"]) == 2
    assert "there are no runs" in capfd.readouterr().err


def test_a_storage_that_is_not_there(
    storage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A wrong name is no place without runs; the default folder appears with the first run."""
    assert run(["list"]) == 2
    told = f"RAYDRIVE_STORAGE: found '{storage}', which does not exist; allowed: a folder that exists"
    assert told in capfd.readouterr().err
    assert run(["list", "--storage", str(tmp_path / "none"), "-o", "json"]) == 2
    assert "--storage: found" in capfd.readouterr().err
    monkeypatch.delenv("RAYDRIVE_STORAGE")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert run(["list"]) == 0


def test_storage_from_flag_variable_and_file(
    storage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    flag = tmp_path / "flag żółw"
    for place in (flag, tmp_path / "toml"):
        place.mkdir()
    assert run(["list", "--storage", str(flag)]) == 0
    err = capfd.readouterr().err
    assert f"--storage {flag} is used; RAYDRIVE_STORAGE={storage} is not." in err
    assert f"No runs in {flag}." in err
    monkeypatch.delenv("RAYDRIVE_STORAGE")
    Path("raydrive.toml").write_text(f'storage = "{tmp_path}/toml"\n')
    assert run(["list"]) == 0
    assert capfd.readouterr().err == f"No runs in {tmp_path}/toml.\n"
    Path("raydrive.toml").write_text('strage = "x"\n')
    assert run(["list"]) == 2
    assert "Did you mean 'storage'?" in capfd.readouterr().err


def test_resolve_says_nothing_when_flag_and_variable_agree(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "a:1")
    assert resolve("a:1", "RAY_ADDRESS", "--address") == "a:1"
    assert resolve(None, "RAY_ADDRESS", "--address", "b:1") == "a:1"
    monkeypatch.delenv("RAY_ADDRESS")
    assert resolve(None, "RAY_ADDRESS", "--address", None, "b:1") == "b:1"
    assert resolve(None, "RAY_ADDRESS", "--address") is None
    assert capfd.readouterr().err == ""


# ---------------------------------------------------------------------- what is loaded


def loaded_by(*arguments: str) -> set[str]:
    """The packages that a command has loaded when it ends; how long it takes is measured in benchmarks/startup.py."""
    code = (
        "import sys; from raydrive.cli.app import run; run(sys.argv[1:]); "
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return set(result.stderr.split())


def test_help_is_light() -> None:
    heavy = {"ray", "numpy", "scipy", "sklearn", "plotly", "pyarrow", "pydantic", "ruamel", "aiohttp", "asyncio"}
    assert not loaded_by("--help") & heavy


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_the_version_names_what_a_report_of_a_bug_needs(option: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run([option]) == 0
    versions = (raydrive.__version__, platform.python_version(), metadata.version("ray"))
    assert capfd.readouterr() == ("raydrive {} (Python {}, Ray {})\n".format(*versions), "")


def test_the_version_is_light() -> None:
    assert not loaded_by("--version") & {"ray", "numpy", "scipy", "sklearn", "plotly", "pyarrow", "pydantic", "asyncio"}


def test_the_schema_is_data(storage: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["schema"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["title"] == "raydrive sweep"
    assert "yaml-language-server" in err


def test_validate_needs_no_ray(good: str) -> None:
    assert not loaded_by("validate", good) & {"ray", "scipy", "sklearn", "plotly", "pyarrow"}


def test_reading_needs_no_ray(storage: Path) -> None:
    assert not loaded_by("list") & {"ray", "sklearn", "plotly"}


# ---------------------------------------------------------------------- printing


def test_data_that_json_does_not_know(capfd: pytest.CaptureFixture[str]) -> None:
    emit_one({"value": float("nan"), "deep": {"x": [float("inf"), 1.5]}}, Format.JSON)
    assert json.loads(capfd.readouterr().out) == {"schema_version": 2, "value": None, "deep": {"x": [None, 1.5]}}


def test_a_cell_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    rows = [{"trial": 0, "why": "first\nsecond \x1b[31mred\x1b[0m"}, {"trial": 1, "why": ""}]
    emit(rows, Format.TABLE, name="trials")
    assert [line.rstrip() for line in capfd.readouterr().out.splitlines()] == [
        "trial  why",
        "    0  first second red",
        "    1  -",
    ]
    emit_one(rows[0], Format.TABLE)
    assert capfd.readouterr().out == "trial  0\nwhy    first second red\n"
    emit(rows, Format.CSV, name="trials")
    assert capfd.readouterr().out.splitlines()[1].startswith('0,"first')


def test_a_check_gives_advice_only_when_it_fails() -> None:
    assert _check("x", True, "fine", "do it")["advice"] == ""
    assert _check("x", False, "broken", "do it")["advice"] == "do it"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _on_terminal(monkeypatch: pytest.MonkeyPatch, width: int, rows: list[dict[str, object]]) -> list[str]:
    screen = _Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    emit(rows, Format.TABLE, name="rows")
    return [line.rstrip() for line in re.sub("\x1b\\[[0-9;]*m", "", screen.getvalue()).splitlines()]


def test_a_narrow_terminal_folds_hyperparameters_and_cuts_no_word(monkeypatch: pytest.MonkeyPatch) -> None:
    params = {f"param_{name}": 0.123456789 for name in ("learning_rate", "momentum", "weight_decay")}
    row = {"trial": 7, "state": "Completed", "best": 0.98765432, **params, "why": "ended by itself after 30 intervals"}
    wide = _on_terminal(monkeypatch, 200, [row])
    assert wide[0].split() == ["trial", "state", "best", "learning_rate", "momentum", "weight_decay", "why"]
    narrow = _on_terminal(monkeypatch, 60, [row])
    assert max(map(len, narrow)) <= 60
    assert "  7  Completed  0.9877  learning_rate=0.1235" in narrow[1]
    words = " ".join(narrow).split()
    assert {"momentum=0.1235", "weight_decay=0.1235", "intervals", "Completed"} <= set(words)


def test_what_fits_no_terminal_keeps_its_lines_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "experiment-20261125-170130-4bea"
    row = {"run": name, "experiment": "experiment", "status": "Completed"}
    assert _on_terminal(monkeypatch, 20, [row])[1].split() == [name, "experiment", "Completed"]
    stacked = _on_terminal(monkeypatch, 40, [row])
    assert [line.split() for line in stacked] == [
        ["run"],
        ["experiment", "status"],
        [name],
        ["experiment", "Completed"],
    ]


def test_help_fits_80_columns_and_says_what_everything_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for info in app.registered_commands:
        if info.callback is None:
            continue
        name = info.name or info.callback.__name__
        assert run([name, "--help"]) == 0
        text = capsys.readouterr().out
        assert "…" not in text, name
        assert "[[" not in text, name
        assert max(map(len, text.splitlines())) <= 80
        for argument, hint in typing.get_type_hints(info.callback, include_extras=True).items():
            for told in getattr(hint, "__metadata__", ()):
                assert told.help, (name, argument)


def test_a_reader_that_has_gone_is_no_failure(good: str) -> None:
    command = f"{sys.executable} -c '{MAIN}' submit {good} --dry-run | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (done.stdout, "Traceback" in done.stderr) == ("0\n", False)


def test_a_full_disk_is_not_a_bug_of_ours(good: str) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", MAIN, "submit", good, "--dry-run"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "This is a bug" not in done.stderr


@pytest.mark.parametrize("place", ["file", "below_a_file"])
def test_a_storage_that_cannot_be_used_is_refused_before_ray_is_started(
    tmp_path: Path, good: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def connect(*_: object, **__: object) -> None:
        raise AssertionError("Ray was started")

    monkeypatch.setattr("raydrive.runtime.ray_cluster.connection.connect", connect)
    (tmp_path / "file").write_text("")
    before = sorted(tmp_path.iterdir())
    storage = tmp_path / "file" if place == "file" else tmp_path / "file" / "runs"
    assert run(["submit", good, "--storage", str(storage)]) == 5
    assert "there is a file where a folder should be" in capfd.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


def test_a_script_that_is_not_there_is_refused_at_its_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "train.py").write_text("")
    path = tmp_path / "sweep.yaml"
    path.write_text(GOOD.replace('code: code, command: "python train.py', 'code: ., command: "python trian.py'))
    assert run(["validate", str(path)]) == 2
    err = capfd.readouterr().err
    assert "sweep.yaml:4:" in err
    assert "trial.command: found 'trian.py'" in err
    assert "Did you mean 'train.py'?" in err
    path.write_text(path.read_text().replace("trian", "train"))
    assert run(["validate", str(path)]) == 0
    assert "1 parameter, 3 configurations, up to 3 trials" in capfd.readouterr().err


def test_a_run_that_cannot_be_read_hides_no_other(storage: Path, good: str, capfd: pytest.CaptureFixture[str]) -> None:
    for name, config in (("good-20260101-000000-0001", ""), ("good-20260101-000000-0002", "junk{")):
        folder = storage / "good" / name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(config or json.dumps(load_sweep(good).submission.config.to_json()))
    assert run(["list", "-o", "json"]) == 0
    out, err = capfd.readouterr()
    assert [row["run"] for row in json.loads(out)["runs"]] == ["good-20260101-000000-0001"]
    assert "cannot read the configuration of run good-20260101-000000-0002" in err
    assert run(["status", "good-20260101-000000-0002"]) == 5
    assert "config.json is damaged" in capfd.readouterr().err
    assert run(["status", str(storage / "good" / "good-20260101-000000-0001"), "--storage", "elsewhere"]) == 0
    assert "good-20260101-000000-0001" in capfd.readouterr().out


@pytest.mark.parametrize("text", ["{}", "x{", '{"cells": 1, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}'])
def test_what_is_no_notebook_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str) -> None:
    (tmp_path / "tune.ipynb").write_text(text)
    assert run(["run-notebook", str(tmp_path / "tune.ipynb")]) == 2
    assert "allowed: a notebook (.ipynb)" in capfd.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["tune.ipynb"]
