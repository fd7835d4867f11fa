"""The real package behind a module of ours that has its name."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
from types import ModuleType

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def load_real(name: str) -> ModuleType | None:
    """Loads an installed package in place of ours, and returns it; None where none is installed.

    Args:
        name: Such as ``wandb``; its module is being imported.
    """
    path = [entry for entry in sys.path if os.path.abspath(entry or ".") != _OURS]
    spec = importlib.machinery.PathFinder.find_spec(name, path)
    if spec is None or spec.loader is None:
        return None
    ours = sys.modules.pop(name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules[name] = ours
        raise
    return module
