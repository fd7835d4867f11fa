"""``azureml.widgets``: the run in a notebook's cell."""

from raydrive.studio.notebook.widget import RunDetails

__all__ = ["RunDetails"]
