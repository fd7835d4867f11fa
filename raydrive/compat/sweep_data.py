"""What a sweep file says about data and code: inputs, outputs, and the folder of the code snapshot."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from raydrive.compat.sweep_problems import problems_of
from raydrive.compat.sweep_schema import InputKeys, OutputKeys
from raydrive.compat.yaml_source import Node
from raydrive.core.arguments import format_value
from raydrive.core.errors import Problem

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(?!\\)")
_GIT = re.compile(r"git[@+]|.*\.git(?:[#@].*)?\Z")


def read_inputs(raw: dict[str, Any], root: Node, base: Path, problems: list[Problem]) -> dict[str, str]:
    """Returns the values of ``${{inputs.x}}`` as text: literals, and absolute paths of data that exists.

    Args:
        raw: The ``inputs`` mapping.
        root: The whole file.
        base: Folder that relative paths start from.
        problems: Gets what is wrong.
    """
    values = {}
    for name, given in raw.items():
        where = f"inputs.{name}"
        if isinstance(given, bool | int | float | str):
            values[name] = format_value(given)
        elif isinstance(given, dict):
            try:
                data = InputKeys.model_validate(given)
            except ValidationError as error:
                problems.extend(problems_of(error, root, InputKeys, where))
                continue
            values[name] = _input_path(data, where, root, base, problems)
        else:
            allowed = "a number, true, false, text, or {type: uri_file or uri_folder, path: ...}"
            found = "null" if given is None else repr(given)
            problems.append(Problem(where, found, allowed, place=root.locate(where)))
    return values


def _input_path(data: InputKeys, where: str, root: Node, base: Path, problems: list[Problem]) -> str:
    where = f"{where}.path"
    path = local_path(data.path, base)
    wanted = {"uri_file": "file", "uri_folder": "file or folder"}.get(data.type, "file or folder")
    if path is None:
        fix = "Reading it from where it is comes later; for now copy it to a folder that all nodes see."
        problems.append(Problem(where, repr(data.path), f"a local {wanted}", fix, root.locate(where)))
        return data.path
    if not path.exists():
        fix = "Paths are relative to the sweep file."
        found = f"{data.path!r}, and there is no {path}"
        problems.append(Problem(where, found, f"a {wanted} that exists", fix, root.locate(where)))
    elif data.type == "uri_file" and not path.is_file():
        found = f"{data.path!r}, which is a folder"
        problems.append(Problem(where, found, "a file", "For a folder write type: uri_folder.", root.locate(where)))
    return str(path)


def read_outputs(raw: dict[str, Any], root: Node, problems: list[Problem]) -> dict[str, str]:
    """Returns the folders of ``${{outputs.x}}`` below a trial's outputs: each output has one of its name."""
    folders = {}
    for name, given in raw.items():
        where = f"outputs.{name}"
        if name in (".", "..") or re.search(r"[/\\\0]", name):
            problems.append(Problem(where, repr(name), "a name for a folder", place=root.locate(where, key=True)))
            continue
        folders[name] = name
        if given is None:
            continue
        try:
            kind = OutputKeys.model_validate(given).type
        except ValidationError as error:
            problems.extend(problems_of(error, root, OutputKeys, where))
            continue
        if kind == "uri_file":
            fix = f"Let the command name the file: ${{{{outputs.{name}}}}}/FILE."
            place = root.locate(f"{where}.type")
            problems.append(Problem(f"{where}.type", "uri_file", "uri_folder: outputs are folders here", fix, place))
    return folders


def read_code(raw: str, root: Node, base: Path, problems: list[Problem]) -> Path | None:
    """Returns the folder that ``trial.code`` names, absolute."""
    where = "trial.code"
    place = root.locate(where)
    path = None if _GIT.match(raw) else local_path(raw, base)
    if path is None:
        fix = "Clone or download it first." if _GIT.match(raw) else "Copy it to a local folder first."
        problems.append(Problem(where, repr(raw), "a local folder", fix, place))
        return None
    if path.is_dir():
        return path
    fix = "Paths are relative to the sweep file."
    found = f"{raw!r}, and there is no folder {path}"
    if path.is_file():
        found, fix = f"{raw!r}, which is a file", "Name its folder; all of it is snapshot."
    problems.append(Problem(where, found, "a folder that exists", fix, place))
    return None


def local_path(text: str, base: Path) -> Path | None:
    """Returns the absolute path a text means, or None when it is an address of something elsewhere."""
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    elif _SCHEME.match(text):
        return None
    return (base / Path(text).expanduser()).resolve()


def data_warnings(raw: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields paths and what happens to what stands there, for keys of inputs and outputs without meaning here."""
    for section in ("inputs", "outputs"):
        entries = raw.get(section)
        for name, given in entries.items() if isinstance(entries, dict) else ():
            where = f"{section}.{name}"
            if isinstance(given, dict) and "mode" in given:
                used = "read in place" if section == "inputs" else "written in the trial's folder"
                yield f"{where}.mode", f"ignored: data is {used}"
            if section == "outputs" and isinstance(given, dict) and "path" in given:
                yield f"{where}.path", f"ignored: kept as outputs/{name} of each trial"
