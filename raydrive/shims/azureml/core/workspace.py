"""Where training scripts import ``Workspace`` from."""

from raydrive_azureml.workspace import Workspace

__all__ = ["Workspace"]
