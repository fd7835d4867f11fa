"""``trial.environment``: what of it would be needed, and what is built of it with ``raydrive.environments``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raydrive.core.config.trial_environment import TOOLS, TrialEnvironment
from raydrive.core.errors import ConfigError, Problem
from raydrive.settings.conda_files import environment_of, packages_of, read_mapping
from raydrive.settings.tree import Node
from raydrive.storage.folder.current import absolute, current_folder

WHERE = "trial.environment"
FILE = "raydrive.environment_file"
_USE = "ignored: trials use the Python that raydrive runs in, or raydrive.python"
_ENDINGS = (".yml", ".yaml")


def read_environment(
    raw: Mapping[str, Any], base: Path, root: Node, problems: list[Problem], notes: list[tuple[str, str]]
) -> TrialEnvironment | None:
    """Returns what is built for the trials; None where nothing is.

    Args:
        raw: The sweep file, plain.
        base: Folder that its relative paths start from.
        root: The same with places.
        problems: Gets what is wrong.
        notes: Gets what to know about what is not built: a path and a sentence.
    """
    trial, own = (raw.get(name) for name in ("trial", "raydrive"))
    given = trial.get("environment") if isinstance(trial, Mapping) else None
    own = own if isinstance(own, Mapping) else {}
    tool, python, file = str(own.get("environments") or ""), own.get("python"), own.get("environment_file")
    if tool not in ("", *TOOLS):
        return None  # told with the other settings
    if given is not None and (file or python):
        notes.append(
            (WHERE, f"ignored: {FILE} defines the packages of trials" if file else f"ignored: trials use {python}")
        )
    if file and python:
        notes.append((FILE, f"ignored: trials use {python}"))
    if python or (given is None and not file):
        return None
    where = FILE if file else WHERE
    try:
        return _of_file(str(file), tool, root, notes) if file else _of_azure(given, base, tool, notes)
    except ConfigError as error:
        if not file and not tool:  # what is not used need not be there
            notes.append((WHERE, _USE))
        else:
            place = root.locate(where)
            problems += [Problem(one.where, one.found, one.allowed, one.fix, place) for one in error.problems]
        return None


def _of_file(file: str, tool: str, root: Node, notes: list[tuple[str, str]]) -> TrialEnvironment:
    holder = root.locate(FILE).rsplit(":", 2)[0]
    base = current_folder() if holder.startswith("--set ") else absolute(holder).parent
    found, left_out = environment_of(tool or "uv", file, base, FILE)
    if left_out:
        notes.append((FILE, _note({}, left_out)))
    return found


def _of_azure(given: Any, base: Path, tool: str, notes: list[tuple[str, str]]) -> TrialEnvironment | None:
    parts, base = _parts(given, base)
    conda = _conda(parts.get("conda_file"), base)
    if conda is None:
        notes.append((WHERE, _without_packages(given, parts, tool)))
        return None
    if not tool:
        notes.append((WHERE, f"{_USE}; it needs {_needs(conda)}: raydrive.environments: uv builds that on each node"))
        return None
    found, left_out = environment_of(tool, conda, base, WHERE)
    notes.append((WHERE, _note(parts, left_out)))
    return found


def _note(parts: Mapping[str, Any], left_out: list[str]) -> str:
    notes = ["its packages are installed once per node"]
    if parts.get("image"):
        notes.append(f"the image {parts['image']} is not used")
    if left_out:
        notes.append(f"not installed: {', '.join(left_out)}")
    return "; ".join(notes)


def _without_packages(raw: Any, parts: Mapping[str, Any], tool: str) -> str:
    """The note about an environment that names no packages."""
    named = raw if isinstance(raw, str) else parts.get("image") or parts.get("name") or "a Dockerfile"
    what = "an image" if parts.get("image") else "built from a Dockerfile" if parts.get("build") else "stored by Azure"
    way = f"{FILE}: a conda or requirements file" if tool else "raydrive.python: a Python that has its packages"
    return f"{_USE}; {named} is {what}, so its packages cannot be read here: name {way}"


def _needs(conda: Mapping[str, Any]) -> str:
    """What a conda file needs, in a few words."""
    names = packages_of(conda)
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "") if names else "no packages"


def _parts(raw: Any, base: Path) -> tuple[Mapping[str, Any], Path]:
    """The keys of an environment: written out, or in a file of their own; and the folder of that file."""
    if isinstance(raw, Mapping):
        return _flat(raw), base
    text = str(raw)
    if text.startswith("azureml:") or not text.endswith(_ENDINGS):
        return {}, base
    path = base / text.removeprefix("file:")
    return _flat(read_mapping(path, "the file of an environment", WHERE)), path.parent


def _flat(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """The keys, with those that the 2021 preview had below ``docker``."""
    docker = raw.get("docker")
    return {**raw, "image": docker.get("image")} if isinstance(docker, Mapping) and "image" not in raw else raw


def _conda(given: Any, base: Path) -> Mapping[str, Any] | None:
    if given is None or isinstance(given, Mapping):
        return given
    return read_mapping(base / str(given).removeprefix("file:"), "a conda file", WHERE)
