"""One option of a training script, as its source describes it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any

KINDS = ("float", "int", "str", "bool")


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a script's command line."""

    name: str
    """Its name as a hyperparameter: ``learning_rate``."""
    flag: str
    """How it is written on the command line: ``--learning-rate``; of Hydra the key, ``optimizer.lr``."""
    kind: str
    """``float``, ``int``, ``str`` or ``bool``."""
    default: Any = None
    choices: tuple[Any, ...] = ()
    required: bool = False
    style: str = "value"
    """``value``: ``--x VALUE``; ``equals``: ``--x=VALUE``; ``flag``: ``--x`` or nothing; ``both``: ``--x`` or
    ``--no-x``; ``inverse``: nothing or ``--x``, which means false; ``override``: Hydra's ``x=VALUE``."""
    line: int = 0


def constant(node: ast.expr | None) -> Any:
    """Returns the value of an expression of literals; None for any other.

    Args:
        node: The expression, or None.
    """
    if node is None:
        return None
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def called(node: ast.expr) -> str:
    """Returns the last name of what is called: ``add_argument`` of ``parser.add_argument``.

    Args:
        node: What is called, or a decorator.
    """
    target = node.func if isinstance(node, ast.Call) else node
    return target.attr if isinstance(target, ast.Attribute) else target.id if isinstance(target, ast.Name) else ""


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """Returns a keyword argument of a call; None where it is not given.

    Args:
        call: The call.
        name: The keyword.
    """
    return next((one.value for one in call.keywords if one.arg == name), None)


def kind_of(node: ast.expr | None, default: Any) -> str:
    """Returns the kind of an option, by its type or its default.

    Args:
        node: The type in the source (``float``, ``click.INT``), or None.
        default: The default.
    """
    word = called(node).casefold() if node is not None else ""
    known = {"float": "float", "int": "int", "str": "str", "string": "str", "bool": "bool", "boolean": "bool"}
    for name, kind in known.items():
        if word in (name, f"{name}range", f"{name}paramtype"):
            return kind
    if word:
        return "str"
    return type(default).__name__ if type(default).__name__ in KINDS else "str"


def imports(tree: ast.Module, module: str) -> bool:
    """Returns whether a script imports a module.

    Args:
        tree: The script.
        module: Its name.
    """
    for node in ast.walk(tree):
        names: list[str | None] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module]
        if any(name and (name == module or name.startswith(f"{module}.")) for name in names):
            return True
    return False
