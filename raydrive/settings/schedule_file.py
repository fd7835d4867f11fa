"""The schedule of a population where it is named by its file."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raydrive.core.errors import ConfigError
from raydrive.core.population.rules import Population
from raydrive.core.population.schedule import settings_of
from raydrive.settings.reader import read_text
from raydrive.settings.yaml_source import parse_yaml


def with_schedule(given: Any, base: Path | None = None, where: str = "population") -> Any:
    """Returns a population with what its schedule's file holds in place of the file's name; else what was given.

    Args:
        given: A mapping as a sweep file has it, an object, or None.
        base: Folder that a relative name starts from; None = the current one.
        where: Path of the population, for errors.

    Raises:
        ConfigError: If the file cannot be read, or holds no schedule.
    """
    if isinstance(given, Population) or not isinstance(given, Mapping) or not isinstance(given.get("schedule"), str):
        return given
    path = Path(given["schedule"]).expanduser()
    path = path if base is None else base / path
    root, problems = parse_yaml(read_text(path, "the file of a schedule"), str(path))
    if problems:
        raise ConfigError(problems)
    return {**given, "schedule": settings_of(root.plain(), f"{where}.schedule")}


def schedule_text(row: Mapping[str, Any]) -> str:
    """Returns a schedule as YAML, in the form that ``with_schedule`` reads."""
    from ruamel.yaml import YAML  # lazy: ruamel, 0.008 s

    writer, out = YAML(), io.StringIO()
    writer.default_flow_style, writer.width = False, 120
    writer.dump(json.loads(json.dumps(dict(row))), out)
    return out.getvalue()
