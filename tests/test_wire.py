from __future__ import annotations

import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raydrive import log_command, ranks, wire


class Server:
    """Reads everything, in a thread; the lines of each connection in ``connections``."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.connections: list[bytearray] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(path)
        self._socket.listen(100)
        self._threads: list[threading.Thread] = []
        self._accepter = threading.Thread(target=self._accept)
        self._accepter.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                return  # told to end, and nobody waits any more
            number = len(self.connections)
            self.connections.append(bytearray())
            thread = threading.Thread(target=self._read, args=(connection, number))
            thread.start()
            self._threads.append(thread)
            if self.path == "":
                self._socket.settimeout(0.2)  # connections that wait in the backlog count too

    def _read(self, connection: socket.socket, number: int) -> None:
        with connection:
            while data := connection.recv(1 << 16):
                self.connections[number] += data

    def messages(self) -> list[dict[str, Any]]:
        """Closes the server and returns what came, connection by connection."""
        self.path, path = "", self.path
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as last:
            last.connect(path)
        self._accepter.join(10)
        for thread in self._threads:
            thread.join(10)
        self._socket.close()
        lines = [bytes(line) for data in self.connections for line in data.splitlines()]
        messages, bad = wire.decode(lines)
        assert bad == []
        return messages


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(str(tmp_path / "s"))
    yield server
    if server.path:
        server.messages()


numbers = st.one_of(st.integers(-(2**70), 2**70), st.floats())
values = st.recursive(
    st.one_of(numbers, st.text(max_size=10)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow])
@given(st.lists(st.dictionaries(st.text(min_size=1, max_size=10), values, min_size=1, max_size=3), max_size=3))
def test_any_value_survives_the_line(metrics: list[dict[str, Any]]) -> None:
    lines = [wire.encode({"m": values}) for values in metrics]
    assert all(line.count(b"\n") == 1 for line in lines)
    messages, bad = wire.decode([line[:-1] for line in lines])
    assert bad == []
    assert repr([message["m"] for message in messages]) == repr(metrics)  # repr: NaN is NaN


def test_bad_lines_do_not_touch_their_neighbours() -> None:
    lines = [b'{"m": {"a": 1}}', b"", b'{"m"', b'"x": 1}', b"3", b'{"b": Infinity}', b"[" * 100_000]
    messages, bad = wire.decode(lines)
    assert messages == [{"m": {"a": 1}}, {"b": math.inf}]
    assert bad == [b'{"m"', b'"x": 1}', b"3", b"[" * 100_000]


def test_lines_that_are_only_together_json_are_bad() -> None:
    assert wire.decode([b'{"a": 1}, {"b": 2}', b'{"c": {}']) == ([], [b'{"a": 1}, {"b": 2}', b'{"c": {}'])
    assert wire.decode([b'{"a": "x', b'y"}, {"b": 1}']) == ([], [b'{"a": "x', b'y"}, {"b": 1}'])


def test_threads_share_a_connection_and_lines_stay_whole(server: Server) -> None:
    client = wire.Client(server.path)

    def work(who: int) -> None:
        for n in range(200):
            assert client.send({"m": {"who": who, "n": n, "text": "z" * 3000}})

    threads = [threading.Thread(target=work, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.close()
    messages = server.messages()
    assert len(server.connections) == 2  # and the one that ends the server
    for who in range(4):
        assert [m["m"]["n"] for m in messages if m["m"]["who"] == who] == list(range(200))


FORK = """
import os, sys, threading
from raydrive import context_values, wire
client = wire.Client(sys.argv[1])
client.send({"m": {"who": "parent", "n": 0}})
held = client._lock
threading.Thread(target=lambda: (held.acquire(), threading.Event().wait()), daemon=True).start()
while not getattr(held, "_is_owned", lambda: True)() and held.acquire(blocking=False):
    held.release()
for child in range(3):
    if os.fork() == 0:
        for n in range(100):
            client.send({"m": {"who": child, "n": n}})
        os._exit(0)
for child in range(3):
    assert os.wait()[1] == 0
