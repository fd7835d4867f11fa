from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import stat
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from waiting import async_wait_until

from raydrive import wire
from raydrive.runtime.private_folder import private_folder
from raydrive.runtime.trial_actor import log_socket as channels
from raydrive.runtime.trial_actor.log_socket import LogSocket

WRITER = """
import subprocess
import sys
from raydrive import wire
client = wire.Client(sys.argv[1])
for n in range(int(sys.argv[2])):
    client.send(wire.metrics_message({"n": n, "who": sys.argv[3]}, n))
"""


def listen(body: Callable[[LogSocket, list[wire.Message]], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        channel = LogSocket()
        await channel.start()
        got: list[wire.Message] = []
        channel.take = got.extend
        try:
            return await body(channel, got)
        finally:
            await channel.close()

    return asyncio.run(main())


async def write(channel: LogSocket, count: int, who: str = "me") -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-c", WRITER, channel.path, str(count), who)


def connect(channel: LogSocket) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(channel.path)
    return connection


def test_everything_a_dead_process_has_written_is_read_in_order() -> None:
    async def body(channel: LogSocket, got: list[wire.Message]) -> None:
        writers = [await write(channel, 2000, str(number)) for number in range(3)]
        for writer in writers:
            assert await writer.wait() == 0
        assert await channel.drain()
        for number in range(3):
            assert [message["m"]["n"] for message in got if message["m"]["who"] == str(number)] == list(range(2000))

    listen(body)


def test_what_was_written_before_the_connection_was_accepted_is_read() -> None:
    async def body(channel: LogSocket, got: list[wire.Message]) -> None:
        for number in range(50):  # no await in between: the loop has not seen one of them
            with connect(channel) as connection:
                connection.sendall(wire.encode({"m": {"n": number}}))
        assert await channel.drain()
        assert [message["m"]["n"] for message in got] == list(range(50))

    listen(body)


def test_a_pause_blocks_the_writer_and_loses_nothing() -> None:
    async def body(channel: LogSocket, got: list[wire.Message]) -> None:
        def take(messages: Any) -> None:
            got.extend(messages)
            if len(got) == len(messages):
                channel.pause()

        channel.take = take
        writer = await write(channel, 20_000)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(writer.wait(), 1.5)
        paused_at = len(got)
        assert 0 < paused_at < 20_000
        late = await write(channel, 10)  # a connection made during the pause waits, too
        assert await late.wait() == 0
        assert len(got) == paused_at
        channel.resume()
        assert await writer.wait() == 0
        assert await channel.drain()
        assert len(got) == 20_010

    listen(body)


def test_bad_lines_are_counted_noticed_once_and_harm_nobody() -> None:
    async def body(channel: LogSocket, got: list[wire.Message]) -> None:
        notices: list[str] = []
        channel.notice = notices.append
        with connect(channel) as connection:
            connection.sendall(
                b'{"m": {"a": 1}}\nnot json\n\n[1]\n{"a": 1}, {"b": 2}\n\xff\xfe\n{"m": {"a": NaN}}\n{"m": {"cu'
            )
        await asyncio.sleep(0.05)
        bad = channel.bad_lines
        assert await channel.drain()
        assert got[0] == {"m": {"a": 1}}
        assert got[1]["m"]["a"] != got[1]["m"]["a"]
        assert len(got) == 2
        assert bad == 4
        assert len(notices) == 1
        assert "not json" in notices[0]

    listen(body)


def test_a_line_without_end_is_dropped_without_being_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "MAX_LINE_BYTES", 100_000)

    async def body(channel: LogSocket, got: list[wire.Message]) -> None:
        reader, writer = await asyncio.open_unix_connection(channel.path)
        writer.write(b'{"m": {"a": "' + b"x" * 1_000_000 + b'"}}\n{"m": {"b": 2}}\n')
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        del reader
        assert await channel.drain()
        assert got == [{"m": {"b": 2}}]

    listen(body)


def test_long_lines_in_pieces() -> None:
    async def body(channel: LogSocket, got: list[wire.Message]) -> None:
        _, writer = await asyncio.open_unix_connection(channel.path)
        text = "y" * 3_000_000
        for _ in range(2):
            writer.write(wire.encode({"m": {"a": text}}))
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert await channel.drain()
        assert [len(message["m"]["a"]) for message in got] == [3_000_000] * 2

    listen(body)


def test_a_connection_of_an_outsider_is_closed_by_drain() -> None:
    async def body(channel: LogSocket, got: list[wire.Message]) -> None:
        with connect(channel) as outsider:
            outsider.sendall(wire.encode({"m": {"a": 1}}))
            assert not await channel.drain(0.2)
            await asyncio.sleep(0.01)
            with contextlib.suppress(BrokenPipeError):
                outsider.sendall(wire.encode({"m": {"a": 2}}))
        assert await channel.drain()
        assert got == [{"m": {"a": 1}}]

    listen(body)


def test_the_socket_is_private_short_and_removed() -> None:
    async def body(channel: LogSocket, got: list[wire.Message]) -> str:
        assert len(channel.path) < 100
        folder = os.path.dirname(channel.path)
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
        return channel.path

    path = listen(body)
    assert not os.path.exists(path)


def open_to_others(usual: Path) -> None:
    usual.mkdir(mode=0o755)
    usual.chmod(0o755)


TAKEN: dict[str, Callable[[Path], object]] = {
    "open to others": open_to_others,
    "a link": lambda usual: usual.symlink_to(usual.parent),
    "a dangling link": lambda usual: usual.symlink_to("nowhere"),
    "a file": lambda usual: usual.touch(),
    "another user's": lambda usual: (usual.mkdir(mode=0o700), os.chown(usual, 12345, 12345)),
}


@pytest.mark.parametrize("taken", TAKEN)
def test_where_the_usual_folder_is_taken_all_share_another_one(tmp_path: Path, taken: str) -> None:
    if taken == "another user's" and os.getuid() != 0:
        pytest.skip("only root can give a folder away")
    usual = tmp_path / f"raydrive-{os.getuid()}"
    TAKEN[taken](usual)
    foreign = tmp_path / f"{usual.name}-0"  # a name in the way proves nothing either
    foreign.mkdir(mode=0o755)
    foreign.chmod(0o755)
    found = private_folder(str(tmp_path))
    assert found not in (usual, foreign)
    assert stat.S_IMODE(found.stat().st_mode) == 0o700
    ask = "import sys; from raydrive.runtime.private_folder import private_folder;print(private_folder(sys.argv[1]))"
    told = subprocess.run([sys.executable, "-c", ask, str(tmp_path)], capture_output=True, text=True, check=True).stdout
    assert told.strip() == str(found) == str(private_folder(str(tmp_path)))
    assert len(list(tmp_path.iterdir())) == 3, "one folder, however often it is asked for"
    if usual.is_dir() and not usual.is_symlink():
        usual.rmdir()
    else:
        usual.unlink()
    assert private_folder(str(tmp_path)) == usual


def test_who_connects_while_there_are_no_descriptors_waits_and_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "ACCEPT_AGAIN_S", 0.05)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def body(channel: LogSocket, got: list[wire.Message]) -> None:
        with connect(channel) as connection:
            connection.sendall(wire.encode({"m": {"n": 1}}))
            free = os.dup(0)
            os.close(free)
            resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
            try:
                await asyncio.sleep(0.12)
                assert not got
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            await async_wait_until(lambda: bool(got), "what was said")

    listen(body)


