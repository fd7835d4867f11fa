"""The client of a Ray dashboard: starts and resumes runs on a cluster of which nothing else can be reached.

A submission travels as a Ray job, whose working directory holds ``request.json``, the packed code, and the
user's classes that travel by value. The job is
``dashboard_job``: it starts the detached driver, prints one line that begins with ``ANSWER``, and ends.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raydrive.api.submit.preflight import Checked
from raydrive.api.submit.submission import RunReference, Submission
from raydrive.core.errors import ClusterError, ConfigError, Problem, RaydriveError, StorageError
from raydrive.runtime.ray_cluster.dashboard_jobs import run_job

JOB = "raydrive.api.submit.dashboard_job"
"""The module that the job runs; a name, for it is imported on the cluster only."""
REQUEST = "request.json"
"""The file with what the job is to do."""
ANSWER = "raydrive-answer: "
"""What the line with the job's answer begins with."""
CLASSES = "classes.pkl"
"""The file with the classes of policy and sampling that travel by value."""
KINDS: Mapping[str, type[RaydriveError]] = {"StorageError": StorageError, "ClusterError": ClusterError}
"""Errors that an answer names; a ``ConfigError`` comes with its problems."""
TIMEOUT_S = 300.0
"""Seconds a job may take to start a driver, once the code is there."""


def launch_by_job(
    submission: Submission, checked: Checked, *, storage: str, address: str, plain_ray: bool | None = None
) -> str:
    """Starts a run on the cluster behind a dashboard; returns the URI of its folder.

    Args:
        submission: What to run.
        checked: What ``check_submission`` made of it; the caller discards it.
        storage: Folder or URI below which runs are kept, as the cluster's nodes see it.
        address: The dashboard's, ``http://HOST:8265``.
        plain_ray: Whether Ray's private parts are left as they are in the processes of our actors.

    Raises:
        ConfigError: If the cluster refuses the submission.
        ClusterError: If the dashboard cannot be reached, or the job fails.
        StorageError: If the cluster cannot use the storage.
    """
    code = checked.code
    request = {
        "storage": storage,
        "config": checked.config.to_json(),
        "plain_ray": plain_ray,
        "code_sha256": code.sha256 if code is not None else "",
        "classes_sha256": hashlib.sha256(checked.classes).hexdigest() if checked.classes else "",
        "resume_from": [{"run": _name_of(one), "where": one.where} for one in submission.resume_from],
        "resume_child_runs": [
            {"run": _name_of(one), "where": one.where, "trial": one.trial} for one in submission.resume_child_runs
        ],
    }
    with tempfile.TemporaryDirectory(prefix="raydrive-job-") as folder:
        if code is not None:
            code.write(Path(folder))
        if checked.classes:
            (Path(folder) / CLASSES).write_bytes(checked.classes)
        return str(ask(address, request, Path(folder))["uri"])


def resume_by_job(
    uri: str, *, address: str, limits: Mapping[str, Any], force: bool, plain_ray: bool | None = None
) -> None:
    """Continues a recorded run on the cluster behind a dashboard.

    Args:
        uri: The run's folder, as the cluster's nodes see it.
        address: The dashboard's.
        limits: Fields of ``Limits`` to change.
        force: Take over even when another driver seems alive.
        plain_ray: Whether Ray's private parts are left as they are in the processes of our actors.

    Raises:
        ConfigError: If a limit is out of range.
        ClusterError: If a live driver owns the run, the dashboard cannot be reached, or the job fails.
        StorageError: If the cluster cannot read the run.
    """
    with tempfile.TemporaryDirectory(prefix="raydrive-job-") as folder:
        request = {"resume": uri, "limits": dict(limits), "force": force, "plain_ray": plain_ray}
        ask(address, request, Path(folder))


def ask(address: str, request: Mapping[str, Any], bundle: Path) -> dict[str, Any]:
    """Returns the answer of a job that does what is asked for on the cluster behind a dashboard.

    Args:
        address: The dashboard's.
        request: What to do, as ``dashboard_job`` reads it.
        bundle: The job's folder, with what else it needs.

    Raises:
        ConfigError: If the cluster refuses the request.
        ClusterError: If the dashboard cannot be reached, or the job fails.
        StorageError: If the cluster cannot use the storage.
    """
    (bundle / REQUEST).write_text(json.dumps(request))
    name = request.get("resume") or request.get("steer") or request["config"]["experiment"]
    printed = run_job(address, f"python -m {JOB}", bundle, timeout_s=TIMEOUT_S, metadata={"raydrive": str(name)})
    lines = [line.removeprefix(ANSWER) for line in printed.splitlines() if line.startswith(ANSWER)]
    if not lines:
        raise ClusterError(
            f"the Ray job at {address} ended without an answer. Check that the cluster has the same version of "
            "raydrive."
        )
    answer: dict[str, Any] = json.loads(lines[-1])
    if "uri" in answer:
        return answer
    if answer["kind"] == "ConfigError":
        raise ConfigError([Problem(**problem) for problem in answer["problems"]])
    raise KINDS.get(answer["kind"], RaydriveError)(answer["text"])


def _name_of(reference: RunReference) -> str:
    run = reference.run
    return run if isinstance(run, str) else str(run.uri)
