"""``azureml.widgets``: the run in a notebook's cell."""

from typing import Any

from raydrive.compat.azureml._names import complete
from raydrive.compat.azureml._runs import Run
from raydrive.studio.notebook.widget import RunDetails as Native


class RunDetails(Native):
    """HyperDrive's notebook widget.

    Args:
        run_instance: The run to show; of a pipeline, the run of the step that tunes; of a trial, its run.
    """

    def __init__(self, run_instance: Any) -> None:
        shown = getattr(run_instance, "hyperdrive_run", None) or run_instance
        super().__init__(shown.parent if isinstance(shown, Run) else shown)


__all__ = ["RunDetails"]

__getattr__ = complete(__name__)
