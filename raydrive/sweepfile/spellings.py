"""Other names of keys: HyperDrive's runs beside v2's trials, in ``limits`` and in ``--set limits...``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from raydrive.api.spellings import LIMITS
from raydrive.core.errors import Problem, show
from raydrive.settings.tree import Node

OF_LIMITS = {
    "max_total_trials": ("max_total_runs", *LIMITS["max_total_runs"][1:]),
    "max_concurrent_trials": ("max_concurrent_runs", *LIMITS["max_concurrent_runs"][1:]),
}
"""Other names of keys of ``limits``, by v2's name."""
_CANONICAL = {other: name for name, others in OF_LIMITS.items() for other in others}


def canonical_key(key: str) -> str:
    """Returns a dotted key under v2's name.

    >>> canonical_key("limits.total_runs"), canonical_key("limits.timeout")
    ('limits.max_total_trials', 'limits.timeout')
    """
    section, _, name = key.rpartition(".")
    return f"{section}.{_CANONICAL.get(name, name)}" if section == "limits" else key


def with_canonical_limits(root: Node, problems: list[Problem]) -> Node:
    """Returns the tree with the keys of ``limits`` under v2's names.

    Args:
        root: The sweep file.
        problems: Gets what is there twice.
    """
    limits = root.value.get("limits") if isinstance(root.value, dict) else None
    if limits is None or not isinstance(limits.value, dict) or not _CANONICAL.keys() & limits.value.keys():
        return root
    problems += _doubles(limits)
    found = {_CANONICAL.get(key, key): node for key, node in limits.value.items()}
    return root.with_value(["limits"], replace(limits, value=found))


def _doubles(limits: Node) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for key, node in limits.value.items():
        name = _CANONICAL.get(key, key)
        if name in first:
            fix = f"It is the same as {first[name]}: remove one of the two."
            yield Problem(f"limits.{key}", show(node.plain()), "each limit once", fix, node.key_place or node.place)
        first.setdefault(name, key)
