"""The exit code of a process that ends by ``SystemExit``."""

from __future__ import annotations

import sys


def exit_code(end: SystemExit) -> int:
    """Returns the code that Python would give the process; prints what is not a code, as Python does.

    Args:
        end: What was raised.
    """
    if end.code is None:
        return 0
    if isinstance(end.code, int):
        return end.code & 0xFF
    print(end.code, file=sys.stderr)
    return 1
