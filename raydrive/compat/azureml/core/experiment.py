"""``Experiment`` with the SDK's signature."""

from __future__ import annotations

from raydrive.compat.azureml._names import complete
from raydrive.compat.azureml._runs import Experiment

__all__ = ["Experiment"]

__getattr__ = complete(__name__)
