"""What is submitted, wherever it came from: Python objects, a sweep file, an earlier run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from raydrive.core.config import RunConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A run that is ready to start."""

    config: RunConfig
    """``trial.code_sha256`` is empty; it is filled in when the snapshot is stored."""
    source_directory: Path | None
    """Folder to take the code snapshot of; None = the command needs none."""
    function: Callable[..., object] | None = None
    """What trials call, for a trial of kind ``function``."""
    warnings: tuple[str, ...] = ()
    """For the user to read: what was accepted but does not mean here what it seems to."""
