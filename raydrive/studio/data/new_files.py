"""Files that are written where the user asked; no folder is created silently."""

from __future__ import annotations

import shlex
from pathlib import Path

from raydrive.core.errors import ConfigError, Problem, show


def refuse_missing_folder(path: Path, where: str = "--output") -> None:
    """Refuses a file or folder whose own folder does not exist.

    Args:
        path: What is to be written.
        where: The option or argument that names it.

    Raises:
        ConfigError: With the command that makes the folder.
    """
    above = path.parent
    if above.is_dir():
        return
    if above.exists():
        found = f"{show(str(path))}, and {above} is a file"
        raise ConfigError(Problem(where, found, "a path in a folder"))
    found = f"{show(str(path))}, but there is no folder {above}"
    raise ConfigError(Problem(where, found, "a path in an existing folder", f"mkdir -p {shlex.quote(str(above))}"))
