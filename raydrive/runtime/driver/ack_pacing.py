"""How long words wait for company, so that few calls carry many: a driver's answers, an attempt's first reports.

A call costs the driver about 0.4 ms of CPU whatever it carries, a report in it about 0.01 ms. A trial actor has one
batch in flight and gathers what is logged meanwhile: an answer that comes later makes the next batch larger. Nothing
waits for an acknowledgement but the next batch; a verdict reaches the trial by a call of its own.
"""

from __future__ import annotations

import collections

CALLS_PER_S = 300.0
"""Calls a second above which answers are held: an eighth of a core in Python, as much again in Ray."""
MAX_HOLD_S = 3.0
FIRST_HOLD_S = 0.005
FIRST_DELAY_S = 0.025
"""The first words of an attempt wait at least this long."""
MAX_FIRST_DELAY_S = 0.5
"""They never wait longer: an attempt that takes more than half of this is not short."""


class AckPacer:
    """Counts calls and says how long to hold their answers. Knows no clock: it is told the time."""

    def __init__(self) -> None:
        self._began = 0.0
        self._calls = 0
        self._senders: set[int] = set()
        self._hold_s = 0.0

    def call(self, now: float, sender: int) -> float:
        """Counts a call.

        Args:
            now: Seconds on a clock that only goes forward.
            sender: Who calls.

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


class FirstReportDelay:
    """How long the first words of an attempt wait for company, on the trial actor's side.

    An attempt that ends meanwhile sends everything with its result, which halves what a very short trial costs. Where
    many trials share few cores a short one takes longer, and a second call for each makes it worse: so they wait twice
    as long as the longest of the last three attempts took, where those were short.
    """

    def __init__(self) -> None:
        self.wait_s = FIRST_DELAY_S
        """Seconds; for the next attempt."""
        self._short: collections.deque[float] = collections.deque(maxlen=3)

    def learn(self, took_s: float, *, stopped: bool) -> None:
        """Takes in an attempt that is over.

        Args:
            took_s: How long it took, in seconds.
            stopped: Whether it was stopped.
        """
        if stopped or 2 * took_s > MAX_FIRST_DELAY_S:  # what a policy stops must be heard at once
            self._short.clear()
        else:
            self._short.append(took_s)
        # One short attempt among long ones says nothing of the next one.
        self.wait_s = max(FIRST_DELAY_S, 2 * max(self._short)) if len(self._short) > 1 else FIRST_DELAY_S
