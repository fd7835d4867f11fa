"""Where training scripts import ``Run`` from."""

from raydrive_azureml.run import Run, _OfflineRun, _SubmittedRun

__all__ = ["Run", "_OfflineRun", "_SubmittedRun"]
