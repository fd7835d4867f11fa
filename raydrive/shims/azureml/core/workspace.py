"""Where training scripts import ``Workspace`` from."""

from raydrive_azureml.run import Workspace

__all__ = ["Workspace"]
