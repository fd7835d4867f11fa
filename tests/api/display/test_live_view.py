"""The live picture of a run, drawn for terminals of every size; and the plain lines in its stead."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from raydrive.api.display.console import Seen, events, last_words
from raydrive.api.display.live_view import LiveView
from raydrive.api.display.text import clock, one_line, params_text
from raydrive.api.run import HyperDriveRun
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.early_stopping.policies import BanditPolicy
from raydrive.core.records import Began, Ended, Fact, Reported, Started, Suggested, dump
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import uniform
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.views.heartbeat import NO_HEARTBEAT, TURN, Heartbeat
from raydrive.storage.journal.writer import JournalWriter
from raydrive.storage.run_layout import RunLayout

LONG = {
    "learning_rate_of_the_second_head": 0.00012345678,
    "optimizer": "a rather long text that never ends 学習率 żółw",
    "layers": 12,
    "nested": {"depth": 3, "name": "yolov5"},
    "newline": "a\nb\x1b[31mred",
}
ESCAPES = "exit code 1: \x1b[31mRuntimeError\x1b[0m: line one\r\nline\ttwo \x1b]0;title\x07" + "很长的原因 " * 30


def recorded(
    storage: Path,
    facts: Sequence[Fact],
    trials: int = 60,
    driver: dict[str, Any] | None = None,
    slack: float = 100.0,
) -> HyperDriveRun:
    """A run whose journal holds these facts and what the judge decided."""
    config = RunConfig(
        experiment="look",
        metric=Metric(name="score", goal=PrimaryMetricGoal.MAXIMIZE),
        sampling=RandomParameterSampling({"x": uniform(0, 1)}),
        policy=BanditPolicy(slack_amount=slack, delay_evaluation=2),
        limits=Limits(max_total_runs=trials, max_concurrent_runs=trials, first_failures=0),
        trial=TrialSpec(kind="command", command="python train.py"),
        seed=0,
    )
    layout = RunLayout.create(str(storage), "look", "look-20261119-120000-0001")
    layout.write_config(json.dumps(config.to_json()).encode())
    if driver:
        layout.write_driver(json.dumps(driver).encode())
    sweep = Sweep(config)
    with JournalWriter.open(layout.journal) as writer:
        writer.append([dump(fact, sweep.handle(fact)) for fact in facts])
    return HyperDriveRun.open(layout.uri)


def many(params: dict[str, Any], ended: int, running: int, queued: int, error: str = ESCAPES) -> list[Fact]:
    """Trials in every state; those that have ended did so in many ways."""
    at = time.time() - 100
    facts: list[Fact] = [Started(at, 1)]
    for number in range(ended + running + queued):
        facts.append(Suggested(at, number, {**params, "x": number / 7}, "random"))
        if number < ended + running:
            facts.append(Began(at + 1, number, 1, "node", 100 + number))
            facts += [Reported(at + 1 + k, number, 1, k, k, float(number % 9) + k / 1000) for k in range(1, 4)]
        if number < ended:
            facts.append(Ended(at + 10 + number, number, 1, number % 2, error if number % 2 else ""))
    return facts


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> HyperDriveRun:
    return recorded(tmp_path_factory.mktemp("busy"), many(LONG, 20, 22, 8))


def text(lines: Sequence[Any]) -> list[str]:
    return [line.plain for line in lines]


@given(width=st.integers(20, 250), height=st.integers(6, 80), trouble=st.booleans())
def test_every_line_fits_and_there_are_no_more_than_rows(
    busy: HyperDriveRun, width: int, height: int, trouble: bool
) -> None:
    waiting = {str(trial.number): "waiting for 1 CPU; free in the cluster: 0 CPU" for trial in busy.sweep.open_trials}
    heartbeat = Heartbeat(waiting=waiting, trouble=ESCAPES if trouble else "")
    picture = LiveView(busy.reader)
    for lines in (
        picture.draw(busy.refresh(), heartbeat, width, height),
        picture.draw_end(busy.refresh(), width, height),
    ):
        assert len(lines) < height
        for line in text(lines):
            assert cell_len(line) <= width, line
            assert line.isprintable(), line


def test_what_it_shows(busy: HyperDriveRun) -> None:
    why = "waiting for 1 CPU; free in the cluster: 0 CPU"
    waiting = {str(trial.number): why for trial in busy.sweep.open_trials if trial.state == "Queued"}
    lines = text(LiveView(busy.reader).draw(busy.refresh(), Heartbeat(waiting=waiting), 120, 28))
    assert lines[0].startswith("look-20261119-120000-0001  Running")
    assert "20/60 trials · " in lines[1]
    assert "8 queued" in lines[1]
    assert lines[2].startswith("10 of 20 trials failed. Trial 19 failed: exit code 1: line two")
    assert lines[3].startswith("best score 8.003 · trial 8, interval 3 · ")
    assert [line for line in lines if "queued: " in line] == [
        f"8 queued: {why} (trials 42, 43, 44, 45, 46, 47 and 2 more)"
    ]
    assert any(line.startswith("and ") and line.endswith(" more running") for line in lines)
    ended = next(index for index, line in enumerate(lines) if line.lstrip().startswith("ended"))
    assert lines[ended + 1].split()[:2] == ["19", "Failed"], "the newest first"
    assert "exit code 1: line two" in lines[ended + 1]


def test_a_small_terminal_shows_what_runs_before_what_has_ended(busy: HyperDriveRun) -> None:
    lines = text(LiveView(busy.reader).draw(busy.refresh(), NO_HEARTBEAT, 80, 14))
    assert len(lines) < 14
    assert sum(line.strip().split(" ")[0].isdecimal() for line in lines) >= 3
    assert any(line.startswith("running") for line in lines)


def test_parameters_are_left_out_from_the_right(busy: HyperDriveRun) -> None:
    wide = text(LiveView(busy.reader).draw(busy.refresh(), NO_HEARTBEAT, 220, 60))
    header = next(line for line in wide if line.lstrip().startswith("running"))
    assert header.split() == ["running", "score", "best", "k", "time", *LONG, "x"]
    narrow = text(LiveView(busy.reader).draw(busy.refresh(), NO_HEARTBEAT, 60, 60))
    header = next(line for line in narrow if line.lstrip().startswith("running"))
    assert header.split()[-1].startswith("+")


def test_reasons_are_whole_at_80_columns(tmp_path: Path) -> None:
    bandit = [
        Suggested(time.time(), 20, {"x": 0.5}, "random"),
        Began(time.time(), 20, 1, "node", 1),
        *[Reported(time.time(), 20, 1, k, k, 0.25) for k in (1, 2)],
        Ended(time.time(), 20, 1, -15),
    ]
    run = recorded(tmp_path, [*many({}, 20, 0, 0, error="no"), *bandit], slack=0.5)
    lines = text(LiveView(run.reader).draw(run.refresh(), NO_HEARTBEAT, 80, 24))
    start = next(index for index, line in enumerate(lines) if line.split()[:2] == ["20", "Canceled"])
    shown = " ".join(line.strip() for line in lines[start : start + 2])
    assert run.sweep.trials[20].why in shown


def test_a_failure_is_whole_at_80_columns_and_told_once(tmp_path: Path) -> None:
    error = "ValueError: the optimizer lion is not installed in this environment; how to install it: docs.md"
    run = recorded(tmp_path, many({}, 6, 0, 0, error=error))
    lines = [line.strip() for line in text(LiveView(run.reader).draw(run.refresh(), NO_HEARTBEAT, 80, 30))]
    start = next(index for index, line in enumerate(lines) if line.split()[:2] == ["*5", "Failed"])
    assert f"exit code 1: {error}" in " ".join(lines[start : start + 4])
    (again,) = [line for line in lines if line.split()[:2] == ["3", "Failed"]]
    assert again.endswith("as trial 5")


def test_a_trouble_and_a_reason_to_wait_are_whole_at_80_columns(busy: HyperDriveRun) -> None:
    why = "waiting for 4 GPU of the type NVIDIA-A100; the cluster has 2 GPU of the type NVIDIA-T4 and must grow"
    trouble = "the storage cannot be written: no space is left on the device that holds it; free some, or wait and see"
    beat = Heartbeat(waiting={"42": why}, trouble=trouble)
    shown = " ".join(line.strip() for line in text(LiveView(busy.reader).draw(busy.refresh(), beat, 80, 40)))
    assert why in shown
    assert trouble in shown


def test_a_reason_of_the_end_is_whole_at_80_columns(tmp_path: Path) -> None:
    error = "ModuleNotFoundError: No module named 'a_package_with_a_name_of_its_own'"
    run = recorded(tmp_path, many({}, 1, 0, 0, error=error), trials=1)
    lines = text(LiveView(run.reader).draw_end(run.refresh(), 60, 40))
    assert run.refresh().why in " ".join([lines[0], *lines[1:3]])


def test_columns_stand_still(busy: HyperDriveRun, tmp_path: Path) -> None:
    first = recorded(tmp_path, many({"lr": 0.00012345}, 0, 3, 0))
    picture = LiveView(first.reader)
    before = text(picture.draw(first.refresh(), NO_HEARTBEAT, 120, 30))
    for trial in first.sweep.trials:
        object.__setattr__(trial, "params", {"lr": 1, "x": 1})
    after = text(picture.draw(first.refresh(), NO_HEARTBEAT, 120, 30))
    assert before[4] == after[4]


def test_the_end_is_a_ranking(tmp_path: Path) -> None:
    run = recorded(tmp_path, many({"lr": 0.5}, 12, 0, 0, error="boom"), trials=12)
    assert run.sweep.finished
    lines = text(LiveView(run.reader).draw_end(run.refresh(), 100, 40))
    assert "all 12 trials have ended" in lines[0]
    rows = [line.split()[:2] for line in lines[6:]]
    assert rows[0] == ["*8", "Completed"]
    assert [row[0] for row in rows[1:3]] == ["7", "6"]
    assert len(rows) == 10


def test_a_run_without_trials(tmp_path: Path) -> None:
    run = recorded(tmp_path, [Started(time.time(), 1)])
    lines = text(LiveView(run.reader).draw(run.refresh(), NO_HEARTBEAT, 80, 24))
    assert "0/60 trials" in lines[1]


# ---------------------------------------------------------------------- plain lines


def test_events_tell_the_past_with_its_times(tmp_path: Path) -> None:
    run = recorded(tmp_path, many({"lr": 0.5}, 4, 0, 0, error=ESCAPES), trials=4)
    lines = list(events(run.reader))
    assert all(line.isprintable() for line in lines)
    assert lines[0].split(maxsplit=1)[1] == f"run {run.id}: Completed"
    ends = [line for line in lines if " Completed: best" in line or " Failed: best" in line]
    assert [line.split()[0] for line in ends] == ["10.0s", "11.0s", "12.0s", "13.0s"]
    assert lines[1].split()[0] == "1.0s"


def test_a_run_that_continues_has_one_line_of_what_was_recorded_before(tmp_path: Path) -> None:
    run = recorded(tmp_path, many({"lr": 0.5}, 4, 0, 0), trials=4)
    state, before, *others = events(run.reader, Seen(run.reader))
    assert state.endswith(f"run {run.id}: Completed")
    assert before.split("  ")[-1].startswith("recorded before: 4 trials (")
    assert "; best so far: " in before
    assert others == []


def test_what_a_continued_run_does_next_has_its_lines(tmp_path: Path) -> None:
    facts = many({"lr": 0.5}, 4, 0, 0)
    first, whole = recorded(tmp_path / "first", facts[:-1], trials=4), recorded(tmp_path / "whole", facts, trials=4)
    new = [line for line in events(whole.reader, Seen(first.reader)) if " trial " in line]
    assert len(new) == 1
    assert "trial 3 " in new[0]


def test_a_trial_has_started_when_its_process_began(tmp_path: Path) -> None:
    """Eight wait in the queue, and four have ended before anybody looked."""
    driver = {"state": "Interrupted", "at": time.time(), "epoch": 1}
    run = recorded(tmp_path, many({"lr": 0.5}, 4, 3, 8), driver=driver)
    lines = [line for line in events(run.reader) if " started: " in line]
    assert [line.split()[2] for line in lines] == ["0", "1", "2", "3", "4", "5", "6"]
    assert {line.split()[0] for line in lines} == {"1.0s"}
    assert lines[0].endswith("trial 0 started: lr=0.5 x=0")


@pytest.mark.parametrize(
    "why", [f"{TURN}; each reserves 1 CPU, free in the cluster: 0 CPU", "waiting for 1 CPU; free: 0"]
)
def test_what_trials_wait_for_is_one_line(tmp_path: Path, why: str) -> None:
    driver = {"state": "Interrupted", "at": time.time(), "epoch": 1, "waiting": {"3": why, "4": why}}
    run = recorded(tmp_path, many({"lr": 0.5}, 0, 3, 2), driver=driver)
    assert [line.split("  ")[-1] for line in events(run.reader) if "queued" in line] == [f"2 queued (3, 4): {why}"]


def test_the_clock_of_a_run_without_a_driver_stands_still(tmp_path: Path) -> None:
    facts = many({}, 2, 2, 0)
    driver = {"state": "Running", "at": time.time() - 50.0, "epoch": 1}
    run = recorded(tmp_path, facts, driver=driver)
    stands = run.reader.status()
    assert stands.state == "NotResponding"
    assert stands.summary.elapsed_s == pytest.approx(50.0, abs=1.0)
    words = "\n".join(last_words(run.reader))
    assert f"To resume it: raydrive resume {run.id}" in words
    assert "NotResponding" in words


def test_the_last_words_of_a_failure_show_its_log(tmp_path: Path) -> None:
    at = time.time()
    facts: list[Fact] = [Started(at, 1)]
    for number in range(2):
        facts += [Suggested(at, number, {"x": 0.5}, "random"), Began(at, number, 1), Ended(at, number, 1, 1, "boom")]
    run = recorded(tmp_path, facts, trials=2)
    folder = Path(run.layout.attempt(1, 1).local_path or "")
    folder.mkdir(parents=True)
    (folder / "log.txt").write_text("Traceback\n    indented \x1b[31mred\x1b[0m\nboom\n")
    words = last_words(run.reader)
    assert "Failed: all 2 trials failed; the last: exit code 1: boom." in words
    assert words[words.index("The log of trial 1 ends with:") + 2] == "      indented red"
    assert f"  raydrive logs {run.id} 1 --storage {tmp_path}" in [line.partition("  #")[0].rstrip() for line in words]


# ---------------------------------------------------------------------- wording


def test_durations() -> None:
    assert [clock(value) for value in (None, 4.21, 59.94, 187, 3723)] == ["-", "4.2s", "59.9s", "3:07", "1:02:03"]


@given(st.text(alphabet=st.characters(max_codepoint=0x2100)))
def test_one_line_is_one_harmless_line(value: str) -> None:
    out = one_line(value)
    assert "\x1b" not in out
    assert len(out.splitlines()) <= 1


def test_parameters_on_one_line() -> None:
    assert params_text({"--lr": 0.1234567, "on": True, "n": {"a": 1}}) == 'lr=0.1235 on=True n={"a": 1}'
