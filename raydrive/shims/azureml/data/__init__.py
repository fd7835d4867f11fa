"""The names of ``azureml.data`` that training scripts import."""

from raydrive_azureml.data import FileDataset, TabularDataset

__all__ = ["FileDataset", "TabularDataset"]
