"""A journal in memory, for runs that need no record: policy studies and tests."""

from __future__ import annotations

from collections.abc import Sequence


class Memory:
    """Keeps the lines of a journal; a ``Writer`` for ``raydrive.runtime.decision_loop``."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def append(self, lines: Sequence[str]) -> None:
        """Keeps the lines."""
        self.lines.extend(lines)