os._exit(0)
"""


def test_forked_children_open_connections_of_their_own_even_when_the_lock_was_held(server: Server) -> None:
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORK, server.path], check=True, timeout=30)
    messages = server.messages()
    assert len(server.connections) == 5
    for child in range(3):
        assert [m["m"]["n"] for m in messages if m["m"]["who"] == child] == list(range(100))


SIGNAL = """
import signal, sys
from raydrive import context_values, wire
client = wire.Client(sys.argv[1])
handled = []
def handler(*_):
    handled.append(client.send({"m": {"who": "handler"}}))
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.005, 0.01)
for n in range(300):
    client.send({"m": {"who": "main", "text": "z" * 100_000}})
signal.setitimer(signal.ITIMER_REAL, 0)
print(len(handled))
"""


def test_a_signal_handler_may_log_in_the_middle_of_a_line(server: Server) -> None:
    done = subprocess.run([sys.executable, "-c", SIGNAL, server.path], check=True, timeout=60, capture_output=True)
    handled = int(done.stdout)
    who = [message["m"]["who"] for message in server.messages()]
    assert handled > 3
    assert who.count("main") == 300
    assert who.count("handler") == handled


def test_an_interrupted_line_is_not_glued_to_the_next(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        client = wire.Client(str(tmp_path / "s"))

        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGALRM, interrupt)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(KeyboardInterrupt):
                client.send({"m": {"text": "z" * 5_000_000}})  # nobody reads: it waits in the middle
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        assert client.send({"m": {"a": 1}})
        client.close()
        first, _ = listener.accept()
        second, _ = listener.accept()
        with first, second:
            assert second.makefile("rb").read() == b'{"m":{"a":1}}\n'


def test_a_full_channel_blocks_the_writer(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom raydrive import wire\nc = wire.Client(sys.argv[1])\n"
        "for n in range(1000): c.send({'m': {'text': 'z' * 5000}}); print(n, flush=True)"
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        writer = subprocess.Popen([sys.executable, "-c", code, listener.getsockname()], stdout=subprocess.PIPE)
        connection, _ = listener.accept()
        with connection, pytest.raises(subprocess.TimeoutExpired):
            writer.wait(1)
        listener.close()
        assert writer.wait(20) == 0  # the reader is gone: the rest is not logged, and training goes on
        assert writer.stdout is not None
        assert len(writer.stdout.read().splitlines()) == 1000
        writer.stdout.close()


def test_a_channel_that_is_gone_is_told_once_and_raises_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client = wire.Client(str(tmp_path / "nobody"))
    assert [client.send({"m": {"a": 1}}) for _ in range(3)] == [False] * 3
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "cannot log to" in err
    assert "training continues" in err


def test_a_channel_that_is_made_anew_in_time_is_found(tmp_path: Path) -> None:
    path = tmp_path / "channel"
    sent: list[bool] = []
    client = wire.Client(str(path))
    sending = threading.Thread(target=lambda: sent.append(client.send(wire.metrics_message({"n": 1}))))
    sending.start()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen()
        connection, _ = listening.accept()
        sending.join(10)
        assert sent == [True]
        with connection:
            assert wire.decode([connection.recv(1000).strip()])[0][0]["m"] == {"n": 1}
    client.close()


def test_a_server_that_restarts_in_between_is_found_again(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    client = wire.Client(path)
    first = Server(path)
    assert client.send({"m": {"n": 0}})
    client.close()
    first.messages()
    os.unlink(path)
    second = Server(path)
    assert client.send({"m": {"n": 1}})
    client.close()
    assert [message["m"]["n"] for message in second.messages()] == [1]


def test_logging_takes_less_than_50_us(server: Server) -> None:
    code = """
import sys, time
from raydrive import context_values, wire
client = wire.Client(sys.argv[1])
times = []
for n in range(5000):
    began = time.perf_counter()
    client.send(wire.metrics_message({"accuracy": 0.9 + n}, n))
    times.append(time.perf_counter() - began)
