"""The rank of a process among those that train together, by the variables of its launcher.

Standard library only, nothing newer than Python 3.8: training scripts import this in environments of their own.
"""

from __future__ import annotations

import json
from typing import Mapping  # noqa: UP035  (Python 3.8)

OUTER_RANKS = "RAYDRIVE_OUTER_RANKS"
"""Variables that gave a rank before the trial began, as where ``srun`` has started Ray: no ranks within the trial."""
ALL_RANKS = "RAYDRIVE_ALL_RANKS"
"""Set by a user, to anything but 0: what ranks above 0 log of the primary metric counts, too."""

_RANKS = (
    ("RANK", "WORLD_SIZE"),  # torchrun, accelerate, deepspeed
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
    ("SLURM_PROCID", "SLURM_NTASKS"),
    ("JAX_PROCESS_ID", "JAX_NUM_PROCESSES"),
    ("LOCAL_RANK", "WORLD_SIZE"),  # Lightning's own launcher
)
"""Variables by which launchers tell a process its rank, and among how many; the first one that is there counts."""


def rank_of(environment: Mapping[str, str]) -> int:
    """The rank of a process with such variables among those that train together; 0 for one that trains alone."""
    if environment.get(ALL_RANKS, "0") not in ("", "0"):
        return 0
    outer = environment.get(OUTER_RANKS, "").split(",")
    for name, among in _RANKS:
        rank, size = environment.get(name, ""), environment.get(among, "")
        if name in outer or not _is_count(rank) or (not size and name == "LOCAL_RANK"):
            continue
        if not _is_count(size) or int(size) > 1:
            return int(rank)
    return 0 if "TF_CONFIG" in outer else _tf_rank(environment.get("TF_CONFIG", ""))


def size_of(environment: Mapping[str, str]) -> int:
    """How many processes train together, as one of them with such variables has it; 1 for one that trains alone."""
    outer = environment.get(OUTER_RANKS, "").split(",")
    for name, among in _RANKS:
        if name not in outer and _is_count(environment.get(name, "")) and _is_count(environment.get(among, "")):
            return max(1, int(environment[among]))
    return 1 if "TF_CONFIG" in outer else _tf_size(environment.get("TF_CONFIG", ""))


def _tf_size(config: str) -> int:
    """How many chiefs and workers ``TF_CONFIG`` names."""
    try:
        cluster = json.loads(config or "{}")["cluster"]
        return max(1, sum(len(cluster.get(kind, ())) for kind in ("chief", "worker")))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return 1


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _tf_rank(config: str) -> int:
    """The rank that ``TF_CONFIG`` gives: the chief, or worker 0 where there is none, has 0, and so has an evaluator."""
    try:
        found = json.loads(config or "{}")
        kind, index = found["task"]["type"], int(found["task"]["index"])
        return index + ("chief" in found["cluster"]) if kind == "worker" else 0
    except (ValueError, TypeError, KeyError, RecursionError):
        return 0


def outer_ranks(environment: Mapping[str, str]) -> str:
    """What ``OUTER_RANKS`` has to be for a trial that begins with these variables."""
    names = [name for name, _ in _RANKS if environment.get(name, "0") != "0"]
    return ",".join([*names, "TF_CONFIG"] if "TF_CONFIG" in environment else names)
