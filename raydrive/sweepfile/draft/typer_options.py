"""Options of ``typer``: the parameters of a command's function."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from raydrive.sweepfile.draft.option import Option, called, constant, imports, keyword, kind_of


def read(tree: ast.Module, folder: Path) -> list[Option]:
    """Returns the options of a script that uses typer; empty where it does not, or where it has several commands.

    Args:
        tree: The script.
        folder: Where it is; not looked at.
    """
    if not imports(tree, "typer"):
        return []
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    commands = [one for one in functions.values() if any(called(each) == "command" for each in one.decorator_list)]
    for node in ast.walk(tree):  # typer.run(main)
        if isinstance(node, ast.Call) and called(node) == "run" and node.args and isinstance(node.args[0], ast.Name):
            commands += [functions[node.args[0].id]] if node.args[0].id in functions else []
    if len(commands) != 1:
        return []
    arguments = commands[0].args
    positional = [*arguments.posonlyargs, *arguments.args]
    missing = [None] * (len(positional) - len(arguments.defaults))
    pairs: list[tuple[ast.arg, ast.expr | None]] = list(zip(positional, [*missing, *arguments.defaults], strict=True))
    pairs += list(zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True))
    found = [_option(argument, default) for argument, default in pairs]
    return [one for one in found if one is not None]


def _option(argument: ast.arg, given: ast.expr | None) -> Option | None:
    kind, call = _annotated(argument.annotation)
    if isinstance(given, ast.Call) and called(given) in ("Option", "Argument"):
        call, given = given, given.args[0] if given.args else None
    if (call is not None and called(call) == "Argument") or (call is None and given is None):
        return None  # a positional argument
    names = [constant(one) for one in call.args] if call is not None else []
    flags = [name for name in names if isinstance(name, str) and name.startswith("--")]
    flag, _, negative = (flags[0] if flags else f"--{argument.arg.replace('_', '-')}").partition("/")
    default: Any = constant(given)
    word = kind_of(kind, default)
    style = "value" if word != "bool" else "flag" if flags and not negative else "both"
    return Option(
        name=argument.arg,
        flag=flag,
        kind=word,
        default=default,
        required=default is None and not isinstance(given, ast.Constant),
        style=style,
        line=argument.lineno,
        choices=_choices(call),
    )


def _choices(call: ast.Call | None) -> tuple[Any, ...]:
    kind = keyword(call, "click_type") if call is not None else None
    listed = constant(kind.args[0]) if isinstance(kind, ast.Call) and kind.args else None
    return tuple(listed) if isinstance(listed, list | tuple) else ()


def _annotated(node: ast.expr | None) -> tuple[ast.expr | None, ast.Call | None]:
    """Splits ``Annotated[float, typer.Option(...)]``."""
    if isinstance(node, ast.Subscript) and called(node.value) == "Annotated" and isinstance(node.slice, ast.Tuple):
        first, *rest = node.slice.elts
        return first, next((one for one in rest if isinstance(one, ast.Call)), None)
    return node, None
