from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from raydrive import context, wire
from raydrive.context import Run
from raydrive.core import records
from raydrive.core.config.run_config import RunConfig
from raydrive.core.early_stopping.halving_policy import SuccessiveHalvingPolicy
from raydrive.core.early_stopping.policies import BanditPolicy
from raydrive.core.errors import StorageError
from raydrive.core.records import CANCELED, COMPLETED, FAILED, Ended
from raydrive.runtime.inline import TrialStopped, run_inline
from raydrive.testing.memory import Memory
from raydrive.testing.runners import RunnerContract, RunResult, Train, function_config
from raydrive.testing.sweep_invariants import check_journal


class TestInlineRunner(RunnerContract):
    duration_s = 0.3

    def run(self, config: RunConfig, train: Train) -> RunResult:
        memory = Memory()
        return RunResult(run_inline(config, train, memory), memory.lines)


def test_trials_run_here_one_after_the_other() -> None:
    seen = []

    def train(params: dict[str, Any]) -> None:
        seen.append((params["x"], os.getpid(), threading.current_thread()))
        Run.get_context().log("score", 1)

    run_inline(function_config((3, 1, 2), max_concurrent_runs=3), train)
    assert seen == [(x, os.getpid(), threading.main_thread()) for x in (3, 1, 2)]


def test_the_stop_comes_with_the_next_log_and_carries_the_reason() -> None:
    seen: list[object] = []

    def train(params: dict[str, Any]) -> None:
        run = Run.get_context()
        run.log("score", params["x"])
        seen.append("logged")
        try:
            run.log("score", params["x"])
        except BaseException as stop:
            seen.append(type(stop))
            seen.append(str(stop))
            raise

    sweep = run_inline(function_config((1.0, 0.0), policy=BanditPolicy(slack_amount=0.5)), train)
    why = "bandit: best 0 at interval 1 is below 0.5 = 1-0.5, set by trial 0"
    assert seen == ["logged", "logged", TrialStopped, why]
    assert sweep.trials[1].why == why
    assert list(sweep.curves.values(1)) == [0.0]  # the report that could not be taken is not there


def test_a_stopped_function_that_returns_or_raises_is_canceled_all_the_same() -> None:
    def train(params: dict[str, Any]) -> None:
        run = Run.get_context()
        run.log("score", params["x"])
        if params["x"] < 0:
            try:
                run.log("score", 0)
            except TrialStopped:
                raise RuntimeError("clumsy") from None

    sweep = run_inline(function_config((1.0, 0.0, -1.0), policy=BanditPolicy(slack_amount=0.5)), train)
    assert [trial.state for trial in sweep.trials] == [COMPLETED, CANCELED, CANCELED]
    assert all(trial.why.startswith("bandit: ") for trial in sweep.trials[1:])


