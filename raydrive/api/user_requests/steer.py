"""Delivers a user's request to the driver of a run, or records it if there is none."""

from __future__ import annotations

import getpass
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raydrive.api.user_requests.steer_by_job import steer_by_job
from raydrive.core.errors import ClusterError, DamagedJournalError
from raydrive.core.user_requests.requests import plan
from raydrive.core.views.status import NOT_RESPONDING, RunStatus
from raydrive.runtime.driver_client import call_driver, is_known
from raydrive.runtime.ray_cluster.dashboard_jobs import dashboard_of
from raydrive.runtime.ray_cluster.gcs_ping import surely_gone
from raydrive.storage.journal.between_drivers import newest_epoch, record_request
from raydrive.storage.run_reader import RunReader

_AT_ONCE = ("note", "cancel")
"""What needs no driver to take effect where a run has none."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request."""

    recorded: tuple[str, ...]
    """What was recorded, a line each; nothing where nothing was left to do."""
    effect: str
    """When it takes effect."""
    notes: tuple[str, ...]
    """What else its user should know."""
    revision: int
    """How many edits the run has now."""

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Answer:
        """Returns it from its JSON form."""
        return cls(tuple(raw["recorded"]), raw["effect"], tuple(raw["notes"]), raw["revision"])

    def to_json(self) -> dict[str, Any]:
        """Returns it as a JSON object."""
        return {
            "recorded": list(self.recorded),
            "effect": self.effect,
            "notes": list(self.notes),
            "revision": self.revision,
        }


def who() -> str:
    """Returns who asks, for the record: ``ada@laptop``."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container without such a user
        user = "unknown"
    return f"{user}@{platform.node()}" if platform.node() else user


def steer(run: RunReader, request: Mapping[str, Any], *, address: str | None = None) -> Answer:
    """Returns what was recorded of a request, and when it takes effect.

    Args:
        run: The run; it is refreshed.
        request: As in ``core/user_requests/requests.py``; who asks is filled in where it is missing.
        address: That of a dashboard, where nothing else of the cluster can be reached; None = ``RAY_ADDRESS``.

    Raises:
        ConfigError: If it cannot be done.
        ClusterError: If the run's driver cannot be reached.
        DamagedJournalError: If the run cannot continue.
        StorageError: If its folder cannot be read or written.
    """
    request = {"by": who(), **request}
    epoch = newest_epoch(run.layout.journal)
    run.refresh()
    if run.damage:
        raise DamagedJournalError(f"run {run.id} cannot continue: {run.damage}")
    stands = run.status()
    if request["do"] == "cancel" and not (known := plan(run.sweep, request, stands.now)).facts:
        return Answer(known.recorded, known.effect, known.notes, run.sweep.steering.revision)  # it has ended
    if _has_driver(run, stands):
        dashboard = dashboard_of(address)
        if dashboard and not is_known(run.layout):
            raw = steer_by_job(run.uri, request, address=dashboard)
        else:
            raw = call_driver(run.layout, "steer", request)
        run.refresh()
        return Answer.of(raw)
    planned = record_request(run, request, epoch)
    effect = planned.effect if request["do"] in _AT_ONCE else f"when the run is resumed: raydrive resume {run.id}"
    return Answer(planned.recorded, effect, planned.notes, run.sweep.steering.revision)


def _has_driver(run: RunReader, stands: RunStatus) -> bool:
    """Whether a driver works on a run; one that is silent may.

    Raises:
        ClusterError: If that cannot be determined.
    """
    if stands.live:
        return True
    if stands.state != NOT_RESPONDING:
        return False
    if stands.beat.address and surely_gone(stands.beat.address):
        return False
    raise ClusterError(
        f"run {run.id} has a driver that does not respond but may be alive. Resume the run first: "
        f"raydrive resume {run.id}"
    )
