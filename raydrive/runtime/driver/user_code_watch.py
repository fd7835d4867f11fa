"""Watches the calls of a user's policy and sampler that the driver's event loop waits for: a slow one gets a sentence.

Nothing ends such a call: Python cannot, and what it would have decided is unknown. The driver continues when it
returns.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from raydrive.core.user_classes import is_own, running_line, type_name

SLOW_S = 5.0
"""Seconds after which a call gets its sentence."""
PERIOD_S = 2.0
"""Seconds between two looks."""
_POLICY_IS_ASKED, _SAMPLER_IS_ASKED = "raydrive.core.sweep.sweep", "raydrive.core.search.checked_sampler"
"""Modules that call a user's policy and sampler."""


class UserCodeWatch:
    """Watches one thread; without a class of the user's it does nothing.

    Args:
        policy: The run's policy.
        sampling: The run's sampling.
        tell: Called in a separate thread, again and again while a call is slow, with the sentence about it.
    """

    def __init__(self, policy: object, sampling: object, tell: Callable[[str], None]) -> None:
        self._policy, self._sampling, self._tell = type(policy), type(sampling), tell
        self._needed = not (is_own(self._policy) and is_own(self._sampling))
        self._since: float | None = None
        self._thread_id = 0
        self._over = threading.Event()

    @property
    def is_at_work(self) -> bool:
        """Whether a watched call is under way."""
        return self._since is not None

    def start(self) -> None:
        """Starts the watch; the thread that calls is the one that is watched."""
        if self._needed:
            self._thread_id = threading.get_ident()
            threading.Thread(target=self._watch, name="raydrive-watch", daemon=True).start()

    def stop(self) -> None:
        """Ends the watch."""
        self._over.set()

    @contextlib.contextmanager
    def during(self, slow: Callable[[float], None]) -> Iterator[None]:
        """Watches what happens in the body.

        Args:
            slow: Called after the body when it was slow, with how many seconds it took.
        """
        self._since = since = time.monotonic()
        try:
            yield
        finally:
            self._since = None
            if self._needed and (took_s := time.monotonic() - since) > SLOW_S:
                slow(took_s)

    def _watch(self) -> None:
        while not self._over.wait(PERIOD_S):
            since, frame = self._since, sys._current_frames().get(self._thread_id)
            if since is None or frame is None or (lasts_s := time.monotonic() - since) <= SLOW_S:
                continue
            if sentence := self._sentence(frame, time.time() - lasts_s):
                self._tell(sentence)

    def _sentence(self, frame: FrameType, since: float) -> str:
        """Returns which call of the user's code runs, and since when; empty if none does."""
        frames: list[FrameType] = []
        step: FrameType | None = frame
        while step is not None and (module := step.f_globals.get("__name__")) != _POLICY_IS_ASKED:
            if module == _SAMPLER_IS_ASKED:
                break
            frames.insert(0, step)
            step = step.f_back
        if step is None or not frames:
            return ""
        kind, call = (self._sampling, "ask") if module == _SAMPLER_IS_ASKED else (self._policy, "judge")
        if is_own(kind):
            return ""
        line, clock = running_line(frames, kind), time.strftime("%H:%M:%S UTC", time.gmtime(since))
        return f"{type_name(kind)}: {call} has not returned since {clock}{f' ({line})' if line else ''}"
