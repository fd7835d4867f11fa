"""With the real azureml-core installed: its ``Run.get_context`` gives the trial, everything else stays as it is."""

from __future__ import annotations

import importlib.machinery
import os
import sys
from typing import Any, Sequence  # noqa: UP035  (Python 3.8)

_MODULE = "azureml.core.run"


def swap_get_context() -> None:
    """Has ``azureml.core.run`` changed as soon as it is imported."""
    sys.meta_path.insert(0, _Finder)


class _Finder:
    """Finds the real module once, and adds a last step to its loading."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: Any = None) -> Any:
        """Returns the real module's spec."""
        if name != _MODULE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def exec_module(module: Any) -> None:
            load(module)
            _swap(module.Run)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _swap(real: Any) -> None:
    original = real.get_context

    def get_context(cls: Any, allow_offline: bool = True, *args: Any, **kwargs: Any) -> Any:
        from raydrive_azureml.run import Run  # lazy: raydrive_azureml.run, 0.01 s

        if os.environ.get("RAYDRIVE_CHANNEL"):
            return Run.get_context(allow_offline)
        return original(allow_offline, *args, **kwargs)

    real.get_context = classmethod(get_context)
