"""What is submitted, wherever it came from: Python objects, a sweep file, an earlier run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raydrive.api.submit.packaging import PackedCode
from raydrive.core.config.run_config import RunConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReference:
    """An earlier run, as a submission names it."""

    run: Any
    """A ``RunReader``, or a text: an id, a unique prefix, ``last``, the path or URI of the run's folder."""
    where: str
    """Path of the key, for errors."""
    place: str = ""
    """``file:line:column``."""
    base: Path | None = None
    """Folder that relative paths start from; None = the current one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildReference(RunReference):
    """A trial of an earlier run."""

    trial: int
    """Its number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A run that is ready to start."""

    config: RunConfig
    """``trial.code_sha256`` is empty; it is filled in when the snapshot is stored."""
    source_directory: Path | None
    """Folder to take the code snapshot of; None = the command needs none."""
    function: Callable[..., object] | None = None
    """What trials call, for a trial of kind ``function``."""
    data: object = None
    """What was given as the training function, where it has data: a ``WithData``."""
    code: PackedCode | None = None
    """The code as another machine packed it; then there are neither folder nor function."""
    classes: bytes | None = None
    """The classes of policy and sampling that travel by value, checked on another machine; None = not checked yet."""
    places: Mapping[str, str] = field(default_factory=dict)
    """``file:line:column`` of the command, of policy and sampling in a file: of values, and of keys by ``key NAME``."""
    warnings: tuple[str, ...] = ()
    """For the user to read: what was accepted but does not mean here what it seems to."""
    resume_from: tuple[RunReference, ...] = ()
    """Runs to start from: their curves are compared with, and samplers that learn learn from them."""
    resume_child_runs: tuple[ChildReference, ...] = ()
    """Trials that continue as the first ones of this run."""
