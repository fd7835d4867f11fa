"""How a trial joins the cluster that its run uses: variables that ``ray.init()`` reads, and its reservation."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Mapping
from typing import Any

import ray
from ray.util.placement_group import placement_group_table, remove_placement_group

from raydrive import wire
from raydrive.core.config.trial_spec import TrialConfig

REFUSED = "raydrive_no_ray://trial"
"""``RAY_ADDRESS`` of a trial that may not use Ray; a module of ``shims`` has this name."""
JOB_CONFIG = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Where Ray looks for the runtime environment of a job, as JSON."""
_OURS = ("RAY_AUTH_", "RAY_TLS_", "RAY_USE_TLS")
"""What the variables begin with by which a process proves to the cluster that it may join."""
_TOKEN = "~/.ray/auth_token"
_WAIT_S = 5
"""Seconds for which Ray is asked at a time to wait for a reservation."""


class ReservationGoneError(Exception):
    """The trial's placement group was removed before it was there."""


class TrialRay:
    """What a trial actor gives its trials of Ray.

    Args:
        config: The run's configuration as JSON.
        name: Name of the actor.
        node_rank: Number of its node among those of the trial: those above 0 have no actor that Ray finds by name.
        group: The placement group that the trial hands on to what it starts; None = it has none.
    """

    def __init__(self, config: Mapping[str, Any], name: str, node_rank: int = 0, group: Any = None) -> None:
        self._group = group
        spec = TrialConfig.from_json(config).trial
        first = name.rpartition(":")[0] if node_rank else name
        joins = spec.ray_in_trials == "join"
        self.variables: Mapping[str, str] = _joining(first, group) if joins else {"RAY_ADDRESS": REFUSED}
        """Variables of the trials; those of the user win."""

    async def ready(self) -> None:
        """Returns when the whole reservation is there.

        Raises:
            ReservationGoneError: If it was removed.
        """
        loop = asyncio.get_running_loop()
        while self._group is not None and not await loop.run_in_executor(None, self._group.wait, _WAIT_S):
            if placement_group_table(self._group).get("state") == "REMOVED":
                raise ReservationGoneError("the placement group of the trial was removed")

    def release(self) -> None:
        """Gives the reservation back."""
        if self._group is not None:
            with contextlib.suppress(Exception):  # it is gone, or Ray is
                remove_placement_group(self._group)


def _joining(actor: str, group: Any) -> dict[str, str]:
    found = {name: text for name, text in os.environ.items() if name.startswith(_OURS)}
    token = os.path.expanduser(_TOKEN)
    if found.get("RAY_AUTH_MODE") == "token" and "RAY_AUTH_TOKEN" not in found and os.path.exists(token):
        found.setdefault("RAY_AUTH_TOKEN_PATH", token)  # a trial may have another home
    found["RAY_ADDRESS"] = str(ray.get_runtime_context().gcs_address)
    found["RAY_USAGE_STATS_ENABLED"] = "0"
    found["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"  # Ray 2.54, say, warns where it is not set
    found[wire.TRIAL_ACTOR] = actor
    if group is not None:
        found[wire.PLACEMENT_GROUP] = group.id.hex()
        found["RAY_OVERRIDE_JOB_RUNTIME_ENV"] = "1"  # what a script gives ray.init() itself wins over the job's
    return found


def job_variables(folder: str) -> dict[str, str]:
    """Returns what has tasks and actors on other nodes find a trial's working directory.

    Args:
        folder: The directory.
    """
    runtime_env = {"working_dir": folder, "excludes": ["/outputs/", "/logs/"]}
    return {JOB_CONFIG: json.dumps({"runtime_env": runtime_env})}
