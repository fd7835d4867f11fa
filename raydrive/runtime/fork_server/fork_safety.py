"""Detects what makes forking unsafe: extra threads, which a fork loses, and open GPU devices."""

from __future__ import annotations

import contextlib
import importlib.machinery
import os
import threading
from collections.abc import Iterator
from typing import Any

_POOLS = ("numpy", "scipy", "pyarrow")
"""Their threads are made again after a fork: OpenBLAS's, and jemalloc's in pyarrow (pandas brings it along)."""


@contextlib.contextmanager
def unsafe_threads() -> Iterator[list[str]]:
    """Sees whether the body starts threads that a fork would lose; the list it gives is then not empty.

    The libraries inside numpy and scipy start theirs while an extension module is loaded: those are counted apart.
    """
    loader = importlib.machinery.ExtensionFileLoader
    load = loader.create_module
    safe = 0

    def watch(self: importlib.machinery.ExtensionFileLoader, spec: importlib.machinery.ModuleSpec) -> Any:
        nonlocal safe
        before = _threads()
        module = load(self, spec)
        if spec.name.partition(".")[0] in _POOLS:
            safe += _threads() - before
        return module

    found: list[str] = []
    before = _threads()
    loader.create_module = watch  # type: ignore[method-assign]
    try:
        yield found
    finally:
        loader.create_module = load  # type: ignore[method-assign]
    if threading.active_count() > 1 or _threads() > before + safe:
        found.append("threads")


def _threads() -> int:
    """Threads of this process, those outside Python included; 1 where that cannot be seen."""
    with contextlib.suppress(OSError):
        return len(os.listdir("/proc/self/task"))
    return 1


def uses_gpu() -> bool:
    """Whether a GPU driver is open: its state does not survive a fork."""
    with contextlib.suppress(OSError):
        for fd in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/self/fd/{fd}").startswith(("/dev/nvidia", "/dev/kfd")):
                    return True
    return False
