"""What the mirror of Azure ML's SDK says about things that are different, or not there at all."""

from __future__ import annotations

import sys

from raydrive.core.errors import RaydriveError

_said: set[str] = set()


class NotHereError(RaydriveError, NotImplementedError):
    """Something of Azure ML that has no meaning on a cluster of one's own; the text says what to do instead."""


def note(text: str) -> None:
    """Says once per process, on stderr, what an accepted argument does not do here."""
    if text not in _said:
        _said.add(text)
        print(f"Note: {text}", file=sys.stderr, flush=True)
