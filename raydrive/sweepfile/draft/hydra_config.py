"""Keys of a Hydra application: the scalars of the configuration that ``@hydra.main`` names."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from raydrive.sweepfile.draft.option import KINDS, Option, called, constant, imports, keyword

MOST_BYTES = 1_000_000
"""Bytes of a configuration that is read."""


def read(tree: ast.Module, folder: Path) -> list[Option]:
    """Returns the keys of a script that uses Hydra, as overrides; empty where it does not.

    Groups of the configuration (``defaults``) are looked at where they name one file.

    Args:
        tree: The script.
        folder: Where it is.
    """
    if not imports(tree, "hydra"):
        return []
    for node in ast.walk(tree):
        for decorator in getattr(node, "decorator_list", ()):
            if isinstance(decorator, ast.Call) and called(decorator) == "main":
                path = constant(keyword(decorator, "config_path")) or "."
                name = constant(keyword(decorator, "config_name"))
                if isinstance(name, str):
                    return list(_options(folder / str(path), name.removesuffix(".yaml")))
    return []


def _options(folder: Path, name: str) -> Iterator[Option]:
    main = _load(folder / f"{name}.yaml")
    for group in main.get("defaults") or ():
        if isinstance(group, Mapping):
            for key, value in group.items():
                if isinstance(value, str) and isinstance(key, str) and not key.startswith("override"):
                    yield from _scalars(_load(folder / key / f"{value.removesuffix('.yaml')}.yaml"), f"{key}.")
    yield from _scalars({key: value for key, value in main.items() if key not in ("defaults", "hydra")}, "")


def _scalars(values: Mapping[str, Any], above: str) -> Iterator[Option]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _scalars(value, f"{above}{key}.")
        elif isinstance(value, float | int | str) and not (isinstance(value, str) and "${" in value):
            kind = type(value).__name__
            path = f"{above}{key}"
            yield Option(path.replace(".", "_"), path, kind if kind in KINDS else "str", value, style="override")


def _load(path: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML  # lazy: ruamel.yaml, 0.03 s
    from ruamel.yaml.error import YAMLError  # lazy: ruamel.yaml, 0.03 s

    try:
        if path.stat().st_size > MOST_BYTES:
            return {}
        found = YAML(typ="safe", pure=True).load(path.read_bytes())
    except (OSError, YAMLError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
