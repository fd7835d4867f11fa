"""Names and paths of a sweep file that are longer than what they name can be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from raydrive.core.config.argument_values import LONGEST_NAME, LONGEST_PATH, LONGEST_TITLE, too_long
from raydrive.core.errors import Problem
from raydrive.settings.tree import Node

_LONGEST = {
    "name": LONGEST_TITLE,
    "display_name": LONGEST_TITLE,
    "objective.primary_metric": LONGEST_TITLE,
    "raydrive.storage": LONGEST_PATH,
    "raydrive.address": LONGEST_PATH,
    "raydrive.python": LONGEST_PATH,
    "raydrive.resources.accelerator_type": LONGEST_NAME,
}
_NAMES = ("search_space", "inputs", "outputs", "raydrive.resources.custom", "tags", "raydrive.environment_variables")
"""Mappings whose keys are names."""
_LISTS = ("raydrive.preload", "raydrive.warm_start")


def long_texts(root: Node) -> Iterator[Problem]:
    """Yields a problem for each name and path that is too long.

    Args:
        root: The whole file.
    """
    for where, longest in _LONGEST.items():
        node = root.get(where)
        for one in too_long(node.value if node is not None else None, longest, where):
            yield replace(one, place=root.locate(where))
    for where in _NAMES:
        node = root.get(where)
        for name, below in (node.value if node is not None and isinstance(node.value, dict) else {}).items():
            for one in too_long(name, LONGEST_NAME, f"{where}.{name}"):
                yield replace(one, place=below.key_place or below.place)
    for where in _LISTS:
        node = root.get(where)
        for index, item in enumerate(node.value if node is not None and isinstance(node.value, list) else []):
            for one in too_long(item.value, LONGEST_PATH, f"{where}[{index}]"):
                yield replace(one, place=item.place)
