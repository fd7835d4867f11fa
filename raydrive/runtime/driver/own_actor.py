"""The Ray actor that the driver runs in."""

from __future__ import annotations

from typing import Any, Protocol

import ray

from raydrive.runtime.ray_cluster.connection import was_restarted


class Host(Protocol):
    """The actor that a driver runs in."""

    @property
    def name(self) -> str:
        """Its name; empty when it has none."""

    @property
    def address(self) -> str:
        """Address of the cluster."""

    @property
    def was_restarted(self) -> bool:
        """Whether Ray has made it again after its process ended."""

    def end(self) -> None:
        """Ends it for good."""


class OwnActor:
    """The actor whose process this is."""

    def __init__(self) -> None:
        context = ray.get_runtime_context()
        self.handle: Any = context.current_actor
        self.name: str = context.get_actor_name() or ""
        self.address: str = context.gcs_address
        self.was_restarted: bool = was_restarted()

    def end(self) -> None:
        """Ends it; Ray does not restart it."""
        ray.kill(self.handle, no_restart=True)
