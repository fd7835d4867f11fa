"""Estimators: a script, its arguments and an environment, which run as ``ScriptRunConfig`` does."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from raydrive.compat.azureml._launchers import estimator_launch
from raydrive.compat.azureml.core.environment import Environment
from raydrive.compat.azureml.core.script_run_config import ScriptRunConfig
from raydrive.core.argument_checks import checks_arguments, whole


class Estimator(ScriptRunConfig):
    """A script with its arguments and an environment.

    Args:
        source_directory: Folder of the script; without ``entry_script`` it may be the script itself.
        compute_target: Accepted; trials run on the Ray cluster.
        entry_script: The script below the folder.
        script_params: Its fixed arguments by name; an empty text is a flag without a value.
        node_count: Nodes of one trial.
        process_count_per_node: Processes on each of them.
        distributed_training: ``Mpi()``, ``Nccl()``, ``Gloo()`` or ``ParameterServer()``; None = none.
        distributed_backend: The same by name, as older scripts have it: ``mpi``, ``ps``, ``nccl`` or ``gloo``.
        environment_definition: Its variables count.
        environment_variables: Added to the environment of each trial.
        max_run_duration_seconds: Longest time of one trial.
        **kwargs: ``pip_packages``, ``conda_packages`` and files of them, which count with ``environments`` of
            raydrive.toml; images, sizes of machines and the like: not looked at.

    Raises:
        ConfigError: If the script cannot be found, or parameter servers are asked for.
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
        distributed_training: Any = None,
        distributed_backend: str | None = None,
        environment_definition: Any = None,
        environment_variables: Mapping[str, Any] | None = None,
        max_run_duration_seconds: float | None = None,
        **kwargs: Any,
    ) -> None:
        environment = environment_definition or Environment(type(self).__name__)
        environment.environment_variables = {**environment.environment_variables, **(environment_variables or {})}
        if environment_definition is None:
            _add_packages(environment, source_directory, kwargs)
        words = [word for name, value in (script_params or {}).items() for word in (name, value)]
        if entry_script is None and os.path.isfile(source_directory):
            folder, entry_script = os.path.split(source_directory)
            source_directory = folder or "."
        super().__init__(
            source_directory,
            entry_script,
            [word for word in words if not (isinstance(word, str) and word == "")],
            compute_target=compute_target,
            environment=environment,
            max_run_duration_seconds=max_run_duration_seconds or 2592000,
        )
        counts = node_count or 1, process_count_per_node or 1
        self.launch = estimator_launch(distributed_training, *counts, distributed_backend or "", kwargs)


def _add_packages(environment: Environment, folder: Any, given: Mapping[str, Any]) -> None:
    """Has an environment name the packages that an estimator is given; files lie below its folder."""
    packages = environment.python.conda_dependencies
    packages.conda_packages += given.get("conda_packages") or ()
    packages.pip_packages += given.get("pip_packages") or ()
    file = given.get("pip_requirements_file") or given.get("pip_requirements_file_path")
    if file:
        packages.pip_packages.append(f"-r {os.path.abspath(os.path.join(folder, file))}")
    file = given.get("conda_dependencies_file") or given.get("conda_dependencies_file_path")
    if file:
        environment.packages_file = os.path.abspath(os.path.join(folder, file))


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
    """Processes that MPI starts.

    Args:
        process_count_per_node: How many, on each node.
    """

    kind = "mpi"

    def __init__(self, process_count_per_node: int = 1) -> None:
        self.process_count_per_node = process_count_per_node


class Nccl(Mpi):
    """Processes that find each other as PyTorch's do."""

    kind = "pytorch"


class Gloo(Nccl):
    """Processes that find each other as PyTorch's do."""


@checks_arguments(worker_count=whole(1), parameter_server_count=whole(0))
class ParameterServer:
    """Processes that find each other by ``TF_CONFIG``.

    Args:
        worker_count: Nodes of one trial, with one process each.
        parameter_server_count: Only 0, where there are several workers.
    """

    kind = "tensorflow"

    def __init__(self, worker_count: int = 1, parameter_server_count: int = 1) -> None:
        self.worker_count = worker_count
        self.parameter_server_count = parameter_server_count
