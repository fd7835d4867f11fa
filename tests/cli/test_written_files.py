"""What ``export`` and ``report`` write, and that no folder is made without a word; what ``list`` says of no runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from recorded import by_hand, config, create, write

from raydrive.cli.app import run
from raydrive.core.space.search_space import uniform


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A storage with a run of two trials; the current folder is an empty one."""
    place = tmp_path / "storage"
    run_config = config(2, space={"x": uniform(0, 1)}, experiment="digits")
    layout = create(place, run_config, "digits-20260101-000000-aaaa")
    write(layout, by_hand(run_config, [({"x": 0.1}, (0.5, 0.6), 0, ""), ({"x": 0.2}, (0.7,), 0, "")]))
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("RAYDRIVE_STORAGE", str(place))
    return place


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_file_that_is_named_is_a_file(storage: Path, capfd: pytest.CaptureFixture[str], kind: str) -> None:
    assert run(["export", "--to", kind, "-o", f"exp.{kind}"]) == 0
    assert capfd.readouterr().out.split() == [f"exp.{kind}", f"exp-metrics.{kind}"]
    assert sorted(os.listdir()) == [f"exp-metrics.{kind}", f"exp.{kind}"]
    assert all(Path(name).is_file() for name in os.listdir())


@pytest.mark.parametrize("kind", ["csv", "parquet", "json"])
def test_a_folder_gets_files_of_the_runs_name(storage: Path, kind: str) -> None:
    Path("out").mkdir()
    assert run(["export", "--to", kind, "-o", "out"]) == 0
    assert all(name.startswith("digits-20260101-000000-aaaa") for name in os.listdir("out"))


@pytest.mark.parametrize("kind", ["csv", "parquet", "json", "tensorboard"])
def test_an_export_makes_no_folders_above_its_own(
    storage: Path, capfd: pytest.CaptureFixture[str], kind: str, tmp_path: Path
) -> None:
    target = tmp_path / "new" / "folder" / f"x.{kind}"
    assert run(["export", "--to", kind, "-o", str(target)]) == 2
    assert (
        f"but there is no folder {target.parent}; allowed: a path in an existing folder. mkdir -p {target.parent}"
        in (capfd.readouterr().err)
    )
    assert not (tmp_path / "new").exists()


def test_a_report_makes_no_folder(storage: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    target = tmp_path / "new folder" / "x.html"
    assert run(["report", "-o", str(target)]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert f"mkdir -p '{target.parent}'" in err
    assert not target.parent.exists()
    target.parent.mkdir()
    assert run(["report", "-o", str(target)]) == 0
    assert target.read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_an_experiment_without_runs_is_not_a_storage_without_runs(
    storage: Path, capfd: pytest.CaptureFixture[str], form: str
) -> None:
    assert run(["list", "--experiment", "digts", "-o", form]) == 0
    out, err = capfd.readouterr()
    assert err == f"No runs of experiment 'digts' in {storage}; there are runs of: digits. Did you mean 'digits'?\n"
    if form == "json":
        assert json.loads(out)["runs"] == []
    assert run(["status", "digts/last"]) == 2
    assert "has no experiment 'digts'. Hint: Did you mean 'digits'?" in capfd.readouterr().err


def completed(*words: str) -> list[str]:
    """What bash is offered for the last of the words."""
    line = " ".join(("raydrive", *words))
    env = {**os.environ, "_RAYDRIVE_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words))}
    code = "from raydrive.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.stdout.split()


def test_a_shell_completes_runs_trials_and_experiments(storage: Path) -> None:
    assert completed("status", "dig") == ["digits-20260101-000000-aaaa"]
    assert completed("watch", "l") == ["last"]
    assert completed("logs", "last", "''") in (["0", "1"], [])
    assert completed("logs", "last", "1") == ["1"]
    assert completed("list", "--experiment", "d") == ["digits"]
    assert completed("export", "--to", "cs") == ["csv"]


def test_completion_is_silent_where_nothing_can_be_read(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYDRIVE_STORAGE", "/dev/null/x")
    assert completed("status", "dig") == []
    assert completed("logs", "nosuch", "1") == []
