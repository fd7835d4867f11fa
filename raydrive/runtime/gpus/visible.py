"""The variables that tell a process which GPUs are its own: CUDA's, ROCm's and oneAPI's."""

from __future__ import annotations

import re
from collections.abc import Mapping

CUDA, HIP, ONEAPI = "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ONEAPI_DEVICE_SELECTOR"
HIDDEN = {CUDA: "", HIP: "", ONEAPI: "!*:gpu"}
"""What hides all GPUs: Ray leaves the variables alone where none is reserved."""
_LEVEL_ZERO = re.compile(r"level_zero:([\d,.]+)")


def gpus_of(env: Mapping[str, str]) -> str:
    """Returns the GPUs that an environment shows, as Ray has set it for its node's kind of them; empty for none.

    >>> gpus_of({"CUDA_VISIBLE_DEVICES": "0,1"}), gpus_of({"HIP_VISIBLE_DEVICES": "2"})
    ('0,1', '2')
    >>> gpus_of({"ONEAPI_DEVICE_SELECTOR": "level_zero:0,3"}), gpus_of(HIDDEN)
    ('0,3', '')
    """
    found = env.get(CUDA) or env.get(HIP) or ""
    level_zero = _LEVEL_ZERO.fullmatch(env.get(ONEAPI, ""))
    return found or (level_zero[1] if level_zero else "")


def showing(gpus: str, env: Mapping[str, str]) -> dict[str, str]:
    """Returns the variable that shows a part of the GPUs of an environment.

    >>> showing("1", {"HIP_VISIBLE_DEVICES": "0,1"}), showing("0", {"ONEAPI_DEVICE_SELECTOR": "level_zero:0,1"})
    ({'HIP_VISIBLE_DEVICES': '1'}, {'ONEAPI_DEVICE_SELECTOR': 'level_zero:0'})

    Args:
        gpus: Their names, separated by commas.
        env: The environment.
    """
    if env.get(CUDA):
        return {CUDA: gpus}
    if env.get(HIP):
        return {HIP: gpus}
    return {ONEAPI: f"level_zero:{gpus}"} if _LEVEL_ZERO.fullmatch(env.get(ONEAPI, "")) else {CUDA: gpus}
