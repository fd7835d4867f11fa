"""``Run``: a trial of a run, or, inside a training script, the trial itself."""

from __future__ import annotations

from raydrive.compat.azureml._names import complete
from raydrive.compat.azureml._runs import Run

__all__ = ["Run"]

__getattr__ = complete(__name__)
