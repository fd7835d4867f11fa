"""Where training scripts import ``Dataset`` from."""

from raydrive_azureml.data import Dataset

__all__ = ["Dataset"]
