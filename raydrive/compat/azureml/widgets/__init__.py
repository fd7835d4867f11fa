"""``azureml.widgets``: the run in a notebook's cell."""

from raydrive.compat.azureml._names import complete
from raydrive.studio.notebook.widget import RunDetails

__all__ = ["RunDetails"]

__getattr__ = complete(__name__)
