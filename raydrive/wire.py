"""The line protocol between a training process and the trial actor that supervises it.

One JSON object a line, sent to the Unix socket named in ``RAYDRIVE_CHANNEL``. Any process of the trial may connect, any
number of times, in any language; a connection says nothing but such lines and is never answered. A line is one of::

    {"m": {"accuracy": 0.93}, "t": 1731000000.5, "s": 3, "d": "held-out set"}
        metrics logged together; "t" seconds since the epoch, "s" the user's step and "d" a description (all optional).
        A value is a number, a string, a list, a row {"column": scalar} or a table {"column": [scalar, ...]}
        (a picture is the row {"image": "outputs/images/loss.png"}, a name below the trial's files).
        "checkpoint" (see below) may be in the same line: then it holds these values. "r" is the rank of a process
        among several that train together, 0 where it is left out. What a rank above 0 logs is kept under "rank_3/NAME":
        the primary metric, tags and checkpoints are those of rank 0. With "returned" true the values are what the
        training function returned: of an attempt that logged nothing, the trial's last value once more is no interval.
    {"tags": {"fold": "2"}, "t": 1731000000.5}
    {"checkpoint": "2", "t": 1731000000.5}
        the folder of that name in ``RAYDRIVE_CHECKPOINT_DIR`` is complete: its marker ``2.done`` is there, or the
        folder is called ``2.raydrive``
    {"state": "Completed" | "Failed", "why": "out of patience", "t": 1731000000.5}
    {"note": "what its user must not miss", "t": 1731000000.5}

Python's JSON dialect is spoken: ``NaN``, ``Infinity`` and ``-Infinity`` stand for themselves. Nothing is acknowledged:
a full socket buffer blocks the writer, which is the back-pressure, and what was written before a process ended is read.

The first value of a step stands: a line that repeats one is not a new interval. What cannot be recorded or makes no
sense is replaced or dropped, and said so once: ``raydrive.core.reports.message_checks`` has the limits.

Standard library only, nothing newer than Python 3.8: training scripts import this in environments of their own.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import threading
import time
import weakref
from typing import Any, Callable, Dict, Mapping, Sequence, Union  # noqa: UP035  (aliases used at run time)

from raydrive import ranks, variables

CHANNEL = "RAYDRIVE_CHANNEL"
"""Path of the Unix socket that reads what a trial logs; unset outside a trial."""
RUN_ID = "RAYDRIVE_RUN_ID"
"""Id of the run the trial belongs to."""
TRIAL_ID = "RAYDRIVE_TRIAL_ID"
"""Id of the trial: the run's id, an underscore, the trial's number."""
TRIAL = "RAYDRIVE_TRIAL"
"""Number of the trial within its run, from 0."""
ATTEMPT = "RAYDRIVE_ATTEMPT"
"""Which start of the trial this is, from 1."""
EXPERIMENT = "RAYDRIVE_EXPERIMENT"
"""Name of the experiment."""
PARAMS = "RAYDRIVE_PARAMS"
"""The hyperparameters, as one JSON object. Beyond 100,000 bytes a file holds it: its path is in
``RAYDRIVE_PARAMS_FILE`` then, and this is unset."""
TUPLES = "RAYDRIVE_PARAMS_TUPLES"
"""Which lists in it are tuples in Python, as a JSON list of paths such as ``["layers", 0]``; unset when none is."""
INPUTS = "RAYDRIVE_INPUTS"
"""The run's inputs, as one JSON object of names and their paths or values; unset when it has none. As with the
hyperparameters, ``RAYDRIVE_INPUTS_FILE`` may stand for it."""
SUBMIT_DIR = "RAYDRIVE_SUBMIT_DIR"
"""Folder that the run was submitted from, on the machine it was submitted on; trials run elsewhere."""
FUNCTION = "RAYDRIVE_FUNCTION"
"""File with the function of a function trial, for the processes that it starts."""
OUTPUT_DIR = "RAYDRIVE_OUTPUT_DIR"
"""Directory whose files are kept with the trial; also ``./outputs``."""
FILES_DIR = "RAYDRIVE_FILES_DIR"
"""Directory that holds the trial's ``outputs`` and ``logs``; ``upload_file`` copies below it."""
RESUME_FROM = "RAYDRIVE_RESUME_FROM"
"""Directory with the checkpoint to continue from; unset when the trial starts from nothing."""
AZURE_RESUME_FROM = "AZUREML_DATAREFERENCE_MODEL_LOCATION"
"""The same directory, where scripts for HyperDrive's resumed runs look that do not read ``--resume-from``."""
CHECKPOINT_DIR = "RAYDRIVE_CHECKPOINT_DIR"
"""Directory below which the trial writes its checkpoints."""
TRIAL_ACTOR = "RAYDRIVE_TRIAL_ACTOR"
"""Name of the trial's actor among Ray's, in the namespace ``raydrive``; unset where the trial does not use Ray."""
PLACEMENT_GROUP = "RAYDRIVE_PLACEMENT_GROUP"
"""Id of the trial's placement group, in hexadecimal, where its reservation is for what it starts with Ray."""

