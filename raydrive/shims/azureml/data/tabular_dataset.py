"""Where training scripts import ``TabularDataset`` from."""

from raydrive_azureml.data import TabularDataset

__all__ = ["TabularDataset"]
