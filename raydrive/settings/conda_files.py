"""Files that name packages, conda's and pip's, as the environment that is built of them on each node.

Where uv builds, a conda file becomes a requirements file of pip: nearly all packages have the same name in both.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raydrive.core.config.trial_environment import TOOLS, TrialEnvironment
from raydrive.core.errors import ConfigError, Problem, show
from raydrive.settings.reader import read_text
from raydrive.settings.yaml_source import parse_yaml

_OURS = re.compile(r"(?P<name>azureml(-[\w-]+)?)\s*($|[=<>~!\[;])", re.IGNORECASE)
"""Packages of Azure ML's SDK v1: trials find raydrive's modules of these names."""
_BROUGHT = {"azureml-mlflow": "mlflow-skinny", "azureml-dataset-runtime": "pandas"}
"""What such a package would have brought along, and scripts import."""
_NOT_OF_PIP = re.compile(r"(cudatoolkit|cudnn|nccl|mkl|openmpi|libgcc(-ng)?|gcc_\S+|gxx_\S+|cuda-\S+)$")
"""Packages of conda that a pip environment has otherwise or not at all."""
_RENAMED = {"pytorch": "torch", "py-xgboost": "xgboost", "tensorflow-gpu": "tensorflow", "pytorch-cpu": "torch"}
_CONDA = re.compile(r"(?:[\w./-]+::)?(?P<name>[\w.-]+)(?P<version>\s*[=<>!~].*|\s+[\d*].*)?$")
_PLACES = re.compile(r"(?P<option>--find-links|-f|--extra-index-url|--index-url|-i)[\s=]+(?P<place>\S+)$")
_PATHS = re.compile(r"(?P<option>(?:-e|--editable)[\s=]+)?(?P<path>\.{1,2}(?:/\S*)?(?:\[[\w,-]+\])?)$")


@dataclass(slots=True)
class PipPackages:
    """Packages as pip has them."""

    python: str = ""
    """The version of Python that is named; empty = none."""
    requirements: list[str] = field(default_factory=list)
    """Lines of a requirements file."""
    left_out: list[str] = field(default_factory=list)
    """What such a file cannot have, or trials have anyway."""


def environment_of(
    tool: str, given: str | os.PathLike[str] | Mapping[str, Any], base: Path, where: str = "environment_file"
) -> tuple[TrialEnvironment, list[str]]:
    """Returns what is built of a file, and the packages that are left out of it.

    Args:
        tool: ``uv`` or ``conda``.
        given: A conda file by its ending (``.yml``, ``.yaml``), or what is in one; else a requirements file.
        base: Folder that relative paths start from.
        where: Path of the key, for errors.

    Raises:
        ConfigError: If it cannot be read.
    """
    if tool not in TOOLS:
        raise ConfigError(Problem("environments", show(tool), " or ".join(TOOLS)))
    if isinstance(given, Mapping):
        conda: Mapping[str, Any] | None = given
    else:
        path = base / os.path.expanduser(os.fspath(given))
        base, conda = path.parent, None
        if path.suffix in (".yml", ".yaml"):
            conda = read_mapping(path, "a conda file", where)
    if conda is None:
        plain = PipPackages(requirements=list(_lines([f"-r {path.name}"], base)))
        if tool == "conda":
            pip = {"pip": plain.requirements}
            return TrialEnvironment(tool=tool, conda_file=json.dumps({"dependencies": ["python", "pip", pip]})), []
        return _built(plain), []
    plain = from_conda(conda, base, where)
    if tool == "conda":
        return TrialEnvironment(tool=tool, conda_file=json.dumps(_without_ours(conda, base), sort_keys=True)), []
    return _built(plain), plain.left_out


def _built(plain: PipPackages) -> TrialEnvironment:
    return TrialEnvironment(tool="uv", python=plain.python, requirements="\n".join(plain.requirements))


def read_mapping(path: Path, what: str, where: str) -> Mapping[str, Any]:
    """Returns the mapping in a YAML file.

    Args:
        path: The file.
        what: What it has to be, for errors.
        where: Path of the key that names it.

    Raises:
        ConfigError: If there is none.
    """
    node, problems = parse_yaml(read_text(path, what), str(path))
    if problems:
        raise ConfigError(problems)
    found = node.plain()
    if not isinstance(found, dict):
        raise ConfigError(Problem(where, f"{path} with {show(found)}", f"{what}: a mapping"))
    return found


def from_conda(conda: Mapping[str, Any], base: Path, where: str) -> PipPackages:
    """Returns what a conda file names as pip has it.

    Args:
        conda: The file, plain.
        base: Folder of the requirements files that it names.
        where: Path of the key that names it.

    Raises:
        ConfigError: If an entry cannot be read.
    """
    found = PipPackages()
    for one in _listed(conda):
        if isinstance(one, Mapping):
            continue
        match = _CONDA.fullmatch(str(one).strip())
        if match is None:
            raise ConfigError(Problem(where, show(one), "a package of conda, such as numpy=1.26"))
        name, version = match["name"].lower(), (match["version"] or "").strip()
        if name == "python":
            found.python = re.sub(r"[^\d.].*$", "", re.sub(r"^[=<>!~\s]+", "", version)).rstrip(".")
        elif name == "pip":  # conda brings both
            found.requirements += ["pip", "setuptools<81"]
        elif _NOT_OF_PIP.fullmatch(name):
            found.left_out.append(str(one))
        else:
            found.requirements.append(_RENAMED.get(name, name) + _version(version))
    lines = list(_lines(_of_pip(conda), base))
    found.requirements += _without_sdk(lines)
    found.left_out += [line for line in lines if _OURS.match(line)]
    return found


def _without_sdk(lines: list[str]) -> list[str]:
    """Requirements without the packages of Azure's SDK v1, and with what scripts import of what these bring along."""
    kept = [line for line in lines if not _OURS.match(line)]
    names = {re.split(r"[^\w.-]", line, maxsplit=1)[0].lower() for line in kept}
    brought = [_BROUGHT.get(match["name"].lower(), "") for line in lines if (match := _OURS.match(line))]
    has = {"mlflow-skinny": {"mlflow", "mlflow-skinny"}, "pandas": {"pandas"}}
    return [*kept, *(one for one in dict.fromkeys(brought) if one and not names & has[one])]


