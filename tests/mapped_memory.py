"""Whether an array lies in a file that is mapped into memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def is_mapped(array: Any) -> bool:
    """Whether the memory of an array is that of a file, and cannot be written to."""
    address = array.__array_interface__["data"][0]
    for line in Path("/proc/self/maps").read_text().splitlines():
        bounds, rights, _, _, inode, *_ = line.split()
        first, last = (int(bound, 16) for bound in bounds.split("-"))
        if first <= address < last:
            return inode != "0" and "w" not in rights and not array.flags.writeable
    return False
