"""An environment that is built on each node for the trials of a run: a Python version and packages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

TOOLS = ("uv", "conda")
"""Tools that can build one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialEnvironment:
    """What is built, once per node."""

    tool: str
    """One of ``TOOLS``."""
    python: str = ""
    """Version of Python, such as ``3.10``; empty = that of raydrive."""
    requirements: str = ""
    """For uv: the text of a pip requirements file."""
    conda_file: str = ""
    """For conda: the text of its file, as JSON, which is YAML too."""

    @property
    def digest(self) -> str:
        """A short name for all of it: equal environments have equal names."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:20]

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> TrialEnvironment:
        """Returns what ``RunConfig.to_json`` has under ``trial.environment``."""
        return cls(**raw)
