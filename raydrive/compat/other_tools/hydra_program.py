"""The program that a configuration of Hydra belongs to, and how its command line chooses that configuration."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from raydrive.compat.other_tools.sweep_parts import Carried

_LEVELS = 5
"""Folders that are looked at: that of the configuration, and those above it."""
_MOST_FILES = 300
"""Python files of a folder and of those below it that are read."""


@dataclass(frozen=True, slots=True)
class Program:
    """A Python file with ``@hydra.main``.

    Args:
        path: The file.
        code: The folder that has it and its configurations.
        chosen: Words of its command line that choose the configuration.
    """

    path: Path
    code: Path
    chosen: tuple[str, ...] = ()


def program_of(carried: Carried) -> Program:
    """Returns the program of a configuration: the one that names it, or that has it in a group of its configurations.

    Args:
        carried: The sweep file, which gets a problem where there is none.
    """
    source = carried.source.absolute()
    place = source.parent
    folders = [place, *place.parents][:_LEVELS]
    in_group: list[Program] = []
    for folder in folders:
        for path, text in _programs(folder):
            configs, name = _main(text, path)
            primary = (configs / f"{name}{source.suffix}").resolve()
            if primary == source.resolve():
                return Program(path, _shared(path, configs))
            if primary.is_file() and source.resolve().is_relative_to(configs.resolve()):
                words = _chosen(primary, source.resolve().relative_to(configs.resolve()))
                in_group.append(Program(path, _shared(path, configs), words))
        if in_group:
            return min(in_group, key=lambda each: (not each.path.stem.startswith("train"), each.path.name))
    for folder in folders[:2]:
        alone = [path for path, _ in _programs(folder) if path.parent == folder]
        if len(alone) == 1:
            return Program(alone[0], folder)
    allowed = "one Python file with @hydra.main next to the configuration or in a folder above"
    carried.wrong("hydra", "no program", allowed)
    return Program(place / "program.py", place)


def _programs(folder: Path) -> Iterator[tuple[Path, str]]:
    files = [*sorted(folder.glob("*.py")), *sorted(folder.glob("[!.]*/*.py"))][:_MOST_FILES]
    for path in files:
        text = path.read_text(errors="replace")
        if "hydra.main" in text:
            yield path, text


def _main(text: str, path: Path) -> tuple[Path, str]:
    """The folder of a program's configurations, and the name of the one that it begins with."""
    call = re.search(r"hydra\.main\(([^)]*)\)", text)
    given = dict(re.findall(r"(\w+)\s*=\s*[\"']([^\"']*)[\"']", call[1])) if call else {}
    return path.parent / given.get("config_path", "."), re.sub(r"\.ya?ml$", "", given.get("config_name", ""))


def _shared(program: Path, configs: Path) -> Path:
    """The folder that has a program and its configurations."""
    return Path(os.path.commonpath([program.parent.resolve(), configs.resolve()]))


def _chosen(primary: Path, option: Path) -> tuple[str, ...]:
    """Words that choose a configuration of a group, which is added where the first one does not have the group."""
    group, name = option.parent.as_posix(), option.stem
    if group == ".":
        return "--config-name", name
    known = re.search(rf"^\s*-\s*(optional\s+)?/?{re.escape(group)}\s*:", primary.read_text(errors="replace"), re.M)
    return (f"{'' if known else '+'}{group}={name}",)
