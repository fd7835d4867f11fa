"""A run whose record is damaged: what is shown of it, what is said, and how it goes on."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import damaged_runs
import pytest

from raydrive.api.run import HyperDriveRun
from raydrive.api.submit.launch import resume
from raydrive.cli.app import run as raydrive
from raydrive.core.errors import ClusterError, DamagedJournalError, RaydriveError
from raydrive.core.views.heartbeat import NO_HEARTBEAT, Heartbeat, dump_heartbeat, parse_heartbeat
from raydrive.storage.journal.writer import JournalReader
from raydrive.storage.run_layout import RunLayout


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunLayout:
    monkeypatch.setenv("RAYDRIVE_STORAGE", str(tmp_path / "storage"))
    monkeypatch.chdir(tmp_path)
    return damaged_runs.recorded(tmp_path / "storage")


def last_segment(layout: RunLayout) -> Path:
    return max(path for path in Path(layout.uri, "journal").glob("e*.jsonl") if "-00000000" not in path.name)


def count(layout: RunLayout) -> int:
    return sum(1 for _ in JournalReader(layout.journal).read())


def test_a_torn_tail_is_in_status(layout: RunLayout, capfd: pytest.CaptureFixture[str]) -> None:
    with last_segment(layout).open("ab") as file:
        file.write(b'[{"kind":"Reported","at":17')
    assert raydrive(["status"]) == 0
    out = capfd.readouterr().out
    assert f"an unfinished line (27 bytes) at the end of segment {last_segment(layout).name} ignored" in out


def test_what_a_live_driver_is_just_writing_is_no_notice(layout: RunLayout) -> None:
    whole = last_segment(layout).read_bytes()
    last_segment(layout).write_bytes(whole[: whole.rindex(b'[{"kind":"Ended"')] + b'[{"kind"')  # not over yet
    layout.write_driver(dump_heartbeat({"state": "Running", "at": time.time(), "epoch": 3}))
    run = HyperDriveRun.open(layout.uri)
    assert (run.get_status(), run.notices) == ("Running", [])
    layout.write_driver(dump_heartbeat({"state": "Running", "at": time.time() - 999, "epoch": 3}))
    run = HyperDriveRun.open(layout.uri)
    assert run.get_status() == "NotResponding"
    assert "an unfinished line (8 bytes)" in run.notices[0]


def test_entries_that_are_gone_are_counted_and_not_gone_on_without(
    layout: RunLayout, capfd: pytest.CaptureFixture[str]
) -> None:
    entries, segment = count(layout), last_segment(layout)
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(lines[:-3]))  # at the end of a line: nothing in the journal tells
    said = f"3 entries are missing at the end of the journal: its driver had recorded {entries}, {entries - 3} are"
    assert raydrive(["status"]) == 5
    out, err = capfd.readouterr()
    assert said in out
    assert said in err
    assert "Damaged" in out
    run = HyperDriveRun.open(layout.uri)
    with pytest.raises(DamagedJournalError, match=f"--up-to {entries - 3}"):
        resume(run.reader, address="local")
    assert run.cut(entries - 3).get_status() == "Interrupted"
    assert raydrive(["status"]) == 0


def test_a_damaged_entry_is_named_and_what_stands_before_it_is_shown(
    layout: RunLayout, capfd: pytest.CaptureFixture[str]
) -> None:
    segment = last_segment(layout)
    before = count(layout) - segment.read_bytes().count(b"\n") + 2
    segment.write_bytes(segment.read_bytes().replace(b'"value":0.', b'"value":1.', 1))
    assert raydrive(["status", "-o", "json"]) == 5
    out, err = capfd.readouterr()
    shown = json.loads(out)
    assert shown["status"] == "Damaged"
    assert shown["trials"] > 0
    assert f"segment {segment.name} is not what was written" in err
    run = HyperDriveRun.open(layout.uri)
    assert before <= run.reader.entries < count_of_lines(layout)
    assert run.get_best_run_by_primary_metric() is not None
    with pytest.raises(RaydriveError, match="is damaged"):
        run.wait_for_completion()
    for command in (["trials"], ["best"], ["report", "-o", "report.html"], ["export", "--to", "csv", "-o", "tables"]):
        raydrive(command)
        assert "not what was written" in capfd.readouterr().err, command


def count_of_lines(layout: RunLayout) -> int:
    return sum(path.read_bytes().count(b"\n") for path in Path(layout.uri, "journal").glob("e*.jsonl"))


def test_one_bad_run_does_not_harm_the_list(layout: RunLayout, capfd: pytest.CaptureFixture[str]) -> None:
    storage = Path(layout.uri).parent.parent
    for number, (name, content) in enumerate(
        [
            ("config.json", b"[1]"),
            ("driver.json", b"[]"),
            ("driver.json", b'{"at": "x", "state": 5, "waiting": [1], "epoch": null}'),
            ("journal/e0001-00000001.jsonl", b"\0" * 900),
            ("journal/e0001-00000001.jsonl", b"not a header\nnor lines\n"),
        ]
    ):
        copy = storage / "fuzz" / f"fuzz-20261128-13000{number}-0002"
        shutil.copytree(layout.uri, copy)
        (copy / name).write_bytes(content)
    assert raydrive(["list", "-o", "json"]) == 0
    out, err = capfd.readouterr()
    states = [row["status"] for row in json.loads(out)["runs"]]
    assert sorted(states) == ["Completed", "Completed", "Completed", "Damaged", "Damaged"]
    assert "fuzz-20261128-130000-0002" in err


@pytest.mark.parametrize("ahead_s", [7200.0, 1e300, float("inf"), float("nan")])
def test_a_heartbeat_of_the_future(layout: RunLayout, ahead_s: float) -> None:
    """Its machine's clock is ahead: nobody is told of negative ages."""
    run = HyperDriveRun.open(layout.uri)
    run.cut(20)
    layout.write_driver(
        json.dumps({"state": "Running", "at": time.time() + ahead_s, "epoch": 9, "address": "10.9.9.9:1"}).encode()
    )
    run = HyperDriveRun.open(layout.uri)
    if ahead_s < 1e6:
        assert run.get_status() == "Running"
        with pytest.raises(ClusterError, match=r"0 s old by a clock that is 7[12]\d\d s ahead of this machine's"):
            resume(run.reader, address="local")
    else:
        assert run.get_status() == "NotResponding"


def test_a_heartbeat_comes_back_as_it_was() -> None:
    view = {"state": "Running", "at": 1.5, "epoch": 2, "entries": 7, "pid": 1, "address": "a", "actor": "b"}
    view |= {"waiting": {"1": "for a GPU"}, "trouble": "", "notice": "n", "telling": True}
    view |= {"gpu_use": {"1": {"gpu_percent": 40.0}}}
    raw = dump_heartbeat(view)
    assert parse_heartbeat(raw) == Heartbeat(**view)
    assert parse_heartbeat(raw).to_json() == view
    damaged = parse_heartbeat(raw.replace(b'"entries": 7', b'"entries": 9'))
    assert (damaged.entries, damaged.state) == (0, "")
    assert "driver.json is damaged" in damaged.trouble
    assert parse_heartbeat(None) == parse_heartbeat(b"") == NO_HEARTBEAT
    assert not NO_HEARTBEAT
    assert NO_HEARTBEAT.to_json() == {}
