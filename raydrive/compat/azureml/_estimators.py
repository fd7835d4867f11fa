"""Estimators: a script, its arguments and an environment, which run as ``ScriptRunConfig`` does."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from raydrive.compat.azureml.core.environment import Environment
from raydrive.compat.azureml.core.runconfig import MpiConfiguration
from raydrive.compat.azureml.core.script_run_config import ScriptRunConfig
from raydrive.core.argument_checks import checks_arguments, whole


class Estimator(ScriptRunConfig):
    """A script with its arguments and an environment.

    Args:
        source_directory: Folder of the script.
        compute_target: Accepted; trials run on the Ray cluster.
        entry_script: The script below the folder.
        script_params: Its fixed arguments by name; an empty text is a flag without a value.
        node_count: Only 1.
        process_count_per_node: Only 1.
        environment_definition: Its variables count.
        environment_variables: Added to the environment of each trial.
        max_run_duration_seconds: Longest time of one trial.
        **kwargs: Packages, images, sizes of machines and the like: not looked at.

    Raises:
        ConfigError: If the script cannot be found, or several processes are asked for.
    """

    def __init__(
        self,
        source_directory: str | os.PathLike[str] = ".",
        *,
        compute_target: Any = None,
        entry_script: str | None = None,
        script_params: Mapping[str, Any] | None = None,
        node_count: int | None = 1,
        process_count_per_node: int | None = 1,
        environment_definition: Any = None,
        environment_variables: Mapping[str, Any] | None = None,
        max_run_duration_seconds: float | None = None,
        **kwargs: Any,
    ) -> None:
        environment = environment_definition or Environment(type(self).__name__)
        environment.environment_variables = {**environment.environment_variables, **(environment_variables or {})}
        words = [word for name, value in (script_params or {}).items() for word in (name, value)]
        super().__init__(
            source_directory,
            entry_script,
            [word for word in words if not (isinstance(word, str) and word == "")],
            compute_target=compute_target,
            environment=environment,
            distributed_job_config=MpiConfiguration(process_count_per_node or 1, node_count or 1),
            max_run_duration_seconds=max_run_duration_seconds or 2592000,
        )


class MMLBaseEstimator(Estimator):
    """Base class of the SDK's estimators."""


class SKLearn(Estimator):
    """A script that uses scikit-learn."""


class TensorFlow(Estimator):
    """A script that uses TensorFlow."""


class PyTorch(Estimator):
    """A script that uses PyTorch."""


class Chainer(Estimator):
    """A script that uses Chainer."""


@checks_arguments(process_count_per_node=whole(1))
class Mpi:
    """A launcher of several processes.

    Args:
        process_count_per_node: How many; only 1 runs here.
    """

    def __init__(self, process_count_per_node: int = 1) -> None:
        self.process_count = process_count_per_node


class Nccl(Mpi):
    """A launcher of several processes."""


class Gloo(Mpi):
    """A launcher of several processes."""


class ParameterServer:
    """A launcher of several processes.

    Args:
        worker_count: How many train; only 1 runs here.
        parameter_server_count: Not looked at.
    """

    def __init__(self, worker_count: int = 1, parameter_server_count: int = 1) -> None:
        self.process_count = worker_count
