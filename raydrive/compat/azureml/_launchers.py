"""The SDK's ways to start several processes, as what raydrive reserves and starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from raydrive.core.config.distribution import Distribution, kind_for
from raydrive.core.config.trial_spec import Resources
from raydrive.core.errors import ConfigError, Problem, show

_COMMUNICATORS = {
    "openmpi": "mpi", "intelmpi": "mpi", "mpi": "mpi", "nccl": "pytorch", "gloo": "pytorch",
    "parameterserver": "tensorflow", "ps": "tensorflow", "ray": "ray",
}  # fmt: skip
"""What a communicator of a RunConfiguration, or a distributed_backend of an estimator, starts."""
_OF_FRAMEWORK = {"tensorflow": "tensorflow", "pytorch": "pytorch"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """Nodes and processes of a trial."""

    kind: str = ""
    """Of ``DISTRIBUTIONS``; empty = none was named."""
    nodes: int = 1
    processes_per_node: int = 1

    def on(self, resources: Resources) -> tuple[Resources, str]:
        """Returns what a trial reserves with these nodes and processes, and its kind of distribution.

        Args:
            resources: What it reserves otherwise: those of raydrive.toml.

        Raises:
            ConfigError: If they name other numbers.
        """
        problems = [
            Problem(f"resources.{name}", show(asked), f"{count}, as the script's configuration has", "Remove it.")
            for name, count, asked in (
                ("nodes", self.nodes, resources.nodes),
                ("processes_per_node", self.processes_per_node, resources.processes_per_node),
            )
            if asked != 1 and count != 1 and asked != count
        ]
        if problems:
            raise ConfigError(problems)
        reserved = replace(
            resources,
            nodes=max(self.nodes, resources.nodes),
            processes_per_node=max(self.processes_per_node, resources.processes_per_node),
        )
        return reserved, kind_for(self.kind, reserved)


def launch_of(launcher: Any, run_config: Any = None) -> Launch:
    """Returns what a script is started as.

    Args:
        launcher: A configuration such as ``MpiConfiguration``; None takes that of the run configuration.
        run_config: A ``RunConfiguration``; None = none.

    Raises:
        ConfigError: If the processes do not divide by the nodes, or parameter servers are asked for.
    """
    if launcher is not None:
        return _of(launcher, "distributed_job_config")
    if run_config is None:
        return Launch()
    nodes = int(run_config.node_count or 1)
    communicator = str(run_config.communicator or "").casefold()
    kind = _COMMUNICATORS.get(communicator, "")
    framework = _OF_FRAMEWORK.get(str(run_config.framework).casefold(), "")
    if not kind and nodes > 1:
        kind = framework
    found = {"mpi": run_config.mpi, "pytorch": run_config.pytorch, "tensorflow": run_config.tensorflow}.get(kind)
    if found is None:
        return Launch(kind=kind, nodes=nodes)
    return _of(found, f"run_config.{kind}", nodes)


def estimator_launch(training: Any, nodes: int, processes: int, backend: str, more: Mapping[str, Any]) -> Launch:
    """Returns what an estimator's script is started as.

    Args:
        training: ``distributed_training``: ``Mpi``, ``Nccl``, ``Gloo`` or ``ParameterServer``; None = none.
        nodes: ``node_count``.
        processes: ``process_count_per_node``.
        backend: ``distributed_backend`` of older estimators.
        more: ``worker_count`` and ``parameter_server_count`` of older estimators.

    Raises:
        ConfigError: If parameter servers are asked for.
    """
    if training is not None:
        return _of(training, "distributed_training", nodes)
    kind = _COMMUNICATORS.get(backend.casefold(), "mpi" if processes > 1 else "")
    if kind == "tensorflow":
        return _of(_Workers(more.get("worker_count", 1), more.get("parameter_server_count", 1)), "distributed_backend")
    return Launch(kind=kind, nodes=nodes, processes_per_node=processes)


class _Workers:
    """Workers of older estimators."""

    kind = "tensorflow"

    def __init__(self, workers: int, servers: int) -> None:
        self.worker_count = workers
        self.parameter_server_count = servers


def _of(launcher: Any, where: str, nodes: int = 1) -> Launch:
    """What a configuration asks for; its own node_count wins over that of the run configuration, where it is set."""
    kind = launcher.kind
    if kind == "tensorflow":  # each worker has a node of its own there
        workers, servers = int(launcher.worker_count), int(launcher.parameter_server_count)
        servers = 0 if workers == 1 and servers == 1 else servers  # the default of the SDK, of a single process
        Distribution(type=kind, parameter_server_count=servers).processes_per_node(1, where)
        return Launch(kind=kind, nodes=max(workers, 1))
    own = getattr(launcher, "node_count", 1)
    nodes = own if own != 1 else nodes
    if not hasattr(launcher, "process_count"):
        return Launch(kind=kind, nodes=nodes, processes_per_node=launcher.process_count_per_node)
    total = launcher.process_count or nodes
    if total % nodes:
        least = (total // nodes + 1) * nodes
        allowed = f"a multiple of node_count, {nodes}: every node starts the same number of processes"
        fix = f"Write process_count={least}, or a node_count that divides {total}."
        raise ConfigError(Problem(f"{where}.process_count", show(total), allowed, fix))
    return Launch(kind=kind, nodes=nodes, processes_per_node=total // nodes)
