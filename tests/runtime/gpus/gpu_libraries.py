"""Libraries that stand for those of a GPU: they have the calls that are made, and keep what they were called with."""

from __future__ import annotations

from pathlib import Path

TORCH = """
import json, sys
GB = 2**30
calls, queued = [], []


class cuda:
    initialised = False

    @staticmethod
    def _lazy_call(function):
        function() if cuda.initialised else queued.append(function)

    @staticmethod
    def init():
        cuda.initialised = True
        for function in queued:
            function()

    @staticmethod
    def device_count():
        return 2

    @staticmethod
    def get_device_properties(device):
        return type("Properties", (), {"total_memory": (48 + 32 * device) * GB})

    @staticmethod
    def set_per_process_memory_fraction(fraction, device):
        assert cuda.initialised
        calls.append([round(fraction, 4), device])
"""
TENSORFLOW = """
calls = []


class config:
    @staticmethod
    def list_physical_devices(kind):
        return [kind + ":0"]

    @staticmethod
    def LogicalDeviceConfiguration(memory_limit):
        return memory_limit

    @staticmethod
    def set_logical_device_configuration(gpu, shares):
        calls.append([gpu, shares])
"""
PYNVML = """
class NVMLError(Exception):
    pass


def nvmlInit():
    pass


def nvmlDeviceGetHandleByIndex(index):
    if index > 1:
        raise NVMLError("not found")
    return index


def nvmlDeviceGetHandleByUUID(name):
    return {"GPU-a": 0, "GPU-b": 1}[name] if name in ("GPU-a", "GPU-b") else nvmlDeviceGetHandleByIndex(9)


def nvmlDeviceGetMemoryInfo(device):
    return type("Memory", (), {"total": (48 + 32 * device) * 2**30})


def nvmlDeviceGetUtilizationRates(device):
    return type("Rates", (), {"gpu": 40 + device})


def nvmlDeviceGetComputeRunningProcesses(device):
    return [type("Process", (), {"pid": pid, "usedGpuMemory": memory}) for pid, memory in PROCESSES[device]]


PROCESSES = {0: [(11, 100), (12, 20), (99, 7)], 1: []}
"""


def write_libraries(folder: Path, **sources: str) -> Path:
    """Writes modules into a folder that may stand on PYTHONPATH; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source)
    return folder
