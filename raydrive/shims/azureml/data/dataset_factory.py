"""Where training scripts import the dataset factories from."""

from raydrive_azureml.data import FileDatasetFactory, TabularDatasetFactory

__all__ = ["FileDatasetFactory", "TabularDatasetFactory"]
