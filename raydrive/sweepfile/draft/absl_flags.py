"""Flags of absl: ``flags.DEFINE_float("lr", 0.1, "help")``."""

from __future__ import annotations

import ast
from pathlib import Path

from raydrive.sweepfile.draft.option import Option, called, constant, imports, keyword

KINDS = {
    "DEFINE_float": "float",
    "DEFINE_integer": "int",
    "DEFINE_string": "str",
    "DEFINE_enum": "str",
    "DEFINE_bool": "bool",
    "DEFINE_boolean": "bool",
}


def read(tree: ast.Module, folder: Path) -> list[Option]:
    """Returns the flags of a script that uses absl; empty where it does not.

    Args:
        tree: The script.
        folder: Where it is; not looked at.
    """
    if not imports(tree, "absl"):
        return []
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and called(node) in KINDS and node.args]
    found = []
    for call in sorted(calls, key=lambda one: one.lineno):
        name = constant(call.args[0])
        if not isinstance(name, str):
            continue
        default = constant(call.args[1] if len(call.args) > 1 else keyword(call, "default"))
        kind, choices = KINDS[called(call)], ()
        if called(call) == "DEFINE_enum" and len(call.args) > 2:
            choices = tuple(constant(call.args[2]) or ())
        style = "equals" if kind == "bool" else "value"
        found.append(Option(name, f"--{name}", kind, default, choices, False, style, call.lineno))
    return found
