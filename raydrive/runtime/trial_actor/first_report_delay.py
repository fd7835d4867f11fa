"""Delay of the first reports of an attempt, so that one call carries many."""

from __future__ import annotations

import collections

FIRST_DELAY_S = 0.025
"""Least delay of an attempt's first reports, in seconds."""
MAX_FIRST_DELAY_S = 0.5
"""Longest delay, in seconds; an attempt that takes more than half of it is not short."""


class FirstReportDelay:
    """Delay of an attempt's first reports, learned from the attempts before it.

    An attempt that ends meanwhile sends everything with its result, which halves what a very short trial costs. Where
    many trials share few cores a short one takes longer, and a second call for each makes it worse: so they wait twice
    as long as the longest of the last three attempts took, where those were short.
    """

    def __init__(self) -> None:
        self.wait_s = FIRST_DELAY_S
        """Seconds; for the next attempt."""
        self._short: collections.deque[float] = collections.deque(maxlen=3)

    def learn(self, took_s: float, *, stopped: bool) -> None:
        """Takes in an attempt that has ended.

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
