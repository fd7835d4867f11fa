"""What a sweep file says about data and code: inputs, outputs, and the folder of the code snapshot."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from raydrive.api.submit.command_program import script_problem
from raydrive.azure_data import resolve
from raydrive.core.config.option_words import format_value
from raydrive.core.errors import Problem, show
from raydrive.settings.tree import Node
from raydrive.storage.folder.current import absolute, current_folder
from raydrive.storage.input_cache import FETCHED, WEB, scheme_of
from raydrive.sweepfile.problems import problems_of
from raydrive.sweepfile.schema import InputKeys, OutputKeys

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(?!\\)")
_GIT = re.compile(r"git[@+]|.*\.git(?:[#@].*)?\Z")


@dataclass(frozen=True, slots=True)
class DataMapping:
    """What the names of Azure ML's data stand for here: ``raydrive.input_mapping``."""

    rules: Mapping[str, str] = field(default_factory=dict)
    """Names, or beginnings of them, and absolute paths or URIs."""

    @classmethod
    def of(cls, raw: Mapping[str, str], root: Node) -> DataMapping:
        """Returns the mapping of a file; relative paths in it start from the folder of the file that holds it."""
        rules = {}
        for name, target in raw.items():
            file = re.sub(r":\d+:\d+$", "", root.locate(f"raydrive.input_mapping.{name}"))
            base = current_folder() if file.startswith("--set ") else absolute(file).parent
            path = local_path(target, base)
            rules[name] = target if path is None else str(path) + "/" * target.endswith("/")
        return cls(rules)

    def resolve(self, text: str) -> str | None:
        """Returns what a name stands for, None where no rule fits; see ``azure_data.resolve``."""
        return resolve(self.rules, text)


@dataclass(slots=True)
class Inputs:
    """What ``${{inputs.x}}`` stand for."""

    values: dict[str, str] = field(default_factory=dict)
    """Literals as text, absolute paths of data that exists here, URIs."""
    fetched: dict[str, str] = field(default_factory=dict)
    """The URIs that trials find on their node: ``file`` or ``folder``."""


def read_inputs(raw: dict[str, Any], root: Node, base: Path, mapping: DataMapping, problems: list[Problem]) -> Inputs:
    """Returns what the ``inputs`` of a file are.

    Args:
        raw: The ``inputs`` mapping.
        root: The whole file.
        base: Folder that relative paths start from.
        mapping: What Azure ML's names stand for.
        problems: Gets what is wrong.
    """
    inputs = Inputs()
    for name, given in raw.items():
        where = f"inputs.{name}"
        if isinstance(given, bool | int | float | str):
            inputs.values[name] = format_value(given)
            if isinstance(given, str):
                _refuse_binding(name, given, where, root, problems)
        elif isinstance(given, dict):
            try:
                data = InputKeys.model_validate(given)
            except ValidationError as error:
                problems.extend(problems_of(error, root, InputKeys, where))
                continue
            _read_data(name, data, inputs, root, base, mapping, problems)
        else:
            allowed = "a number, true, false, text, or {type: uri_file or uri_folder, path: ...}"
            found = "null" if given is None else show(given)
            problems.append(Problem(where, found, allowed, place=root.locate(where)))
    return inputs


def _refuse_binding(name: str, text: str, where: str, root: Node, problems: list[Problem]) -> bool:
    """Notes what is bound to another step of a pipeline."""
    if "${{parent." not in text.replace(" ", ""):
        return False
    fix = f"Only this step runs here: set the path of its data, as in --set inputs.{name}=PATH."
    problems.append(Problem(where, text, "a value, or data", fix, root.locate(where)))
    return True


