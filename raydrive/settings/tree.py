"""Plain values that know the line and column they come from, whether a file was YAML or TOML.

A parsed file is a tree of ``Node``; ``Node.plain()`` gives Python values, ``Node.locate(where)`` the place of a path
such as ``search_space.model.values[1].depth``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

_LONGEST_PATH = 10_000
"""Characters of a path in which its keys are looked for."""


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it stands."""

    value: Any
    """A scalar, a dict of names to nodes, or a list of nodes."""
    place: str
    """``file:line:column`` of the value, 1-based."""
    key_place: str = ""
    """Place of the key that names it; empty for list items and the root."""
    text: str | None = None
    """A scalar as written when it is there without quotes; None otherwise."""
    raw: str = ""
    """A scalar's source, quotes and block markers included; for finding places inside it."""

    def plain(self) -> Any:
        """Returns the value as plain dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def get(self, where: str) -> Node | None:
        """Returns the node at a path, or None."""
        node, rest = self._walk(where)
        return None if rest else node

    def locate(self, where: str, *, key: bool = False) -> str:
        """Returns the place of a path: of the value, or of the key for mappings, lists and on request.

        A path that leads to nothing has the place of the nearest thing above it.
        """
        node, _ = self._walk(where)
        of_key = key or isinstance(node.value, dict | list) or (node.value is None and not node.raw)
        return node.key_place if of_key and node.key_place else node.place

    def place_in(self, index: int) -> str:
        """Returns the place of character ``index`` of ``raw``."""
        match = re.fullmatch(r"(.*):(\d+):(\d+)", self.place)
        if not match:
            return self.place
        before = self.raw[:index]
        lines = before.count("\n")
        column = len(before) - before.rfind("\n") if lines else int(match[3]) + len(before)
        return f"{match[1]}:{int(match[2]) + lines}:{column}"

    def scalars(self, where: str = "") -> Iterator[tuple[str, Node]]:
        """Yields every scalar with its path."""
        if isinstance(self.value, dict):
            for key, node in self.value.items():
                yield from node.scalars(f"{where}.{key}" if where else key)
        elif isinstance(self.value, list):
            for index, node in enumerate(self.value):
                yield from node.scalars(f"{where}[{index}]")
        else:
            yield where, self

    def with_value(self, keys: Sequence[str | int], node: Node) -> Node:
        """Returns a tree with ``node`` at ``keys``; mappings that are missing on the way are made, of that place."""
        if not keys:
            return replace(node, key_place=node.key_place or self.key_place)
        key, rest = keys[0], keys[1:]
        if isinstance(self.value, list) and isinstance(key, int):
            items = list(self.value)
            items[key] = items[key].with_value(rest, node)
            return replace(self, value=items)
        children = dict(self.value) if isinstance(self.value, dict) else {}
        below = children.get(str(key), Node({}, node.place, node.place))
        children[str(key)] = below.with_value(rest, node)
        return replace(self, value=children, text=None, raw="")

    def merged(self, other: Node) -> Node:
        """Returns this tree with ``other`` laid over it: mappings key by key, everything else as a whole."""
        if not isinstance(self.value, dict) or not isinstance(other.value, dict):
            return other
        children = dict(self.value)
        for key, node in other.value.items():
            children[key] = children[key].merged(node) if key in children else node
        return replace(self, value=children)

    def keys_of(self, where: str) -> tuple[list[str | int], str]:
        """Splits a path by what is in the tree: the keys that exist, and the rest that leads nowhere."""
        node, keys = self, list[str | int]()
        while where:
            step = node._step(where)
            if step is None:
                break
            keys.append(step[0])
            node, where = node.value[step[0]], step[1]
        return keys, where

    def _walk(self, where: str) -> tuple[Node, str]:
        keys, rest = self.keys_of(where)
        node = self
        for key in keys:
            node = node.value[key]
        return node, rest

    def _step(self, where: str) -> tuple[str | int, str] | None:
        """The child a path begins with and the path after it. Names may hold dots, so the longest one wins."""
        if isinstance(self.value, list):
            match = re.match(r"\[?([0-9]+)\]?\.?", where)
            return (int(match[1]), where[match.end() :]) if match and int(match[1]) < len(self.value) else None
        if not isinstance(self.value, dict):
            return None
        key = next((begin for begin in _beginnings(where) if begin in self.value), None)
        return None if key is None else (key, where[len(key) :].removeprefix("."))


def _beginnings(where: str) -> Iterator[str]:
    """The paths that a path may begin with, the longest first."""
    yield where
    ends = [match.start() for match in re.finditer(r"[.\[]", where[:_LONGEST_PATH])]
    for end in reversed(ends):
        yield where[:end]
