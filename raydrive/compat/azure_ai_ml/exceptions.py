"""``azure.ai.ml.exceptions``: the one that is raised here, and those that only have to import."""

from __future__ import annotations

from typing import Any

from raydrive.compat.azure_ai_ml import _names


class JobException(Exception):
    """A job has failed."""


def __getattr__(name: str) -> Any:
    """Returns any other error of the SDK; none of them is raised."""
    return _names.absent("azure.ai.ml.exceptions", name)
