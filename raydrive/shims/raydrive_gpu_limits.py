"""Keeps the libraries of a training process within its share of each GPU's memory, as soon as they are imported.

torch is told when it begins to use a GPU, TensorFlow when it is imported; JAX reads a variable by itself.
"""

from __future__ import annotations

import importlib.machinery
import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

BYTES = "RAYDRIVE_GPU_MEMORY"
_MEGABYTE = 2**20


def install() -> None:
    """Has the libraries limited that are imported from now on, and those that are there already."""
    if not os.environ.get(BYTES):
        return
    for name, limit in _LIMITS.items():
        if name in sys.modules:
            _apply(limit, sys.modules[name])
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def limit_torch(torch: Any) -> None:
    """Limits torch's allocator on each GPU; the same call serves CUDA and ROCm.

    Args:
        torch: The module.
    """

    def limit() -> None:
        for device in range(torch.cuda.device_count()):
            whole = torch.cuda.get_device_properties(device).total_memory
            torch.cuda.set_per_process_memory_fraction(min(1.0, _share() / whole), device)

    # Later, where torch begins to use GPUs: a process that only imports it must not take one.
    later = getattr(torch.cuda, "_lazy_call", None)
    if later is None:
        limit()
    else:
        later(limit)


def limit_tensorflow(tensorflow: Any) -> None:
    """Gives TensorFlow one logical device on each GPU, of the trial's share.

    Args:
        tensorflow: The module.
    """
    config = tensorflow.config
    for gpu in config.list_physical_devices("GPU"):
        share = config.LogicalDeviceConfiguration(memory_limit=_share() // _MEGABYTE)
        config.set_logical_device_configuration(gpu, [share])


_LIMITS: dict[str, Callable[[Any], None]] = {"torch": limit_torch, "tensorflow": limit_tensorflow}


class _Finder:
    """Finds modules as ever, and has those of ``_LIMITS`` limited behind their import."""

    def __init__(self) -> None:
        self._busy: set[str] = set()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name not in _LIMITS or name in self._busy:
            return None
        self._busy.add(name)
        try:
            spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        finally:
            self._busy.discard(name)
        if spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            load(module)
            _apply(_LIMITS[name], module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _share() -> int:
    return int(os.environ[BYTES])


def _apply(limit: Callable[[Any], None], module: Any) -> None:
    """Limits a library; where that is not possible it continues without, and the trial's log has the reason."""
    try:
        limit(module)
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        print(f"raydrive: the limit of GPU memory does not apply to {module.__name__}: {text}", file=sys.stderr)
