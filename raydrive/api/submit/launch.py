"""From a submission to a running driver; and from a recorded run to a driver that goes on with it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import secrets
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raydrive.api.run import HyperDriveRun
from raydrive.api.submit.preflight import Checked, check_submission
from raydrive.api.submit.secret_values import read_secrets, refuse_by_job
from raydrive.api.submit.submission import Submission
from raydrive.api.submit.user_classes import mend
from raydrive.api.submit.warm_start import WarmStartPlan, copy_warm_start
from raydrive.core.config.lineage import Lineage
from raydrive.core.config.run_config import Limits
from raydrive.core.errors import ClusterError, ConfigError, DamagedJournalError, Problem, RaydriveError, StorageError
from raydrive.core.sweep.warm_start_data import dump
from raydrive.core.views.heartbeat import age_s
from raydrive.core.views.status import SILENT_S, is_live
from raydrive.storage.code_snapshot import store_code, store_function
from raydrive.storage.run_layout import RunLayout, new_run_id

START_TIMEOUT_S = 120.0
CONFIRM_TIMEOUT_S = 5.0
"""Seconds a driver has to tell which folder it is for."""


def driver_name(layout: RunLayout) -> str:
    """Returns the name of the driver actor of the run in a folder; that of a copy of it has another one."""
    return f"raydrive:{layout.key}"


def launch(submission: Submission, *, storage: str, address: str | None) -> HyperDriveRun:
    """Stores a submission and starts its driver; returns at once.

    Args:
        submission: What to run.
        storage: Folder or URI below which runs are kept.
        address: Ray address, or that of a dashboard; None = ``RAY_ADDRESS``, then an embedded cluster.

    Raises:
        ConfigError: If the code is too large, the function cannot be pickled, or an earlier run makes no sense here.
        ClusterError: If Ray cannot be reached or could never satisfy the request.
        StorageError: If the run folder cannot be written, or a node of the cluster cannot use the storage.
    """
    from raydrive.runtime.ray_cluster import connection as ray_connection
    from raydrive.runtime.ray_cluster.dashboard_jobs import dashboard_of
    from raydrive.runtime.ray_cluster.storage_probe import probe_storage

    submission = _with_folder(submission)
    if dashboard := dashboard_of(address):
        from raydrive.api.submit.dashboard import launch_by_job

        return _opened(launch_by_job(submission, storage=storage, address=dashboard))
    # What can be refused is refused before anything is left behind: first the code, then whether the storage can
    # be used at all (starting a cluster takes a while), then the cluster, then the folder.
    checked = check_submission(submission, storage=storage, address=address)
    try:
        connection = ray_connection.connect(address)
        ray_connection.check_feasible(submission.config.trial.resources, may_grow=ray_connection.autoscaling())
        probe_storage(storage, submission.config.trial.resources)
        layout = _stored(checked, storage)
    finally:
        checked.discard()
    start_driver(layout, connection.outlives, secrets=checked.secrets)
    return HyperDriveRun.open(layout.uri)


def _stored(checked: Checked, storage: str) -> RunLayout:
    """Makes the folder of a new run, with everything in it that a driver needs."""
    from raydrive.runtime.ray_cluster import connection as ray_connection

    config = checked.config
    layout = RunLayout.create(storage, config.experiment, new_run_id(config.experiment))
    sha256 = ""
    if checked.pickled:
        sha256 = store_function(layout, checked.pickled)
    elif checked.code is not None:
        sha256 = store_code(layout, checked.code)
    config = dataclasses.replace(
        config,
        trial=dataclasses.replace(config.trial, code_sha256=sha256),
        versions=ray_connection.versions(),
        classes_sha256=store_function(layout, checked.classes) if checked.classes else "",
    )
    if checked.plan.lineage:
        config = dataclasses.replace(config, lineage=_inherit(checked.plan, layout))
    private = bool(config.trial.environment_variables)
    layout.write_config(json.dumps(config.to_json(), indent=1).encode(), private=private)
    return layout


def _with_folder(submission: Submission) -> Submission:
    """A submission that knows the folder it comes from; one that another machine has sent knows it already."""
    config, folder = submission.config, ""
    with contextlib.suppress(OSError):  # deleted meanwhile
        folder = os.getcwd()
    if config.trial.submit_dir or not folder:
        return submission
    trial = dataclasses.replace(config.trial, submit_dir=folder)
    return dataclasses.replace(submission, config=dataclasses.replace(config, trial=trial))


def _opened(uri: str) -> HyperDriveRun:
    """A run that another machine has started; where its storage cannot be read from here, it goes on all the same."""
    try:
        return HyperDriveRun.open(uri)
    except StorageError as error:
        raise StorageError(
            f"the run was started and goes on, but {uri} cannot be read from here: {error}. Watch it on a machine that "
            f"reads that storage: raydrive watch {uri.rstrip('/').rpartition('/')[2]} --storage ..."
        ) from error


def _inherit(plan: WarmStartPlan, layout: RunLayout) -> Lineage:
    """Brings what earlier runs have into the new run's folder; nothing is left of it where that fails."""
    try:
        lineage, warm_start = copy_warm_start(plan, layout)
        layout.write_warm_start(dump(warm_start))
    except BaseException:
        with contextlib.suppress(RaydriveError):
            layout.folder.delete_tree()
        raise
    return lineage