BUFFER_BYTES = 1 << 20
"""Most bytes of what was logged and not read yet in the kernel, where the machine allows them. Its usual 0.2 MB are
200 short lines, after which ``log()`` waits for the reader to get a core; most of that is its own book-keeping."""
PATIENCE_S = 3.0
"""Seconds for which a process tries to reach a channel that is not there."""
DONE = ".done"
"""What a checkpoint's marker is called after the folder that it stands for."""
SAVED = ".raydrive"
"""What the folder of a whole checkpoint is called after its name, where the channel says so too."""

REPORTED = "-reported"
"""How the name of a checkpoint ends that is sent in one message with its values: without that message it holds values
that nobody was sent."""

FAILED = "Failed"
"""The state of a trial that says itself that it failed."""

TRIAL_VARIABLES = (
    CHANNEL,
    RUN_ID,
    TRIAL_ID,
    TRIAL,
    ATTEMPT,
    EXPERIMENT,
    PARAMS,
    PARAMS + variables.FILE,
    TUPLES,
    TUPLES + variables.FILE,
    INPUTS,
    INPUTS + variables.FILE,
    OUTPUT_DIR,
    FILES_DIR,
    RESUME_FROM,
    AZURE_RESUME_FROM,
    CHECKPOINT_DIR,
    SUBMIT_DIR,
    FUNCTION,
    TRIAL_ACTOR,
    PLACEMENT_GROUP,
    ranks.OUTER_RANKS,
)
"""All that tells a process that it is a trial, and which."""

# Evaluated at run time, hence spelled for Python 3.8.
Scalar = Union[int, float, str]  # noqa: UP007
Message = Dict[str, Any]  # noqa: UP006

_encode = json.JSONEncoder(separators=(",", ":")).encode  # made once: json.dumps would make one for each line


