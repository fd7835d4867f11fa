"""What a sweep file says about environment variables: their names, and ``raydrive.secrets``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from raydrive.core.config.confidential import both_problems, looks_secret, source_problems
from raydrive.core.errors import Problem, show
from raydrive.settings.tree import Node
from raydrive.storage.folder.current import absolute, current_folder
from raydrive.sweepfile.inputs_outputs import local_path

SECRETS = "raydrive.secrets"
VARIABLES = ("trial.environment_variables", "raydrive.environment_variables")


def read_sources(root: Node, problems: list[Problem]) -> dict[str, str]:
    """Returns where the values of secrets come from; relative paths start from the folder of the file that has them.

    Args:
        root: The whole file.
        problems: Gets what is wrong with secrets, and with names of environment variables.
    """
    sources: dict[str, str] = {}
    for name, source in _mapping(root, SECRETS).items():
        where = f"{SECRETS}.{name}"
        place = root.locate(where)
        wrong = source_problems(name, source, where)
        problems += [replace(one, place=place) for one in wrong]
        if not wrong:
            sources[name] = _placed(source, place)
    for section in VARIABLES:
        names = _mapping(root, section)
        for name in names:
            if not name or "=" in name:
                where = f"{section}.{name}"
                allowed = "a name without '=' that is not empty"
                problems.append(Problem(where, f"the name {show(name)}", allowed, place=root.locate(where, key=True)))
        for one in both_problems(sources, names, SECRETS):
            problems.append(replace(one, place=root.locate(one.where)))
    return sources


def confidential_notes(root: Node) -> Iterator[tuple[str, str]]:
    """Yields one note for each environment variable that looks confidential and is written down."""
    for section in VARIABLES:
        for name in _mapping(root, section):
            if looks_secret(name):
                way_out = f"raydrive: {{secrets: {{{name}: env}}}}"
                yield f"{section}.{name}", f"is stored in the run's config.json; {way_out} keeps it out of the storage"


def _mapping(root: Node, where: str) -> Mapping[str, Any]:
    node = root.get(where)
    found = node.plain() if node is not None else None
    return found if isinstance(found, dict) else {}


def _placed(source: str, place: str) -> str:
    kind, _, text = source.partition(":")
    if kind != "file":
        return source
    file = re.sub(r":\d+:\d+$", "", place)
    base: Path = current_folder() if file.startswith("--set ") else absolute(file).parent
    return f"file:{local_path(text, base) or text}"
