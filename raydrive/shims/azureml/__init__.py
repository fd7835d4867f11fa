"""``azureml`` for training scripts; the modules of an installed azureml-core come first, and one method changes."""

from __future__ import annotations

import os
from pkgutil import extend_path

_own = list(__path__)
__path__ = [entry for entry in extend_path(list(__path__), __name__) if entry not in _own] + _own

if any(os.path.isfile(os.path.join(entry, "core", "run.py")) for entry in __path__[: -len(_own)]):
    from raydrive_azureml.swap import swap_get_context

    swap_get_context()
else:
    from raydrive_azureml.names import install

    install()

if '"http' in os.environ.get("RAYDRIVE_DATA_MAPPING", ""):
    from raydrive_azureml.mapped_urls import install_opener

    install_opener()
