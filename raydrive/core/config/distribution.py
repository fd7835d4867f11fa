"""How several processes of one trial are started and find each other, in the words of Azure ML's ``distribution``.

Azure counts ``process_count_per_instance`` (pytorch, mpi) for each node and ``worker_count`` (tensorflow) over
all nodes; where the latter is left out, it is the number of nodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from raydrive.core.config.trial_spec import DISTRIBUTIONS, Resources
from raydrive.core.errors import ConfigError, Problem, did_you_mean, show, unknown_keys

_COUNTS = {
    "pytorch": ("process_count_per_instance",),
    "mpi": ("process_count_per_instance",),
    "tensorflow": ("worker_count", "parameter_server_count"),
    "ray": (),
}
"""Which counts each kind has."""
_LEAST = {"process_count_per_instance": 1, "worker_count": 1, "parameter_server_count": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """A ``distribution`` as it was written; None = left out."""

    type: str
    """One of ``DISTRIBUTIONS``."""
    process_count_per_instance: int | None = None
    """Processes on each node, of ``pytorch`` and ``mpi``."""
    worker_count: int | None = None
    """Processes on all nodes, of ``tensorflow``."""
    parameter_server_count: int | None = None
    """Refused above 0: all processes of a trial do the same."""

    @classmethod
    def of(cls, given: str | Mapping[Any, Any], where: str = "distribution") -> Distribution:
        """Returns it from a name such as ``pytorch``, or from a dict as in a sweep file.

        Args:
            given: What was written.
            where: Path of it, for errors.

        Raises:
            ConfigError: If a name is unknown or a count cannot be used; all problems at once.
        """
        written: dict[Any, Any] = {"type": given} if isinstance(given, str) else dict(given)
        names = [spec.name for spec in fields(cls)]
        problems = unknown_keys(written, names, where)
        kind = written.get("type")
        folded = kind.strip().casefold() if isinstance(kind, str) else ""
        if folded not in DISTRIBUTIONS:
            path = where if isinstance(given, str) else f"{where}.type"
            found = "nothing" if kind is None else show(kind)
            problems.append(Problem(path, found, ", ".join(DISTRIBUTIONS), did_you_mean(folded, DISTRIBUTIONS)))
        counts = {name: written[name] for name in names[1:] if written.get(name) is not None}
        problems += [
            Problem(f"{where}.{name}", show(count), f"a whole number of {_LEAST[name]} or more")
            for name, count in counts.items()
            if type(count) is not int or count < _LEAST[name]
        ]
        if problems:
            raise ConfigError(problems)
        return cls(type=folded, **counts)

    def processes_per_node(self, nodes: int, where: str = "distribution") -> int | None:
        """Returns how many processes raydrive starts on each node; None where nothing tells.

        Args:
            nodes: Nodes of the trial, 1 or more.
            where: Path of the distribution, for errors.

        Raises:
            ConfigError: If the counts are none of this kind, name parameter servers, or do not divide by the nodes.
        """
        problems = [
            Problem(f"{where}.{name}", show(count), self._allowed(), self._instead(name, nodes))
            for name in _LEAST
            if (count := getattr(self, name)) and name not in _COUNTS[self.type] and not (count == 1 and name[0] == "p")
        ]
        if self.parameter_server_count and self.type == "tensorflow":
            allowed = "0: all processes of a trial are workers"
            fix = "Train with tf.distribute.MultiWorkerMirroredStrategy, and remove parameter_server_count."
            problems.append(Problem(f"{where}.parameter_server_count", show(self.parameter_server_count), allowed, fix))
        workers = self.worker_count if self.type == "tensorflow" else None
        if workers is not None and workers % nodes:
            allowed = f"a multiple of the number of nodes, {nodes}: every node runs the same number of processes"
            fix = f"Write worker_count: {(workers // nodes + 1) * nodes}, or remove it to get one on each node."
            problems.append(Problem(f"{where}.worker_count", show(workers), allowed, fix))
        if problems:
            raise ConfigError(problems)
        return workers // nodes if workers is not None else self.process_count_per_instance

    def _allowed(self) -> str:
        counts = _COUNTS[self.type]
        return f"{', '.join(counts) or 'no count'}: the type is {self.type}"

    def _instead(self, name: str, nodes: int) -> str:
        """What to write in place of a count that another kind has."""
        if self.type == "ray":
            return "Remove it: a trial that uses Ray starts as one process and requests the others from Ray."
        if name == "parameter_server_count":
            return "Remove it."
        if self.type == "tensorflow":
            return f"Write worker_count: {(self.process_count_per_instance or 1) * nodes}, of all nodes together."
        return f"Write process_count_per_instance: {max((self.worker_count or 1) // nodes, 1)}, of each node."


def distributed(
    resources: Resources, given: str | Mapping[Any, Any] | Distribution | None, where: str = "distribution"
) -> tuple[Resources, str]:
    """Returns what a trial reserves with the processes of its distribution, and the kind of distribution.

    Args:
        resources: What a trial reserves; one process per node counts as nothing that was asked for.
        given: Its distribution; None = none.
        where: Path of it, for errors.

    Raises:
        ConfigError: If it cannot be used, or asks for other processes than the resources; all problems at once.
    """
    if given is None:
        return resources, ""
    made = given if isinstance(given, Distribution) else Distribution.of(given, where)
    count = made.processes_per_node(resources.nodes, where)
    asked = resources.processes_per_node
    if count is not None and asked not in (1, count):
        path = f"{where}.{_COUNTS[made.type][0]}"
        allowed = f"what resources.processes_per_node asks for: {asked} on each of {resources.nodes} nodes"
        raise ConfigError(Problem(path, f"{count} processes on a node", allowed, "Remove one of the two."))
    if made.type == "ray" and asked > 1:
        found, allowed = show(asked), "1: a trial that uses Ray starts as one process and requests the others from Ray"
        raise ConfigError(Problem("resources.processes_per_node", found, allowed, "Remove it."))
    if count is not None:
        resources = replace(resources, processes_per_node=count)
    return resources, kind_for(made.type, resources)


def kind_for(kind: str, resources: Resources) -> str:
    """Returns the kind of distribution that a trial is recorded with.

    One process needs no ``mpirun``: a program that uses MPI runs without.
    """
    return "" if kind == "mpi" and resources.world_size == 1 else kind


def reservation(resources: Resources) -> str:
    """Returns what one trial reserves, for people: ``2 nodes with 4 GPUs and 16 CPUs each, 8 processes``."""
    what = reserved_nodes(resources)
    return what if resources.nodes == resources.processes_per_node == 1 else f"{what}, {_processes(resources)}"


def reserved_nodes(resources: Resources) -> str:
    """Returns the nodes of one trial, for people: ``2 nodes with 4 GPUs and 16 CPUs each``."""
    of_memory = f" (at most {resources.gpu_memory / 2**30:.3g} GiB of its memory)" if resources.gpu_memory else ""
    parts = [_amount(resources.gpus, "GPU") + of_memory] if resources.gpus else []
    parts += [_amount(resources.cpus, "CPU")] if resources.cpus else []
    parts += [f"{resources.memory / 2**30:.3g} GiB of memory"] if resources.memory else []
    parts += [f"{amount:g} {name}" for name, amount in resources.custom.items() if amount]
    what = ", ".join([*parts[:-2], " and ".join(parts[-2:])]) if parts else "nothing"
    what += f" ({resources.accelerator_type})" if resources.accelerator_type else ""
    return what if resources.nodes == 1 else f"{resources.nodes} nodes with {what} each"


def _amount(amount: float, name: str) -> str:
    return f"{amount:g} {name}{'s' * (amount != 1)}"


def _processes(resources: Resources) -> str:
    return f"{resources.world_size} process{'es' * (resources.world_size != 1)}"
