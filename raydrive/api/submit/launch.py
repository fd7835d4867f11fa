"""From a submission to a running driver; and from a recorded run to a driver that continues it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raydrive.api.submit.dashboard import launch_by_job, resume_by_job
from raydrive.api.submit.extension import changed_limits, check_extension
from raydrive.api.submit.preflight import Checked, check_submission
from raydrive.api.submit.secret_values import read_secrets, refuse_by_job, secret_sources
from raydrive.api.submit.submission import Submission
from raydrive.api.submit.user_classes import mend
from raydrive.api.submit.warm_start import WarmStartPlan, copy_warm_start
from raydrive.api.with_data import stored_data
from raydrive.core.config.lineage import Lineage
from raydrive.core.errors import (
    ClusterError,
    ConfigError,
    DamagedJournalError,
    Problem,
    RaydriveError,
    StorageError,
)
from raydrive.core.sweep.warm_start_data import dump
from raydrive.core.views.heartbeat import Heartbeat
from raydrive.core.views.status import SILENT_S, JournalEnd, is_live
from raydrive.runtime.driver_client import start_driver
from raydrive.runtime.ray_cluster import connection as ray_connection
from raydrive.runtime.ray_cluster.dashboard_jobs import dashboard_of
from raydrive.runtime.ray_cluster.gcs_ping import surely_gone
from raydrive.runtime.ray_cluster.storage_probe import probe_storage
from raydrive.storage.code_snapshot import store_function
from raydrive.storage.folder.open import open_folder
from raydrive.storage.run_layout import RunLayout, new_run_id
from raydrive.storage.run_reader import RunReader


def launch(submission: Submission, *, storage: str, address: str | None, plain_ray: bool | None = None) -> RunLayout:
    """Stores a submission and starts its driver; returns where the run is kept, at once.

    Args:
        submission: What to run.
        storage: Folder or URI below which runs are kept.
        address: Ray address, or that of a dashboard; None = ``RAY_ADDRESS``, then an embedded cluster.
        plain_ray: True = leave Ray's private parts as they are; see ``connection.connect``.

    Raises:
        ConfigError: If the code is too large, the function cannot be pickled, or an earlier run makes no sense here.
        ClusterError: If Ray cannot be reached or could never satisfy the request.
        StorageError: If the run folder cannot be written, or a node of the cluster cannot use the storage.
    """
    submission = _with_folder(submission)
    # What can be refused is refused before anything is left behind: first the code, then whether the storage can
    # be used at all (starting a cluster takes a while), then the cluster, then the folder.
    checked = check_submission(submission, storage=storage, address=address)
    try:
        if dashboard := dashboard_of(address):
            where = {"storage": storage, "address": dashboard}
            with stored_data(submission.data, checked.config, storage, by_job=True) as config:
                sent = dataclasses.replace(checked, config=config)
                uri = launch_by_job(submission, sent, plain_ray=plain_ray, **where)
            return _opened(uri)
        connection = ray_connection.connect(address, plain_ray=plain_ray)
        ray_connection.check_feasible(submission.config.trial.resources, may_grow=ray_connection.autoscaling())
        probe_storage(storage, submission.config.trial.resources)
        with stored_data(submission.data, checked.config, storage, by_job=False) as config:
            layout = _stored(dataclasses.replace(checked, config=config), storage)
    finally:
        checked.discard()
    start_driver(layout, connection.outlives, secrets=checked.secrets)
    return layout


def _stored(checked: Checked, storage: str) -> RunLayout:
    """Makes the folder of a new run, with everything in it that a driver needs."""
    config = checked.config
    layout = RunLayout.create(storage, config.experiment, new_run_id(config.experiment))
    sha256 = ""
    if checked.code is not None:
        checked.code.store(layout)
        sha256 = checked.code.sha256
    config = dataclasses.replace(
        config,
        trial=dataclasses.replace(config.trial, code_sha256=sha256),
        versions=ray_connection.versions(),
        classes_sha256=store_function(layout, checked.classes) if checked.classes else "",
    )
    if checked.plan.lineage:
        config = dataclasses.replace(config, lineage=_inherit(checked.plan, layout))
    private = bool(config.trial.environment_variables) or config.rules.notify is not None
    layout.write_config(json.dumps(config.to_json(), indent=1).encode(), private=private)
    return layout


def _with_folder(submission: Submission) -> Submission:
    """A submission with the folder it comes from; one that another machine has sent has it already."""
    config, folder = submission.config, ""
    with contextlib.suppress(OSError):  # deleted meanwhile
        folder = os.getcwd()
    if config.trial.submit_dir or not folder:
        return submission
    trial = dataclasses.replace(config.trial, submit_dir=folder)
    return dataclasses.replace(submission, config=dataclasses.replace(config, trial=trial))


def _opened(uri: str) -> RunLayout:
    """A run that another machine has started; where its storage cannot be read from here, it continues all the same."""
    try:
        layout = RunLayout.open(uri)
        layout.read_config()
        return layout
    except StorageError as error:
        raise StorageError(
            f"the run was started and continues, but {uri} cannot be read from this machine: {error}. Watch it on a "
            f"machine that can read that storage: raydrive watch {uri.rstrip('/').rpartition('/')[2]} --storage ..."
        ) from error


def _inherit(plan: WarmStartPlan, layout: RunLayout) -> Lineage:
    """Copies the data of earlier runs into the new run's folder; removes all of it if that fails."""
    try:
        lineage, warm_start = copy_warm_start(plan, layout)
        layout.write_warm_start(dump(warm_start))
    except BaseException:
        with contextlib.suppress(RaydriveError):
            layout.folder.delete_tree()
        raise
    return lineage