def test_other_threads_may_log() -> None:
    def train(params: dict[str, Any]) -> None:
        run = Run.get_context()
        threads = [threading.Thread(target=lambda: [run.log("score", 1) for _ in range(50)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    memory = Memory()
    sweep = run_inline(function_config(), train, memory)
    assert sweep.curves.length(0) == 200
    assert len(memory.lines) == 200 + 4


def test_the_process_is_a_trial_only_while_one_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(wire.TRIAL, "77")
    monkeypatch.setenv(wire.RESUME_FROM, "/of/another")
    before = dict(os.environ)
    seen = []

    def train(params: dict[str, Any]) -> None:
        run = Run.get_context()
        seen.append((run.number, run.resume_from, run.offline, run.get_metrics()))
        run.log("score", 1)
        raise SystemExit

    run_inline(function_config((0, 1)), train)
    assert seen == [(0, None, False, {}), (1, None, False, {})]
    assert dict(os.environ) == before
    assert Run.get_context().offline
    assert context.current().client is None


def test_files_are_kept_where_they_are_wanted(tmp_path: Path) -> None:
    folders = []

    def train(params: dict[str, Any]) -> None:
        run = Run.get_context()
        folders.append(run.output_directory)
        Path(run.output_directory, "model.txt").write_text("weights")
        run.upload_file("outputs/more.txt", Path(run.output_directory) / "model.txt")
        run.log("score", 1)

    run_inline(function_config(), train, files=tmp_path)
    assert sorted(path.name for path in (tmp_path / "00000" / "outputs").iterdir()) == ["model.txt", "more.txt"]
    run_inline(function_config(), train)
    assert not os.path.exists(folders[1])


def test_an_interrupt_leaves_a_run_that_is_not_over() -> None:
    def train(params: dict[str, Any]) -> None:
        Run.get_context().log("score", 1)
        raise KeyboardInterrupt

    memory = Memory()
    with pytest.raises(KeyboardInterrupt):
        run_inline(function_config((0, 1)), train, memory)
    assert not any(isinstance(records.load(line)[0], Ended) for line in memory.lines)
    assert Run.get_context().offline


class Full:
    """A disk that is full after so many appends."""

    def __init__(self, left: int) -> None:
        self.left = left

    def append(self, lines: Any) -> None:
        self.left -= 1
        if self.left < 0:
            raise StorageError("disk full")


def test_an_interrupt_while_the_journal_is_written_is_not_for_training_code_to_catch() -> None:
    class Interrupted(Memory):
        def append(self, lines: Any) -> None:
            super().append(lines)
            if '"Reported"' in lines[0]:
                raise KeyboardInterrupt

    def train(params: dict[str, Any]) -> None:
        for _ in range(3):
            with contextlib.suppress(BaseException):
                Run.get_context().log("score", 1)

    memory = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        run_inline(function_config((0, 1)), train, memory)
    assert '"Reported"' in memory.lines[-1]


def test_a_thread_that_outlives_its_trial_is_not_heard() -> None:
    clients: list[wire.Client] = []

    def train(params: dict[str, Any]) -> None:
        clients.append(context.current().client)  # type: ignore[arg-type]
        Run.get_context().log("score", 1)
        if params["x"]:
            assert not clients[0].send(wire.metrics_message({"score": 9}))

    memory = Memory()
    sweep = run_inline(function_config((0, 1)), train, memory)
    assert [list(sweep.curves.values(n)) for n in (0, 1)] == [[1.0], [1.0]]
    assert sweep.trials[1].state == COMPLETED


@pytest.mark.parametrize("left", range(6))
def test_a_journal_that_cannot_be_written_is_the_end_of_the_run_not_of_a_trial(left: int) -> None:
    calls = []

    def train(params: dict[str, Any]) -> None:
        calls.append(params["x"])
        for _ in range(2):
            try:
                Run.get_context().log("score", 1)
            except Exception as error:
                calls.append(str(error))

    with pytest.raises(StorageError, match="disk full"):
        run_inline(function_config((0, 1)), train, Full(left))
    assert calls in ([], [0])


def test_processes_that_a_trial_starts_print_what_they_log(capfd: pytest.CaptureFixture[str]) -> None:
    def train(params: dict[str, Any]) -> None:
        code = "from raydrive.context import Run; Run.get_context().log('score', 5)"
        subprocess.run([sys.executable, "-c", code], check=True)
        Run.get_context().log("score", 1)

    sweep = run_inline(function_config(), train)
    assert list(sweep.curves.values(0)) == [1.0]
    out, err = capfd.readouterr()
    assert "score = 5\n" in out
    assert "cannot log to in-process" in err


def test_virtual_time_ends_a_run_of_silent_trials() -> None:
    """The clock is looked at between trials too."""
    now = [0.0]

    def train(params: dict[str, Any]) -> None:
        now[0] += 30.0
        raise ValueError("nothing logged")

    config = function_config(tuple(range(9)), max_duration_s=60.0, first_failures=0, max_concurrent_runs=3)
    memory = Memory()
    sweep = run_inline(config, train, memory, lambda: now[0])
    assert [trial.state for trial in sweep.trials] == [FAILED, FAILED, CANCELED, CANCELED, CANCELED]
    assert "stopped before it started" in "".join(memory.lines)
    assert sweep.finished is not None
    assert sweep.finished.why == "max_duration of 60 s reached"


def test_what_is_logged_is_checked_and_counted_as_by_a_trial_actor(capfd: pytest.CaptureFixture[str]) -> None:
    def train(params: dict[str, Any]) -> None:
        run = Run.get_context()
        run.report({"score": 0.5, "loss": 1.0}, step=1)
        run.report({"score": 0.75, "loss": 2.0}, step=1)
        run.log("score", 1.0, step=2)
        run.log("a\x00b", 10**30)
        run.log("score", "high")

    memory = Memory()
    sweep = run_inline(function_config((1,)), train, memory)
    assert list(sweep.curves.values(0)) == [0.5, 1.0]
    facts = [records.load(line)[0] for line in memory.lines]
    reports = [fact for fact in facts if isinstance(fact, records.Reported)]
    assert [report.metrics for report in reports] == [
        {"loss": 1.0},
        {"loss": 2.0},
        {},
        {"a\ufffdb": 1e30},
        {"score": "high"},
    ]
    assert len(sweep.trials[0].notes) == 3
    assert "logged again for step 1" in capfd.readouterr().err


def test_a_function_that_pauses_goes_on_from_the_folder_it_saved(tmp_path: Path) -> None:
    def train(params: dict[str, Any]) -> None:
        run, folder = Run.get_context(), tmp_path / "mine"
        folder.mkdir(exist_ok=True)
        begin = int((Path(run.resume_from) / "epoch").read_text()) if run.resume_from else 0
        began.append((params["x"], begin))
        for epoch in range(begin + 1, 10):
            (folder / "epoch").write_text(str(epoch))
            run.report({"score": params["x"] * epoch}, checkpoint=folder)

    began: list[tuple[float, int]] = []
    memory = Memory()
    policy = SuccessiveHalvingPolicy(min_intervals=1, max_intervals=9)
    config = function_config(tuple(1.0 - n / 10 for n in range(9)), policy=policy)
    sweep = run_inline(config, train, memory, files=tmp_path / "files")
    check_journal(config, memory.lines)
    back = [begin for _, begin in began if begin]
    assert back
    assert sum(trial.pauses for trial in sweep.trials) > len(back)
    for trial in sweep.trials:
        length = sweep.curves.length(trial.number)
        assert list(sweep.curves.values(trial.number)) == [trial.params["x"] * k for k in range(1, length + 1)]
    assert COMPLETED in {trial.state for trial in sweep.trials}
    kept = [len(list(folder.glob("checkpoints/*"))) for folder in (tmp_path / "files").iterdir()]
    assert set(kept) == {config.trial.keep_checkpoints}