def test_all_who_wrote_are_heard_where_there_are_fewer_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "ACCEPT_AGAIN_S", 0.05)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def body(channel: LogSocket, got: list[wire.Message]) -> None:
        for number in range(60):
            with connect(channel) as connection:
                connection.sendall(wire.encode({"m": {"n": number}}))
        highest = max(int(fd) for fd in os.listdir("/proc/self/fd"))
        held: list[int] = []
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 10, limits[1]))
            with contextlib.suppress(OSError):  # until none is free
                while True:
                    held.append(os.dup(0))
            assert not await channel.drain(0.2), "there are none at all"
            while held:
                os.close(held.pop())
            assert await channel.drain()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            for fd in held:
                os.close(fd)
        assert [message["m"]["n"] for message in got] == list(range(60))

    listen(body)


def test_messages_that_nobody_can_read_are_noticed() -> None:
    async def body(channel: LogSocket, got: list[wire.Message]) -> None:
        notices: list[str] = []
        channel.notice, channel.take = notices.append, lambda messages: messages[1:]
        with connect(channel) as connection:
            connection.sendall(b'{"m": {"a": 1}}\n{"m": 5}\n' + b"[" * 100_000 + b"\n")
        assert await channel.drain()
        assert [text.partition(":")[0] for text in notices] == [
            "a message that was logged cannot be read and was dropped"
        ]

    listen(body)


