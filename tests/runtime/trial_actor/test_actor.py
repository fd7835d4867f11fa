"""The trial actor without Ray: a driver that does not answer, storage that fails."""

from __future__ import annotations

import asyncio
import math
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from trial_actor_helpers import (
    Driver,
    a_run,
    an_actor,
    attempt_of,
    end_of,
    loss_of,
    numbers,
    of_kind,
    until,
    values,
)

from raydrive.context import Run
from raydrive.core.config.trial_spec import TrialConfig
from raydrive.core.reports.attempt_reports import ReportEvent
from raydrive.runtime.fork_server import process_tree
from raydrive.runtime.trial_actor import attempt_events
from raydrive.runtime.trial_actor.attempt_run import begin_to_publish
from raydrive.runtime.trial_actor.failure_reason import hint, why_ended
from raydrive.runtime.trial_actor.files import checkpoint_publisher
from raydrive.runtime.trial_actor.files.attempt_files import TrialFiles
from raydrive.runtime.trial_actor.first_report_delay import FIRST_DELAY_S, MAX_FIRST_DELAY_S
from raydrive.runtime.trial_actor.fork_client import Exit, Job
from raydrive.runtime.trial_events import BeganEvent, CheckpointEvent, EndedEvent, NoteEvent


def test_training_pauses_while_nothing_can_be_recorded_and_goes_on_afterwards(tmp_path: Path) -> None:
    def train(params: dict[str, Any]) -> None:
        for k in range(40):
            Run.get_context().log("score", k)
            time.sleep(0.03)

    async def main() -> None:
        driver = Driver()
        driver.open.set()
        async with an_actor(*a_run(tmp_path, train, storage_patience_s=0.3), driver) as actor:
            result = asyncio.ensure_future(actor.run(1, 0, 1, {}, None, 0))
            await until(lambda: len(driver.events) > 3)
            driver.open.clear()
            process = psutil.Process(of_kind(driver.events, BeganEvent)[0].pid)
            await until(lambda: process.status() == psutil.STATUS_STOPPED)
            logged = numbers(driver.events)
            await asyncio.sleep(0.2)
            assert process.status() == psutil.STATUS_STOPPED
            driver.open.set()
            await until(lambda: len(numbers(driver.events)) > len(logged) + 5)
            last = await asyncio.wait_for(result, 20)
            assert numbers([*driver.events, *last]) == list(range(1, 41))
            assert end_of(last).exit_code == 0

    asyncio.run(main())
    (log,) = (tmp_path / "storage").rglob("log.txt")
    assert "raydrive: paused: nothing could be recorded for 0.3 s" in log.read_text()


def test_a_process_that_is_kept_goes_on_after_a_pause_at_its_last_report(tmp_path: Path) -> None:
    def train(params: dict[str, Any]) -> None:
        Run.get_context().log("score", 1)

    async def main() -> None:
        driver = Driver()
        driver.open.set()
        async with an_actor(*a_run(tmp_path, train, reuse_processes=True), driver) as actor:
            fork_server = (await actor.setup.ready()).fork_server
            run, pids = fork_server.run, []

            async def run_and_pause(job: Job, begin: Callable[[int], None]) -> Exit:
                exit_ = await run(job, begin)
                events = (await attempt_of(actor, len(pids))).events
                pids.append(events.pid)
                os.kill(pids[-1], signal.SIGSTOP)
                events.stopped_pids = [pids[-1]]
                return exit_

            fork_server.run = run_and_pause  # type: ignore[method-assign]
            for trial in range(3):
                last = await asyncio.wait_for(actor.run(1, trial, 1, {}, None, 0), 20)
                assert end_of(last).exit_code == 0
                assert psutil.Process(pids[-1]).status() != psutil.STATUS_STOPPED
            assert len(set(pids)) == 1

    asyncio.run(main())


