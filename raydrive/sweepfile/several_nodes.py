"""Nodes and processes of one trial, as a sweep file says them: Azure ML's keys, and those of ``raydrive.resources``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from raydrive.core.config.distribution import Distribution, distributed
from raydrive.core.config.trial_spec import Resources
from raydrive.core.errors import ConfigError, Problem, show
from raydrive.settings.keys import OwnKeys
from raydrive.sweepfile.schema import DistributionKeys, SweepKeys

_NODES = ("resources.instance_count", "trial.resources.instance_count", "raydrive.resources.nodes")
"""The same number, in three places."""
_COUNTS = ("process_count_per_instance", "worker_count", "parameter_server_count")


def read_resources(keys: SweepKeys, own: OwnKeys) -> tuple[Resources, str]:
    """Returns what one trial reserves, and how its processes find each other.

    Args:
        keys: The file.
        own: Its settings below ``raydrive``.

    Raises:
        ConfigError: If two keys contradict each other, or the counts cannot be used; all problems at once.
    """
    written = own.resources.model_dump(exclude_none=True) if own.resources else {}
    found = (
        keys.resources.instance_count if keys.resources else None,
        keys.trial.resources.instance_count if keys.trial.resources else None,
        written.get("nodes"),
    )
    nodes = [(where, count) for where, count in zip(_NODES, found, strict=True) if count is not None]
    problems = list(_contradictions(nodes))
    where, given = _distribution(keys)
    if given is not None and keys.distribution is not None and _counts(keys.distribution) != _counts(given):
        allowed = "what trial.distribution has"
        problems.append(Problem("distribution", "different values", allowed, "Remove one of the two."))
    if problems:
        raise ConfigError(problems)
    if nodes:
        written["nodes"] = nodes[0][1]
    resources, kind = Resources(**written), None
    if given is not None:
        kind = Distribution(type=given.type, **{name: getattr(given, name) for name in _COUNTS})
        problems += _other_processes(kind, resources, written, where)
        if problems:
            raise ConfigError(problems)
    return distributed(resources, kind, where)


def _contradictions(nodes: list[tuple[str, int]]) -> Iterator[Problem]:
    for where, count in nodes[1:]:
        first, other = nodes[0]
        if count != other:
            allowed = f"{other}, as {first} has"
            yield Problem(where, show(count), allowed, f"Write {other}, or remove one of the two.")


def _other_processes(
    kind: Distribution, resources: Resources, written: dict[str, Any], where: str
) -> Iterator[Problem]:
    """What contradicts ``raydrive.resources.processes_per_node``, where that is written."""
    asked = written.get("processes_per_node")
    count = kind.processes_per_node(resources.nodes, where)
    if asked is None or count in (None, asked):
        return
    key = f"{where}.{'worker_count' if kind.type == 'tensorflow' else 'process_count_per_instance'}"
    path = "raydrive.resources.processes_per_node"
    allowed = f"{count}, as {key} asks for on each of {resources.nodes} node{'s' * (resources.nodes != 1)}"
    yield Problem(path, show(asked), allowed, "Remove one of the two.")


def _distribution(keys: SweepKeys) -> tuple[str, DistributionKeys | None]:
    if keys.trial.distribution is not None:
        return "trial.distribution", keys.trial.distribution
    return "distribution", keys.distribution


def _counts(keys: DistributionKeys) -> tuple[Any, ...]:
    return (keys.type, *(getattr(keys, name) for name in _COUNTS))