print(sorted(times)[2500])
"""
    done = subprocess.run([sys.executable, "-c", code, server.path], check=True, capture_output=True, timeout=60)
    assert float(done.stdout) < 50e-6
    assert len(server.messages()) == 5000


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("-0.5", -0.5), ("1e-3", 0.001), ("inf", math.inf), ("relu", "relu"), ("1_000", "1_000"), ("", "")],
)
def test_parse_scalar(text: str, value: Any) -> None:
    assert wire.parse_scalar(text) == value
    assert type(wire.parse_scalar(text)) is type(value)
    assert math.isnan(float(wire.parse_scalar("nan")))


def log(arguments: list[str], channel: str = "") -> subprocess.CompletedProcess[str]:
    env = {name: text for name, text in os.environ.items() if name != wire.CHANNEL}
    if channel:
        env[wire.CHANNEL] = channel
    command = [sys.executable, "-m", "raydrive.log_command", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=30, check=False)


def test_logging_from_a_command_line(server: Server) -> None:
    began = time.time()
    done = log(["val loss=0.25", "mode=fast=yes", "--step", "7"], server.path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (message,) = server.messages()
    assert message["m"] == {"val loss": 0.25, "mode": "fast=yes"}
    assert message["s"] == 7
    assert began <= message["t"] <= time.time()


def test_logging_from_a_command_line_outside_a_trial_prints() -> None:
    done = log(["accuracy=0.5", "--step", "3"])
    assert (done.returncode, done.stdout) == (0, "accuracy = 0.5 (step 3)\n")


def test_logging_from_a_command_line_says_everything_that_is_wrong(tmp_path: Path) -> None:
    done = log(["accuracy", "=3", "ok=1", "--step", "two"])
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 4
    assert "found 'two'; allowed: a number" in done.stderr
    assert log([]).returncode == 2
    assert log(["--step", "1"]).returncode == 2
    assert log(["--help"]).returncode == 0
    gone = log(["a=1"], str(tmp_path / "nobody"))
    assert gone.returncode == 5
    assert "cannot log to" in gone.stderr


@pytest.mark.parametrize(
    ("arguments", "values", "step"),
    [
        (["acc = 0.9"], {"acc": 0.9}, None),
        (["  acc  =  0.9  "], {"acc": 0.9}, None),
        (["val loss=.5", "mode=a,b", "v=1.2.3", "day=2026-01-02", "s=1 2"], None, None),
        (["layers=1,2,3"], {"layers": "1,2,3"}, None),
        (["acc=nan", "b=-inf", "--step=-1"], None, -1),
        (["acc=0.9", "--step", " 7 "], {"acc": 0.9}, 7),
        (["acc=0.9", "--step", "0.5"], {"acc": 0.9}, 0.5),
    ],
)
def test_what_a_command_line_may_say(arguments: list[str], values: dict[str, Any] | None, step: float | None) -> None:
    found, at, complaints = log_command.parse_log(arguments)
    assert complaints == []
    assert at == step
    assert values is None or found == values


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["acc=1,5"], "'1,5', which is not a number"),
        (["acc=,5"], "',5', which"),
        (["acc=1,234.5"], "'1,234.5'"),
        (["acc=-1,5e-3"], "'-1,5e-3'"),
        (["acc=93 %"], "'93 %'"),
        (["acc=1_000"], "'1_000'"),
        (["acc="], "no value"),
        (["acc = "], "no value"),
        ([" =3"], "' =3'"),
        (["acc=1", "acc=2"], "a second value, '2'"),
        (["acc=1", "--steps=3"], "'--steps=3'"),
        (["acc=1", "--step", "1" + "0" * 400], "a number, finite and of 64 bits"),
        (["acc=1", "--step", "1" + "0" * 5000], "a number, finite and of 64 bits"),
        (["acc=1", "--step=nan"], "'nan'"),
        (["acc=1", "--step=inf"], "'inf'"),
        (["acc=1", "--step"], "''"),
        (["acc=1", "--step=1", "--step=2"], "a second one, '2'"),
        (["x" * 10_000], "..."),
    ],
)
def test_what_a_command_line_may_not_say(arguments: list[str], found: str) -> None:
    (complaint,) = log_command.parse_log(arguments)[2]
    assert found in complaint
    assert "allowed: " in complaint
    assert len(complaint) < 250


@pytest.mark.parametrize(
    ("environment", "rank"),
    [
        ({}, 0),
        ({"RANK": "0", "WORLD_SIZE": "4"}, 0),
        ({"RANK": "3", "WORLD_SIZE": "4"}, 3),
        ({"RANK": "3"}, 3),
        ({"RANK": "3", "WORLD_SIZE": "1"}, 0),
        ({"RANK": "high"}, 0),
        ({"RANK": "-1"}, 0),
        ({"RANK": "\u0663"}, 0),
        ({"RANK": "0", "LOCAL_RANK": "1", "WORLD_SIZE": "4"}, 0),
        ({"LOCAL_RANK": "1", "WORLD_SIZE": "4"}, 1),
        ({"LOCAL_RANK": "1"}, 0),
        ({"OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "4"}, 2),
        ({"PMI_RANK": "2", "PMI_SIZE": "4"}, 2),
        ({"SLURM_PROCID": "5", "SLURM_NTASKS": "8"}, 5),
        ({"SLURM_PROCID": "5", "SLURM_NTASKS": "8", ranks.OUTER_RANKS: "SLURM_PROCID"}, 0),
        ({"SLURM_PROCID": "5", "SLURM_NTASKS": "8", "RANK": "0", "WORLD_SIZE": "2"}, 0),
        ({"SLURM_PROCID": "5", ranks.OUTER_RANKS: "SLURM_PROCID", "RANK": "1", "WORLD_SIZE": "2"}, 1),
        ({"JAX_PROCESS_ID": "1", "JAX_NUM_PROCESSES": "2"}, 1),
        ({"TF_CONFIG": '{"cluster": {"worker": ["a", "b"]}, "task": {"type": "worker", "index": 1}}'}, 1),
        ({"TF_CONFIG": '{"cluster": {"worker": ["a", "b"]}, "task": {"type": "worker", "index": 0}}'}, 0),
        ({"TF_CONFIG": '{"cluster": {"chief": ["c"], "worker": ["a"]}, "task": {"type": "worker", "index": 0}}'}, 1),
        ({"TF_CONFIG": '{"cluster": {"chief": ["c"]}, "task": {"type": "evaluator", "index": 1}}'}, 0),
        ({"TF_CONFIG": "not json"}, 0),
        ({"TF_CONFIG": "[]"}, 0),
        ({"RANK": "3", "WORLD_SIZE": "4", ranks.ALL_RANKS: "1"}, 0),
        ({"RANK": "3", "WORLD_SIZE": "4", ranks.ALL_RANKS: "0"}, 3),
    ],
)
def test_ranks(environment: dict[str, str], rank: int) -> None:
    assert ranks.rank_of(environment) == rank


def test_ranks_from_before_the_trial_are_not_its_own() -> None:
    outside = {"SLURM_PROCID": "3", "PMI_RANK": "0", "TF_CONFIG": "{}", "HOME": "/"}
    assert ranks.outer_ranks(outside) == "SLURM_PROCID,TF_CONFIG"
    assert ranks.outer_ranks({"SLURM_PROCID": "0"}) == ""


def test_the_command_line_logger_tells_its_rank(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert log(["acc = 0.5"], server.path).returncode == 0
    (message,) = server.messages()
    assert (message["m"], message["r"]) == ({"acc": 0.5}, 2)


def test_the_command_line_logger_loads_nothing_heavy() -> None:
    code = "import sys; before = set(sys.modules); import raydrive.context; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, timeout=30)
    heavy = {"ray", "numpy", "asyncio", "shutil", "tempfile", "pathlib", "dataclasses"}
    assert not set(done.stdout.split()) & heavy


def test_the_environment_of_a_trial() -> None:
    given: dict[str, Any] = {
        "channel": "/tmp/s",
        "run_id": "digits-1",
        "trial": 7,
        "attempt": 2,
        "experiment": "digits",
        "params": {"lr": 0.1, "model": {"depth": 3}},
        "files_dir": "/work",
    }
    env = wire.trial_environment(**given)
    assert env["RAYDRIVE_TRIAL_ID"] == "digits-1_7"
    assert env["RAYDRIVE_OUTPUT_DIR"] == "/work/outputs"
    assert json.loads(env["RAYDRIVE_PARAMS"]) == given["params"]
    assert not {"RAYDRIVE_RESUME_FROM", "AZUREML_DATAREFERENCE_MODEL_LOCATION"} & env.keys()
    more = wire.trial_environment(**given, output_dir="/o", checkpoint_dir="/c", resume_from="/r")
    assert more["AZUREML_DATAREFERENCE_MODEL_LOCATION"] == "/r"
    assert (more["RAYDRIVE_OUTPUT_DIR"], more["RAYDRIVE_CHECKPOINT_DIR"], more["RAYDRIVE_RESUME_FROM"]) == (
        "/o",
        "/c",
        "/r",
    )
    assert all(isinstance(text, str) for text in more.values())
