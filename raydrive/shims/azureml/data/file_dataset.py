"""Where training scripts import ``FileDataset`` from."""

from raydrive_azureml.data import FileDataset

__all__ = ["FileDataset"]
