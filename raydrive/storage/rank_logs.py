"""The logs of the processes that train together, as one: by time, each line with its rank.

Beside the logs an attempt's folder has ``order_0.jsonl``, ``order_1.jsonl``, ..., one of each node: lines
``[seconds since the epoch, rank, bytes so far]``, one for each look at which a log had another size than before. What
is in a log between two of them was written in that time. A log without such lines is shown after the others.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from raydrive.core.errors import TrialError
from raydrive.storage.run_layout import LOG_NAME, RunLayout, rank_log
from raydrive.storage.trial_files import piece_sizes, read_log, read_piece

READ_BYTES = 1 << 20
"""Bytes of one log, or of one order, that are read at once."""
LAST_LOOKS_BYTES = 1 << 18
"""Bytes of an order that are read for the end of the logs."""
TAIL_LINES = 15
"""Number of lines that are shown of the end of a log."""
TAIL_BYTES = 1 << 14
"""Number of bytes at the end of a log in which these are looked for."""
LONGEST_LINE = 1 << 16
"""Bytes of a line after which it is shown though its end is missing: a line of another rank may follow."""
_RANK = re.compile(r"rank_([1-9][0-9]{0,8})\.txt")
_ORDER = re.compile(r"order_([0-9]{1,9})\.jsonl")


def ranks_of(layout: RunLayout, trial: int, attempt: int) -> list[int]:
    """Returns the ranks that have a log in an attempt's folder, in order; of a trial of one process, 0 or none.

    Raises:
        StorageError: If the storage cannot be listed.
    """
    return _ranks(piece_sizes(layout.attempt(trial, attempt), ""))


def check_rank(ranks: Iterable[int], rank: int, trial: int) -> None:
    """Makes sure that a trial has a log of a rank.

    Raises:
        TrialError: If it has none.
    """
    known = sorted(ranks)
    if rank not in known and (known or rank):
        found = f"the ranks 0 to {known[-1]}" if len(known) > 1 else "rank 0 only"
        raise TrialError(f"trial {trial} has no log of rank {rank}; it has {found}")


def with_rank(rank: int, text: str) -> str:
    """Returns lines with their rank before each, as they are shown among those of others."""
    return "".join([f"[rank {rank}] {line}\n" for line in text.removesuffix("\n").split("\n")])


@dataclass(slots=True)
class _Log:
    """How far one rank's log has been read."""

    read: int = 0
    """Bytes of the file."""
    rest: bytes = b""
    """The beginning of a line whose end is missing."""
    ahead: bytes = b""
    """A part of the file that was read at once, and where ``read`` is in it."""
    ahead_at: int = 0
    last: int = 0
    """Bytes at the latest look of its node."""
    seen: int = 0
    """Bytes at the reading before this one."""
    looks: deque[list[float]] = field(default_factory=deque)
    """Looks that are not shown yet: seconds since the epoch, and bytes."""