def resume(
    run: HyperDriveRun,
    *,
    address: str | None,
    limits: Mapping[str, Any] | None = None,
    force: bool = False,
    up_to: int | None = None,
    classes: Path | None = None,
) -> HyperDriveRun:
    """Goes on with a recorded run, from storage alone.

    Args:
        run: The run.
        address: Ray address, or that of a dashboard; None = ``RAY_ADDRESS``, then an embedded cluster.
        limits: Fields of ``Limits`` to change, such as ``{"max_total_runs": 200}``.
        force: Take over even when another driver seems alive; the journal's epoch shuts that one out.
        up_to: How many entries of the journal count; the rest is left out for good. For a damaged one.
        classes: Folder that a policy or sampling of a user's class is loaded from, from now on; trials keep their code.

    Returns:
        The run, refreshed.

    Raises:
        ConfigError: If a limit is out of range, the run is over and no limit was raised, or ``classes`` lacks a class.
        ClusterError: If a live driver owns the run, Ray cannot be reached, or the request can never be satisfied.
        DamagedJournalError: If the journal is damaged, and ``up_to`` does not leave the damage out.
        StorageError: If the run cannot be read, or a node of the cluster cannot use the storage.
    """
    from raydrive.runtime.ray_cluster import connection as ray_connection
    from raydrive.runtime.ray_cluster.dashboard_jobs import dashboard_of
    from raydrive.runtime.ray_cluster.storage_probe import probe_storage

    if up_to is not None:
        _refuse_live(run, force)
        run = run.cut(up_to)
    elif run.damage:
        raise DamagedJournalError(f"run {run.id} cannot go on: {run.damage}")
    changed = dict(limits or {})
    dataclasses.replace(run.config, limits=dataclasses.replace(run.sweep.limits, **changed))  # checks the ranges
    _check_resumable(run, changed, force)
    if classes is not None:
        mend(run.layout, run.config, classes)
    if dashboard := dashboard_of(address):
        from raydrive.api.submit.dashboard import resume_by_job

        refuse_by_job(run.config.trial.secrets)
        resume_by_job(run.uri, address=dashboard, limits=changed, force=force)
    else:
        secrets = read_secrets(run.config.trial.secrets)
        connection = ray_connection.connect(address)
        ray_connection.check_feasible(run.config.trial.resources, may_grow=ray_connection.autoscaling())
        probe_storage(run.layout.uri, run.config.trial.resources)
        start_driver(run.layout, connection.outlives, changed, secrets)
    run.refresh()  # not opened anew: a million reports take a second to read
    return run


def _check_resumable(run: HyperDriveRun, changed: Mapping[str, Any], force: bool) -> None:
    over = run.sweep.finished
    if over is not None and not _extends(run.sweep.limits, len(run.sweep.trials), changed):
        allowed = "a larger budget: --max-total-trials N, or --timeout S for a run that ran out of time"
        raise ConfigError(Problem("resume", f"{run.id} is {over.state}: {over.why}", allowed))
    _refuse_live(run, force)


def _refuse_live(run: HyperDriveRun, force: bool) -> None:
    from raydrive.runtime.ray_cluster.gcs_ping import surely_gone

    heartbeat, now = run.heartbeat(), time.time()
    if force or run.sweep.finished is not None or not is_live(heartbeat, now):
        return
    if surely_gone(str(heartbeat.get("address", ""))):
        return
    raise ClusterError(
        f"run {run.id} has a live driver: its last heartbeat is {_age_text(heartbeat, now)}, from pid "
        f"{heartbeat.get('pid')} at {heartbeat.get('address')}. Watch it with 'raydrive watch {run.id}'; if it is "
        f"dead for certain, wait until {SILENT_S:.0f} s have passed, or take over with --force."
    )


