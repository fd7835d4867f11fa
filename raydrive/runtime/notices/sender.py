"""Delivers notices in a separate thread: the run neither waits for a delivery nor depends on it."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from urllib.parse import urlsplit

from raydrive.core.views.notices import Notice

COMMAND_S = 20.0
"""A command that takes longer is ended."""
WEBHOOK_S = 5.0
"""Seconds that one try to reach a webhook may take."""
PAUSES_S = (1.0, 2.0)
"""Between the attempts to reach a webhook: three in total."""


class NoticeSender:
    """Sends notices one after the other.

    Args:
        command: A shell line; empty = none. It finds the notice in ``RAYDRIVE_EVENT``, ``RAYDRIVE_RUN``,
            ``RAYDRIVE_STATE`` and ``RAYDRIVE_TEXT``, and as JSON on its standard input.
        webhook: An address that gets the JSON by POST; empty = none.
        failed: Called in the sender's thread with a sentence for each failure; it holds no part of the address but its
            host, and nothing of the command.
    """

    def __init__(self, command: str, webhook: str, failed: Callable[[str], None]) -> None:
        self._command = command
        self._webhook = webhook
        self._failed = failed
        self._queue: queue.SimpleQueue[Notice | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def send(self, notice: Notice) -> None:
        """Takes a notice; returns at once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="raydrive-notices", daemon=True)
            self._thread.start()
        self._queue.put(notice)

    def finish(self, timeout_s: float) -> bool:
        """Waits for what is under way; returns whether all of it was tried within the time."""
        thread = self._thread
        if thread is None:
            return True
        self._queue.put(None)
        thread.join(timeout_s)
        return not thread.is_alive()

    def _work(self) -> None:
        while (notice := self._queue.get()) is not None:
            for deliver, given in ((self._run, self._command), (self._post, self._webhook)):
                if not given:
                    continue
                try:
                    problem = deliver(notice)
                except Exception as error:  # nothing of a notice may end this thread
                    problem = f"{type(error).__name__}"
                if problem:
                    self._failed(f"the notice {notice.event!r} was not delivered: {problem}")

    def _run(self, notice: Notice) -> str:
        variables = {
            "RAYDRIVE_EVENT": notice.event,
            "RAYDRIVE_RUN": str(notice.data.get("run", "")),
            "RAYDRIVE_STATE": str(notice.data.get("state", "")),
            "RAYDRIVE_TEXT": notice.text,
        }
        process = subprocess.Popen(
            ["/bin/sh", "-c", self._command],
            stdin=subprocess.PIPE,
            stdout=sys.stderr.fileno() if _has_descriptor() else subprocess.DEVNULL,
            env={**os.environ, **variables},
            start_new_session=True,
        )
        try:
            with contextlib.suppress(BrokenPipeError):
                process.communicate(_body(notice), timeout=COMMAND_S)
            code = process.wait(COMMAND_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return f"its command took longer than {COMMAND_S:g} s and was killed"
        return "" if code == 0 else f"its command ended with exit code {code}; its output is in the driver's log"

    def _post(self, notice: Notice) -> str:
        host, problem = urlsplit(self._webhook).hostname, ""
        for pause_s in (*PAUSES_S, None):
            request = urllib.request.Request(self._webhook, _body(notice), {"Content-Type": "application/json"})
            try:
                with urllib.request.urlopen(request, timeout=WEBHOOK_S):
                    return ""
            except urllib.error.HTTPError as error:
                problem = f"the webhook at {host} answered {error.code}"
                error.close()
                if error.code < 500 and error.code != 429:
                    return problem  # it would answer so again
            except (OSError, ValueError) as error:
                reason = getattr(error, "reason", error)
                told = getattr(reason, "strerror", None) or type(reason).__name__
                problem = f"the webhook at {host} cannot be reached: {told}"
            if pause_s is not None:
                time.sleep(pause_s)
        return problem


def _body(notice: Notice) -> bytes:
    return json.dumps(notice.to_json(), default=str).encode()


def _has_descriptor() -> bool:
    """Whether standard error is a file of the operating system."""
    try:
        return sys.stderr.fileno() >= 0
    except (OSError, ValueError, AttributeError):
        return False