def test_numbers_no_float_can_hold_and_messages_nobody_can_read() -> None:
    async def main() -> None:
        events = attempt_events.AttemptEvents(0, 1, 0, "score")
        odd = [{"m": 5}, {"m": ["score"]}, {"tags": 7}, {}, {"score": 1}]
        huge = [{"m": {"score": sign * 10**400}} for sign in (1, -1)]
        assert events.add([*huge, *odd, {"m": None, "tags": None, "t": None}, {"m": {"score": 2}, "s": 3}]) == odd
        reports = [(one.seq, one.interval, one.value) for one in of_kind(events.unsent, ReportEvent)]
        assert reports == [(1, 1, math.inf), (2, 2, -math.inf), (3, 3, 2.0)]
        assert len(of_kind(events.unsent, NoteEvent)) == 1
        assert events.value == 2.0

    asyncio.run(main())


def test_a_paused_trial_can_be_stopped(tmp_path: Path) -> None:
    def train(params: dict[str, Any]) -> None:
        while True:
            Run.get_context().log("score", 1)
            time.sleep(0.03)

    async def main() -> None:
        driver = Driver()
        driver.open.set()
        async with an_actor(*a_run(tmp_path, train, storage_patience_s=0.2), driver) as actor:
            result = asyncio.ensure_future(actor.run(1, 0, 1, {}, None, 0))
            await until(lambda: len(driver.events) > 3)
            driver.open.clear()
            process = psutil.Process(of_kind(driver.events, BeganEvent)[0].pid)
            await until(lambda: process.status() == psutil.STATUS_STOPPED)
            await asyncio.wait_for(actor.stop(1, 0, 1, 5.0), 3)
            assert end_of(await result).exit_code == -15
            assert not process.is_running()

    asyncio.run(main())


def test_a_new_driver_is_told_at_once_what_the_old_one_never_confirmed(tmp_path: Path) -> None:
    def train(params: dict[str, Any]) -> None:
        for k in range(150):
            Run.get_context().log("score", k)
            time.sleep(0.02)

    async def main() -> None:
        old, new = Driver(), Driver()
        new.open.set()
        async with an_actor(*a_run(tmp_path, train), old) as actor:
            result = asyncio.ensure_future(actor.run(1, 0, 1, {}, None, 0))
            events = (await attempt_of(actor)).events
            await until(lambda: len(events.unsent) > 5)
            assert await actor.adopt(2, new) == (0, 1)
            await until(lambda: len(new.events) > 5)
            last = await asyncio.wait_for(result, 20)
            assert isinstance(new.events[0], BeganEvent)
            assert numbers([*new.events, *last]) == list(range(1, 151))

    asyncio.run(main())


def test_what_cannot_begin_for_want_of_storage_is_lost_and_not_failed(tmp_path: Path) -> None:
    async def main() -> None:
        driver = Driver()
        driver.open.set()
        layout, config = a_run(tmp_path, print)
        place = layout.code.local_path
        assert place is not None
        file = place / f"{config.trial.code_sha256}.pkl"
        data = file.read_bytes()
        file.unlink()
        file.mkdir()  # reading it fails, as with a device that is away
        async with an_actor(layout, config, driver) as actor:
            events = await actor.run(1, 0, 1, {}, None, 0)
            assert len(events) == 1
            assert loss_of(events).startswith("it could not start: cannot read ")
            file.rmdir()
            file.write_bytes(data + b"x")  # what is stored is wrong: no other node would help
            end = end_of(await actor.run(1, 0, 2, {}, None, 0))
            assert end.exit_code is None
            assert "is damaged" in end.error

    asyncio.run(main())


