"""``azureml.widgets``: the run in a notebook's cell."""

from typing import Any

from raydrive.compat.azureml._names import complete
from raydrive.studio.notebook.widget import RunDetails as Native


class RunDetails(Native):
    """HyperDrive's notebook widget.

    Args:
        run_instance: The run to show; of a pipeline, the run of the step that tunes.
    """

    def __init__(self, run_instance: Any) -> None:
        super().__init__(getattr(run_instance, "hyperdrive_run", None) or run_instance)


__all__ = ["RunDetails"]

__getattr__ = complete(__name__)
