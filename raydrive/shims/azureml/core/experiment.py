"""Where training scripts import ``Experiment`` from."""

from raydrive_azureml.workspace import Experiment

__all__ = ["Experiment"]
