"""Delay of acknowledgements, so that one call carries many reports.

A call costs the driver about 0.4 ms of CPU whatever it carries, a report in it about 0.01 ms. A trial actor has one
batch in flight and gathers what is logged meanwhile: an answer that comes later makes the next batch larger. Nothing
waits for an acknowledgement but the next batch; a verdict reaches the trial by a call of its own.
"""

from __future__ import annotations

CALLS_PER_S = 300.0
"""Calls a second above which answers are held: an eighth of a core in Python, as much again in Ray."""
MAX_HOLD_S = 3.0
FIRST_HOLD_S = 0.005


class AckPacer:
    """Counts calls and computes how long to hold their answers. Has no clock: callers pass the time."""

    def __init__(self) -> None:
        self._began = 0.0
        self._calls = 0
        self._senders: set[int] = set()
        self._hold_s = 0.0

    def call(self, now: float, sender: int) -> float:
        """Counts a call.

        Args:
            now: Seconds on a clock that only goes forward.
            sender: The caller.

        Returns:
            Seconds to hold its answer; 0 unless the last seconds brought more than ``CALLS_PER_S``.
        """
        self._calls += 1
        self._senders.add(sender)
        passed = now - self._began
        if passed >= 1.0:
            # The rate falls as the hold grows: n senders make n / (hold + rest) calls a second. The first step goes
            # where it would be right without a rest, those after it find the rest.
            excess = self._calls / passed / CALLS_PER_S
            hold_s = max(self._hold_s, FIRST_HOLD_S) * min(excess, 4.0)
            if excess > 1.0:
                hold_s = max(hold_s, len(self._senders) / CALLS_PER_S)
            self._hold_s = min(hold_s, MAX_HOLD_S) if hold_s > FIRST_HOLD_S else 0.0
            self._began, self._calls = now, 0
            self._senders.clear()
        return self._hold_s
