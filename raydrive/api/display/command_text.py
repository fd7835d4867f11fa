"""How the commands that are printed for a reader name a run."""

from __future__ import annotations

import shlex

from raydrive.core.errors import RaydriveError
from raydrive.settings.nearest import usual_storage
from raydrive.storage.folder.open import open_folder
from raydrive.storage.folder.uris import above
from raydrive.storage.run_layout import RunLayout


def in_commands(layout: RunLayout) -> str:
    """Returns how a command of a shell names a run: its id, with ``--storage`` where the usual storage is another one.

    The usual storage is that of ``RAYDRIVE_STORAGE``, of ``raydrive.toml``, or ``~/raydrive``.

    Args:
        layout: The run's folder.
    """
    return f"{layout.run_id}{storage_option(layout)}"


def storage_option(layout: RunLayout) -> str:
    """Returns `` --storage PLACE`` for a run that is not in the usual storage; else nothing.

    Args:
        layout: The run's folder.
    """
    try:
        usual = open_folder(usual_storage()).child(layout.experiment, layout.run_id).uri
    except RaydriveError:  # what cannot be opened is not where the run is
        usual = ""
    return "" if layout.uri == usual else f" --storage {shlex.quote(above(layout.uri, 2))}"
