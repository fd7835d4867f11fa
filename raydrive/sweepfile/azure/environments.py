"""``trial.environment``: what of it would be needed, and what is built of it with ``raydrive.environments``.

A conda file becomes a pip requirements file where uv builds: the names of nearly all packages are the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raydrive.core.config.trial_environment import TrialEnvironment
from raydrive.core.errors import ConfigError, Problem, show
from raydrive.settings.reader import read_text
from raydrive.settings.tree import Node
from raydrive.settings.yaml_source import parse_yaml

WHERE = "trial.environment"
_OURS = re.compile(r"azureml(-[\w-]+)?\s*($|[=<>~!\[;])", re.IGNORECASE)
"""Packages of the SDK v1: trials find raydrive's."""
_NOT_OF_PIP = re.compile(r"(pip|python|cudatoolkit|cudnn|nccl|mkl|openmpi|libgcc(-ng)?|gcc_\S+|gxx_\S+|cuda-\S+)$")
"""Packages of conda that a pip environment has otherwise or not at all."""
_RENAMED = {"pytorch": "torch", "py-xgboost": "xgboost", "tensorflow-gpu": "tensorflow", "pytorch-cpu": "torch"}
_CONDA = re.compile(r"(?:[\w./-]+::)?(?P<name>[\w.-]+)\s*(?P<version>[=<>!~].*)?$")
_USE = "ignored: trials use the Python that raydrive runs in, or raydrive.python"


@dataclass(slots=True)
class CondaFile:
    """A conda file, read."""

    python: str = ""
    """The version that it names; empty = none."""
    requirements: list[str] = field(default_factory=list)
    """Its packages as lines of a pip requirements file."""
    left_out: list[str] = field(default_factory=list)
    """What such a file cannot have, or trials have anyway."""


def read_environment(
    raw: Any, base: Path, own: Mapping[str, Any], root: Node, problems: list[Problem]
) -> tuple[TrialEnvironment | None, str]:
    """Returns what is built for the trials, and a note about what is not; None where nothing is built.

    Args:
        raw: ``trial.environment``, plain.
        base: Folder that relative paths start from.
        own: The settings below ``raydrive``.
        root: The sweep file.
        problems: Gets what is wrong.
    """
    tool = str(own.get("environments") or "")
    if raw is None:
        return None, ""
    if own.get("python"):
        return None, f"ignored: trials use {own['python']}"
    try:
        parts, base = _parts(raw, base)
        conda = _conda(parts.get("conda_file"), base)
    except ConfigError as error:
        if not tool:
            return None, _USE  # what is not used need not be there
        problems += [Problem(one.where, one.found, one.allowed, one.fix, root.locate(WHERE)) for one in error.problems]
        return None, ""
    if conda is None:
        return None, _without_packages(raw, parts, tool)
    if not tool:
        return None, f"{_USE}; it needs {_needs(conda)}: raydrive.environments: uv builds that on each node"
    try:
        plain = from_conda(conda, base)
    except ConfigError as error:
        problems += [Problem(one.where, one.found, one.allowed, one.fix, root.locate(WHERE)) for one in error.problems]
        return None, ""
    return built(tool, conda, plain), _note(tool, parts, plain)


def built(tool: str, conda: Mapping[str, Any], plain: CondaFile) -> TrialEnvironment:
    """Returns the environment of a conda file.

    Args:
        tool: ``uv`` or ``conda``.
        conda: The file.
        plain: The same as requirements of pip.
    """
    if tool == "conda":
        return TrialEnvironment(tool=tool, conda_file=json.dumps(_without_ours(conda), sort_keys=True))
    return TrialEnvironment(tool=tool, python=plain.python, requirements="\n".join(plain.requirements))


def _note(tool: str, parts: Mapping[str, Any], plain: CondaFile) -> str:
    notes = ["its conda file is built once per node"]
    if parts.get("image"):
        notes.append(f"the image {parts['image']} is not used")
    if plain.left_out and tool == "uv":
        notes.append(f"left out: {', '.join(plain.left_out)}")
    return "; ".join(notes)


def _without_packages(raw: Any, parts: Mapping[str, Any], tool: str) -> str:
    """The note about an environment that names no packages."""
    named = raw if isinstance(raw, str) else parts.get("image") or parts.get("name") or "a Dockerfile"
    what = "an image" if parts.get("image") else "built from a Dockerfile" if parts.get("build") else "kept by Azure"
    way = "raydrive.python: a Python that has its packages"
    other = "conda_file: FILE here" + ("" if tool else " with raydrive.environments: uv")
    return f"{_USE}; {named} is {what}, so its packages cannot be read here: name {way}, or {other}"


