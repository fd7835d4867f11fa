"""``Model``: files kept below the workspace's storage."""

from __future__ import annotations

from raydrive.compat.azureml._models import Model
from raydrive.compat.azureml._names import complete

__all__ = ["Model"]

__getattr__ = complete(__name__)
