"""``azureml.core.runconfig``."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from raydrive.api.argument_types import ARGUMENTS
from raydrive.compat.azureml._names import complete
from raydrive.compat.azureml.core.environment import Environment
from raydrive.core.argument_checks import NOTHING, PATH, checks_arguments, whole


@checks_arguments(arguments=ARGUMENTS | NOTHING)
class RunConfiguration:
    """Where and in which environment a script runs.

    Args:
        script: The script.
        arguments: Its arguments.
        framework: Not looked at.
        communicator: Not looked at.
    """

    def __init__(
        self,
        script: str | None = None,
        arguments: list[Any] | None = None,
        framework: str | None = None,
        communicator: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.script = script
        self.arguments = arguments or []
        self.target: Any = "local"
        self.environment = Environment("default")
        self.environment_variables: dict[str, str] = {}
        self.node_count = 1
        self.framework = framework or "Python"
        self.communicator = communicator
        self.history = SimpleNamespace(output_collection=True)
        self.docker: Any = None
        self.amlcompute = SimpleNamespace(vm_size=None, vm_priority=None)


EnvironmentDefinition = Environment


@checks_arguments(path_on_datastore=PATH | NOTHING)
class DataPath:
    """A path of a datastore.

    Args:
        datastore: The datastore.
        path_on_datastore: A path of it.
        name: Its name.
    """

    def __init__(self, datastore: Any = None, path_on_datastore: str | None = None, name: str | None = None) -> None:
        self.datastore = datastore
        self.path_on_datastore = path_on_datastore
        self.name = name

    def __str__(self) -> str:
        return str(self.datastore.uri(self.path_on_datastore or ""))


@checks_arguments()
class DockerConfiguration:
    """Whether and how to use Docker; trials are processes."""

    def __init__(self, use_docker: bool = False, shared_volumes: bool = True, arguments: Any = None, **kwargs: Any):
        self.use_docker = use_docker


@checks_arguments(process_count_per_node=whole(1), node_count=whole(1))
class MpiConfiguration:
    """A launcher of several processes."""

    def __init__(self, process_count_per_node: int = 1, node_count: int = 1) -> None:
        self.process_count = process_count_per_node * node_count


@checks_arguments(process_count=whole(1) | NOTHING, node_count=whole(1))
class PyTorchConfiguration:
    """A launcher of several processes."""

    def __init__(self, communication_backend: str = "Nccl", process_count: int | None = None, node_count: int = 1):
        self.process_count = process_count or node_count


@checks_arguments(worker_count=whole(0), parameter_server_count=whole(0))
class TensorflowConfiguration:
    """A launcher of several processes."""

    def __init__(self, worker_count: int = 1, parameter_server_count: int = 1) -> None:
        self.process_count = worker_count


DEFAULT_CPU_IMAGE = DEFAULT_GPU_IMAGE = "ray"

__getattr__ = complete(__name__)
