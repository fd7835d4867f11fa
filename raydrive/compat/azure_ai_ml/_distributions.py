"""Launchers of several processes; see docs/coming-from-azure.md for what counts of them here."""

from __future__ import annotations

from typing import Any

from raydrive.compat.azure_ai_ml._plain import given


class Distribution:
    """A launcher.

    Args:
        **parameters: Its keys in a sweep file.
    """

    type = ""

    def __init__(self, **parameters: Any) -> None:
        self.__dict__.update(parameters)

    def to_mapping(self) -> dict[str, Any]:
        """Returns it as a sweep file has it."""
        return {"type": self.type, **given(vars(self))}


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
