"""A cluster that is reached through its dashboard alone: a Ray job does there what needs the cluster's own network."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raydrive.core.errors import ClusterError
from raydrive.runtime.ray_cluster.connection import TOKEN_FILE, before_import

POLL_S = 0.25
STARTING_S = 60.0
"""How long a cluster may answer that it takes no jobs yet."""
TAIL_LINES = 8
"""Lines of a failed job's output that its error shows."""


def dashboard_of(address: str | None) -> str | None:
    """Returns an address if it is that of a dashboard, ``http://HOST:8265``; None for any other.

    Args:
        address: As a user gave it; None = ``RAY_ADDRESS``.
    """
    wanted = address or os.environ.get("RAY_ADDRESS", "")
    return wanted if wanted.startswith(("http://", "https://")) else None


def run_job(
    address: str, entrypoint: str, folder: Path, *, timeout_s: float, metadata: Mapping[str, str] | None = None
) -> str:
    """Runs a command on the cluster's head as a Ray job, waits for its end and returns what it printed.

    Args:
        address: The dashboard's, ``http://HOST:8265``.
        entrypoint: The command, for a shell there.
        folder: Its working directory; it is sent along.
        timeout_s: How long to wait; then the job is stopped.
        metadata: Noted with the job, for people who look at the dashboard.

    Raises:
        ClusterError: If no dashboard answers, or it takes no jobs.
        ClusterError: If the job fails or does not end in time; with the end of its output.
    """
    before_import()
    from ray.exceptions import AuthenticationError  # lazy: ray, 0.3 s
    from ray.job_submission import JobStatus, JobSubmissionClient  # lazy: ray, 0.5 s

    for name in ("ray", "ray.dashboard.modules.dashboard_sdk", "ray._private.runtime_env.packaging"):
        logging.getLogger(name).setLevel(logging.WARNING)  # else it tells of every package it sends
    try:
        client = JobSubmissionClient(address)
        job = _submit(
            client, entrypoint=entrypoint, runtime_env={"working_dir": str(folder)}, metadata=dict(metadata or {})
        )
        end = time.monotonic() + timeout_s
        while not (status := client.get_job_status(job)).is_terminal():
            if time.monotonic() > end:
                client.stop_job(job)
                raise _failed(address, job, f"did not end within {timeout_s:.0f} s", client)
            time.sleep(POLL_S)
        if status == JobStatus.SUCCEEDED:
            return str(client.get_job_logs(job))
        raise _failed(address, job, "failed", client)
    except AuthenticationError as error:
        raise ClusterError(
            f"the Ray dashboard at {address} requires a token: set it in {TOKEN_FILE} or RAY_AUTH_TOKEN, and set "
            "RAY_AUTH_MODE=token before Python starts"
        ) from error
    except (RuntimeError, ValueError, OSError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ClusterError(
            f"no Ray dashboard that accepts jobs answers at {address}: {first.rstrip('.')}. Give the address of the "
            "dashboard (usually port 8265; kubectl port-forward brings it here), or --address HOST:PORT of the "
            "cluster's GCS from a machine of its network."
        ) from error


def _submit(client: Any, **job: Any) -> str:
    """Submits a job; a cluster that has only just started takes none for some seconds."""
    end = time.monotonic() + STARTING_S
    while True:
        try:
            return str(client.submit_job(**job))
        except RuntimeError as error:
            if "try again later" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(POLL_S)


def _failed(address: str, job: str, how: str, client: Any) -> ClusterError:
    lines = [line for line in str(client.get_job_logs(job)).splitlines() if line.strip()]
    text = "\n  ".join(lines[-TAIL_LINES:]) or str(client.get_job_info(job).message or "it printed nothing")
    advice = ""
    if "No module named" in text and "raydrive" in text:
        advice = (
            "\nInstall the same version of raydrive in the Python of the cluster's nodes: "
            "'pip install raydrive' there, or in their image."
        )
    elif "python: not found" in text or "python: command not found" in text:
        advice = "\nThe head node has no 'python' on its PATH: start Ray from an environment that has one."
    return ClusterError(f"the Ray job {job} at {address} {how}:\n  {text}{advice}")
