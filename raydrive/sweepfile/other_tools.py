"""Sweep files of other tools: told from ours by the keys that only they have."""

from __future__ import annotations

import re
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
    if not isinstance(raw, Mapping):
        return ""
    if _of_nni(raw):
        return NNI
    if "trial" in raw or "search_space" in raw or "jobs" in raw:
        return ""
    if raw.get("kind") == "Experiment" and str(raw.get("apiVersion", "")).startswith("kubeflow.org/"):
        return KATIB
    if isinstance(raw.get("searcher"), Mapping) and "hyperparameters" in raw:
        return DETERMINED
    if isinstance(raw.get("parameters"), Mapping) and "method" in raw:
        return WANDB
    if "job" in raw and ("scheduler" in raw or isinstance(raw.get("parameters"), Mapping)):
        return WANDB  # of W&B Launch
    hydra = raw.get("hydra")
    return HYDRA if isinstance(hydra, Mapping) and isinstance(hydra.get("sweeper"), Mapping) else ""


def _of_nni(raw: Mapping[str, Any]) -> bool:
    """Whether a file has keys of NNI's: today's, in both spellings, or those of NNI 1."""
    names = {re.sub(r"_(\w)", lambda letter: letter[1].upper(), str(key)) for key in raw}
    spaces = {"searchSpace", "searchSpaceFile", "searchSpacePath"} & names
    return bool(spaces) and ("trialCommand" in names or bool({"trialConcurrency", "tuner", "advisor"} & names))
