"""``azure.ai.ml.entities``: jobs, and the assets around them, which are kept as they are given."""

from __future__ import annotations

from typing import Any

from raydrive.compat.azure_ai_ml import _names, _sweep_parts
from raydrive.compat.azure_ai_ml._nodes import Command, Node, Sweep
from raydrive.compat.azure_ai_ml._plain import OfType, given
from raydrive.compat.azure_ai_ml.dsl import PipelineJob


class Entity:
    """Something of a workspace: its name and whatever else it was given.

    Args:
        name: Its name; a sentence of the service's documentation tells what else.
        **values: The rest.
    """

    def __init__(self, name: str | None = None, **values: Any) -> None:
        self.name = name
        self.id: str | None = None
        self.version: str | None = None
        self.type: str | None = None
        self.description: str | None = None
        self.tags: dict[str, str] = {}
        self.properties: dict[str, str] = {}
        self.provisioning_state = "Succeeded"
        self.__dict__.update(values)

    def __repr__(self) -> str:
        inside = ", ".join(
            f"{key}={value!r}" for key, value in vars(self).items() if value not in (None, {}, "Succeeded")
        )
        return f"{type(self).__name__}({inside})"


class Environment(Entity):
    """An environment; its conda file is built where raydrive.toml has ``environments``.

    Otherwise trials use the Python that raydrive runs in, or ``python`` of raydrive.toml.
    """


class Data(Entity):
    """Data with a name.

    Args:
        name: Its name.
        path: Its path or URI.
        type: ``uri_file``, ``uri_folder`` or ``mltable``.
        **values: The rest.
    """

    def __init__(self, *, name: str | None = None, path: Any = None, type: Any = "uri_folder", **values: Any) -> None:
        super().__init__(name, **{"version": "1", **values})
        self.path = path
        self.type = str(getattr(type, "value", type))

    def to_mapping(self) -> dict[str, Any]:
        """Returns it as an input of a sweep file."""
        return given({"type": self.type, "path": self.path})


class Model(Entity):
    """A model: a file or folder, or what a trial left behind.

    Args:
        name: Its name.
        path: A local path, or ``azureml://jobs/RUN/outputs/artifacts/paths/PATH``.
        **values: The rest.
    """

    def __init__(self, *, name: str | None = None, path: Any = None, **values: Any) -> None:
        super().__init__(name, **values)
        self.path = path


class Distribution(OfType):
    """A launcher of several processes."""


class PyTorchDistribution(Distribution):
    """PyTorch's launcher."""

    type = "pytorch"


class MpiDistribution(Distribution):
    """MPI's launcher."""

    type = "mpi"


class TensorFlowDistribution(Distribution):
    """TensorFlow's launcher."""

    type = "tensorflow"


class RayDistribution(Distribution):
    """Ray's launcher."""

    type = "ray"


CommandJob = Command
Job = Node

__all__ = ["Command", "CommandJob", "Data", "Entity", "Environment", "Job", "Model", "Node", "PipelineJob", "Sweep"]

_MADE: dict[str, type[Entity]] = {}


def __getattr__(name: str) -> type[Entity]:
    """Returns any other entity of the SDK: it keeps what it is given."""
    if hasattr(_sweep_parts, name):
        found: type[Entity] = getattr(_sweep_parts, name)  # Choice and the like are found in both places
        return found
    if name not in _names.names_of("azure.ai.ml.entities"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _MADE.setdefault(
        name, type(name, (Entity,), {"__doc__": f"``{name}``: kept as it is given.", "__module__": __name__})
    )
