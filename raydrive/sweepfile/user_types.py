"""Where a sweep file names policies and samplings of other people's classes: ``type: mypackage.policies:Patience``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raydrive.api.named_parts import is_user_sampling
from raydrive.settings.tree import Node

_NODES = ("resources.instance_count", "trial.resources.instance_count", "raydrive.resources.nodes")
_SECTIONS = ("early_termination", "sampling_algorithm")


def masked(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns a sweep file for the schema, which has only raydrive's own samplings."""
    given = raw.get("sampling_algorithm")
    if not is_user_sampling(given):
        return raw
    seed = {"seed": given["seed"]} if isinstance(given, Mapping) and "seed" in given else {}
    return {**raw, "sampling_algorithm": {"type": "random", **seed}}


def places(root: Node, raw: Mapping[str, Any]) -> dict[str, str]:
    """Returns ``file:line:column`` of command, resources and the two sections' values; of a key by ``key NAME``."""
    looked = ("trial.command", *_NODES, *(f"raydrive.resources{key}" for key in ("", ".cpus", ".gpus")))
    found = {key: root.locate(key) for key in looked if key not in _NODES or root.get(key) is not None}
    for section in _SECTIONS:
        given = raw.get(section)
        keys = [section, *(f"{section}.{key}" for key in (given if isinstance(given, Mapping) else {}))]
        found.update({key: root.locate(key) for key in keys})
        found.update({f"key {key}": root.locate(key, key=True) for key in keys})
    return found
