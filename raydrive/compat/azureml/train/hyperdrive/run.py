"""``HyperDriveRun`` with the SDK's signature."""

from __future__ import annotations

from raydrive.compat.azureml._names import complete
from raydrive.compat.azureml._runs import HyperDriveRun
from raydrive.core.config.trial_spec import PrimaryMetricGoal

__all__ = ["HyperDriveRun", "PrimaryMetricGoal"]

__getattr__ = complete(__name__)
