"""What the mirror of Azure ML's SDK says about things that are different, or not there at all."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from raydrive.core.errors import RaydriveError
from raydrive.storage.folder.names import legible

_said: set[str] = set()


class NotHereError(RaydriveError, NotImplementedError):
    """Something of Azure ML that has no meaning on a cluster of one's own; the text says what to do instead."""


def note_left_out(folder: str, left_out: Mapping[str, str]) -> None:
    """Names what of a folder was not copied, and what it is."""
    if left_out:
        names = ", ".join(f"{legible(name)} ({kind})" for name, kind in list(left_out.items())[:5])
        more = f" and {len(left_out) - 5} more" if len(left_out) > 5 else ""
        note(f"not copied from {folder}: {names}{more}")


def note(text: str) -> None:
    """Says once per process, on stderr, what an accepted argument does not do here."""
    if text not in _said:
        _said.add(text)
        print(f"Note: {text}", file=sys.stderr, flush=True)
