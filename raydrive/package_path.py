"""Where the package is installed: for processes that are started with a path and no environment."""

from __future__ import annotations

import os

PACKAGE = os.path.dirname(os.path.abspath(__file__))
"""The folder ``raydrive``."""
IMPORT_ROOT = os.path.dirname(PACKAGE)
"""The folder that holds it: an entry for ``sys.path``."""
