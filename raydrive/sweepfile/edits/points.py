"""Configurations in the words of a sweep file: single values, and lists of them in YAML or CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from raydrive.api.named_parts import is_user_sampling
from raydrive.api.user_requests.points import Point, points_of_csv
from raydrive.core.config.given_points import ALLOWED
from raydrive.core.errors import ConfigError, Problem, StorageError, did_you_mean, show
from raydrive.core.space.search_space import Space
from raydrive.settings.reader import read_text
from raydrive.settings.yaml_source import parse_value, parse_yaml


def values_of_settings(settings: Sequence[str], space: Space) -> dict[str, Any]:
    """Returns one configuration from ``NAME=VALUE`` texts; values are YAML.

    Args:
        settings: The texts.
        space: The search space, whose names they have.

    Raises:
        ConfigError: If one is no such text, or a parameter is unknown or given twice; all problems at once.
    """
    found: dict[str, Any] = {}
    problems = []
    for text in settings:
        given, equals, value = text.partition("=")
        name = _name(given.strip(), space)
        if not equals:
            problems.append(Problem("--set", show(text), "NAME=VALUE, such as lr=0.003"))
        elif name is None:
            names = list(space.expressions)
            known = f"a parameter of the search space: {', '.join(names)}"
            problems.append(Problem("--set", show(given.strip()), known, did_you_mean(given.strip(), names)))
        elif name in found:
            problems.append(Problem("--set", f"{name} twice", "each parameter once"))
        else:
            found[name] = parse_value(value, f"--set {name}").plain()
    if problems:
        raise ConfigError(problems)
    return dict(space.own(found))


def _name(given: str, space: Space) -> str | None:
    """A parameter's name: v1's ``--lr`` is ``lr``, too; ``search_space.lr`` as well."""
    bare = given.removeprefix("search_space.").lstrip("-")
    return next((name for name in space.expressions if name.lstrip("-") == bare), None)


def points_of_file(path: Path, space: Space) -> list[Point]:
    """Returns the configurations of a file: CSV by its ending, else YAML: a list of mappings, or ``points:``.

    Args:
        path: The file.
        space: The search space.

    Raises:
        ConfigError: If it holds none.
        StorageError: If it cannot be read.
    """
    if path.suffix.casefold() == ".csv":
        return points_of_csv(path, space)
    root, problems = parse_yaml(read_text(path), str(path))
    if problems:
        raise ConfigError(problems)
    raw = root.plain()
    rows = raw.get("points") if isinstance(raw, dict) and "points" in raw else raw
    rows = [rows] if isinstance(rows, dict) else rows
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        allowed = "a list of configurations: - {lr: 0.003, units: 32}"
        raise ConfigError(Problem(str(path), show(raw), allowed, place=root.place))
    return [
        {"params": dict(space.own(row)), "details": {"file": path.name, "line": number}}
        for number, row in enumerate(rows, 1)
    ]


def with_points(settings: Mapping[str, Any], sampling: Any, space: Space | None, base: Path) -> dict[str, Any]:
    """Returns the settings below ``raydrive`` with their ``points`` as a list, wherever the file has them.

    Args:
        settings: The settings.
        sampling: ``sampling_algorithm``, which may have ``points``, too.
        space: The search space; None where it cannot be used.
        base: Folder that relative paths start from.

    Raises:
        ConfigError: If both have points, or the file with them cannot be used.
    """
    given = sampling.get("points") if isinstance(sampling, Mapping) and not is_user_sampling(sampling) else None
    own = settings.get("points")
    if given is not None and own is not None:
        allowed = "one of the two: they are the same"
        raise ConfigError(Problem("raydrive.points", "points and also sampling_algorithm.points", allowed))
    where = "sampling_algorithm.points" if given is not None else "raydrive.points"
    found = own if given is None else given
    if isinstance(found, str) and space is not None:
        try:
            found = [point["params"] for point in points_of_file(base / Path(found).expanduser(), space)]
        except StorageError as error:
            raise ConfigError(Problem(where, show(found), f"a CSV or YAML file ({error})")) from error
    elif found is not None and not isinstance(found, list):
        raise ConfigError(Problem(where, show(found), f"{ALLOWED}, or the file that has them"))
    if isinstance(found, list) and space is not None:
        found = [dict(space.own(point)) if isinstance(point, Mapping) else point for point in found]
    return {**settings, "points": found}
