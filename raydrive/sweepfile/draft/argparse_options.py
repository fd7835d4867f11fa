"""Options of ``argparse``: calls of ``add_argument`` whose names are constants."""

from __future__ import annotations

import ast
from pathlib import Path

from raydrive.sweepfile.draft.option import Option, called, constant, imports, keyword, kind_of

FLAGS = {"store_true": "flag", "store_false": "flag", "BooleanOptionalAction": "both"}
"""Actions of truth values, with how such an option is written."""


def read(tree: ast.Module, folder: Path) -> list[Option]:
    """Returns the options of a script that uses argparse; empty where it does not.

    Args:
        tree: The script.
        folder: Where it is; not looked at.
    """
    if not imports(tree, "argparse"):
        return []
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and called(node) == "add_argument"]
    return [option for call in sorted(calls, key=lambda one: one.lineno) if (option := _option(call)) is not None]


def _option(call: ast.Call) -> Option | None:
    names = [constant(one) for one in call.args]
    flags = [name for name in names if isinstance(name, str) and name.startswith("--")]
    if not flags:
        return None  # a positional argument, or a name that is computed
    action_node = keyword(call, "action")
    action = constant(action_node) or (called(action_node) if action_node is not None else "")
    if action in ("version", "help", "append", "count") or keyword(call, "nargs") is not None:
        return None
    destination = constant(keyword(call, "dest"))
    style = FLAGS.get(str(action), "value")
    default = constant(keyword(call, "default"))
    if style != "value" and default is None:
        default = action == "store_false"
    choices = constant(keyword(call, "choices"))
    return Option(
        name=str(destination or flags[0].lstrip("-").replace("-", "_")),
        flag=flags[0],
        kind="bool" if style != "value" else kind_of(keyword(call, "type"), default),
        default=default,
        choices=tuple(choices) if isinstance(choices, list | tuple | set) else (),
        required=bool(constant(keyword(call, "required"))),
        style=style if action != "store_false" else "inverse",
        line=call.lineno,
    )
