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
        framework: ``PyTorch`` or ``TensorFlow``, where ``node_count`` is set and no communicator is named.
        communicator: Such as ``OpenMpi``, ``Nccl`` or ``ParameterServer``; how many processes is in ``mpi``,
            ``pytorch`` or ``tensorflow``.
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
        self.mpi = MpiConfiguration()
        self.pytorch = PyTorchConfiguration()
        self.tensorflow = TensorflowConfiguration()
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
    """Processes that MPI starts.

    Args:
        process_count_per_node: Processes on each node.
        node_count: Nodes of one trial.
    """

    kind = "mpi"

    def __init__(self, process_count_per_node: int = 1, node_count: int = 1) -> None:
        self.process_count_per_node = process_count_per_node
        self.node_count = node_count


@checks_arguments(process_count=whole(1) | NOTHING, node_count=whole(1))
class PyTorchConfiguration:
    """Processes that find each other as PyTorch's do.

    Args:
        communication_backend: Not looked at: the script names it.
        process_count: Processes on all nodes, a multiple of their number; None = one on each.
        node_count: Nodes of one trial.
    """

    kind = "pytorch"

    def __init__(self, communication_backend: str = "Nccl", process_count: int | None = None, node_count: int = 1):
        self.communication_backend = communication_backend
        self.process_count = process_count
        self.node_count = node_count


@checks_arguments(worker_count=whole(0), parameter_server_count=whole(0))
class TensorflowConfiguration:
    """Processes that find each other by ``TF_CONFIG``.

    Args:
        worker_count: Nodes of one trial, with one process each.
        parameter_server_count: Only 0, where there are several workers.
    """

    kind = "tensorflow"

    def __init__(self, worker_count: int = 1, parameter_server_count: int = 1) -> None:
        self.worker_count = worker_count
        self.parameter_server_count = parameter_server_count


DEFAULT_CPU_IMAGE = DEFAULT_GPU_IMAGE = "ray"

__getattr__ = complete(__name__)
