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
_MOVED = {
    "max_total_trials": ("limits", "max_total_trials"),
    "max_concurrent_trials": ("limits", "max_concurrent_trials"),
    "timeout_minutes": ("limits", "timeout"),
    "trial.inputs": ("inputs",),
    "trial.compute.target": ("compute",),
    "trial.compute.instance_count": ("resources", "instance_count"),
    "early_termination.policy_type": ("early_termination", "type"),
}
"""Keys that have another place today; minutes become seconds."""
_GONE = {"early_termination.exclude_finished_jobs": "finished trials count", "trial.compute": ""}
"""Keys that are no more, in files that have other forms of the preview; and what holds instead."""


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
    root = _elsewhere(_code(root, notes), notes)
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


def _elsewhere(root: Node, notes: list[tuple[str, str]]) -> Node:
    """Keys at the top or under ``trial`` that have their own place today."""
    for old, new in _MOVED.items():
        node = root.get(old)
        if node is None:
            continue
        if root.get(".".join(new)) is not None:  # such as by --set
            root = _without(root, old)
            notes.append((".".join(new), f"{old} of the 2021 preview is not looked at: {'.'.join(new)} is there"))
            continue
        today = node
        if old == "timeout_minutes" and isinstance(node.value, int | float) and not isinstance(node.value, bool):
            seconds = node.value * 60
            today = replace(node, value=seconds, text=str(seconds), raw=str(seconds))
        root = _without(root, old).with_value(new, today)
        notes.append((".".join(new), f"{old} is the name of the 2021 preview; now: {'.'.join(new)}"))
    for old, instead in _GONE.items():
        node = root.get(old)
        if node is None or not notes or (not instead and node.value != {}):
            continue
        root = _without(root, old)
        if instead:
            notes.append((old.partition(".")[0], f"{old} is a key of the 2021 preview; not looked at: {instead}"))
    return root


def _without(root: Node, where: str) -> Node:
    """A tree without a key."""
    above, _, key = where.rpartition(".")
    node = root.get(above) if above else root
    if node is None or not isinstance(node.value, dict):
        return root
    kept = replace(node, value={name: item for name, item in node.value.items() if name != key})
    return root.with_value(above.split("."), kept) if above else kept


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
