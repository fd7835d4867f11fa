"""Refuses Ray in a trial whose run has ``ray_in_trials: none``.

``RAY_ADDRESS`` is ``raydrive_no_ray://trial`` there: Ray imports the module that such an address begins with, and asks
its ``ClientBuilder`` for a connection.
"""

from __future__ import annotations

from typing import Any


class RayRefusedError(RuntimeError):
    """``ray.init()`` was called in a trial that does not use Ray."""


class ClientBuilder:
    """Connects to nothing.

    Args:
        address: What follows ``://``.

    Raises:
        RayRefusedError: Always.
    """

    def __init__(self, address: Any) -> None:
        raise RayRefusedError(
            "raydrive: Ray was started or joined in a trial, but this run has ray_in_trials: none; allowed: trials "
            "without Ray. To let trials join the run's cluster, write ray_in_trials: join under raydrive: in the "
            "sweep file, or HyperDriveConfig(..., ray_in_trials='join')"
        )
