"""TOML with places, in the same form as YAML."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from raydrive.core.toml_text import toml_values
from raydrive.sweepfile.yaml_source import Node


def parse_toml(text: str, name: str) -> Node:
    """Returns the tree of a TOML file.

    Raises:
        ConfigError: If the text is no TOML.
    """
    raw = toml_values(text, name)
    places = dict(_toml_places(text, name))

    def build(value: Any, where: str, above: str) -> Node:
        place = places.get(where, above)
        if isinstance(value, dict):
            value = {key: build(item, f"{where}.{key}".lstrip("."), place) for key, item in value.items()}
        elif isinstance(value, list):
            value = [build(item, f"{where}[{index}]", place) for index, item in enumerate(value)]
        return Node(value, place, place, str(value) if isinstance(value, int | float) else None)

    return build(raw, "", f"{name}:1:1")


def _toml_places(text: str, name: str) -> Iterator[tuple[str, str]]:
    """Keys and tables by line; tomllib keeps no places. Keys of inline tables have that of the table."""
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[+\s*([^\[\]]+?)\s*\]+", line)
        key = re.match(r"\s*([A-Za-z0-9_.\"'-]+)\s*=", line)
        column = len(line) - len(line.lstrip()) + 1
        if header:
            table = header[1].replace('"', "").replace("'", "")
            yield table, f"{name}:{number}:{column}"
        elif key:
            bare = key[1].replace('"', "").replace("'", "")
            yield f"{table}.{bare}".lstrip("."), f"{name}:{number}:{column}"
