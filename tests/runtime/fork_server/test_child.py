"""What runs in a forked process: programs, functions and scripts, with their log and their way to end."""

from __future__ import annotations

import os
import signal
import sys
import textwrap
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
from process_bench import Bench, keep, run

from raydrive.runtime.trial_actor.fork_client import Exit, ForkServerClient


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


def module(folder: Path, name: str, code: str) -> None:
    (folder / f"{name}.py").write_text(textwrap.dedent(code))
