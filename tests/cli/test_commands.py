"""The command line without a cluster: what it refuses and how, what it loads, what it prints where."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from raydrive.cli.app import run
from raydrive.cli.control import _check
from raydrive.cli.output import Format, emit, emit_one, resolve

BAD = Path(__file__).parent.parent / "bad_configs"
GOOD = """
type: sweep
experiment_name: good
trial: {command: "python train.py --x ${{search_space.x}}"}
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
    assert rows == [{"trial": 0, "param_x": 1, "command": "python train.py --x 1"}]
    assert run(["submit", good, "--dry-run", "--set", "limits.max_trials=1"]) == 2
    assert "max_total_trials" in capfd.readouterr().err
    assert not storage.exists()


def test_an_empty_storage(storage: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["list"]) == 0
    out, err = capfd.readouterr()
    assert (out, err) == ("", f"No runs in {storage}.\n")
    assert run(["list", "-o", "json"]) == 0
    assert json.loads(capfd.readouterr().out) == {"schema_version": 1, "runs": []}
    assert run(["status"]) == 2
    assert "there are no runs" in capfd.readouterr().err


def test_storage_from_flag_variable_and_file(
    storage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    flag = tmp_path / "flag żółw"
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


def loaded_by(*arguments: str) -> tuple[set[str], float]:
    """The heavy modules that a command has loaded when it ends, and the seconds of a core it took."""
    code = (
        "import sys; from raydrive.cli.app import run; run(sys.argv[1:]); "
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return set(result.stderr.split()), after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_help_is_light() -> None:
    modules, seconds = loaded_by("--help")
    assert not modules & {"ray", "numpy", "scipy", "sklearn", "plotly", "pyarrow", "pydantic"}
    fastest = min([seconds, *(loaded_by("--help")[1] for _ in range(3))])
    assert fastest < 0.5


def test_the_schema_is_data(storage: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["schema"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["title"] == "raydrive sweep"
    assert "yaml-language-server" in err


def test_validate_needs_no_ray(good: str) -> None:
    modules, _ = loaded_by("validate", good)
    assert not modules & {"ray", "scipy", "sklearn", "plotly", "pyarrow"}


def test_reading_needs_no_ray(storage: Path) -> None:
    modules, _ = loaded_by("list")
    assert not modules & {"ray", "sklearn", "plotly"}


# ---------------------------------------------------------------------- printing


def test_data_that_json_does_not_know(capfd: pytest.CaptureFixture[str]) -> None:
    emit_one({"value": float("nan"), "deep": {"x": [float("inf"), 1.5]}}, Format.JSON)
    assert json.loads(capfd.readouterr().out) == {"schema_version": 1, "value": None, "deep": {"x": [None, 1.5]}}


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
