"""Files that an attempt needs and that may be removed while it trains: by cleaners of ``/tmp``, or its own script.

The socket, the link to the trial's files and the run's folder are in ``/tmp`` and ``/dev/shm``. Before each attempt
they are checked and made again (``LogSocket.mend``, ``TrialFiles.unpack``); here, while one trains. What can be put
back is put back; an attempt that could not log, or failed, after something had gone is lost and not failed, for the
next one finds everything there again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time

from raydrive.runtime.trial_actor.attempt_events import AttemptEvents
from raydrive.runtime.trial_actor.files.attempt_files import Prepared, TrialFiles
from raydrive.runtime.trial_actor.log_socket import LogSocket

LOOK_S = 0.5
"""How often an attempt's surroundings are looked at; ``wire.PATIENCE_S`` is longer."""
MOST_ATTEMPTS = 5
"""From this attempt of a trial on, what is gone is a failure: then it is the trial that removes it."""
_GAVE_UP = b"raydrive: cannot log to "
"""What ``wire.Client`` writes to stderr when it gives up."""
_LOG_BYTES = 64 << 20
"""Bytes at the log's end that are searched for that."""


class RemovedError(Exception):
    """An attempt ended for lack of something that was removed; the message says what."""


class RemovalWatch:
    """Looks after one attempt, from ``start`` to ``close``.

    Args:
        current: The attempt.
        channel: Where it logs.
        prepared: Its files.
        files: What made them.
    """

    def __init__(self, current: AttemptEvents, channel: LogSocket, prepared: Prepared, files: TrialFiles) -> None:
        self._current = current
        self._channel = channel
        self._prepared = prepared
        self._files = files
        self._gone: dict[str, float] = {}  # what had gone, and when that was seen last, by the monotonic clock
        self._next: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Looks from now on, every ``LOOK_S`` seconds."""
        self._next = asyncio.get_running_loop().call_later(LOOK_S, self._again)

    def close(self) -> None:
        """Looks for the last time."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
            self._look()

    def _again(self) -> None:
        self._look()
        self._next = asyncio.get_running_loop().call_later(LOOK_S, self._again)

    def _look(self) -> None:
        socket = f"its socket {self._channel.path}"
        try:
            if self._channel.mend():
                self._miss(socket, "it was recreated")
        except OSError as error:
            self._miss(socket, f"it cannot be recreated: {error}")
        workdir = self._prepared.workdir
        if workdir is not None and not workdir.leads_to_trial():
            again = workdir.lead_again()
            self._miss("the link to its files", "it was recreated" if again else "it cannot be recreated")
        if not self._files.is_held():
            self._miss(f"the run's folder {self._files.root}", "it cannot be recreated while the trial runs")

    def _miss(self, what: str, outcome: str) -> None:
        if what not in self._gone:
            self._current.tell(
                f"{what} was removed while the trial ran, by it or by another process on its node; {outcome}"
            )
        self._gone[what] = time.monotonic()

    def why_lost(self, code: int | None) -> str:
        """Why an attempt that has ended is lost, for something of what it needs had gone; empty when it is not.

        Args:
            code: Its exit code; None when it could not be started.
        """
        if not self._gone or self._current.attempt >= MOST_ATTEMPTS:
            return ""
        what = " and ".join(self._gone)
        if code != 0:
            return f"it failed after {what} was removed"
        if self._channel_gone_at and self._could_not_log():
            return f"it could no longer log after {what} was removed"
        if self._prepared.uploader is not None and not os.path.isdir(self._prepared.files):
            # An actor does not import the records for a word.
            from raydrive.core.records import OUTPUTS  # lazy: raydrive.core.records, 0.007 s

            self._current.note(f"{self._prepared.files} was removed before its files were in the storage", OUTPUTS)
        return ""

    @property
    def _channel_gone_at(self) -> float:
        return self._gone.get(f"its socket {self._channel.path}", 0.0)

    def _could_not_log(self) -> bool:
        """Whether a process of it gave up logging and nothing came afterwards, or nothing ever came."""
        if self._current.value is None:
            return True
        return self._current.heard_at < self._channel_gone_at and self._log_says_so()

    def _log_says_so(self) -> bool:
        with contextlib.suppress(OSError), self._prepared.log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _LOG_BYTES))
            return _GAVE_UP in file.read(_LOG_BYTES)
        return False
