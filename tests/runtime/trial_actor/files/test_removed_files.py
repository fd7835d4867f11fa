"""What an attempt needs in /tmp and /dev/shm is removed: while its actor is idle, between trials, during one."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from trial_actor_helpers import Driver, a_run, an_actor, end_of, loss_of, notes, once, until, values

from raydrive import wire
from raydrive.context import Run
from raydrive.runtime.trial_actor import log_socket
from raydrive.runtime.trial_actor.actor import TrialSupervisor
from raydrive.runtime.trial_actor.files import attempt_files, removed_files
from raydrive.storage.code_snapshot import store_code


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A /tmp and a /dev/shm of their own, with paths that are short enough for a socket."""
    real = log_socket.private_folder
    root = Path(tempfile.mkdtemp(prefix="rd-", dir="/tmp"))
    (root / "shm").mkdir()

    def folder(parent: str = "/tmp") -> Path:
        return real(str(root / "shm" if parent == "/dev/shm" else root))

    for module in (log_socket, attempt_files):
        monkeypatch.setattr(module, "private_folder", folder)
    monkeypatch.setattr(removed_files, "LOOK_S", 0.05)
    yield root
    shutil.rmtree(root)


def of(node: Path) -> Path:
    return node / f"raydrive-{os.getuid()}"


def remove_socket(node: Path) -> None:
    (path,) = of(node).glob("*.sock")
    path.unlink()


def replace_socket(node: Path) -> None:
    (path,) = of(node).glob("*.sock")
    path.unlink()
    path.write_text("something else")


def remove_folder(node: Path) -> None:
    shutil.rmtree(of(node))


def remove_links(node: Path) -> None:
    shutil.rmtree(node / "shm" / f"raydrive-{os.getuid()}")


def remove_function(node: Path) -> None:
    for path in of(node).glob("*/*.pkl"):
        path.unlink()


def remove_code_file(node: Path) -> None:
    for path in of(node).glob("*/code/*/train.py"):
        path.unlink()


def remove_nothing(node: Path) -> None:
    assert of(node).is_dir()


def log_and_write(params: dict[str, Any]) -> None:
    Run.get_context().log("score", 1.0)
    Path("outputs/model").write_text("model")


async def run(actor: TrialSupervisor, driver: Driver, trial: int, attempt: int = 1) -> list[Any]:
    """All events of an attempt, each once."""
    driver.events.clear()
    rest = await asyncio.wait_for(actor.run(1, trial, attempt, {}, None, 0), 60)
    return once(driver.events, rest)


IDLE = [remove_socket, replace_socket, remove_folder, remove_links, remove_function]


@pytest.mark.parametrize("before_the_first", [True, False])
@pytest.mark.parametrize("remove", IDLE, ids=lambda remove: remove.__name__)
def test_what_is_removed_while_no_trial_runs_is_there_for_the_next(
    tmp_path: Path, node: Path, remove: Callable[[Path], None], before_the_first: bool
) -> None:
    async def main() -> None:
        driver = Driver()
        driver.open.set()
        async with an_actor(*a_run(tmp_path, log_and_write), driver) as actor:
            await actor.ping()
            trial = 0
            if not before_the_first:
                assert values(await run(actor, driver, 0)) == [1.0]
                trial = 1
            remove(node)
            for number in (trial, trial + 1):
                events = await run(actor, driver, number)
                assert values(events) == [1.0]
                assert end_of(events)[1:3] == (0, "")
        assert of(node).stat().st_mode & 0o077 == 0

    asyncio.run(main())
    assert len(sorted((tmp_path / "storage").rglob("outputs/model"))) >= 2


@pytest.mark.parametrize("remove", [remove_folder, remove_code_file], ids=lambda remove: remove.__name__)
def test_code_that_is_removed_is_unpacked_again(tmp_path: Path, node: Path, remove: Callable[[Path], None]) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "train.py").write_text("import raydrive\nraydrive.Run.get_context().log('score', 2.0)\n")
    layout, config = a_run(tmp_path, print)
    trial = dataclasses.replace(
        config.trial, kind="command", command="python train.py", code_sha256=store_code(layout, source)
    )
    config = dataclasses.replace(config, trial=trial)

    async def main() -> None:
        driver = Driver()
        driver.open.set()
        async with an_actor(layout, config, driver) as actor:
            for number in range(3):
                assert values(await run(actor, driver, number)) == [2.0]
                remove(node)

    asyncio.run(main())


def waits(flag: Path, then: Callable[[], None]) -> Callable[[dict[str, Any]], None]:
    def train(params: dict[str, Any]) -> None:
        flag.with_suffix(".ready").touch()
        while not flag.exists():
            time.sleep(0.01)
        then()

    return train


