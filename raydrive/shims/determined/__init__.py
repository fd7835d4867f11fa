"""``determined`` for training scripts: its Core API, as a trial uses it; an installed one is left aside there."""

from __future__ import annotations

import os
from typing import Any

from raydrive_trackers import installed

if os.environ.get("RAYDRIVE_CHANNEL") or installed.load_real("determined") is None:
    from raydrive_trackers import core_api

    from . import core as core

    LOG_FORMAT = "%(levelname)s: [%(process)s] %(name)s: %(message)s"
    __version__ = "0.0.0"
    get_cluster_info = core_api.cluster_info

    def __getattr__(name: str) -> Any:
        """Raises: the rest of Determined runs training by itself."""
        if name.startswith("__"):
            raise AttributeError(name)
        raise ImportError(
            f"determined.{name}: in a trial of raydrive there is Determined's Core API (determined.core.init and "
            "get_cluster_info); trial classes are run by Determined alone: write a script around the model"
        )
