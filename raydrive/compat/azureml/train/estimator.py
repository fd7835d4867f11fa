"""Estimators: replaced by ``ScriptRunConfig`` long before raydrive."""

from __future__ import annotations

from typing import Any

from raydrive.compat.azure_notices import NotHereError


class Estimator:
    """Is not there.

    Raises:
        NotHereError: Always.
    """

    def __init__(self, source_directory: str = ".", *args: Any, **kwargs: Any) -> None:
        raise NotHereError(
            f"estimators are gone: write ScriptRunConfig(source_directory={source_directory!r}, script=..., "
            "arguments=[...]) and give it to HyperDriveConfig as run_config"
        )
