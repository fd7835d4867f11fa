"""``azure.ai.ml``, the SDK v2: its sweeps are run by raydrive.

Under its real name by ``raydrive run-script``, ``run-notebook`` and ``convert``.
"""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

from raydrive.compat.azure_ai_ml import _names, dsl, entities
from raydrive.compat.azure_ai_ml._client import MLClient
from raydrive.compat.azure_ai_ml._jobs import load_job
from raydrive.compat.azure_ai_ml._nodes import Command, component_of, read_mapping
from raydrive.compat.azure_ai_ml._values import Input, Output
from raydrive.compat.azure_ai_ml.entities import (
    MpiDistribution,
    PyTorchDistribution,
    RayDistribution,
    TensorFlowDistribution,
)
from raydrive.compat.azure_notices import NotHereError

__all__ = [
    "Input",
    "MLClient",
    "MpiDistribution",
    "Output",
    "PyTorchDistribution",
    "RayDistribution",
    "TensorFlowDistribution",
    "command",
    "dsl",
    "load_component",
    "load_job",
]


def command(**parts: Any) -> Command:
    """Returns a command: call it with other inputs, and ``.sweep(...)`` over those that are expressions.

    Args:
        **parts: ``command``, ``code``, ``inputs``, ``outputs``, ``environment`` and the rest of the SDK's.
    """
    for unused in ("identity", "is_deterministic", "services", "job_tier", "priority", "parent_job_name"):
        parts.pop(unused, None)
    return Command(**parts)


def load_component(source: str | os.PathLike[str] | None = None, **kwargs: Any) -> Command:
    """Returns the component of a YAML file, which is called with inputs.

    Args:
        source: The file.
        **kwargs: Not looked at.

    Raises:
        NotHereError: If no file is named.
        ConfigError: If it cannot be used.
    """
    source = source or kwargs.get("path")
    if source is None:
        raise NotHereError("there is no registry of components here: use load_component(source='component.yml')")
    return component_of(*read_mapping(source, "the file of a component"))


__version__ = "1.35.0"
"""Version of the SDK whose names these are; notebooks print it."""
_version = SimpleNamespace(VERSION=__version__)


def __getattr__(name: str) -> Any:
    """Returns what stands for any other name of the SDK; entities are those of ``azure.ai.ml.entities``."""
    if name in _names.names_of("azure.ai.ml") and name in _names.names_of("azure.ai.ml.entities"):
        return getattr(entities, name)
    return _names.absent("azure.ai.ml", name)
