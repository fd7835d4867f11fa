"""The Pythons of this machine, by version."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def find(version: str) -> str | None:
    """Returns the path of a Python that works, or None where this machine has none.

    Args:
        version: ``3.9``, say; of several the newest patch release.
    """
    managed = Path.home().glob(f".pyenv/versions/{version}.*/bin/python")
    newest_first = sorted(managed, key=lambda path: _patch_release(path.parent.parent.name), reverse=True)
    on_path = shutil.which(f"python{version}")
    for candidate in [*newest_first, *([on_path] if on_path else [])]:  # pyenv's own commands may refuse to work
        ask = [str(candidate), "-c", "import ssl, ensurepip, sys; print('%d.%d' % sys.version_info[:2])"]
        if subprocess.run(ask, text=True, capture_output=True, timeout=60).stdout.strip() == version:
            return str(candidate)
    return None


def _patch_release(name: str) -> int:
    patch = name.rpartition(".")[2]
    return int(patch) if patch.isdigit() else -1
