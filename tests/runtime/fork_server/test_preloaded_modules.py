"""Modules that the fork server imports before a trial comes: named or learned, and none that makes forking unsafe."""

from __future__ import annotations

import asyncio
import sys
import textwrap
from pathlib import Path
from typing import Any

import psutil
import pytest
from process_bench import Bench, keep

from raydrive.runtime.trial_actor.fork_client import Exit, ForkServerClient

THREADS = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()"


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


def test_a_trial_that_is_stopped_tells_what_it_has_imported(bench: Bench) -> None:
    """As a paused one is: it has logged by then, and its process does not come to its end."""

    def train(params: dict[str, Any]) -> None:
        import sys
        import time

        print("colorsys" in sys.modules)
        import colorsys  # noqa: F401

        from raydrive import wire

        wire.Client("nobody-listens").send(wire.note_message("first value"))
        print("logged", flush=True)
        time.sleep(600)

    async def body(fork_server: ForkServerClient) -> None:
        for times in (1, 2):
            running = asyncio.ensure_future(fork_server.run(bench.function(train)))
            while bench.text.count("logged") < times:
                await asyncio.sleep(0.01)
            await fork_server.stop(30)
            await running

    keep(body, cwd=str(bench.folder))
    assert [line for line in bench.text.splitlines() if line in ("True", "False")] == ["False", "True"]


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
