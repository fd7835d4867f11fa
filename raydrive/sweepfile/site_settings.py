"""Settings of a site on their own, where there is no sweep file: for the command line and for Python code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from raydrive.api.workspace import nearest_settings
from raydrive.core.errors import ConfigError, Problem
from raydrive.sweepfile.inputs_outputs import DataMapping
from raydrive.sweepfile.loader import SweepSettings
from raydrive.sweepfile.overrides import read_site, with_texts
from raydrive.sweepfile.problems import problems_of
from raydrive.sweepfile.schema import OwnKeys
from raydrive.sweepfile.yaml_source import Node


def load_own(site: Sequence[Path]) -> tuple[OwnKeys, DataMapping]:
    """Returns all settings of site files, later ones over earlier ones, and what names of data stand for.

    Raises:
        ConfigError: If a file cannot be read or holds something unknown; all problems at once.
    """
    problems: list[Problem] = []
    merged: Node | None = None
    for file in site:
        node = read_site(Path(file), problems)
        if node is not None:
            merged = node if merged is None else merged.merged(node)
    own, mapping = OwnKeys(), DataMapping()
    if merged is not None:
        root = with_texts(Node({"raydrive": merged}, merged.place))
        try:
            own = OwnKeys.model_validate(root.plain()["raydrive"])
            mapping = DataMapping.of(own.input_mapping or {}, root)
        except ValidationError as error:
            problems.extend(problems_of(error, root, OwnKeys, "raydrive"))
    if problems:
        raise ConfigError(problems)
    return own, mapping


def load_settings(site: Sequence[Path]) -> SweepSettings:
    """Returns storage and address from site files alone.

    Raises:
        ConfigError: If a file cannot be read or holds something unknown; all problems at once.
    """
    own, _ = load_own(site)
    return SweepSettings(storage=own.storage, address=own.address)


def here() -> tuple[OwnKeys, DataMapping]:
    """Returns the settings of the nearest raydrive.toml; defaults where there is none.

    Raises:
        ConfigError: If it cannot be read or holds something unknown.
    """
    file = nearest_settings()
    return load_own([file] if file is not None else [])
