"""Policies and samplings that installed packages offer under a short name, as entry points.

The groups are ``raydrive.policies`` and ``raydrive.samplings``. They are looked up when a name is asked for that is
none of raydrive's core, so that nothing else waits for it.
"""

from __future__ import annotations

import functools
import importlib.metadata
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raydrive.package_path import IMPORT_ROOT

POLICIES, SAMPLINGS = "raydrive.policies", "raydrive.samplings"
_NAME = "raydrive"


def installed(group: str) -> Mapping[str, str]:
    """Returns what is offered: ``module:QualName`` by name, in lower case.

    Args:
        group: ``POLICIES`` or ``SAMPLINGS``.
    """
    found = {one.name.casefold(): one.value for one in importlib.metadata.entry_points(group=group)}
    return {**_of_checkout(group), **found}


@functools.cache
def _of_checkout(group: str) -> Mapping[str, str]:
    """Returns raydrive's own entry points where it runs from a checkout.

    What is installed there may be older than its pyproject.toml, or be another checkout's.
    """
    project = _project(Path(IMPORT_ROOT) / "pyproject.toml").get("project", {})
    if project.get("name") != _NAME:
        return {}
    return {name.casefold(): str(value) for name, value in project.get("entry-points", {}).get(group, {}).items()}


def _project(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    if sys.version_info >= (3, 11):
        import tomllib  # lazy: tomllib, 0.001 s
    else:
        import tomli as tomllib  # lazy: tomli, 0.001 s
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
