"""Tags every MLflow run of a trial with the trial, so that it can be found on the user's own tracking server."""

from __future__ import annotations

import os

from mlflow.tracking.context.abstract_context import RunContextProvider

_TAGS = {"run": "RAYDRIVE_RUN_ID", "trial": "RAYDRIVE_TRIAL_ID", "attempt": "RAYDRIVE_ATTEMPT"}


class TrialContext(RunContextProvider):  # type: ignore[misc,unused-ignore]
    """MLflow's provider of tags for new runs."""

    def in_context(self) -> bool:
        """Returns whether this process belongs to a trial."""
        return bool(os.environ.get("RAYDRIVE_TRIAL_ID"))

    def tags(self) -> dict[str, str]:
        """Returns run, trial and attempt."""
        return {f"raydrive.{tag}": os.environ.get(variable, "") for tag, variable in _TAGS.items()}
