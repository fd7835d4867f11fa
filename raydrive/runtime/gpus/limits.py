"""A trial's share of a GPU: the memory limits set in its libraries, and computing time shared by NVIDIA's MPS.

The limits of torch and TensorFlow are set in the training process, when it imports them: ``raydrive_gpu_limits`` among
the modules for training scripts. JAX reads a variable, which has the share of the whole memory. With MPS the driver
itself keeps every process within its share.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from raydrive.core.config.trial_spec import Resources
from raydrive.package_path import PACKAGE
from raydrive.runtime.gpus.visible import gpus_of

BYTES = "RAYDRIVE_GPU_MEMORY"
"""Bytes of each GPU that a training process may use; ``raydrive_gpu_limits`` reads it."""
STARTUP = str(Path(PACKAGE, "runtime", "gpus", "startup"))
"""Folder with the ``sitecustomize`` that each Python of such a trial begins with."""
_MPS_PIPE, _MPS_DEFAULT = "CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps"


def limit_variables(
    resources: Resources, env: Mapping[str, str], total_bytes: Callable[[str], int], note: Callable[[str], None]
) -> dict[str, str]:
    """Returns the variables that keep a trial within its share of its GPUs; what the user has set stays.

    Args:
        resources: What the trial reserves.
        env: Its environment.
        total_bytes: Returns the memory of a GPU by its name, as in ``CUDA_VISIBLE_DEVICES``; 0 = not known.
        note: Takes a sentence for the trial's log.
    """
    gpus = [name for name in gpus_of(env).split(",") if name]
    found = _mps(resources, env, len(gpus), note) if resources.share == "mps" else {}
    if resources.gpu_memory:
        found |= _memory(int(resources.gpu_memory), env, [total_bytes(name) for name in gpus])
    return {name: value for name, value in found.items() if name not in env or name == "PYTHONPATH"}


def _memory(share: int, env: Mapping[str, str], totals: list[int]) -> dict[str, str]:
    path = env.get("PYTHONPATH", "")
    found = {BYTES: str(share), "PYTHONPATH": f"{STARTUP}{os.pathsep}{path}" if path else STARTUP}
    if totals and all(totals):
        found["XLA_PYTHON_CLIENT_MEM_FRACTION"] = f"{min(1.0, share / min(totals)):.4f}"
    else:  # JAX would take three quarters of the memory at once
        found["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    return found


def _mps(resources: Resources, env: Mapping[str, str], count: int, note: Callable[[str], None]) -> dict[str, str]:
    pipe = env.get(_MPS_PIPE, _MPS_DEFAULT)
    if not os.path.exists(os.path.join(pipe, "control")):
        note(
            f"share: mps: no MPS daemon answers at {pipe} on {os.uname().nodename}, so trials take turns on the GPU. "
            f"Start it there: CUDA_MPS_PIPE_DIRECTORY={pipe} nvidia-cuda-mps-control -d"
        )
        return {}
    found = {_MPS_PIPE: pipe}
    if 0 < resources.gpus < 1:
        found["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"] = f"{100 * resources.gpus:g}"
    if resources.gpu_memory:
        megabytes = int(resources.gpu_memory) // 2**20
        found["CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"] = ",".join(f"{number}={megabytes}M" for number in range(count))
    return found