def test_an_upload_is_no_matter_of_training_and_only_the_next_save_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(params: dict[str, Any]) -> None:
        run = Run.get_context()
        Path("state").mkdir()
        for k in range(1, 7):
            Path("state/k").write_text(str(k))
            run.log("score", k)
            if k in (1, 5):
                run.save_checkpoint("state")
                run.log("saved", k)

    arrived = threading.Event()
    real = checkpoint_publisher.publish

    def slow(*arguments: Any, **options: Any) -> Any:
        assert arrived.wait(20)
        return real(*arguments, **options)

    monkeypatch.setattr(checkpoint_publisher, "publish", slow)

    async def main() -> None:
        driver = Driver()
        driver.open.set()
        layout, config = a_run(tmp_path, train, keep_checkpoints=2)
        async with an_actor(layout, config, driver) as actor:
            result = asyncio.ensure_future(actor.run(1, 0, 1, {}, None, 0))
            scores = [1.0, 2.0, 3.0, 4.0, 5.0]
            await until(lambda: values(driver.events) == scores)
            await asyncio.sleep(0.3)  # the second save waits, and nothing comes after it
            others = [event for event in of_kind(driver.events, ReportEvent) if not event.interval]
            assert [event.metrics for event in others] == [{"saved": 1}]
            assert not of_kind(driver.events, CheckpointEvent)
            arrived.set()
            rest = await asyncio.wait_for(result, 20)
            last = [*driver.events, *rest]
            saved = [(event.interval, event.name) for event in of_kind(last, CheckpointEvent)]
            assert saved == [(1, "1"), (5, "2")]
            assert end_of(last).exit_code == 0
        # What was saved is what the folder held then, though training had gone on before the upload began.
        for number, k in ((1, "1"), (2, "5")):
            assert layout.checkpoint(0, number).child("files").read_bytes("k") == k.encode()

    asyncio.run(main())


