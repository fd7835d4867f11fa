"""What the mirror of Azure ML's SDK says about things that are different, or not there at all."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from raydrive.core.errors import RaydriveError
from raydrive.storage.folder.names import legible

_said: set[str] = set()


class NotHereError(RaydriveError, NotImplementedError):
    """Something of Azure ML that has no meaning on a cluster of one's own; the text says what to do instead."""


class StandIn(type):
    """Class of what stands for a name that is not there; using it raises its sentence."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """Raises the sentence."""
        raise NotHereError(cls.__doc__ or "")

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise NotHereError(cls.__doc__ or "")


def standing_in(module: str, name: str, sentence: str) -> StandIn:
    """Returns what stands for a name of an SDK.

    Args:
        module: Its module.
        name: The name.
        sentence: The way out.
    """
    return StandIn(name, (), {"__doc__": sentence, "__module__": module})


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
