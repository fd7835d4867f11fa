"""Stands in for raydrive in a Python that has none: training scripts have ``raydrive.context`` there.

The folder above is on PYTHONPATH in every trial, before whatever is installed. Where raydrive is installed, this module
therefore looks for that one and takes its place in ``sys.modules``; nothing of the stand-in is then seen.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import sys
from typing import Any, Sequence  # noqa: UP035  (Python 3.8)

_HERE = os.path.dirname(os.path.abspath(__file__))
_MODULES = tuple(
    f"raydrive.{name}"
    for name in (
        *("azure_data", "context", "context_values", "integrations", "log_command", "ranks", "trial_ray", "variables"),
        "wire",
    )
)
__path__: list[str] = []


def _installed() -> importlib.machinery.ModuleSpec | None:
    """The raydrive that this Python has installed, if any."""
    entries = [entry for entry in sys.path if os.path.abspath(entry) != os.path.dirname(_HERE)]
    for finder in sys.meta_path:
        # Editable installations of some build tools bring a finder of their own.
        path = entries if finder is importlib.machinery.PathFinder else None
        spec = finder.find_spec(__name__, path) if hasattr(finder, "find_spec") else None
        if spec is not None and spec.loader is not None and spec.origin != __file__:
            return spec
    return None


class _Finder:
    """Finds the modules for training processes beside this folder."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: Any = None) -> Any:
        """Returns where one of those modules is."""
        if name not in _MODULES:
            return None  # modules of raydrive.integrations are found by its __path__
        place = os.path.join(os.path.dirname(os.path.dirname(_HERE)), name.split(".")[1])
        if os.path.isdir(place):
            init = os.path.join(place, "__init__.py")
            return importlib.util.spec_from_file_location(name, init, submodule_search_locations=[place])
        return importlib.util.spec_from_file_location(name, f"{place}.py")


def __getattr__(name: str) -> Any:
    if name == "Run":
        from raydrive.context import Run

        return Run
    if f"{__name__}.{name}" in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name.startswith("_"):
        raise AttributeError(name)
    raise ImportError(
        f"raydrive.{name}: raydrive is not installed in {sys.executable}; a training script has raydrive.context "
        "there, which is all it needs. Install raydrive to submit runs from it"
    )


_real = _installed()
if _real is not None and _real.loader is not None:
    _module = importlib.util.module_from_spec(_real)
    sys.modules[__name__] = _module
    _real.loader.exec_module(_module)
else:
    sys.meta_path.append(_Finder)  # type: ignore[arg-type]