def test_what_cannot_be_sent_makes_logging_wait_and_is_all_there_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than the buffer and the socket hold: the trial waits in ``log()`` until the driver answers again."""
    done = tmp_path / "logged all"

    def train(params: dict[str, Any]) -> None:
        for k in range(2000):
            Run.get_context().log("score", k, description="x" * 1000)
            Run.get_context().log("text", "x" * 1000)
        done.touch()

    monkeypatch.setattr(attempt_events, "MAX_UNSENT", 100)

    async def main() -> None:
        driver = Driver()
        async with an_actor(*a_run(tmp_path, train), driver) as actor:
            result = asyncio.ensure_future(actor.run(1, 0, 1, {}, None, 0))
            current = (await attempt_of(actor)).events
            await until(current.is_full)
            await asyncio.sleep(0.3)
            held = len(current.unsent)
            await asyncio.sleep(0.3)
            assert len(current.unsent) == held < 2000
            assert not done.exists()
            driver.open.set()
            rest = await asyncio.wait_for(result, 30)
            assert numbers([*driver.events, *rest]) == list(range(1, 4001))
            assert end_of(rest).exit_code == 0

    asyncio.run(main())
    assert done.exists()


def test_after_a_short_attempt_the_next_one_says_nothing_before_its_end(tmp_path: Path) -> None:
    def train(params: dict[str, Any]) -> None:
        Run.get_context().log("score", 1)
        time.sleep(params["sleep_s"])

    async def main() -> None:
        driver = Driver()
        driver.open.set()
        async with an_actor(*a_run(tmp_path, train), driver) as actor:
            await asyncio.wait_for(actor.run(1, 0, 1, {"sleep_s": 0}, None, 0), 30)
            assert FIRST_DELAY_S <= actor.first_report_delay.wait_s <= MAX_FIRST_DELAY_S
            actor.first_report_delay.wait_s = 60.0  # as after one that took half of that
            heard = len(driver.events)
            rest = await asyncio.wait_for(actor.run(1, 1, 1, {"sleep_s": 0.1}, None, 0), 30)
            assert [type(event) for event in rest] == [BeganEvent, ReportEvent, EndedEvent]
            assert len(driver.events) == heard
            result = asyncio.ensure_future(actor.run(1, 2, 1, {"sleep_s": 60}, None, 0))
            current = await attempt_of(actor, 2)
            await until(lambda: bool(current.events.pid))
            await actor.stop(1, 2, 1, 5.0)
            assert end_of(await asyncio.wait_for(result, 30)).exit_code == -15
            assert actor.first_report_delay.wait_s == FIRST_DELAY_S

    asyncio.run(main())


def test_a_saved_checkpoint_waits_for_its_word_on_the_channel_and_a_marker_for_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        layout, config = a_run(tmp_path, print)
        async with an_actor(layout, config, Driver()) as actor:
            current = attempt_events.AttemptEvents(0, 1, 0, "score")
            prepared = (await actor.setup.ready()).files.prepare(0, 1)
            one = begin_to_publish(TrialConfig.from_json(config.to_json()), current, prepared)
            for name in ("6-reported.raydrive", "7.raydrive", "8.raydrive", "epoch.9"):
                (prepared.staging / name).mkdir()
            (prepared.staging / "epoch.9.done").touch()
            one._announced["8"] = (1, 0.5)  # as announce() does, which also has somebody look at once
            await one.sweep()
            assert sorted(os.listdir(prepared.staging)) == ["6-reported.raydrive", "7.raydrive"]
            await one.sweep(last=True)  # the values of 6 never arrived, so neither does the checkpoint
            assert os.listdir(prepared.staging) == []
            assert [type(event) for event in current.unsent] == [CheckpointEvent] * 3
            one.cancel()
            prepared.clean()

    asyncio.run(main())


@pytest.mark.parametrize("memory_is_full", [False, True])
def test_the_link_to_a_trial_is_in_memory_where_that_is_possible_and_goes_with_the_actor(
    tmp_path: Path, memory_is_full: bool
) -> None:
    def train(params: dict[str, Any]) -> None:
        Path("outputs/number").write_text(str(params["number"]))

    async def main() -> Path | None:
        driver = Driver()
        driver.open.set()
        async with an_actor(*a_run(tmp_path, train), driver) as actor:
            files = actor.setup.files
            link = files.link
            if memory_is_full:
                files.link = tmp_path / "missing" / "link"
            for number in range(3):
                events = await asyncio.wait_for(actor.run(1, number, 1, {"number": number}, None, 0), 30)
                assert end_of(events).exit_code == 0
            if link is not None:
                assert link.is_symlink() is not memory_is_full
        return link

    link = asyncio.run(main())
    assert link is None or not link.is_symlink()
    outputs = sorted((tmp_path / "storage").rglob("outputs/number"))
    assert [path.read_text() for path in outputs] == ["0", "1", "2"]


def test_a_script_for_an_older_library_is_told_which_and_the_way_out(tmp_path: Path) -> None:
    layout, config = a_run(tmp_path, print)
    prepared = TrialFiles(layout.uri, config).prepare(0, 1)
    prepared.log.write_text(
        "AttributeError: module 'numpy' has no attribute 'int'.\n`np.int` was an alias.\nhttps://x\n"
    )
    why = why_ended(Exit(code=1), prepared)
    assert why.startswith(
        "AttributeError: module 'numpy' has no attribute 'int'. The script is written for numpy before"
    )
    assert "raydrive.environments" in why
    assert "raydrive.python" in prepared.log.read_text()
    prepared.clean()


@pytest.mark.parametrize(
    ("exit_", "why"),
    [
        (Exit(code=-9, oom=True), "out of memory: the kernel killed it"),
        (Exit(code=137, oom=True), "out of memory: the kernel killed it"),
        (Exit(code=1, oom=True), "worker 3 died (during that time the kernel killed a process for lack of memory)"),
        (Exit(code=1), "worker 3 died"),
    ],
)
def test_a_kill_for_want_of_memory_is_named(tmp_path: Path, exit_: Exit, why: str) -> None:
    layout, config = a_run(tmp_path, print)
    prepared = TrialFiles(layout.uri, config).prepare(0, 1)
    prepared.log.write_text("epoch 1\nworker 3 died\n")
    assert why_ended(exit_, prepared) == why
    prepared.clean()


def test_kills_for_want_of_memory_are_counted_where_the_kernel_counts_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group, machine = tmp_path / "memory.events", tmp_path / "vmstat"
    monkeypatch.setattr(process_tree, "oom_files", lambda: [(str(group), "oom_kill"), (str(machine), "oom_kill")])
    assert process_tree.oom_kills() == 0
    machine.write_text("nr_free_pages 1\noom_kill 7\n")
    assert process_tree.oom_kills() == 7
    group.write_text("low 0\noom 5\noom_kill 2\n")  # those of this control group say more than the machine's
    assert process_tree.oom_kills() == 2


def test_a_file_that_is_in_the_folder_of_submission_is_named(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "data").mkdir(parents=True)
    (home / "data/x.csv").write_text("1")

    def train(params: dict[str, Any]) -> None:
        assert Path(os.environ["RAYDRIVE_SUBMIT_DIR"], "data/x.csv").read_text() == "1"
        Path("data/x.csv").read_text()

    async def main() -> None:
        layout, config = a_run(tmp_path / "runs", train, submit_dir=str(home))
        async with an_actor(layout, config, Driver()) as actor:
            events = await actor.run(1, 0, 1, {"x": 1}, None, 0)
            where = f"data/x.csv is in the folder of submission, {home}, but a trial runs in its own folder"
            assert f"No such file or directory: 'data/x.csv'. {where}" in end_of(events).error
            assert where in (layout.folder.local_path / "trials/00000/attempt-1/log.txt").read_text()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("FileNotFoundError: [Errno 2] No such file or directory: 'data/x.csv'", "data/x.csv"),
        ("cat: data/x.csv: No such file or directory", "data/x.csv"),
        ("FileNotFoundError: data/x.csv not found.", "data/x.csv"),
        ("OSError: Unable to open file (unable to open file: name = 'data/x.csv', errno = 2)", "data/x.csv"),
        ("Error in file(file, \"rt\") : cannot open file 'data/x.csv'", "data/x.csv"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'data'", "data"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'data/y.csv'", ""),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/data/x.csv'", ""),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'here.txt'", ""),
        ("FileNotFoundError: [Errno 2] No such file or directory: '.'", ""),
        ("ValueError: 'data/x.csv' has no header", ""),
        ("", ""),
    ],
)
def test_only_what_is_there_and_not_here_is_named(tmp_path: Path, words: str, found: str) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    (home / "data").mkdir(parents=True)
    work.mkdir()
    for place in (home / "data/x.csv", home / "here.txt", work / "here.txt"):
        place.touch()
    assert hint(words, str(work), str(home)).startswith(f"{found} is in the folder" if found else "")
    assert bool(hint(words, str(work), str(home))) == bool(found)
    assert hint(words, str(work), "") == ""


def test_large_hyperparameters_reach_functions_and_commands(tmp_path: Path) -> None:
    table = {"rows": [(number, "x" * 10) for number in range(20_000)]}

    def train(params: dict[str, Any]) -> None:
        run = Run.get_context()
        assert params == run.params == {"table": table, "pair": (1, (2,))}
        assert type(params["table"]["rows"][0]) is type(run.params["pair"][1]) is tuple
        subprocess.run(["true"], check=True)
        run.log("score", len(params["table"]["rows"]))

    code = "import json, os; print(len(json.load(open(os.environ['RAYDRIVE_PARAMS_FILE']))['table']['rows']))"
    params = {"table": table, "pair": (1, (2,))}

    async def main(**trial: Any) -> tuple[list[Any], str]:
        layout, config = a_run(tmp_path / uuid.uuid4().hex, train, **trial)
        async with an_actor(layout, config, Driver()) as actor:
            events = await actor.run(1, 0, 1, params, None, 0)
            return events, (layout.folder.local_path / "trials/00000/attempt-1/log.txt").read_text()

    events, _ = asyncio.run(main())
    assert (end_of(events).exit_code, numbers(events)) == (0, [1])
    python = shlex.quote(sys.executable)
    events, log = asyncio.run(main(kind="command", command=f'{python} -c "{code}"'))
    assert (end_of(events).exit_code, log.splitlines()[-1]) == (0, "20000")
    assert "AZUREML_SWEEP_table" in log
    events, _ = asyncio.run(main(kind="command", command="echo ${{search_space.table}}"))
    assert end_of(events).exit_code is None
    assert "argument list too long" in end_of(events).error
    assert "its argument 1 has" in end_of(events).error
    assert "Run.get_context().params" in end_of(events).error
