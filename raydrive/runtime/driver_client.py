"""The client of a run's driver actor: starts it, finds it on its cluster, and calls it."""

from __future__ import annotations

import contextlib
import secrets
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from raydrive.core.errors import ClusterError, RaydriveError, StorageError
from raydrive.core.views.heartbeat import NO_HEARTBEAT, Heartbeat
from raydrive.runtime.ray_actors import DriverActor
from raydrive.runtime.ray_cluster import connection as ray_connection
from raydrive.storage.run_layout import RunLayout
from raydrive.storage.run_reader import read_heartbeat

START_TIMEOUT_S = 120.0
"""Seconds a driver may take to start, and Ray to free the name of the one before it."""
CALL_TIMEOUT_S = 60.0
"""Seconds a driver may take to answer a call."""
VIEW_TIMEOUT_S = 5.0
"""Seconds a driver may take to answer how its run stands."""
CONFIRM_TIMEOUT_S = 5.0
"""Seconds a driver may take to answer which folder it is for."""


def driver_name(layout: RunLayout) -> str:
    """Returns the name of the driver actor of the run in a folder; that of a copy of it has another one."""
    return f"raydrive:{layout.key}"


def start_driver(
    layout: RunLayout,
    outlives: bool,
    limits: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str] | None = None,
) -> None:
    """Creates the driver actor of a run and waits until it has taken charge.

    Args:
        layout: The run folder.
        outlives: Whether the cluster continues without this process; then the driver does too.
        limits: Limits that a resume changes.
        secrets: Values of the trials' secrets by name.

    Raises:
        ClusterError: If the driver does not answer in time, or cannot import raydrive.
        StorageError: If the driver cannot use the run folder.
    """
    import ray  # lazy: ray, 0.2 s

    options: dict[str, Any] = {"namespace": ray_connection.NAMESPACE, "num_cpus": 0, "max_restarts": -1}
    if outlives:
        options["lifetime"] = "detached"
    with _ray_errors(f"the driver of {layout.run_id}", "could not start", START_TIMEOUT_S):
        driver = _create(ray.remote(DriverActor), layout, options, dict(limits or {}), dict(secrets or {}))
        ray.get(driver.start.remote(), timeout=START_TIMEOUT_S)
    # The handle keeps a driver that is not detached alive as long as this process lives.
    _STARTED[layout.key] = _Started(driver, _connection(), embedded=not outlives)


def call_driver(layout: RunLayout, method: str, *arguments: object, timeout_s: float = CALL_TIMEOUT_S) -> Any:
    """Calls a method of a run's driver and returns its answer.

    Args:
        layout: The run folder.
        method: Name of a method of ``DriverActor``.
        *arguments: Its arguments.
        timeout_s: How long to wait for the answer.

    Raises:
        ClusterError: If the driver is gone or does not answer in time.
    """
    driver = find_driver(layout)  # connects, which sets what Ray reads when it is imported
    import ray  # lazy: ray, 0.2 s

    with _ray_errors(f"the driver of {layout.run_id}", "cannot be reached", timeout_s):
        return ray.get(getattr(driver, method).remote(*arguments), timeout=timeout_s)


def view_own_driver(layout: RunLayout) -> Heartbeat:
    """Returns a fresh heartbeat of a driver that this process started; none where there is no such driver.

    A driver cannot write its heartbeat while the storage is full or unreachable, but it is alive and waits for it.
    """
    if not is_known(layout):
        return NO_HEARTBEAT
    try:
        return Heartbeat.of(call_driver(layout, "view", timeout_s=VIEW_TIMEOUT_S))
    except RaydriveError:
        return NO_HEARTBEAT


def find_driver(layout: RunLayout) -> Any:
    """Returns the handle of a run's driver, connecting to its cluster if need be.

    Raises:
        ClusterError: If there is no live driver, or its cluster cannot be reached.
        StorageError: If the run folder cannot be read.
    """
    known = _started(layout)
    if known is not None:
        return known.handle
    ray_connection.before_import()
    import ray  # lazy: ray, 0.2 s

    heartbeat = read_heartbeat(layout)
    address = heartbeat.address
    never = ClusterError(f"run {layout.run_id} has no driver: it was never started")
    if not ray.is_initialized():
        if not address:
            raise never
        ray_connection.connect(address)
    # The second: one that was started where the same folder has another path.
    own = driver_name(layout)
    for name in dict.fromkeys(filter(None, (own, heartbeat.actor))):
        with contextlib.suppress(ValueError):
            driver = ray.get_actor(name, namespace=ray_connection.NAMESPACE)
            ours = is_driver_of(driver, layout)
            if ours or (ours is None and name == own):
                return driver
    if not address:
        raise never
    raise ClusterError(
        f"run {layout.run_id} has no live driver on the cluster at {address}. "
        f"To resume it: raydrive resume {layout.run_id}"
    )


