"""Calls to a run's driver."""

from __future__ import annotations

from typing import Any

from raydrive.core.errors import ClusterError, RaydriveError
from raydrive.core.views.heartbeat import NO_HEARTBEAT, Heartbeat
from raydrive.storage.run_layout import RunLayout

CALL_TIMEOUT_S = 60.0


ASK_TIMEOUT_S = 5.0


def ask_own_driver(layout: RunLayout) -> Heartbeat:
    """Returns a fresh heartbeat of a driver that this process started; none where there is no such driver.

    A storage that is full or away holds no heartbeat: that driver is alive all the same, and waits for it.
    """
    from raydrive.api.submit.launch import is_known

    if not is_known(layout):
        return NO_HEARTBEAT
    try:
        return Heartbeat.of(call_driver(layout, "view", timeout_s=ASK_TIMEOUT_S))
    except RaydriveError:
        return NO_HEARTBEAT


def call_driver(layout: RunLayout, method: str, *arguments: object, timeout_s: float = CALL_TIMEOUT_S) -> Any:
    """Calls a method of a run's driver and returns its answer.

    Args:
        layout: The run.
        method: Name of a method of ``Driver``.
        *arguments: Its arguments.
        timeout_s: How long to wait for the answer.

    Raises:
        ClusterError: If the driver is gone or does not answer in time.
    """
    from raydrive.api.submit.launch import find_driver

    driver = find_driver(layout)  # connects, which sets what Ray reads when it is imported
    import ray
    from ray.exceptions import GetTimeoutError, RayError, RayTaskError

    try:
        return ray.get(getattr(driver, method).remote(*arguments), timeout=timeout_s)
    except RayTaskError as error:
        if isinstance(error.cause, RaydriveError):
            raise error.cause from error
        raise ClusterError(f"the driver of {layout.run_id} failed: {error}") from error
    except GetTimeoutError as error:
        raise ClusterError(f"the driver of {layout.run_id} did not answer within {timeout_s:.0f} s") from error
    except RayError as error:
        raise ClusterError(f"the driver of {layout.run_id} cannot be reached: {error}") from error