def during(
    tmp_path: Path, node: Path, remove: Callable[[Path], None], then: Callable[[], None], attempt: int = 1
) -> Any:
    """An attempt in the middle of which something is removed, and only then it goes on; its events."""
    flag = tmp_path / "flag"

    async def main() -> list[Any]:
        driver = Driver()
        driver.open.set()
        async with an_actor(*a_run(tmp_path, waits(flag, then)), driver) as actor:
            result = asyncio.ensure_future(run(actor, driver, 0, attempt))
            await until(flag.with_suffix(".ready").exists)
            remove(node)
            flag.touch()
            return await result

    return asyncio.run(main())


@pytest.mark.parametrize("remove", [remove_socket, replace_socket, remove_folder], ids=lambda remove: remove.__name__)
def test_a_process_that_begins_to_log_after_its_socket_was_removed_is_heard(
    tmp_path: Path, node: Path, remove: Callable[[Path], None]
) -> None:
    def log() -> None:
        for value in (1.0, 2.0):
            Run.get_context().log("score", value)

    events = during(tmp_path, node, remove, log)
    assert values(events) == [1.0, 2.0]
    assert end_of(events).exit_code == 0
    assert any("its socket" in text and "was removed" in text for text in notes(events))
    (log_file,) = (tmp_path / "storage").rglob("log.txt")
    assert "was removed while the trial ran" in log_file.read_text()


def connect_once() -> None:
    """As a program does that knows nothing of raydrive's patience, and whose logging must not end it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(os.environ["RAYDRIVE_CHANNEL"])
            connection.sendall(wire.encode(wire.metrics_message({"score": 1.0})))
        except OSError:
            pass


def connect_or_fail() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(os.environ["RAYDRIVE_CHANNEL"])


@pytest.mark.parametrize("then", [connect_once, connect_or_fail])
def test_an_attempt_that_could_not_log_any_more_is_lost_and_not_failed(
    tmp_path: Path, node: Path, monkeypatch: pytest.MonkeyPatch, then: Callable[[], None]
) -> None:
    monkeypatch.setattr(removed_files, "LOOK_S", 60.0)  # nobody looks before the end
    events = during(tmp_path, node, remove_socket, then)
    assert "its socket" in loss_of(events)
    assert "was removed" in loss_of(events)


def test_a_trial_that_removes_its_socket_again_and_again_fails_with_a_sentence(
    tmp_path: Path, node: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removed_files, "LOOK_S", 60.0)
    events = during(tmp_path, node, remove_socket, connect_once, removed_files.MOST_ATTEMPTS)
    assert end_of(events).exit_code == 0  # without the metric: the judge says so
    assert any("its socket" in text for text in notes(events))


def test_a_connection_that_is_open_does_not_need_the_socket(tmp_path: Path, node: Path) -> None:
    flag = tmp_path / "flag"

    def train(params: dict[str, Any]) -> None:
        run_ = Run.get_context()
        run_.log("score", 1.0)
        waits(flag, lambda: run_.log("score", 2.0))(params)

    async def main() -> None:
        driver = Driver()
        driver.open.set()
        async with an_actor(*a_run(tmp_path, train), driver) as actor:
            result = asyncio.ensure_future(run(actor, driver, 0))
            await until(flag.with_suffix(".ready").exists)
            remove_socket(node)
            flag.touch()
            events = await result
            assert values(events) == [1.0, 2.0]
            assert end_of(events).exit_code == 0

    asyncio.run(main())


def test_the_way_to_the_trials_files_is_made_anew_while_it_runs(tmp_path: Path, node: Path) -> None:
    def write() -> None:
        end = time.monotonic() + 20
        while not Path("outputs").is_dir() and time.monotonic() < end:
            time.sleep(0.01)
        log_and_write({})

    events = during(tmp_path, node, remove_links, write)
    assert end_of(events).exit_code == 0
    assert any("link to its files" in text for text in notes(events))
    (model,) = (tmp_path / "storage").rglob("outputs/model")
    assert model.read_text() == "model"


def test_a_trial_that_fails_after_its_folder_was_removed_is_lost(tmp_path: Path, node: Path) -> None:
    def save() -> None:
        Run.get_context().log("score", 1.0)
        (Path(os.environ["RAYDRIVE_CHECKPOINT_DIR"]) / "1").mkdir()

    events = during(tmp_path, node, remove_folder, save)
    assert values(events) == [1.0]
    assert "it failed after" in loss_of(events)


def test_an_undisturbed_trial_has_no_notices(tmp_path: Path, node: Path) -> None:
    events = during(tmp_path, node, remove_nothing, lambda: log_and_write({}))
    assert notes(events) == []
    assert end_of(events).exit_code == 0
