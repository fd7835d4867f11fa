"""``azureml.train``."""

from raydrive.compat.azureml._names import complete

__getattr__ = complete(__name__)
