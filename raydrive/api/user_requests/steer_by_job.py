"""Delivers a request to the driver of a run whose cluster is reached only through its dashboard."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raydrive.api.submit.dashboard import ask


def steer_by_job(uri: str, request: Mapping[str, Any], *, address: str) -> Mapping[str, Any]:
    """Returns what was recorded of a request, as ``Driver.steer`` does.

    Args:
        uri: The run's folder, as the cluster's nodes see it.
        request: As in ``core/user_requests/requests.py``.
        address: The dashboard's.

    Raises:
        ConfigError: If it cannot be done.
        ClusterError: If the driver or the dashboard cannot be reached, or the job fails.
        StorageError: If the cluster cannot read the run.
    """
    with tempfile.TemporaryDirectory(prefix="raydrive-job-") as folder:
        answer = ask(address, {"steer": uri, "request": dict(request)}, Path(folder))
    found: Mapping[str, Any] = answer["answer"]
    return found
