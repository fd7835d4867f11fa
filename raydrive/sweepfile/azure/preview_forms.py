"""Forms of Azure ML's 2021 preview in sweep files: read as what they mean, with a note that has today's form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from raydrive.settings.tree import Node

_DATA = ("file", "folder", "data", "dataset", "uri")
"""Names that the path of an input had; the first two say what it is."""
_MODES = {"mount": "ro_mount"}
_RENAMED = {"algorithm": "sampling_algorithm"}
_KINDS = {"sweep_job": "sweep"}


def with_todays_forms(root: Node, notes: list[tuple[str, str]]) -> Node:
    """Returns a sweep file without forms of the preview.

    Args:
        root: The sweep file.
        notes: Gets for each of them a path and today's form.
    """
    if not isinstance(root.value, dict):
        return root
    for old, new in _RENAMED.items():
        if old in root.value and new not in root.value:
            parts = {new if key == old else key: node for key, node in root.value.items()}
            root = replace(root, value=parts)
            notes.append((new, f"{old} is the name of the 2021 preview; now: {new}"))
    kind = root.get("type")
    if kind is not None and isinstance(kind.value, str) and kind.value in _KINDS:
        today = _KINDS[kind.value]
        notes.append(("type", f"a name of the 2021 preview; now: type: {today}"))
        root = root.with_value(["type"], replace(kind, value=today, text=today, raw=today))
    root = _code(root, notes)
    for name, node in _inputs(root):
        found = _input(node)
        if found is not None:
            shown = ", ".join(f"{key}: {item.plain()}" for key, item in found.value.items())
            notes.append((f"inputs.{name}", f"a form of the 2021 preview; now: {{{shown}}}"))
            root = root.with_value(["inputs", name], found)
    return root


def _code(root: Node, notes: list[tuple[str, str]]) -> Node:
    """``code: {local_path: src}``."""
    inner = root.get("trial.code.local_path")
    if inner is None or not isinstance(inner.value, str):
        return root
    notes.append(("trial.code", f"a form of the 2021 preview; now: code: {inner.value}"))
    return root.with_value(["trial", "code"], inner)


def _inputs(root: Node) -> Iterator[tuple[str, Node]]:
    node = root.get("inputs")
    yield from list(node.value.items()) if node is not None and isinstance(node.value, dict) else ()


def _input(node: Node) -> Node | None:
    """An input in today's form; None where it has that already."""
    if not isinstance(node.value, dict) or "path" in node.value:
        return None
    key = next((name for name in _DATA if name in node.value), "")
    if not key:
        return None
    place = node.value[key]
    if isinstance(place.value, dict):
        place = place.value.get("path") or place.value.get("local_path")
    if place is None or not isinstance(place.value, str):
        return None
    parts = {name: item for name, item in node.value.items() if name not in (*_DATA, "mode")}
    if "type" not in parts and key in ("file", "folder"):
        kind = f"uri_{key}"
        parts = {"type": replace(place, value=kind, text=kind, raw=kind), **parts}
    mode = node.value.get("mode")
    if mode is not None:
        today = _MODES.get(str(mode.value), mode.value)
        parts["mode"] = replace(mode, value=today)
    return replace(node, value={**parts, "path": place})
