"""The public names of the SDK (azure-ai-ml 1.35, and the parts of azure-identity and azure-core around it).

``names.txt`` has a line for each module. What raydrive does not have imports all the same; using it is answered.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from raydrive.compat.azure_notices import standing_in

_WAYS_OUT: Mapping[str, str] = {
    "azure.ai.ml.automl": "raydrive has no AutoML: write the training script, and sweep over it",
    "azure.ai.ml.parallel": "parallel steps are not run here: use Ray Data on the cluster",
    "azure.ai.ml.data_transfer": "data is not moved here: name it in an input, which trials fetch once per node",
    "azure.ai.ml.finetuning": "hosted models are not trained here: write the training script and sweep over it",
}
_ELSE = "only Azure's service does this; raydrive runs only the sweep"


@functools.cache
def _table() -> Mapping[str, tuple[str, ...]]:
    text = files(__package__).joinpath("names.txt").read_text(encoding="utf-8")
    lines = (line.partition(": ") for line in text.splitlines() if line)
    return {module: tuple(names.split()) for module, _, names in lines}


def modules() -> tuple[str, ...]:
    """Returns the SDK's public modules."""
    return tuple(_table())


def names_of(module: str) -> tuple[str, ...]:
    """Returns the public names of one of its modules."""
    return _table()[module]


@functools.cache
def absent(module: str, name: str) -> Any:
    """Returns what stands for a name that raydrive does not have: an exception, or a class that cannot be used.

    Args:
        module: The SDK's module.
        name: The name.

    Raises:
        AttributeError: If the SDK has no such name.
    """
    if name not in names_of(module):
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    if name.endswith(("Error", "Exception")):
        return type(name, (Exception,), {"__doc__": "An error of Azure's service.", "__module__": module})
    sentence = f"{module}.{name}: {_WAYS_OUT.get(module, _ELSE)}"

    return standing_in(module, name, sentence)


def module_of(name: str) -> types.ModuleType:
    """Returns a module of the SDK of which raydrive has nothing: its names import, and answer when they are used."""
    made = types.ModuleType(name, "Imports; see docs/coming-from-azure.md.")
    made.__dict__["__getattr__"] = functools.partial(absent, name)
    made.__dict__["__all__"] = list(names_of(name))
    return made
