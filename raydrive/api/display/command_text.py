"""How the commands that are printed for a reader name a run."""

from __future__ import annotations

import os
import shlex

from raydrive.core.errors import RaydriveError
from raydrive.settings.nearest import DEFAULT_STORAGE, read_place
from raydrive.storage.folder.open import open_folder
from raydrive.storage.run_layout import RunLayout


def in_commands(layout: RunLayout) -> str:
    """Returns how a command of a shell names a run: its id, with ``--storage`` where the usual storage is another one.

    The usual storage is that of ``RAYDRIVE_STORAGE``, of ``raydrive.toml``, or ``~/raydrive``.

    Args:
        layout: The run's folder.
    """
    try:
        place = os.environ.get("RAYDRIVE_STORAGE") or read_place().storage or DEFAULT_STORAGE
        usual = open_folder(place).child(layout.experiment, layout.run_id).uri
    except RaydriveError:  # what cannot be opened is not where the run is
        usual = ""
    if layout.uri == usual:
        return layout.run_id
    base, mark, options = layout.uri.partition("?")
    storage = f"{base.rstrip('/').removesuffix(f'/{layout.experiment}/{layout.run_id}')}{mark}{options}"
    return f"{layout.run_id} --storage {shlex.quote(storage)}"
