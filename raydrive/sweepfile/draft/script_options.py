"""The options of a training script, read from its source: argparse, click, typer, absl, Hydra. Nothing is executed."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from raydrive.sweepfile.draft import absl_flags, argparse_options, click_options, hydra_config, typer_options
from raydrive.sweepfile.draft.option import Option

READERS = {
    "Hydra": hydra_config.read,
    "argparse": argparse_options.read,
    "click": click_options.read,
    "typer": typer_options.read,
    "absl": absl_flags.read,
}
"""Libraries in the order in which they are looked for, with what reads a script's options."""
LOGGING = {"log", "log_metric", "report", "log_metrics"}
"""Methods that log a metric: of raydrive's and azureml's ``Run``, of MLflow and W&B."""


@dataclass(frozen=True, slots=True)
class ScriptFacts:
    """What the source of a script tells."""

    library: str
    """The library that reads its command line; empty = none was found."""
    options: tuple[Option, ...]
    metrics: tuple[str, ...]
    """Names of metrics that it logs, in the order of the source."""


def script_facts(path: Path) -> ScriptFacts:
    """Returns the options of a Python script and the metrics that it logs.

    Args:
        path: The script.

    Raises:
        SyntaxError: If it is not Python of this interpreter's version.
        OSError: If it cannot be read.
    """
    tree = ast.parse(path.read_bytes(), str(path))
    for library, read in READERS.items():
        options = read(tree, path.parent)
        if options:
            named = map(_named_as_flag, options)
            unique = {one.name: one for one in named}
            return ScriptFacts(library, tuple(unique.values()), logged_metrics(tree))
    return ScriptFacts("", (), logged_metrics(tree))


def _named_as_flag(option: Option) -> Option:
    """A flag is written with the hyperparameter's name, so the hyperparameter has the flag's."""
    return replace(option, name=option.flag.lstrip("-")) if option.style in ("flag", "both") else option


def logged_metrics(tree: ast.Module) -> tuple[str, ...]:
    """Returns the names of metrics in calls such as ``run.log("accuracy", value)``, those of constants only.

    Args:
        tree: The script.
    """
    names: list[Any] = []
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LOGGING):
            continue
        first = node.args[0] if node.args else None
        if isinstance(first, ast.Constant) and len(node.args) > 1:
            names.append((node.lineno, first.value))
        elif isinstance(first, ast.Dict):
            names += [(node.lineno, key.value) for key in first.keys if isinstance(key, ast.Constant)]
    return tuple(dict.fromkeys(name for _, name in sorted(names, key=lambda one: one[0]) if isinstance(name, str)))
