"""The names of ``azureml.core`` that training scripts import."""

from __future__ import annotations

from typing import Any

from raydrive_azureml.absent import absent
from raydrive_azureml.data import Dataset, Datastore
from raydrive_azureml.models import Model
from raydrive_azureml.run import Experiment, Run, Workspace

__all__ = ["Dataset", "Datastore", "Experiment", "Model", "Run", "Workspace"]


def __getattr__(name: str) -> Any:
    if not name[:1].isupper():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return absent(f"{__name__}.{name}")