def _read_data(
    name: str, data: InputKeys, inputs: Inputs, root: Node, base: Path, mapping: DataMapping, problems: list[Problem]
) -> None:
    where = f"inputs.{name}.path"
    place = root.locate(where)
    text = mapping.resolve(data.path) or data.path
    if _refuse_binding(name, text, where, root, problems):
        return
    found = show(data.path) if text == data.path else f"{show(data.path)}, which is mapped to {show(text)}"
    if text.startswith("azureml:"):
        rule = re.sub(r"(?<=/paths/).*", "", text)
        fix = f"Map it to a path in a site file: raydrive: {{input_mapping: {{'{rule}': s3://BUCKET/PATH}}}}."
        problems.append(Problem(where, found, "data that can be read from here", fix, place))
        return
    path = local_path(text, base)
    if path is None:
        inputs.values[name] = text
        if scheme_of(text) not in FETCHED:
            allowed = f"a path, or a URI with one of {', '.join(FETCHED)}"
            problems.append(Problem(where, found, allowed, place=place))
        elif data.mode == "direct":
            pass  # the script is given the URI itself
        elif scheme_of(text) in WEB and data.type != "uri_file":
            fix = "A web server does not list folders: name a file, with type: uri_file."
            problems.append(Problem(where, found, f"a local or object-store path for {data.type}", fix, place))
        else:
            inputs.fetched[name] = "file" if data.type == "uri_file" else "folder"
        return
    inputs.values[name] = str(path)
    if not os.path.exists(path):
        wanted = "file" if data.type == "uri_file" else "file or folder"
        fix = "Paths are relative to the sweep file." if text == data.path else ""
        problems.append(Problem(where, f"{found}, but there is no {path}", f"an existing {wanted}", fix, place))
    elif data.type == "uri_file" and not os.path.isfile(path):
        fix = "For a folder write type: uri_folder."
        problems.append(Problem(where, f"{found}, which is a folder", "a file", fix, place))


@dataclass(slots=True)
class Outputs:
    """What ``${{outputs.x}}`` stand for: each has a place of its name below a trial's outputs."""

    names: dict[str, str] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    """Those that are files; the others are folders."""


def read_outputs(raw: dict[str, Any], root: Node, problems: list[Problem]) -> Outputs:
    """Returns what the ``outputs`` of a file are."""
    outputs = Outputs()
    for name, given in raw.items():
        where = f"outputs.{name}"
        if name in (".", "..") or re.search(r"[/\\\0]", name):
            problems.append(Problem(where, show(name), "a name for a folder", place=root.locate(where, key=True)))
            continue
        outputs.names[name] = name
        if given is None or isinstance(given, str):  # text: what a pipeline binds it to
            continue
        try:
            kind = OutputKeys.model_validate(given).type
        except ValidationError as error:
            problems.extend(problems_of(error, root, OutputKeys, where))
            continue
        if kind == "uri_file":
            outputs.files.append(name)
    return outputs


def read_code(raw: str, root: Node, base: Path, problems: list[Problem], notes: list[tuple[str, str]]) -> Path | None:
    """Returns the folder that ``trial.code`` names, absolute; of a file its folder, which a note names."""
    where = "trial.code"
    place = root.locate(where)
    path = None if _GIT.match(raw) else local_path(raw, base)
    if path is None:
        fix = "Clone or download it first." if _GIT.match(raw) else "Copy it to a local folder first."
        problems.append(Problem(where, show(raw), "a local folder", fix, place))
        return None
    if os.path.isdir(path):
        return path
    if os.path.isfile(path):
        notes.append((where, f"{show(raw)} is a file: its whole folder is copied, {path.parent}"))
        return path.parent
    fix = "Paths are relative to the sweep file."
    found = f"{show(raw)}, but there is no folder {path}"
    problems.append(Problem(where, found, "an existing folder", fix, place))
    return None


def check_script(command: Any, source: Path | None, root: Node, problems: list[Problem]) -> None:
    """Notes a script that is not in the snapshot: each trial would fail, a cluster's start later."""
    if not isinstance(command, str) or source is None:
        return  # without code: the checks before a submission know it
    problem = script_problem(command, source, "trial.command")
    if problem is not None:
        problems.append(replace(problem, place=root.locate("trial.command")))


def local_path(text: str, base: Path) -> Path | None:
    """Returns the absolute path a text means, or None when it is an address of something elsewhere."""
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    elif _SCHEME.match(text):
        return None
    # Not Path's own: those raise where a name is too long, a link goes round, or there is no such user.
    return Path(os.path.realpath(base / os.path.expanduser(text)))


def data_warnings(raw: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields paths and what happens to what is there, for keys of inputs and outputs without meaning here."""
    for section in ("inputs", "outputs"):
        entries = raw.get(section)
        for name, given in entries.items() if isinstance(entries, dict) else ():
            where = f"{section}.{name}"
            mode = given.get("mode") if isinstance(given, dict) else None
            if mode and str(mode).casefold() != "direct":
                used = "read in place, or fetched once per node" if section == "inputs" else "stored with the trial"
                yield f"{where}.mode", f"ignored: data is {used}"
            if section == "outputs" and isinstance(given, dict) and "path" in given:
                yield f"{where}.path", f"ignored: stored as outputs/{name} of each trial"
