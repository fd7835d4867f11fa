"""Real processes, really killed. Everything a test starts writes its pid into a file, and is looked up there."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import psutil
import pytest
from process_bench import DAEMON, Bench, is_alive, keep, run
from waiting import LIMIT_S, async_wait_until, wait_until

from raydrive.runtime.trial_actor.fork_client import Exit, ForkServerClient

THREADS = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()"


# ---------------------------------------------------------------------- programs


def test_a_program_runs_in_its_directory_with_its_environment_and_log(bench: Bench) -> None:
    began: list[int] = []
    job = bench.job(
        argv=("sh", "-c", "pwd; env; echo talk >&2; cat; echo $$; exit 7"), env={"A": "b c", "PATH": "/bin:/usr/bin"}
    )
    exit_ = keep(lambda fork_server: fork_server.run(job, began.append))
    lines = bench.text.splitlines()
    assert exit_.code == 7
    assert exit_.error == ""
    assert lines[0] == str(bench.folder)
    assert "A=b c" in lines
    assert "talk" in lines
    assert not any(line.startswith(("HOME=", "VIRTUAL_ENV=")) for line in lines)
    assert lines[-1] == str(began[0])
    assert exit_.cpu_s > 0
    assert exit_.max_rss_bytes > 1_000_000


def test_logs_are_appended(bench: Bench) -> None:
    async def body(fork_server: ForkServerClient) -> None:
        await fork_server.run(bench.job(argv=("echo", "one")))
        await fork_server.run(bench.job(argv=("echo", "two")))

    keep(body)
    assert bench.text == "one\ntwo\n"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"argv": ("no-such-program-here",)}, "no such program on the PATH of the trial"),
        ({"argv": ("./missing.sh",)}, "cannot start './missing.sh': no such file"),
        ({"argv": ("./plain",)}, "it is not executable"),
        ({"argv": ("./folder",)}, "it is a directory"),
        ({"argv": ("./bad-shebang",)}, "the interpreter named in its first line does not exist"),
        ({"argv": ("./no-shebang",)}, "neither a program of this machine nor a script"),
        (
            {"argv": ("true",), "cwd": "/no/such/folder"},
            "cannot start in the directory '/no/such/folder': no such file",
        ),
        ({"argv": ("true",), "log_path": "/no/such/log"}, "cannot write the log '/no/such/log': no such file"),
        ({"argv": ("true", "nul\0byte")}, "embedded null byte"),
        ({"argv": ("true", "x" * 3_000_000)}, "argument list too long"),
    ],
)
def test_what_cannot_start_says_why(bench: Bench, fields: dict[str, Any], sentence: str) -> None:
    for name, text, mode in (
        ("plain", "#!/bin/sh\n", 0o644),
        ("bad-shebang", "#!/no/such/interpreter\n", 0o755),
        ("no-shebang", "\x7fhm", 0o755),
    ):
        (bench.folder / name).write_text(text)
        (bench.folder / name).chmod(mode)
    (bench.folder / "folder").mkdir()
    exit_ = run(bench.job(**fields))
    assert exit_.code is None
    assert sentence in exit_.error
    assert "Traceback" not in exit_.error + bench.text


def test_a_signal_is_a_negative_code(bench: Bench) -> None:
    exit_ = run(bench.job(argv=("sh", "-c", "kill -USR1 $$")))
    assert exit_.code == -signal.SIGUSR1
    assert not exit_.oom


def test_programs_find_signals_at_their_defaults(bench: Bench) -> None:
    code = """
    import signal
    print([signal.getsignal(s) == signal.SIG_DFL for s in (signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP)])
    print(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
    """
    run(bench.python(code))
    assert bench.text == "[True, True, True]\nset()\n"
    bench.log.unlink()
    run(bench.job(argv=("sh", "-c", "(yes; echo $? >&2) | head -1")))  # SIGPIPE ends `yes` silently
    assert sorted(bench.text.splitlines()) == ["141", "y"]


def test_huge_output(bench: Bench) -> None:
    exit_ = run(bench.job(argv=("sh", "-c", "head -c 50000000 /dev/zero | tr '\\0' x")))
    assert exit_.code == 0
    assert bench.log.stat().st_size == 50_000_000


# ---------------------------------------------------------------------- functions


def test_a_function_gets_its_params_and_a_process_of_its_own(bench: Bench) -> None:
    def train(params: dict[str, Any]) -> None:
        import os

        print(params["lr"], params["model"], os.getcwd(), os.environ["CUDA_VISIBLE_DEVICES"], os.getpid(), flush=True)

    params = {"lr": 0.1, "model": {"name": "net", "depth": 3}}
    began: list[int] = []
    job = bench.function(train, params=params, env={**bench.env, "CUDA_VISIBLE_DEVICES": "2,3"})
    exit_ = keep(lambda fork_server: fork_server.run(job, began.append))
    assert exit_.code == 0
    assert bench.text == f"0.1 {params['model']} {bench.folder} 2,3 {began[0]}\n"


def raises(params: dict[str, Any]) -> None:
    raise ValueError("the loss is a cat")


def test_an_exception_is_a_traceback_of_the_users_code_and_code_1(bench: Bench) -> None:
    assert run(bench.function(raises)).code == 1
    assert bench.text.startswith("Traceback (most recent call last):\n")
    assert bench.text.rstrip().endswith("ValueError: the loss is a cat")
    assert "raydrive/runtime" not in bench.text


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("sys.exit()", 0),
        ("sys.exit(0)", 0),
        ("sys.exit(5)", 5),
        ("sys.exit(256 + 7)", 7),
        ("sys.exit('out of data')", 1),
        ("os._exit(9)", 9),
        ("os.abort()", -signal.SIGABRT),
        ("import ctypes; ctypes.string_at(0)", -signal.SIGSEGV),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("raise KeyboardInterrupt", 130),
        ("sys.setrecursionlimit(200); f = lambda: f(); f()", 1),
    ],
)
def test_every_way_to_end_gives_pythons_code(bench: Bench, statement: str, code: int) -> None:
    def train(params: dict[str, Any]) -> None:
        exec(params["statement"], {"sys": sys, "os": os, "signal": signal})

    async def body(fork_server: ForkServerClient) -> tuple[Exit, Exit]:
        first = await fork_server.run(bench.function(train, params={"statement": statement}))
        return first, await fork_server.run(bench.function(train, params={"statement": "pass"}))

    first, second = keep(body)
    assert first.code == code
    assert second.code == 0, "the fork_server takes the next job whatever happened to the last"
    if "data" in statement:
        assert bench.text == "out of data\n"
    if "string_at" in statement:
        assert "Segmentation fault" in bench.text
        assert "string_at" in bench.text


def test_a_function_ends_as_python_does(bench: Bench) -> None:
    def train(params: dict[str, Any]) -> None:
        import atexit
        import tempfile
        import threading
        import time

        atexit.register(print, "atexit")
        train.keep = tempfile.TemporaryDirectory(dir=".", prefix="mine-")  # type: ignore[attr-defined]
        threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start()
        print("no newline at the end", end=" ")

    exit_ = run(bench.function(train), preload=["tempfile"])
    assert exit_.code == 0
    assert bench.text == "no newline at the end thread\natexit\n"
    assert not list(bench.folder.glob("mine-*"))


def test_a_function_may_close_all_that_is_open(bench: Bench) -> None:
    def train(params: dict[str, Any]) -> None:
        import importlib
        import os

        importlib.import_module("xmlrpc.client")  # which the helper would be told of
        os.closerange(3, 100)

    assert keep(lambda fork_server: fork_server.run(bench.function(train))) == Exit(0, cpu_s=ANY, max_rss_bytes=ANY)


def test_a_file_that_is_no_function_fails_with_a_traceback(bench: Bench) -> None:
    (bench.folder / "broken.pkl").write_bytes(b"not a pickle")
    exit_ = run(bench.job(function_path=str(bench.folder / "broken.pkl")))
    assert exit_.code == 1
    assert "UnpicklingError" in bench.text


def test_jobs_share_nothing(bench: Bench) -> None:
    def train(params: dict[str, Any]) -> None:
        import json as module
        import os
        import random

        print(
            module.__dict__.get("stain"),
            os.environ.get("STAIN"),
            os.getcwd() == os.environ["WHERE"],
            sorted(name for name in os.environ if name.startswith("ONLY")),
            random.random(),
        )
        module.stain = 1  # type: ignore[attr-defined]
        os.environ["STAIN"] = "1"
        os.chdir("/")

    async def body(fork_server: ForkServerClient) -> None:
        for name in ("ONLY_A", "ONLY_B"):
            env = {**bench.env, "WHERE": str(bench.folder), name: "1"}
            assert (await fork_server.run(bench.function(train, env=env))).code == 0

    keep(body, preload=["random"])
    first, second = (line.rsplit(" ", 1) for line in bench.text.splitlines())
    assert first[0] == "None None True ['ONLY_A']"
    assert second[0] == "None None True ['ONLY_B']"
    assert first[1] != second[1], "forks must not draw the same numbers"


def test_numpy_is_reseeded_in_every_trial(bench: Bench) -> None:
    def train(params: dict[str, Any]) -> None:
        import numpy

        print(numpy.random.random())

    async def body(fork_server: ForkServerClient) -> None:
        assert fork_server.problems == {}
        for _ in range(3):
            assert (await fork_server.run(bench.function(train))).code == 0

    keep(body, preload=["numpy.random"])
    assert len(set(bench.text.split())) == 3


def test_a_thousand_jobs_leak_nothing(bench: Bench) -> None:
    def train(params: dict[str, Any]) -> None:
        pass

    async def body(fork_server: ForkServerClient) -> tuple[list[int], list[int]]:
        job = bench.function(train)
        for _ in range(3):
            await fork_server.run(job)
        helper = psutil.Process(fork_server.pid)
        before = [helper.num_fds(), psutil.Process().num_fds(), len(helper.children())]
        for _ in range(1000):
            assert (await fork_server.run(job)).code == 0
        return before, [helper.num_fds(), psutil.Process().num_fds(), len(helper.children())]

    before, after = keep(body)
    assert before == after
    assert after[2] == 0


# ---------------------------------------------------------------------- scripts


def test_a_script_runs_as_main(bench: Bench) -> None:
    code = """
    import sys, inspect
    import beside
    if __name__ == "__main__":
        source = inspect.getsource(sys.modules["__main__"].f).strip()
        print(sys.argv[1:], beside.x, __file__.endswith("script.py"), source)
        sys.exit(4)
    def f(): pass
    """
    code = code.replace("    if __name__", "    def f(): pass\n    if __name__", 1)
    (bench.folder / "beside.py").write_text("x = 42")
    assert run(bench.script(code, "--lr", "0.1")).code == 4
    assert bench.text == "['--lr', '0.1'] 42 True def f(): pass\n"


@pytest.mark.parametrize(
    ("code", "text", "exit_code"),
    [
        ("def f(:", "SyntaxError", 1),
        ("x = 1\nraise RuntimeError('boo')", 'script.py", line 2, in <module>', 1),
    ],
)
def test_a_broken_script(bench: Bench, code: str, text: str, exit_code: int) -> None:
    assert run(bench.script(code)).code == exit_code
    assert text in bench.text
    assert "raydrive/runtime" not in bench.text


def test_a_missing_script(bench: Bench) -> None:
    assert run(bench.job(script="missing.py")).code == 2
    assert "cannot open the script" in bench.text


def test_a_script_may_use_multiprocessing(bench: Bench) -> None:
    code = """
    import multiprocessing
    def square(x): return x * x
    if __name__ == "__main__":
        with multiprocessing.get_context("fork").Pool(2) as pool:
            print(pool.map(square, [1, 2, 3]))
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            print(pool.map(square, [4]))
    """
    assert run(bench.script(code)).code == 0
    assert bench.text == "[1, 4, 9]\n[16]\n"


# ---------------------------------------------------------------------- warm imports


def module(folder: Path, name: str, code: str) -> None:
    (folder / f"{name}.py").write_text(textwrap.dedent(code))


def test_preload_reports_what_it_cannot_import(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    module(bench.folder, "raises_at_import", "raise OSError('no disk')")
    module(bench.folder, "exits_at_import", "raise SystemExit(3)")
    problems = keep(
        lambda fork_server: asyncio.sleep(0, fork_server.problems),
        preload=["json.tool", "no_such_module", "raises_at_import", "exits_at_import"],
        cwd=str(bench.folder),
    )
    assert problems == {
        "no_such_module": "ModuleNotFoundError: No module named 'no_such_module'",
        "raises_at_import": "OSError: no disk",
        "exits_at_import": "SystemExit: 3",
    }


def test_a_module_that_starts_threads_is_not_preloaded(bench: Bench) -> None:
    module(
        bench.folder,
        "threaded",
        THREADS,
    )
    module(bench.folder, "quiet", "import time\nloaded = time.time()")

    def train(params: dict[str, Any]) -> None:
        import sys

        print("quiet" in sys.modules, "threaded" in sys.modules)

    async def body(fork_server: ForkServerClient) -> Exit:
        assert "starts threads" in fork_server.problems["threaded"]
        assert psutil.Process(fork_server.pid).num_threads() == 1
        return await fork_server.run(bench.function(train))

    assert keep(body, preload=["quiet", "threaded"], cwd=str(bench.folder)).code == 0
    assert bench.text == "True False\n"


def test_pyarrow_is_preloaded_and_works_after_the_fork(bench: Bench) -> None:
    """With pandas installed, scikit-learn imports it, and its allocator has a thread of its own."""

    def train(params: dict[str, Any]) -> None:
        import sys

        print("pyarrow" in sys.modules)
        import pyarrow.compute

        column = pyarrow.chunked_array([list(range(100_000))] * 8)
        print(pyarrow.compute.sum(column).as_py(), pyarrow.compute.sort_indices(column)[0].as_py())

    async def body(fork_server: ForkServerClient) -> Exit:
        assert fork_server.problems == {}
        return await fork_server.run(bench.function(train))

    assert keep(body, preload=["pyarrow"], cwd=str(bench.folder)).code == 0
    assert bench.text == "True\n39999600000 0\n"


def test_installed_modules_are_learned_from_the_first_trial_and_the_users_are_not(bench: Bench) -> None:
    module(bench.folder, "mine", "print('mine imported')")

    def train(params: dict[str, Any]) -> None:
        import sys

        print("colorsys" in sys.modules, "mine" in sys.modules)
        import colorsys  # noqa: F401

        import mine  # type: ignore[import-not-found]  # noqa: F401

    async def body(fork_server: ForkServerClient) -> None:
        for _ in range(2):
            assert (await fork_server.run(bench.function(train))).code == 0

    keep(body, cwd=str(bench.folder))
    assert bench.text.splitlines() == ["False False", "mine imported", "True False", "mine imported"]
    bench.log.unlink()
    keep(body, cwd=str(bench.folder), learn=False)
    assert bench.text.splitlines() == ["False False", "mine imported", "False False", "mine imported"]


def test_learning_something_unsafe_starts_over_without_it(bench: Bench, tmp_path: Path) -> None:
    library = tmp_path / "site-packages"
    library.mkdir()
    module(
        library,
        "threads_at_import",
        THREADS,
    )

    def train(params: dict[str, Any]) -> None:
        import sys

        print("threads_at_import" in sys.modules, params["n"], flush=True)
        import threads_at_import  # type: ignore[import-not-found]  # noqa: F401

    async def body(fork_server: ForkServerClient) -> None:
        for n in range(3):
            assert (await fork_server.run(bench.function(train, params={"n": n}))).code == 0
        assert psutil.Process(fork_server.pid).num_threads() == 1

    sys.path.append(str(library))
    try:
        keep(body)
    finally:
        sys.path.remove(str(library))
    assert bench.text == "False 0\nFalse 1\nFalse 2\n"


# ---------------------------------------------------------------------- ending trees


def test_what_a_program_leaves_behind_is_killed_at_its_end(bench: Bench) -> None:
    exit_ = run(bench.python(DAEMON))
    assert exit_.code == 0
    assert "all up" in bench.text
    assert len(bench.pids) == 4
    assert bench.living() == []


def test_stop_ends_what_ignores_sigterm_after_the_grace(bench: Bench) -> None:
    async def body(fork_server: ForkServerClient) -> tuple[Exit, float]:
        running = asyncio.ensure_future(fork_server.run(bench.python(DAEMON + "time.sleep(600)")))
        await async_wait_until(lambda: "all up" in bench.text, "the tree")
        began = time.monotonic()
        await fork_server.stop(0.5)
        took = time.monotonic() - began
        assert bench.living() == []
        return await running, took

    exit_, took = keep(body)
    assert exit_.code == -signal.SIGKILL
    assert not exit_.oom
    assert took > 0.45, "it had its grace"


def test_stop_lets_a_process_behind_a_shell_save_its_work(bench: Bench) -> None:
    code = """
    import signal, sys, time
    def save(*_):
        time.sleep(0.5)
        print("saved", flush=True)
        sys.exit(0)
    signal.signal(signal.SIGTERM, save)
    note(); print("up", flush=True)
    time.sleep(600)
    """
    python = bench.python(code)

    async def body(fork_server: ForkServerClient) -> Exit:
        job = bench.job(argv=("sh", "-c", f"{' '.join(python.argv)}; true"))
        running = asyncio.ensure_future(fork_server.run(job))
        await async_wait_until(lambda: "up" in bench.text, "the program")
        await fork_server.stop(30)
        return await running

    assert keep(body).code == -signal.SIGTERM
    assert bench.text == "up\nsaved\n"


def test_kill_and_cancel_are_immediate(bench: Bench) -> None:
    async def body(fork_server: ForkServerClient) -> None:
        job = bench.python("import signal, time\nsignal.signal(15, signal.SIG_IGN)\nnote()\ntime.sleep(600)")
        running = asyncio.ensure_future(fork_server.run(job))
        await async_wait_until(lambda: len(bench.pids) == 1, "the program")
        stopping = asyncio.ensure_future(fork_server.stop(3600))  # longer than a test may take
        fork_server.kill()
        assert (await running).code == -signal.SIGKILL
        await stopping
        running = asyncio.ensure_future(fork_server.run(job))
        await async_wait_until(lambda: len(bench.pids) == 2, "the second program")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await async_wait_until(lambda: not fork_server.busy, "the end of the cancelled job")

    keep(body)
    assert bench.living() == []


def test_a_tree_that_keeps_forking_is_killed(bench: Bench) -> None:
    code = """
    import signal, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end = time.monotonic() + 60
    def grow(depth):
        note()
        while time.monotonic() < end:
            if os.fork() == 0:
                os.setsid()
                if depth < 3: grow(depth + 1)
                note(); time.sleep(0.05); os._exit(0)
            time.sleep(0.02 * 4 ** depth)
    grow(0)
    """

    async def body(fork_server: ForkServerClient) -> Exit:
        running = asyncio.ensure_future(fork_server.run(bench.python(code)))
        await async_wait_until(lambda: len(bench.pids) > 30, "the bomb")
        fork_server.kill()
        return await running

    assert keep(body).code == -signal.SIGKILL
    seen = len(bench.pids)
    assert bench.living() == []
    time.sleep(0.2)
    assert len(bench.pids) == seen


def test_a_stopped_process_is_ended_too(bench: Bench) -> None:
    async def body(fork_server: ForkServerClient) -> Exit:
        job = bench.python("import signal, time\nnote()\nos.kill(os.getpid(), signal.SIGSTOP)\ntime.sleep(600)")
        running = asyncio.ensure_future(fork_server.run(job))
        await async_wait_until(lambda: len(bench.pids) == 1, "the program")
        await fork_server.stop(30)
        return await running

    assert keep(body).code == -signal.SIGTERM


def test_an_error_in_on_begin_ends_the_job(bench: Bench) -> None:
    def on_begin(pid: int) -> None:
        raise LookupError("nobody home")

    async def body(fork_server: ForkServerClient) -> Exit:
        with pytest.raises(LookupError, match="nobody home"):
            await fork_server.run(bench.job(argv=("sleep", "600")), on_begin)
        return await fork_server.run(bench.job(argv=("true",)))

    assert keep(body).code == 0


def test_one_job_at_a_time(bench: Bench) -> None:
    async def body(fork_server: ForkServerClient) -> Exit:
        running = asyncio.ensure_future(fork_server.run(bench.job(argv=("sleep", "600"))))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="one at a time"):
            await fork_server.run(bench.job(argv=("true",)))
        fork_server.kill()
        return await running

    assert keep(body).code == -signal.SIGKILL


# ---------------------------------------------------------------------- when the supervisors die


def test_close_kills_the_job_and_ends_the_helper(bench: Bench) -> None:
    async def main() -> int:
        fork_server = await ForkServerClient.start()
        running = asyncio.ensure_future(fork_server.run(bench.python(DAEMON + "time.sleep(600)")))
        await async_wait_until(lambda: "all up" in bench.text, "the tree")
        await fork_server.close()
        assert not fork_server.alive
        assert (await running).code in (None, -signal.SIGKILL)
        again = await fork_server.run(bench.job(argv=("true",)))
        assert again.code is None
        assert "supervises" in again.error
        return fork_server.pid

    pid = asyncio.run(main())
    wait_until(lambda: not is_alive(pid), "the end of the helper")
    assert bench.living() == []


def test_a_killed_helper_is_noticed_and_takes_its_job_along(bench: Bench) -> None:
    async def main() -> Exit:
        fork_server = await ForkServerClient.start()
        job = bench.python("import time\nos.fork()\nnote()\ntime.sleep(600)")
        running = asyncio.ensure_future(fork_server.run(job))
        await async_wait_until(lambda: len(bench.pids) == 2, "the program")
        os.kill(fork_server.pid, signal.SIGKILL)
        exit_ = await running
        assert not fork_server.alive
        return exit_

    exit_ = asyncio.run(main())
    assert exit_.code is None
    assert "the process that supervises the trial" in exit_.error
    wait_until(lambda: bench.living() == [], "the end of the job")


def test_a_helper_that_is_asked_to_end_ends_its_job_first(bench: Bench) -> None:
    async def main() -> Exit:
        fork_server = await ForkServerClient.start()
        running = asyncio.ensure_future(fork_server.run(bench.python("import time\nnote()\ntime.sleep(600)")))
        await async_wait_until(lambda: len(bench.pids) == 1, "the program")
        os.kill(fork_server.pid, signal.SIGTERM)
        exit_ = await running
        await fork_server.close()
        return exit_

    assert asyncio.run(main()).code == -signal.SIGTERM


ACTOR = """
import asyncio, json, sys
from raydrive.runtime.trial_actor.fork_client import Job, ForkServerClient

async def main():
    fork_server = await ForkServerClient.start(remove=[sys.argv[2]])
    print(fork_server.pid, flush=True)
    await fork_server.run(Job(**json.loads(sys.argv[1])))

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_when_the_actor_dies_its_job_gets_the_grace_and_then_is_gone(bench: Bench, number: int) -> None:
    code = (
        DAEMON
        + """
def save(*_):
    print("told", flush=True)
signal.signal(signal.SIGTERM, save)
print("ready", flush=True)
while True: time.sleep(1)
"""
    )
    job = bench.python(code)
    fields = {"argv": job.argv, "cwd": job.cwd, "env": dict(job.env), "log_path": job.log_path, "grace_s": 0.5}
    find_existing = bench.folder / "socket"
    find_existing.touch()
    actor = subprocess.Popen(
        [sys.executable, "-c", ACTOR, json.dumps(fields), str(find_existing)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert actor.stdout is not None
        helper = int(actor.stdout.readline())
        wait_until(lambda: "ready" in bench.text, "the tree")
        assert helper not in [child.pid for child in psutil.Process(actor.pid).children(recursive=True)]
        actor.send_signal(number)
        actor.wait(LIMIT_S)
        wait_until(lambda: not is_alive(helper), "the end of the helper")
    finally:
        actor.kill()
        actor.wait()
        assert actor.stdout is not None
        actor.stdout.close()
    assert bench.living() == []
    assert "told" in bench.text
    assert not find_existing.exists()


def test_the_loop_may_run_in_any_thread(bench: Bench) -> None:
    import threading

    exits: list[Exit] = []
    thread = threading.Thread(target=lambda: exits.append(run(bench.job(argv=("true",)))))
    thread.start()
    thread.join(LIMIT_S)
    assert exits[0].code == 0


def test_an_interpreter_that_does_not_exist() -> None:
    async def main() -> None:
        with pytest.raises(FileNotFoundError):
            await ForkServerClient.start(python="/no/such/python")
        with pytest.raises(RuntimeError, match="ended before it was ready"):
            await ForkServerClient.start(python="/bin/false")

    asyncio.run(main())
