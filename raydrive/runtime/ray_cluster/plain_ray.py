"""The fallback for a version of Ray that raydrive does not know: Ray without changes to its private parts.

Standard library only: the processes of the actors import this before their work.
"""

from __future__ import annotations

import os

VARIABLE = "RAYDRIVE_PLAIN_RAY"
"""Environment variable that asks for plain Ray; wins over ``plain_ray`` of ``raydrive.toml`` or a sweep file."""


def asked_by_variable() -> bool | None:
    """Returns what ``RAYDRIVE_PLAIN_RAY`` asks for; None where it is not set."""
    text = os.environ.get(VARIABLE, "").strip().casefold()
    return text not in ("0", "false", "no") if text else None
