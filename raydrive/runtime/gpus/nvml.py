"""GPU data from NVIDIA's driver, by NVML (the package ``nvidia-ml-py``, optional)."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Collection
from typing import Any


class Nvml:
    """The driver of this node.

    Args:
        library: ``pynvml``, initialised.
    """

    def __init__(self, library: Any) -> None:
        self._library = library

    def total_bytes(self, gpu: str) -> int:
        """Returns the memory of a GPU; 0 = not known.

        Args:
            gpu: Its number, or its name (``GPU-8f9a...``), as in ``CUDA_VISIBLE_DEVICES``.
        """
        with contextlib.suppress(self._library.NVMLError, ValueError):
            return int(self._library.nvmlDeviceGetMemoryInfo(self._device(gpu)).total)
        return 0

    def use_percent(self, gpu: str) -> float | None:
        """Returns how much of the last moment a GPU computed, in percent, for any process; None = not known."""
        with contextlib.suppress(self._library.NVMLError, ValueError):
            return float(self._library.nvmlDeviceGetUtilizationRates(self._device(gpu)).gpu)
        return None

    def used_bytes(self, gpu: str, pids: Collection[int]) -> int | None:
        """Returns the memory of a GPU that processes hold; None = not known.

        Args:
            gpu: As above.
            pids: The processes. In a container the driver may tell other numbers than those: then it is not known.
        """
        with contextlib.suppress(self._library.NVMLError, ValueError):
            device, library = self._device(gpu), self._library
            there = library.nvmlDeviceGetComputeRunningProcesses(device)
            held = [one.usedGpuMemory or 0 for one in there if one.pid in pids]
            return sum(held) if held or not there else None
        return None

    def _device(self, gpu: str) -> Any:
        library = self._library
        return library.nvmlDeviceGetHandleByIndex(int(gpu)) if gpu.isdigit() else library.nvmlDeviceGetHandleByUUID(gpu)


@functools.cache
def opened() -> Nvml | None:
    """Returns the driver of this node; None without NVIDIA's driver, or without ``nvidia-ml-py``."""
    try:
        import pynvml  # lazy: optional dependency

        pynvml.nvmlInit()
    except Exception:  # no such package, no such library, no driver: each has its own error
        return None
    return Nvml(pynvml)