def test_a_message_of_any_size_and_nesting_is_noticed_in_a_line() -> None:
    async def body(channel: LogSocket, got: list[wire.Message]) -> None:
        notices: list[str] = []
        channel.notice, channel.take = notices.append, lambda messages: messages
        with connect(channel) as connection:
            connection.sendall(b'{"m": ' + b"[" * 900 + b"]" * 900 + b', "n": ' + b"1" * 4000 + b"}\n")
        assert await channel.drain()
        (text,) = notices
        assert len(text) < 500

    listen(body)


@pytest.mark.parametrize("instead", [b"", b"something else"])
def test_a_socket_that_was_removed_is_made_anew_at_its_path(instead: bytes) -> None:
    async def body(channel: LogSocket, got: list[wire.Message]) -> None:
        assert not channel.mend()
        path, before = channel.path, connect(channel)
        waiting = connect(channel)  # not accepted yet
        before.sendall(wire.encode({"m": {"n": 1}}))
        waiting.sendall(wire.encode({"m": {"n": 2}}))
        os.unlink(path)
        if instead:
            Path(path).write_bytes(instead)
        assert channel.mend()
        assert not channel.mend()
        assert channel.path == path
        with before, waiting, connect(channel) as after:
            after.sendall(wire.encode({"m": {"n": 3}}))
            before.sendall(wire.encode({"m": {"n": 4}}))
        assert await channel.drain()
        assert sorted(message["m"]["n"] for message in got) == [1, 2, 3, 4]

    listen(body)


def test_what_lies_in_the_place_of_a_removed_socket_is_not_deleted_at_the_end() -> None:
    async def main() -> str:
        channel = LogSocket()
        await channel.start()
        os.unlink(channel.path)
        Path(channel.path).write_text("of another process")
        await channel.close()
        return channel.path

    path = Path(asyncio.run(main()))
    assert path.read_text() == "of another process"
    path.unlink()


def test_a_process_that_logs_without_a_pause_is_looked_at_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look takes its core from it for a moment; one that logs now and then is read at once."""

    async def body(channel: LogSocket, got: list[wire.Message]) -> None:
        connection = connect(channel)

        async def is_read(k: int) -> None:
            await async_wait_until(lambda: got[-1:] == [{"k": k}], "what was said")

        async def say(k: int) -> None:
            connection.sendall(b'{"k": %d}\n' % k)
            await is_read(k)

        async def say_in_vain(k: int) -> None:
            connection.sendall(b'{"k": %d}\n' % k)
            await asyncio.sleep(0.05)
            assert {"k": k} not in got

        monkeypatch.setattr(channels, "BUSY_S", 0.0)  # no two lines are so close
        await say(1)
        await say(2)
        monkeypatch.setattr(channels, "BUSY_S", 60.0)  # all are
        monkeypatch.setattr(channels, "REST_S", 3600.0)
        await say(3)
        await say_in_vain(4)
        channel.resume()  # as when the process has ended: nothing is waited for
        await is_read(4)
        monkeypatch.setattr(channels, "REST_S", 0.02)
        channel.resume()
        await say(5)
        await say(6)  # after the rest
        monkeypatch.setattr(channels, "REST_S", 3600.0)
        await say(7)
        channel.pause()  # in the middle of a rest
        await say_in_vain(8)
        channel.resume()
        await is_read(8)
        channel.pause()
        channel.resume()
        await say(9)
        connection.close()
        assert await channel.drain()
        assert got == [{"k": k} for k in range(1, 10)]

    listen(body)