def resume(
    run: RunReader,
    *,
    address: str | None,
    plain_ray: bool | None = None,
    limits: Mapping[str, Any] | None = None,
    more: int | None = None,
    force: bool = False,
    up_to: int | None = None,
    classes: Path | None = None,
) -> None:
    """Continues a recorded run, from storage alone.

    Args:
        run: The run; it is refreshed.
        address: Ray address, or that of a dashboard; None = ``RAY_ADDRESS``, then an embedded cluster.
        plain_ray: True = leave Ray's private parts as they are; see ``connection.connect``.
        limits: Fields of ``Limits`` to change, such as ``{"max_total_runs": 200}``.
        more: Number of trials to add to the limit of trials; None = none.
        force: Take over even when another driver seems alive; the journal's epoch shuts that one out.
        up_to: How many entries of the journal count; the rest is left out for good. For a damaged one.
        classes: Folder that a policy or sampling of a user's class is loaded from, from now on; trials keep their code.

    Raises:
        ConfigError: If a limit is out of range, or ``classes`` lacks a class.
        RunOverError: If the run has ended, and these limits leave nothing to do.
        ClusterError: If a live driver owns the run, Ray cannot be reached, or the request can never be satisfied.
        DamagedJournalError: If the journal is damaged, and ``up_to`` does not leave the damage out.
        StorageError: If the run cannot be read, or a node of the cluster cannot use the storage.
    """
    if up_to is not None:
        _refuse_live(run, force)
        run.cut(up_to)
    elif run.damage:
        raise DamagedJournalError(f"run {run.id} cannot continue: {run.damage}")
    changed = changed_limits(run.sweep, limits or {}, more)
    dataclasses.replace(run.config, limits=dataclasses.replace(run.sweep.limits, **changed))  # checks the ranges
    check_extension(run.id, run.sweep, changed)
    _refuse_live(run, force)
    _check_data(run)
    if classes is not None:
        mend(run.layout, run.config, classes)
    if dashboard := dashboard_of(address):
        refuse_by_job(secret_sources(run.config))
        resume_by_job(run.uri, address=dashboard, limits=changed, force=force, plain_ray=plain_ray)
    else:
        secrets = read_secrets(secret_sources(run.config))
        connection = ray_connection.connect(address, plain_ray=plain_ray)
        ray_connection.check_feasible(run.config.trial.resources, may_grow=ray_connection.autoscaling())
        probe_storage(run.layout.uri, run.config.trial.resources)
        start_driver(run.layout, connection.outlives, changed, secrets)
    run.refresh()


def _check_data(run: RunReader) -> None:
    """Refuses to continue a run whose data is gone, as that of a run that has ended is or will be.

    Raises:
        ConfigError: If they are.
    """
    folder = run.config.trial.data_folder
    over = run.sweep.finished is not None
    if folder and (over or not any(True for _ in open_folder(folder).walk())):
        allowed = "a run whose data still exists; raydrive removed the data of with_data when the run ended"
        fix = f"Submit a new run with the data; resume_from={run.id!r} lets it learn from this one."
        raise ConfigError(Problem("resume", f"{run.id} without its data", allowed, fix))


def _refuse_live(run: RunReader, force: bool) -> None:
    if force or run.sweep.finished is not None:
        return
    beat, now = run.heartbeat(), time.time()  # one that cannot be read is an error here: nothing tells then
    if not is_live(JournalEnd.of(run.sweep), beat, now):
        return
    sign = f"its last heartbeat is {_age_text(beat, now)}, from pid {beat.pid} at {beat.address}"
    if beat.epoch < run.sweep.epoch:
        sign = f"it has begun, {max(0.0, now - run.sweep.last_at):.0f} s ago at most, and written no heartbeat yet"
    elif surely_gone(beat.address):
        return
    raise ClusterError(
        f"run {run.id} has a live driver: {sign}. Watch it with 'raydrive watch {run.id}'; if you are certain that it "
        f"is dead, wait until {SILENT_S:.0f} s have passed, or take over with --force."
    )


def _age_text(beat: Heartbeat, now: float) -> str:
    ahead_s = beat.at - now
    clocks = f" by a clock that is {ahead_s:.0f} s ahead of this machine's" if ahead_s > 1.0 else ""
    return f"{beat.age_s(now):.0f} s old{clocks}"