def trial_environment(
    *,
    channel: str,
    run_id: str,
    trial: int,
    attempt: int,
    experiment: str,
    params: Mapping[str, Any],
    files_dir: str,
    inputs: Mapping[str, str] | None = None,
    output_dir: str = "",
    checkpoint_dir: str = "",
    resume_from: str = "",
    submit_dir: str = "",
    large_dir: str = "",
    outer_ranks: str = "",
) -> dict[str, str]:
    """The variables that tell a training process which trial it is.

    Args:
        channel: Path of the socket that reads what the trial logs.
        run_id: Id of the run.
        trial: Number of the trial in the run, from 0.
        attempt: Which start of the trial this is, from 1.
        experiment: Name of the experiment.
        params: The trial's hyperparameters, in JSON types and tuples.
        files_dir: Directory that holds the trial's ``outputs`` and ``logs``.
        inputs: The run's inputs by name; left out when there are none.
        output_dir: Directory of the trial's outputs; ``<files_dir>/outputs`` when empty.
        checkpoint_dir: Directory for the trial's checkpoints; left out when empty.
        resume_from: Directory of the checkpoint to continue from; left out when empty.
        submit_dir: Folder that the run was submitted from; left out when empty.
        large_dir: Existing directory for what is too large for a variable; empty = there is none.
        outer_ranks: What ``ranks.outer_ranks`` returned for the variables that the trial begins with.

    Returns:
        Names and values to add to the environment of the process. With ``PYTHONUNBUFFERED`` its log is that of now.
    """
    environment = {
        CHANNEL: channel,
        RUN_ID: run_id,
        TRIAL_ID: f"{run_id}_{trial}",
        TRIAL: str(trial),
        ATTEMPT: str(attempt),
        EXPERIMENT: experiment,
        **_hyperparameters(params),
        FILES_DIR: files_dir,
        OUTPUT_DIR: output_dir or os.path.join(files_dir, "outputs"),
        "PYTHONUNBUFFERED": "1",
    }
    given = {
        INPUTS: inputs and _encode(dict(inputs)),
        CHECKPOINT_DIR: checkpoint_dir,
        **dict.fromkeys((RESUME_FROM, AZURE_RESUME_FROM), resume_from),
        SUBMIT_DIR: submit_dir,
        ranks.OUTER_RANKS: outer_ranks,
    }
    environment.update((name, value) for name, value in given.items() if value)
    variables.spill(environment, (PARAMS, TUPLES, INPUTS), large_dir)
    return environment


def _hyperparameters(params: Mapping[str, Any]) -> dict[str, str]:
    tuples = variables.tuples_in(params)
    return {PARAMS: _encode(dict(params)), **({TUPLES: _encode(tuples)} if tuples else {})}


def metrics_message(
    values: Mapping[str, Any],
    step: float | None = None,
    description: str = "",
    rank: int = 0,
    checkpoint: str = "",
    returned: bool = False,
) -> Message:
    """A line that logs ``values`` together, at the present time, and with them a checkpoint that holds them.

    Raises:
        TypeError: The description is not text.
    """
    if description.__class__ is not str and not isinstance(description, str):
        raise TypeError(f"description: found a {type(description).__name__}; allowed: text")
    message: Message = {"m": values, "t": time.time()}
    if step is not None:
        message["s"] = step
    if description:
        message["d"] = description
    if rank:
        message["r"] = rank
    if checkpoint:
        message["checkpoint"] = checkpoint
    if returned:
        message["returned"] = True
    return message


def tags_message(tags: Mapping[str, str], rank: int = 0) -> Message:
    """A line that sets tags of the trial."""
    return {"tags": tags, "t": time.time(), **({"r": rank} if rank else {})}


def checkpoint_message(name: str, part: Sequence[int] = ()) -> Message:
    """A line that says that the checkpoint ``name`` is ready to be published.

    Args:
        name: Its folder.
        part: Of a checkpoint to which each process saves a part: rank of this process, and number of processes.
    """
    message: Message = {"checkpoint": name, "t": time.time()}
    if part:
        message["part"] = list(part)
    return message


def part_folder(root: str, rank: int) -> str:
    """Where a process puts its parts of checkpoints, below ``RAYDRIVE_CHECKPOINT_DIR``."""
    return os.path.join(root, "rank-%d" % rank)  # noqa: UP031  (as old as scripts may be)


def state_message(state: str, why: str = "") -> Message:
    """A line by which a trial says itself how it went: ``"Completed"`` or ``"Failed"``."""
    return {"state": state, "why": why, "t": time.time()}


def note_message(text: str) -> Message:
    """A line with a notice that the trial's user must not miss; it is kept with the trial."""
    return {"note": text, "t": time.time()}


def encode(message: Mapping[str, Any]) -> bytes:
    """The line for ``message``, newline included.

    Raises:
        TypeError: A value has no JSON form.
    """
    return _encode(message).encode() + b"\n"


