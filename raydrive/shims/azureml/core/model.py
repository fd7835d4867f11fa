"""Where training scripts import ``Model`` from."""

from raydrive_azureml.models import Model

__all__ = ["Model"]
