"""Sweep files of other tools: told from ours by the keys that only they have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WANDB, KATIB, DETERMINED, NNI, HYDRA = (
    "W&B sweep",
    "Katib experiment",
    "Determined experiment",
    "NNI experiment",
    "Hydra sweep",
)
"""What the files are called."""


def tool_of(raw: Any) -> str:
    """Returns the kind of a file that is not a sweep file of ours, such as ``W&B sweep``; empty if it is not known.

    Args:
        raw: The content of the file.
    """
    if not isinstance(raw, Mapping) or "trial" in raw or "search_space" in raw or "jobs" in raw:
        return ""
    if raw.get("kind") == "Experiment" and str(raw.get("apiVersion", "")).startswith("kubeflow.org/"):
        return KATIB
    if isinstance(raw.get("searcher"), Mapping) and "hyperparameters" in raw:
        return DETERMINED
    if {"searchSpace", "searchSpaceFile", "searchSpacePath"} & set(raw) and {"trialCommand", "trial", "tuner"} & set(
        raw
    ):
        return NNI
    if isinstance(raw.get("parameters"), Mapping) and "method" in raw:
        return WANDB
    hydra = raw.get("hydra")
    return HYDRA if isinstance(hydra, Mapping) and isinstance(hydra.get("sweeper"), Mapping) else ""
