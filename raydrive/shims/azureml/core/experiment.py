"""Where training scripts import ``Experiment`` from."""

from raydrive_azureml.run import Experiment

__all__ = ["Experiment"]