def packages_of(conda: Mapping[str, Any]) -> list[str]:
    """Returns what a conda file names, as it is there."""
    return [*(str(one) for one in _listed(conda) if isinstance(one, str)), *map(str, _of_pip(conda))]


def _listed(conda: Mapping[str, Any]) -> list[Any]:
    listed = conda.get("dependencies")
    return listed if isinstance(listed, list) else []


def _of_pip(conda: Mapping[str, Any]) -> list[Any]:
    return [line for one in _listed(conda) if isinstance(one, Mapping) for line in one.get("pip") or ()]


def _without_ours(conda: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """A conda file for any node: without the packages of the SDK v1, and without relative paths."""
    kept = [
        {**one, "pip": _without_sdk(list(_lines(one.get("pip") or [], base)))} if isinstance(one, Mapping) else one
        for one in _listed(conda)
    ]
    return {**{key: value for key, value in conda.items() if key not in ("name", "prefix")}, "dependencies": kept}


def _version(version: str) -> str:
    """A version of conda's as pip has it: ``=1.21`` is any 1.21, a build is left out."""
    if version[:1].isdigit():  # behind a space
        version = f"={version.split()[0]}"
    match = re.fullmatch(r"=\s*([\w.*]+)(?:=\S+)?", version)
    if match is not None:
        return f"=={match[1]}" if match[1].endswith("*") else f"=={match[1]}.*"
    return re.sub(r"(==[\w.]+)=\S+", r"\1", version.replace(" ", ""))


def _lines(given: list[Any], base: Path) -> Iterator[str]:
    """The lines of a list of requirements, those of files that it names among them; paths in them are absolute."""
    for one in given:
        text = re.sub(r"(^|\s)#.*$", "", str(one)).strip()
        match = re.fullmatch(r"(?:-r|--requirement)[\s=]*(\S+)", text)
        if match is None:
            if text:
                yield _placed(text, base)
            continue
        path = base / match[1]
        yield from _lines(list(read_text(path, "a requirements file").splitlines()), path.parent)


def _placed(line: str, base: Path) -> str:
    """A line whose local path is absolute: it is read in another folder, on another node."""
    place, path = _PLACES.fullmatch(line), _PATHS.fullmatch(line)
    if place is not None and ":" not in place["place"]:
        return f"{place['option']} {os.path.abspath(base / place['place'])}"
    if path is not None:
        name, bracket, extras = path["path"].partition("[")
        return f"{path['option'] or ''}{os.path.abspath(base / name)}{bracket}{extras}"
    return line
