"""Functions that are called again in the same process, and all that costs a process its place."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from typing import Any

import psutil
import pytest
from process_bench import Bench, is_alive, keep
from waiting import async_wait_until

from raydrive import Run
from raydrive.runtime.trial_actor.fork_client import Exit, ForkServerClient, Job


def jobs(bench: Bench, function: Callable[[dict[str, Any]], Any], params: Sequence[dict[str, Any]]) -> list[Job]:
    """A job for each of the parameters, each with a log and a folder of its own."""
    made = []
    for number, given in enumerate(params):
        cwd = bench.folder / f"cwd-{number}"
        cwd.mkdir(exist_ok=True)
        log, env = str(bench.folder / f"log-{number}.txt"), {**bench.env, f"ONLY_{number}": "1"}
        made.append(bench.function(function, params=given, log_path=log, cwd=str(cwd), env=env, reuse=True))
    return made


def log_of(bench: Bench, number: int) -> str:
    return (bench.folder / f"log-{number}.txt").read_text()


def run_all(made: Sequence[Job]) -> tuple[list[Exit], list[int]]:
    """Runs jobs one after the other; returns how they ended, and their process ids."""
    pids: list[int] = []

    async def body(fork_server: ForkServerClient) -> list[Exit]:
        return [await fork_server.run(job, pids.append) for job in made]

    ends = keep(body)
    assert not any(map(is_alive, pids)), "the helper leaves nothing behind"
    return ends, pids


def test_what_a_trial_leaves_is_there_and_the_rest_is_the_next_ones_own(bench: Bench) -> None:
    def train(params: dict[str, Any]) -> None:
        import json as module
        import os
        import random
        import signal
        import sys

        print(
            params["x"],
            getattr(module, "stain", None),
            sorted(name for name in os.environ if name.startswith(("ONLY", "STAIN"))),
            os.path.basename(os.getcwd()),
            os.path.basename(sys.path[0]),
            signal.getsignal(signal.SIGTERM) is signal.SIG_DFL,
        )
        print(random.random(), file=sys.stderr)
        module.stain = params["x"]  # type: ignore[attr-defined]
        os.environ["STAIN"] = "1"
        os.chdir("/")
        random.seed(0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    ends, pids = run_all(jobs(bench, train, [{"x": 1}, {"x": 2}, {"x": 3}]))
    assert [end.code for end in ends] == [0, 0, 0]
    assert len(set(pids)) == 1
    logs = [log_of(bench, number).splitlines() for number in range(3)]
    assert [sorted(lines)[1] for lines in logs] == [
        f"{k + 1} {k or None} ['ONLY_{k}'] cwd-{k} cwd-{k} True" for k in range(3)
    ]
    assert len({sorted(lines)[0] for lines in logs}) == 3, "each draws numbers of its own"
    assert all(end.max_rss_bytes > 1_000_000 for end in ends)


def test_each_job_is_told_what_it_used(bench: Bench) -> None:
    def train(params: dict[str, Any]) -> None:
        import time

        while params["busy"] and time.process_time() < 0.5:
            pass
        if params["fails"]:
            raise ValueError("enough")

    given = [{"busy": k == 0, "fails": k == 2} for k in range(3)]
    ends, pids = run_all(jobs(bench, train, given))
    assert [end.code for end in ends] == [0, 0, 1]
    assert len(set(pids)) == 1
    assert ends[0].cpu_s > 0.4
    assert max(ends[1].cpu_s, ends[2].cpu_s) < ends[0].cpu_s
    assert "ValueError: enough" in log_of(bench, 2)
    assert "fork_server/process_reuse.py" not in log_of(bench, 2), "a traceback begins with the user's code"


@pytest.mark.parametrize(
    ("statement", "code", "why"),
    [
        ("raise ValueError", 1, ""),
        ("sys.exit(0)", 0, ""),
        ("os._exit(3)", 3, ""),
        ("os.kill(os.getpid(), 9)", -9, ""),
        ("threading.Thread(target=time.sleep, args=(0.3,), name='mine').start()", 0, "threads still run (mine)"),
        ("threading.Thread(target=time.sleep, args=(9,), daemon=True, name='mine').start()", 0, "threads still run"),
        ("subprocess.Popen(['sleep', '60'])", 0, "processes still run ("),
        ("subprocess.Popen(['sleep', '60'], start_new_session=True)", 0, "processes still run ("),
        ("os.closerange(3, 100)", 0, ""),
        ("os.closerange(3, 100); sys.modules['kept'] = socket.socketpair()", 0, ""),
        ("_thread.start_new_thread(lambda: time.sleep(9), ()); time.sleep(0.1)", 0, "threads still run (without a"),
        ("sys.stdout.close()", 0, "sys.stdout or sys.stderr is closed"),
        ("atexit.register(print, 'bye')", 0, "print was registered with atexit\nbye"),
        ("Run.get_context().fail('no good')", 0, "run.fail() was called"),
        (
            "sys.modules['raydrive_mlflow.ledger'] = sys",
            0,
            "MLflow treats everything that its process logs as one trial",
        ),
    ],
)
def test_whatever_else_happens_the_next_trial_gets_a_new_process(
    bench: Bench, statement: str, code: int, why: str
) -> None:
    def train(params: dict[str, Any]) -> None:
        import importlib

        names = ("_thread", "atexit", "os", "socket", "subprocess", "sys", "threading", "time")
        exec(params["do"], {"Run": Run, **{name: importlib.import_module(name) for name in names}})

    ends, pids = run_all(jobs(bench, train, [{"do": "pass"}, {"do": statement}, {"do": "pass"}, {"do": "pass"}]))
    assert [end.code for end in ends] == [0, code, 0, 0]
    assert pids[0] == pids[1] != pids[2] == pids[3]
    assert log_of(bench, 0) == log_of(bench, 2) == ""
    assert [end.kept for end in ends] == [True, False, True, True]
    if why:
        assert ends[1].renewed.startswith(why.partition("\n")[0])
        assert f"raydrive: the next trial gets a new process: {why}" in log_of(bench, 1)


def test_what_would_write_into_another_trial_or_end_it_goes(bench: Bench) -> None:
    def train(params: dict[str, Any]) -> None:
        import faulthandler
        import logging
        import signal
        import sys
        import time

        number = params["x"]
        print(f"out {number}")
        logging.getLogger("mine").warning("unheard of")
        logging.basicConfig(format="%(message)s")
        logging.getLogger("mine").addHandler(logging.FileHandler("train.log"))
        logging.getLogger("mine").warning("warned %s", number)
        time.sleep(params["sleep"])
        while time.process_time() < params["busy_until"]:
            pass
        assert sys.excepthook is sys.__excepthook__
        assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
        sys.excepthook = lambda *_: None
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
        faulthandler.dump_traceback_later(0.3, exit=True)
        for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
            signal.setitimer(timer, 0.3)
        sys.stdout = open("mine.txt", "w")  # noqa: SIM115
        print(f"elsewhere {number}")

    given = [{"x": k, "sleep": 0.5 * (k == 1), "busy_until": 3.0 * (k == 1)} for k in range(3)]
    ends, pids = run_all(jobs(bench, train, given))
    assert [end.code for end in ends] == [0, 0, 0]
    assert len(set(pids)) == 1
    for k in range(3):
        words = ["unheard of", f"warned {k}", f"out {k}"]
        assert sorted(log_of(bench, k).splitlines()) == sorted(words)
        assert (bench.folder / f"cwd-{k}" / "train.log").read_text() == f"warned {k}\n"
        assert (bench.folder / f"cwd-{k}" / "mine.txt").read_text() == f"elsewhere {k}\n"


def test_what_a_library_does_for_its_process_stays(bench: Bench) -> None:
    def train(params: dict[str, Any]) -> None:
        import logging
        import sys
        import types

        import psutil

        library = types.FunctionType(  # as if it stood in a file of an installed package
            compile("atexit.register(print, 'the end', file=err)", psutil.__file__, "exec"),
            {"atexit": __import__("atexit"), "err": sys.stderr},
        )
        library()
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("psutil: %(message)s"))
        if params["x"] == 0:
            logging.getLogger("psutil").addHandler(handler)
        logging.getLogger("psutil").warning("hear me")

    ends, pids = run_all(jobs(bench, train, [{"x": 0}, {"x": 1}]))
    assert [end.code for end in ends] == [0, 0]
    assert len(set(pids)) == 1
    assert log_of(bench, 0) == "psutil: hear me\n"
    assert log_of(bench, 1).splitlines()[0] == "psutil: hear me"


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_a_log_is_written_whatever_was_closed_before(bench: Bench, closed: tuple[int, ...]) -> None:
    def train(params: dict[str, Any]) -> None:
        import os
        import sys

        print("out", flush=True)
        print("err", file=sys.stderr)
        os.system("echo shell; echo wrong >&2")
        for fd in params["close"]:
            os.close(fd)

    ends, pids = run_all(jobs(bench, train, [{"close": closed}, {"close": ()}]))
    assert [end.code for end in ends] == [0, 0]
    assert len(set(pids)) == 1
    assert log_of(bench, 1) == "out\nerr\nshell\nwrong\n"


def test_a_function_that_forks_and_returns_twice(bench: Bench) -> None:
    def train(params: dict[str, Any]) -> None:
        import os

        params["both"] and os.fork()

    ends, _ = run_all(jobs(bench, train, [{"both": number % 2} for number in range(30)]))
    assert [(end.code, end.error) for end in ends] == [(0, "")] * 30


def test_a_progress_bars_thread_and_one_that_is_about_to_end_do_not_matter(bench: Bench) -> None:
    def train(params: dict[str, Any]) -> None:
        import threading
        import time

        from tqdm import tqdm

        for _ in tqdm(range(3)):
            pass
        assert threading.active_count() == 2, "its monitor"
        threading.Thread(target=time.sleep, args=(0.02,)).start()

    ends, pids = run_all(jobs(bench, train, [{}, {}]))
    assert [end.code for end in ends] == [0, 0]
    assert len(set(pids)) == 1


def test_a_stop_ends_the_process_and_the_next_trial_gets_another(bench: Bench) -> None:
    def train(params: dict[str, Any]) -> None:
        import pathlib
        import subprocess
        import time

        if params["long"]:
            below = subprocess.Popen(["sleep", "600"])
            pathlib.Path("here").write_text(str(below.pid))
            time.sleep(600)

    made, pids = jobs(bench, train, [{"long": False}, {"long": True}, {"long": False}]), []
    noted = bench.folder / "cwd-1" / "here"

    async def body(fork_server: ForkServerClient) -> list[int | None]:
        import asyncio

        codes = [(await fork_server.run(made[0], pids.append)).code]
        running = asyncio.ensure_future(fork_server.run(made[1], pids.append))
        await async_wait_until(lambda: noted.exists() and bool(noted.read_text()), "what it starts")
        await fork_server.stop(5)
        codes.append((await running).code)
        assert not is_alive(int(noted.read_text()))
        return [*codes, (await fork_server.run(made[2], pids.append)).code]

    assert keep(body) == [0, -signal.SIGTERM, 0]
    assert pids[0] == pids[1] != pids[2]


def test_one_that_dies_while_it_waits_costs_nobody_anything(bench: Bench) -> None:
    def train(params: dict[str, Any]) -> None:
        pass

    made, pids = jobs(bench, train, [{}, {}, {}]), []

    async def body(fork_server: ForkServerClient) -> list[Exit]:
        ends = []
        for job in made:
            ends.append(await fork_server.run(job, pids.append))
            os.kill(pids[-1], signal.SIGKILL)
            await async_wait_until(lambda: not is_alive(pids[-1]), "its end")
        return ends

    assert [end.code for end in keep(body)] == [0, 0, 0]
    assert len(set(pids)) == 3


def test_at_the_end_it_ends_as_python_does(bench: Bench) -> None:
    def train(params: dict[str, Any]) -> None:
        import atexit
        import pathlib

        atexit.register(lambda: pathlib.Path(params["bell"]).write_text("rung"))

    bell = bench.folder / "bell"
    run_all(jobs(bench, train, [{"bell": str(bell)}]))
    assert bell.read_text() == "rung"


def test_one_that_will_not_end_is_killed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def train(params: dict[str, Any]) -> None:
        import threading
        import time
        import weakref

        weakref.finalize(threading, time.sleep, 600)

    made, pids = jobs(bench, train, [{}]), []

    async def body(fork_server: ForkServerClient) -> None:
        await fork_server.run(made[0], pids.append)

    keep(body)
    assert not is_alive(pids[0])


def test_jobs_of_both_kinds_may_follow_one_another(bench: Bench) -> None:
    def train(params: dict[str, Any]) -> None:
        pass

    first, second = jobs(bench, train, [{}, {}])
    plain = bench.function(train)
    ends, pids = run_all([first, plain, second, second, bench.python("note()"), first])
    assert [end.code for end in ends] == [0] * 6
    assert len({pids[0], pids[1], pids[2], pids[4], pids[5]}) == 5
    assert pids[2] == pids[3]


def test_what_it_logged_for_one_trial_is_not_the_next_ones(bench: Bench) -> None:
    def train(params: dict[str, Any]) -> None:
        from raydrive import Run

        run = Run.get_context()
        run.log("x", params["x"])
        run.tag("x", params["x"])
        print(run.get_metrics(), run.get_tags())

    run_all(jobs(bench, train, [{"x": 1}, {"x": 2}]))
    assert [log_of(bench, number).splitlines()[-1] for number in range(2)] == [
        "{'x': 1} {'x': '1'}",
        "{'x': 2} {'x': '2'}",
    ]


def test_a_thousand_jobs_in_one_process_leak_nothing(bench: Bench) -> None:
    def train(params: dict[str, Any]) -> None:
        pass

    (job,) = jobs(bench, train, [{}])
    pids: list[int] = []

    async def body(fork_server: ForkServerClient) -> tuple[list[int], list[int]]:
        for _ in range(3):
            await fork_server.run(job, pids.append)
        seen = [psutil.Process(fork_server.pid), psutil.Process(pids[-1]), psutil.Process()]
        before = [process.num_fds() for process in seen]
        for _ in range(1000):
            assert (await fork_server.run(job, pids.append)).code == 0
        return before, [process.num_fds() for process in seen]

    before, after = keep(body)
    assert before == after
    assert len(set(pids)) == 1


def test_a_log_that_cannot_be_written_is_told(bench: Bench) -> None:
    def train(params: dict[str, Any]) -> None:
        pass

    made = jobs(bench, train, [{}, {}])
    lost = bench.function(train, log_path=str(bench.folder / "no" / "log.txt"), reuse=True)
    ends, pids = run_all([made[0], lost, made[1]])
    assert [end.code for end in ends] == [0, None, 0]
    assert "cannot write the log" in ends[1].error
    assert pids[0] == pids[1] != pids[2]
