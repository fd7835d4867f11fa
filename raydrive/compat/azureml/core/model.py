"""``Model``: files kept below the workspace's storage."""

from __future__ import annotations

from raydrive.compat.azureml._models import Model

__all__ = ["Model"]
