"""What commands that are printed for a reader have to name, and the note on time when a run continues."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from raydrive.api.display.command_text import in_commands
from raydrive.api.display.text import time_left_text
from raydrive.core.config.run_config import RunConfig
from raydrive.core.records import Began, Ended, Started, Suggested, dump
from raydrive.core.sweep.sweep import Sweep
from raydrive.storage.journal.writer import JournalWriter
from raydrive.storage.run_layout import RunLayout
from raydrive.storage.run_reader import RunReader
from raydrive.testing.runners import function_config


def test_a_run_in_the_usual_storage_is_named_by_its_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = RunLayout.open(str(tmp_path / "runs" / "digits" / "digits-1"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert in_commands(layout) == f"digits-1 --storage {tmp_path}/runs"
    Path("raydrive.toml").write_text('storage = "runs"\n')
    assert in_commands(layout) == "digits-1"
    monkeypatch.setenv("RAYDRIVE_STORAGE", str(tmp_path / "other"))
    assert in_commands(layout) == f"digits-1 --storage {tmp_path}/runs"
    usual = RunLayout.open(str(tmp_path / "other" / "digits" / "digits-1"))
    assert in_commands(usual) == "digits-1"
    monkeypatch.delenv("RAYDRIVE_STORAGE")
    Path("raydrive.toml").unlink()
    assert in_commands(RunLayout.open(str(tmp_path / "home" / "raydrive" / "digits" / "digits-1"))) == "digits-1"


def test_options_of_a_uri_stay_with_it_and_a_shell_reads_it() -> None:
    layout = RunLayout.open("s3://bucket/runs/digits/digits-1?endpoint_override=localhost:5555&scheme=http")
    assert in_commands(layout) == (
        "digits-1 --storage 's3://bucket/runs?endpoint_override=localhost%3A5555&scheme=http&region=us-east-1'"
    )


@pytest.mark.parametrize(
    ("limit_s", "note"),
    [
        (None, ""),
        (7 * 86400.0, ""),
        (
            60.0,
            "Note: the run's timeout of 60 s covers all its sessions: 43.5 s are used, 16.5 s are left. --timeout sets "
            "another one.",
        ),
    ],
)
def test_a_run_that_continues_has_a_note_on_its_time(tmp_path: Path, limit_s: float | None, note: str) -> None:
    config: RunConfig = function_config(max_duration_s=limit_s)
    layout = RunLayout.create(str(tmp_path), "study", "study-20261119-120000-00ab")
    layout.write_config(json.dumps(config.to_json()).encode())
    sweep = Sweep(config)
    facts = [
        Started(1000.0, 1),
        Suggested(1000.0, 0, {"x": 0}, "grid"),
        Began(1000.0, 0, 1),
        Ended(1043.5, 0, 1, 0, ""),
    ]
    with JournalWriter.open(layout.journal) as writer:
        writer.append([dump(fact, sweep.handle(fact)) for fact in facts])
    assert time_left_text(RunReader.open(layout)) == note