def is_known(layout: RunLayout) -> bool:
    """Whether this process started a run's driver, and so holds its handle."""
    return _started(layout) is not None


def is_ours(layout: RunLayout) -> bool:
    """Whether a run's driver ends with this process, so that Ctrl-C here means the run."""
    started = _started(layout)
    return started is not None and started.embedded


def is_driver_of(driver: Any, layout: RunLayout) -> bool | None:
    """Returns whether an actor is the driver of the run in a folder, however either of them calls that folder.

    A file is made in the folder, and the driver is asked whether it sees it. So a copy of a run, which has the same
    heartbeat, never gets the original's driver called or killed.

    Args:
        driver: Handle of the actor.
        layout: The run.

    Returns:
        None when it does not answer, or no file can be made there.
    """
    import ray  # lazy: ray, 0.2 s
    from ray.exceptions import RayError  # lazy: ray, 0.2 s

    name = f".asked-{secrets.token_hex(8)}"
    try:
        layout.folder.write_whole(name, b"", durable=False)
    except StorageError:
        return None
    try:
        return bool(ray.get(driver.sees.remote(name), timeout=CONFIRM_TIMEOUT_S))
    except (RayError, RaydriveError, AttributeError):
        return None
    finally:
        with contextlib.suppress(StorageError):
            layout.folder.delete(name)


def _create(actor_class: Any, layout: RunLayout, options: Mapping[str, Any], *arguments: object) -> Any:
    """Creates the driver actor; one of the same folder that has ended, or is to be replaced, is killed.

    Raises:
        ClusterError: If an actor of that name is another folder's driver.
        ValueError: If the name does not become free.
    """
    import ray  # lazy: ray, 0.2 s

    name, end = driver_name(layout), time.monotonic() + START_TIMEOUT_S
    while True:
        with contextlib.suppress(ValueError):
            before = ray.get_actor(name, namespace=options["namespace"])
            if is_driver_of(before, layout) is False:
                raise ClusterError(f"the actor {name} is the driver of another folder than {layout.folder}")
            ray.kill(before, no_restart=True)
        try:
            return actor_class.options(name=name, **options).remote(layout.uri, *arguments)
        except ValueError:
            # Ray frees the name of a killed actor a moment later.
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


@dataclass(frozen=True, slots=True)
class _Started:
    """A driver that this process started."""

    handle: Any
    connection: str
    """The connection to Ray that the handle belongs to."""
    embedded: bool
    """Whether it ends with this process."""


_STARTED: dict[str, _Started] = {}
"""By ``RunLayout.key``."""


def _connection() -> str:
    """Names this process's connection to Ray; empty without one."""
    ray = sys.modules.get("ray")
    return str(ray.get_runtime_context().get_worker_id()) if ray is not None and ray.is_initialized() else ""


def _started(layout: RunLayout) -> _Started | None:
    """Returns a run's driver if this process started it; one of a cluster it has left is good for nothing."""
    found = _STARTED.get(layout.key)
    return found if found is not None and found.connection == _connection() else None


@contextlib.contextmanager
def _ray_errors(what: str, failed: str, timeout_s: float) -> Iterator[None]:
    """Makes errors of a call to an actor errors of ours; one of ours that it raised comes through as it is.

    Args:
        what: The actor, for messages.
        failed: What it means when Ray itself reports an error.
        timeout_s: How long the call may take.
    """
    from ray.exceptions import GetTimeoutError, RayError, RayTaskError  # lazy: ray, 0.2 s

    try:
        yield
    except RayTaskError as error:
        if isinstance(error.cause, RaydriveError):
            raise error.cause from error
        raise ClusterError(f"{what} failed: {_last_line(error)}") from error
    except GetTimeoutError as error:
        raise ClusterError(f"{what} did not answer within {timeout_s:.0f} s") from error
    except (RayError, ValueError) as error:  # ValueError: the actor's name is taken
        raise ClusterError(f"{what} {failed}: {_last_line(error)}") from error


def _last_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__