def decode(lines: Sequence[bytes]) -> tuple[list[Message], list[bytes]]:
    """Messages from whole lines.

    Args:
        lines: Lines as read, without their newlines; empty ones are skipped.

    Returns:
        The messages in order, and the lines that are not a JSON object.
    """
    full = [line for line in lines if line.strip()]
    try:
        # One call for many lines is twice as fast as one call a line, and bad lines are rare.
        parsed = json.loads(b"[" + b"\n,".join(full) + b"]")
    except (ValueError, RecursionError):
        parsed = None
    if parsed is not None and len(parsed) == len(full) and all(type(item) is dict for item in parsed):
        return parsed, []
    messages: list[Message] = []
    bad: list[bytes] = []
    for line in full:
        try:
            item = json.loads(line)
        except (ValueError, RecursionError):
            item = None
        if isinstance(item, dict):
            messages.append(item)
        else:
            bad.append(line)
    return messages, bad


class Client:
    """A training process's end of the channel: connects at the first message; safe with threads, forks and signals.

    Args:
        path: Path of the Unix socket.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._reset()
        _clients.add(self)

    def _reset(self) -> None:
        # Re-entrant, because a signal handler may log while the same thread is in the middle of logging.
        self._lock = threading.RLock()
        self._busy = False
        self._dead = False
        self._socket: socket.socket | None = None

    def send(self, message: Mapping[str, Any]) -> bool:
        """Sends one message; blocks while the reader is behind.

        A channel that cannot be reached never raises: training must not fail because of logging. The first failure says
        so on stderr.

        Returns:
            Whether the channel took the message.

        Raises:
            TypeError: A value of the message has no JSON form.
        """
        line = encode(message)
        with self._lock:
            if self._dead:
                return False
            if self._busy:
                return self._send_apart(line)
            self._busy = True
            try:
                sent = self._send(line)
            finally:
                self._busy = False
        if after_message is not None:
            after_message()
        return sent

    def close(self) -> None:
        """Closes the connection; the next message opens another one."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None

    def _send(self, line: bytes) -> bool:
        end = 0.0
        while True:
            try:
                if self._socket is None:
                    self._socket = self._connect()
                self._socket.sendall(line)
            except OSError as error:
                self.close()
                now = time.monotonic()
                end = end or now + (PATIENCE_S if os.path.isabs(self.path) else 0.0)  # else it is not a socket at all
                if now > end:
                    return self._give_up(error)
                time.sleep(0.02)  # a socket that was removed is made again
            except BaseException:
                self.close()  # interrupted in the middle of a line: the next line must not be glued to its head
                raise
            else:
                return True

    def _send_apart(self, line: bytes) -> bool:
        """Sends from within an interrupted ``send``: another connection keeps the two lines apart."""
        try:
            with self._connect() as apart:
                apart.sendall(line)
        except OSError as error:
            return self._give_up(error)
        return True

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
            while True:
                connection.connect(self.path)
                with contextlib.suppress(OSError):
                    connection.getpeername()
                    return connection
                # A signal came while the server's backlog was full: Python takes the interrupted call for a success.
        except BaseException:
            connection.close()
            raise

    def _give_up(self, error: OSError) -> bool:
        self._dead = True
        with contextlib.suppress(OSError, ValueError):
            print(
                f"raydrive: cannot log to {self.path} ({error.strerror or error}); "
                "training continues, and what it logs from now on is only printed",
                file=sys.stderr,
                flush=True,
            )
        return False


_clients: weakref.WeakSet[Client] = weakref.WeakSet()
after_message: Callable[[], None] | None = None
"""Called after each message of this process, where the process that forked it wants to know something by then."""


def hang_up() -> None:
    """Closes the connections of this process, which does not belong to their trial any more."""
    for client in list(_clients):
        client.close()


def _after_fork() -> None:
    """Gives a forked child connections and locks of its own: lines of two processes on one socket would be mixed."""
    for client in list(_clients):
        if client._socket is not None:
            client._socket.close()
        client._reset()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)


def parse_scalar(text: str) -> Scalar:
    """The number that ``text`` spells (``nan`` and ``inf`` included), or ``text`` itself.

    >>> parse_scalar("3"), parse_scalar("1e-3"), parse_scalar("relu")
    (3, 0.001, 'relu')
    """
    if "_" not in text:
        for kind in (int, float):
            with contextlib.suppress(ValueError):
                return kind(text)
    return text