class RankLogs:
    """Reads the logs of all ranks of an attempt by time; ``read`` again and again to follow them.

    Args:
        layout: The run.
        trial: Number of the trial.
        attempt: Number of the attempt, from 1.
        log_limit: Bytes of a log beyond which its middle was dropped; 0 = it never was.
    """

    def __init__(self, layout: RunLayout, trial: int, attempt: int, log_limit: int = 0) -> None:
        self._folder = layout.attempt(trial, attempt)
        self._head = log_limit // 2
        self._logs: dict[int, _Log] = {}
        self._orders: dict[str, int] = {}
        """Bytes of each order that are read."""

    def read(self, *, final: bool = False) -> Iterator[tuple[int, str]]:
        """Yields what is new, in order: a rank and whole lines of its log, again and again.

        Args:
            final: Whether nothing more will come: what has no place in the order is shown, too, and so are lines
                without an end.

        Raises:
            StorageError: If a log cannot be read.
            RefusedFileError: If one is a link that leaves the run's folder, or no regular file.
        """
        sizes = piece_sizes(self._folder, "")
        for rank in _ranks(sizes):
            log = self._logs.setdefault(rank, _Log())
            log.ahead, log.ahead_at = b"", 0  # of an earlier reading: it may have been cut
        for name in sorted(filter(_ORDER.fullmatch, sizes)):
            self._take_order(name)
        for _, rank, end in self._due(sizes, final):
            yield from self._lines(rank, end)
        for rank, log in sorted(self._logs.items()):
            size = sizes.get(rank_log(rank), 0)
            if size < log.read and not log.looks:  # cut, and no order tells of it
                log.read = size
            yield from self._lines(rank, size if final else min(size, log.seen))
            log.seen = size
            if final and log.rest:
                yield rank, log.rest.decode("utf-8", "replace") + "\n"
                log.rest = b""

    def skip(self, most: int) -> None:
        """Continues near the end, before anything is read: of all logs together this many bytes are left.

        Raises:
            StorageError: If the storage cannot be listed, or a log not be read.
        """
        sizes = piece_sizes(self._folder, "")
        ranks = _ranks(sizes)
        for rank in ranks:
            name = rank_log(rank)
            start = max(0, sizes.get(name, 0) - most // len(ranks))
            if start:  # not in the middle of a line
                start += read_piece(self._folder, name, start, LONGEST_LINE).find(b"\n") + 1
            self._logs[rank] = _Log(read=start, seen=start)
        for name in filter(_ORDER.fullmatch, sizes):
            self._orders[name] = max(0, sizes[name] - LAST_LOOKS_BYTES)

    def _take_order(self, name: str) -> None:
        """Reads on in the order of one node."""
        start = self._orders.get(name, 0)
        while data := read_piece(self._folder, name, start, READ_BYTES):
            end = data.rfind(b"\n") + 1
            for line in data[:end].splitlines():
                self._take_look(line)
            start += end
            if not end:
                break
        self._orders[name] = start

    def _take_look(self, line: bytes) -> None:
        try:
            at, rank, size = json.loads(line)
            at, rank, size = float(at), int(rank), int(size)
        except (ValueError, TypeError, ArithmeticError, RecursionError):
            return  # a line that is not a look, such as one that was written by half
        if rank < 0 or size < 0 or at != at:
            return
        log = self._logs.setdefault(rank, _Log())
        if size < log.last:
            self._cut(log, log.last - size)
        log.last = size
        log.looks.append([at, size])

    def _cut(self, log: _Log, by: int) -> None:
        """A log's middle has been dropped: what stood behind it stands this many bytes earlier now."""
        head = self._head
        for look in log.looks:
            if look[1] > head:
                look[1] = max(head, look[1] - by)
        if log.read > head:
            log.read = max(head, log.read - by)
        log.seen = min(log.seen, log.read)

    def _due(self, sizes: dict[str, int], final: bool) -> list[tuple[float, int, int]]:
        """The looks that can be shown, by time: when, which rank's, and up to which byte."""
        due: list[tuple[float, int, int]] = []
        for rank, log in self._logs.items():
            size = sizes.get(rank_log(rank), 0)
            while log.looks and (final or log.looks[0][1] <= size):  # of a longer log than this: cut, and not yet told
                at, end = log.looks.popleft()
                due.append((at, rank, min(int(end), size)))
        due.sort()
        return due

    def _lines(self, rank: int, end: int) -> Iterator[tuple[int, str]]:
        """Yields the whole lines of a log up to a byte."""
        log = self._logs[rank]
        while log.read < end:
            if log.ahead_at == len(log.ahead):
                log.ahead, log.ahead_at = read_piece(self._folder, rank_log(rank), log.read, READ_BYTES), 0
            data = log.ahead[log.ahead_at : log.ahead_at + end - log.read]
            if not data:
                return
            log.ahead_at += len(data)
            log.read += len(data)
            data = log.rest + data
            cut = data.rfind(b"\n") + 1
            if not cut and len(data) > LONGEST_LINE:
                data += b"\n"
                cut = len(data)
            log.rest = data[cut:]
            if cut:
                yield rank, data[:cut].decode("utf-8", "replace")


def whole_rank_logs(layout: RunLayout, trial: int, attempt: int, log_limit: int = 0) -> str:
    """Returns the logs of all ranks of an attempt by time, each line with its rank.

    Args:
        layout: The run.
        trial: Number of the trial.
        attempt: Number of the attempt, from 1.
        log_limit: See ``RankLogs``.

    Raises:
        StorageError: If a log cannot be read.
    """
    return _text(RankLogs(layout, trial, attempt, log_limit))


def last_rank_logs(layout: RunLayout, trial: int, attempt: int, most: int, log_limit: int = 0) -> str:
    """Returns the end of the logs of all ranks, as ``whole_rank_logs``, from ``most`` bytes of all of them together.

    Raises:
        StorageError: If a log cannot be read.
    """
    logs = RankLogs(layout, trial, attempt, log_limit)
    logs.skip(most)
    return _text(logs)


def last_lines(layout: RunLayout, trial: int, attempt: int, most: int = TAIL_LINES) -> list[str]:
    """Returns the last lines of an attempt's log, so many at most; where it has several, of all of them.

    Raises:
        StorageError: If a log cannot be read.
    """
    if len(ranks_of(layout, trial, attempt)) > 1:
        text = last_rank_logs(layout, trial, attempt, TAIL_BYTES)
    else:
        text = read_log(layout, trial, attempt, -TAIL_BYTES)[0].decode("utf-8", "replace")
    return text.strip().splitlines()[-most:]


def _text(logs: RankLogs) -> str:
    return "".join([with_rank(*piece) for piece in logs.read(final=True)])


def _ranks(sizes: Iterable[str]) -> list[int]:
    found = [int(match[1]) for match in map(_RANK.fullmatch, sizes) if match]
    return sorted([0, *found] if LOG_NAME in sizes or found else found)