def _needs(conda: Mapping[str, Any]) -> str:
    """What a conda file needs, in a few words."""
    names = [str(one) for one in _listed(conda) if isinstance(one, str)]
    names += [str(one) for one in _of_pip(conda)]
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "") if names else "no packages"


def _parts(raw: Any, base: Path) -> tuple[Mapping[str, Any], Path]:
    """The keys of an environment: written out, or in a file of their own; and the folder of that file."""
    if isinstance(raw, Mapping):
        return _flat(raw), base
    text = str(raw)
    if text.startswith("azureml:") or not text.endswith((".yml", ".yaml")):
        return {}, base
    path = base / text.removeprefix("file:")
    return _flat(_read(path, "the file of an environment")), path.parent


def _flat(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """The keys, with those that the 2021 preview had below ``docker``."""
    docker = raw.get("docker")
    return {**raw, "image": docker.get("image")} if isinstance(docker, Mapping) and "image" not in raw else raw


def _conda(given: Any, base: Path) -> Mapping[str, Any] | None:
    if given is None or isinstance(given, Mapping):
        return given
    return _read(base / str(given).removeprefix("file:"), "a conda file")


def _read(path: Path, what: str) -> Mapping[str, Any]:
    """Returns the mapping in a YAML file.

    Raises:
        ConfigError: If there is none.
    """
    node, problems = parse_yaml(read_text(path, what), str(path))
    if problems:
        raise ConfigError(problems)
    found = node.plain()
    if not isinstance(found, dict):
        raise ConfigError(Problem(WHERE, f"{path} with {show(found)}", f"{what}: a mapping"))
    return found


def _listed(conda: Mapping[str, Any]) -> list[Any]:
    listed = conda.get("dependencies")
    return listed if isinstance(listed, list) else []


def _of_pip(conda: Mapping[str, Any]) -> list[Any]:
    return [line for one in _listed(conda) if isinstance(one, Mapping) for line in one.get("pip") or ()]


def _without_ours(conda: Mapping[str, Any]) -> dict[str, Any]:
    """A conda file without the packages of Azure's SDK v1."""
    kept = [
        {**one, "pip": [line for line in one.get("pip") or () if not _OURS.match(str(line))]}
        if isinstance(one, Mapping)
        else one
        for one in _listed(conda)
    ]
    return {**{key: value for key, value in conda.items() if key not in ("name", "prefix")}, "dependencies": kept}


def from_conda(conda: Mapping[str, Any], base: Path) -> CondaFile:
    """Returns a conda file as requirements of pip.

    Args:
        conda: The file, plain.
        base: Folder of the requirements files that it names.

    Raises:
        ConfigError: If an entry cannot be read.
    """
    found = CondaFile()
    for one in _listed(conda):
        if isinstance(one, Mapping):
            continue
        match = _CONDA.fullmatch(str(one).strip())
        if match is None:
            raise ConfigError(Problem(WHERE, show(one), "a package of conda, such as numpy=1.26"))
        name, version = match["name"].lower(), (match["version"] or "").strip()
        if name == "python":
            found.python = re.sub(r"[^\d.].*$", "", re.sub(r"^[=<>!~\s]+", "", version)).rstrip(".")
        elif _NOT_OF_PIP.fullmatch(name):
            found.left_out += [] if name == "pip" else [str(one)]
        else:
            found.requirements.append(_RENAMED.get(name, name) + _version(version))
    for line in _lines(_of_pip(conda), base):
        if _OURS.match(line):
            found.left_out.append(line)
        else:
            found.requirements.append(line)
    return found


def _version(version: str) -> str:
    """A version of conda's as pip has it: ``=1.21`` is any 1.21, a build is left out."""
    match = re.fullmatch(r"=\s*([\w.]+)(?:=\S+)?", version)
    if match is not None:
        return f"=={match[1]}" if match[1].endswith("*") else f"=={match[1]}.*"
    return re.sub(r"(==[\w.]+)=\S+", r"\1", version.replace(" ", ""))


def _lines(given: list[Any], base: Path) -> Iterator[str]:
    """The lines of a list of requirements, those of files that it names among them."""
    for one in given:
        text = str(one).strip()
        match = re.fullmatch(r"(?:-r|--requirement)[\s=]*(\S+)", text)
        if match is None:
            yield text
            continue
        path = base / match[1]
        below = [line.strip() for line in read_text(path, "a requirements file").splitlines()]
        yield from _lines([line for line in below if line and not line.startswith("#")], path.parent)
