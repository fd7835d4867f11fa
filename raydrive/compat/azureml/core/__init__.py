"""``azureml.core``: workspaces, experiments, runs, scripts and what they run on."""

from raydrive.compat.azureml._names import complete
from raydrive.compat.azureml.core.compute import ComputeTarget
from raydrive.compat.azureml.core.dataset import Dataset
from raydrive.compat.azureml.core.datastore import Datastore
from raydrive.compat.azureml.core.environment import Environment
from raydrive.compat.azureml.core.experiment import Experiment
from raydrive.compat.azureml.core.model import Model
from raydrive.compat.azureml.core.run import Run
from raydrive.compat.azureml.core.script_run_config import ScriptRunConfig
from raydrive.compat.azureml.core.workspace import Workspace

VERSION = "1.62.0"
"""The SDK whose names these are."""

__all__ = [
    "VERSION",
    "ComputeTarget",
    "Dataset",
    "Datastore",
    "Environment",
    "Experiment",
    "Model",
    "Run",
    "ScriptRunConfig",
    "Workspace",
]

__getattr__ = complete(__name__)
