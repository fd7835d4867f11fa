"""numpy, imported when it is first used.

It takes 50 ms, half of what a driver imports, and a run that samples at random is taken up without it. For the modules
that every run needs; those of a single sampler import numpy as usual, for they are imported late themselves.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__all__ = ["np"]


class _LazyNumpy:
    """Stands for a module until something of it is asked for, and then for that as well: a look costs no more."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        value = getattr(importlib.import_module(self._name), name)
        setattr(self, name, value)
        return value


if TYPE_CHECKING:
    import numpy as np
else:
    np = _LazyNumpy("numpy")
