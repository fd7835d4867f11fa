"""Options of ``click``: its decorators."""

from __future__ import annotations

import ast
from pathlib import Path

from raydrive.sweepfile.draft.option import Option, called, constant, imports, keyword, kind_of


def read(tree: ast.Module, folder: Path) -> list[Option]:
    """Returns the options of a script that uses click; empty where it does not.

    Args:
        tree: The script.
        folder: Where it is; not looked at.
    """
    if not imports(tree, "click"):
        return []
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    decorators = [one for function in functions for one in function.decorator_list]
    found = [_option(one) for one in decorators if isinstance(one, ast.Call) and called(one) == "option"]
    return [one for one in found if one is not None]


def _option(call: ast.Call) -> Option | None:
    names = [name for name in map(constant, call.args) if isinstance(name, str)]
    flags = [name for name in names if name.startswith("--")]
    if not flags or constant(keyword(call, "multiple")) or keyword(call, "nargs") is not None:
        return None
    flag, _, negative = flags[0].partition("/")
    named = [name for name in names if not name.startswith("-")]
    default = constant(keyword(call, "default"))
    style = (
        "both" if negative.strip().startswith("--no-") else "flag" if constant(keyword(call, "is_flag")) else "value"
    )
    kind = keyword(call, "type")
    choices: tuple[object, ...] = ()
    if isinstance(kind, ast.Call) and called(kind) == "Choice" and kind.args:
        listed = constant(kind.args[0])
        choices = tuple(listed) if isinstance(listed, list | tuple) else ()
    return Option(
        name=(named[0] if named else flag.strip().lstrip("-").replace("-", "_")).lower(),
        flag=flag.strip(),
        kind="bool" if style != "value" else kind_of(None if choices else kind, default),
        default=bool(default) if style != "value" else default,
        choices=choices,
        required=bool(constant(keyword(call, "required"))),
        style=style,
        line=call.lineno,
    )
