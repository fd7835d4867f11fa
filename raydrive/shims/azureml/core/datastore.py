"""Where training scripts import ``Datastore`` from."""

from raydrive_azureml.data import Datastore

__all__ = ["Datastore"]