def _age_text(heartbeat: Mapping[str, Any], now: float) -> str:
    ahead_s = float(heartbeat.get("at", 0.0)) - now
    clocks = f" by a clock that is {ahead_s:.0f} s ahead of this machine's" if ahead_s > 1.0 else ""
    return f"{age_s(heartbeat, now):.0f} s old{clocks}"


def _extends(limits: Limits, trials: int, changed: Mapping[str, Any]) -> bool:
    more = changed.get("max_total_runs", limits.max_total_runs) > trials
    return bool(changed) and more


def start_driver(
    layout: RunLayout,
    outlives: bool,
    limits: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str] | None = None,
) -> None:
    """Creates the driver actor of a run and waits until it has taken charge.

    Args:
        layout: The run folder.
        outlives: Whether the cluster goes on without this process; then the driver does too.
        limits: Limits that a resume changes.
        secrets: Values of the trials' secrets by name.

    Raises:
        ClusterError: If the driver does not answer in time, or cannot import raydrive.
        StorageError: If the driver cannot use the run folder.
    """
    import ray
    from ray.exceptions import GetTimeoutError, RayError, RayTaskError

    from raydrive.runtime.ray_actors import DriverActor
    from raydrive.runtime.ray_cluster.connection import NAMESPACE

    options: dict[str, Any] = {"namespace": NAMESPACE, "num_cpus": 0, "max_restarts": -1}
    if outlives:
        options["lifetime"] = "detached"
    try:
        driver = _create(ray.remote(DriverActor), layout, options, dict(limits or {}), dict(secrets or {}))
        ray.get(driver.start.remote(), timeout=START_TIMEOUT_S)
    except RayTaskError as error:
        cause = error.cause if isinstance(error.cause, RaydriveError) else None
        if cause is not None:
            raise cause from error
        raise ClusterError(f"the driver of {layout.run_id} failed: {_last_line(error)}") from error
    except GetTimeoutError as error:
        raise ClusterError(f"the driver of {layout.run_id} did not answer within {START_TIMEOUT_S:.0f} s") from error
    except (RayError, ValueError) as error:
        raise ClusterError(f"the driver of {layout.run_id} could not start: {_last_line(error)}") from error
    # The handle keeps a driver that is not detached alive as long as this process lives.
    _STARTED[layout.key] = _Started(driver, _connection(), embedded=not outlives)


def _create(actor_class: Any, layout: RunLayout, options: Mapping[str, Any], *arguments: object) -> Any:
    """Creates the driver actor; one of the same folder is over, or to be taken over from, and is killed.

    Raises:
        ClusterError: If an actor of that name is another folder's driver.
        ValueError: If the name does not become free.
    """
    import ray

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


def _started(run: HyperDriveRun) -> _Started | None:
    """Returns a run's driver if this process started it; one of a cluster it has left is good for nothing."""
    found = _STARTED.get(run.layout.key)
    return found if found is not None and found.connection == _connection() else None


def is_known(run: HyperDriveRun) -> bool:
    """Whether this process started a run's driver, and so holds its handle."""
    return _started(run) is not None


def is_ours(run: HyperDriveRun) -> bool:
    """Whether a run's driver ends with this process, so that Ctrl-C here means the run."""
    started = _started(run)
    return started is not None and started.embedded


def find_driver(run: HyperDriveRun) -> Any:
    """Returns the handle of a run's driver, connecting to its cluster if need be.

    Raises:
        ClusterError: If there is no live driver, or its cluster cannot be reached.
    """
    from raydrive.runtime.ray_cluster import connection as ray_connection

    known = _started(run)
    if known is not None:
        return known.handle
    ray_connection.before_import()
    import ray

    heartbeat = run.heartbeat()
    if not ray.is_initialized():
        address = heartbeat.get("address")
        if not address:
            raise ClusterError(f"run {run.id} has no driver: it has never started")
        ray_connection.connect(address)
    # The second: one that was started where the same folder has another path.
    own = driver_name(run.layout)
    for name in dict.fromkeys(filter(None, (own, heartbeat.get("actor")))):
        with contextlib.suppress(ValueError):
            driver = ray.get_actor(name, namespace=ray_connection.NAMESPACE)
            ours = is_driver_of(driver, run.layout)
            if ours or (ours is None and name == own):
                return driver
    raise ClusterError(
        f"run {run.id} has no live driver on the cluster at {heartbeat.get('address')}. "
        f"Go on with it: raydrive resume {run.id}"
    )


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
    import ray
    from ray.exceptions import RayError

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


def _last_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__
