"""What a command does when nobody reads it any more, and when the current folder is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from raydrive.api.display.unbroken_stream import Unbroken
from raydrive.cli.app import run

SWEEP = """\
type: sweep
trial: {command: "raydrive log acc=0.5"}
search_space: {lr: {type: choice, values: [1, 2]}}
objective: {goal: maximize, primary_metric: acc}
sampling_algorithm: grid
"""


def test_a_stream_whose_reader_has_gone_drops_what_comes() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w", buffering=1) as pipe:
        stream = Unbroken(pipe)
        stream.write("read\n")
        assert os.read(reader, 100) == b"read\n"
        os.close(reader)
        for _ in range(3):
            assert stream.write("dropped\n") == 8
            stream.flush()
        assert stream.broken
        os.dup2(os.open(os.devnull, os.O_WRONLY), writer)  # else the file fails to close


def test_other_failures_of_a_stream_are_failures() -> None:
    with open("/dev/full", "w", buffering=1) as full:
        stream = Unbroken(full)
        with pytest.raises(OSError, match="No space"):
            stream.write("x\n")
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())


@pytest.mark.ray
@pytest.mark.parametrize("form", ["table", "json"])
def test_a_closed_pipe_does_not_end_a_run(tmp_path: Path, form: str) -> None:
    (tmp_path / "sweep.yml").write_text(SWEEP)
    raydrive = Path(sys.executable).with_name("raydrive")
    environment = {**os.environ, "RAYDRIVE_STORAGE": str(tmp_path / "runs")}
    piped = f"{raydrive} submit sweep.yml -o {form} 2>&1 | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", piped], cwd=tmp_path, env=environment, text=True, capture_output=True, timeout=120
    )
    assert done.stdout.splitlines()[-1] == "0", done.stdout + done.stderr
    shown = subprocess.run([raydrive, "list"], cwd=tmp_path, env=environment, text=True, capture_output=True)
    assert "Completed" in shown.stdout


@pytest.mark.parametrize(
    "command",
    [
        "list",
        "status last",
        "validate x.yml",
        "submit x.yml",
        "schema",
        "doctor",
        "convert x.py",
        "export last --to csv",
    ],
)
def test_a_deleted_current_folder_has_a_sentence(
    tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    try:
        assert run(command.split()) == 2
    finally:
        os.chdir(tmp_path)
    assert "the current folder: found a folder that was deleted" in capsys.readouterr().err
