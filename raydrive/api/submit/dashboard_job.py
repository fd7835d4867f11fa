"""The job on the other side of a dashboard: starts, resumes or steers the run that ``dashboard`` asks for, and ends.

``python -m raydrive.api.submit.dashboard_job`` runs on the cluster's head, in a working directory with
``request.json``, the packed code, and the user's classes that travel by value. All is stored as it came: the code is
loaded in trial processes only, and classes of policy and sampling in the driver only.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raydrive.api.submit.dashboard import ANSWER, CLASSES, KINDS, REQUEST
from raydrive.api.submit.launch import launch, resume
from raydrive.api.submit.packaging import read_packed
from raydrive.api.submit.submission import ChildReference, RunReference, Submission
from raydrive.core.config.run_config import RunConfig
from raydrive.core.errors import ConfigError, RaydriveError, StorageError
from raydrive.runtime.driver_client import call_driver
from raydrive.storage.run_layout import RunLayout
from raydrive.storage.run_reader import RunReader


def main() -> None:
    """Starts the driver that ``request.json`` asks for, and prints where its run is kept, or what was wrong."""
    request = json.loads(Path(REQUEST).read_text())
    try:
        answer: dict[str, Any] = _steer(request) if "steer" in request else {}
        answer = answer or {"uri": _resume(request) if "resume" in request else _launch(request)}
    except ConfigError as error:
        problems = [dataclasses.asdict(problem) for problem in error.problems]
        answer = {"kind": "ConfigError", "problems": problems}
    except RaydriveError as error:
        kind = next((name for name, known in KINDS.items() if isinstance(error, known)), "RaydriveError")
        answer = {"kind": kind, "text": str(error)}
    print(f"{ANSWER}{json.dumps(answer)}", flush=True)


def _launch(request: Mapping[str, Any]) -> str:
    """Starts a run; returns the URI of its folder."""
    sha256 = request["code_sha256"]
    submission = Submission(
        config=RunConfig.from_json(request["config"]),
        source_directory=None,
        code=read_packed(Path.cwd(), sha256) if sha256 else None,
        classes=_classes(request["classes_sha256"]),
        resume_from=tuple(RunReference(**one) for one in request["resume_from"]),
        resume_child_runs=tuple(ChildReference(**one) for one in request["resume_child_runs"]),
    )
    return launch(submission, storage=request["storage"], address="auto", plain_ray=request.get("plain_ray")).uri


def _classes(sha256: str) -> bytes:
    """Returns the user's classes that travel by value as they came; only the driver loads them.

    Args:
        sha256: That of their pickle, as it was sent; empty for none.

    Raises:
        StorageError: If they are missing, or are not what was sent.
    """
    if not sha256:
        return b""
    try:
        data = Path(CLASSES).read_bytes()
    except OSError as error:
        raise StorageError(f"the submitted classes did not arrive: {error}") from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise StorageError(f"the submitted classes were damaged in transfer: their sha256 is {found}, not {sha256}")
    return data


def _resume(request: Mapping[str, Any]) -> str:
    """Continues a run; returns the URI of its folder."""
    run = RunReader.open(request["resume"])
    plain_ray = request.get("plain_ray")
    resume(run, address="auto", plain_ray=plain_ray, limits=request["limits"], force=request["force"])
    return run.uri


def _steer(request: Mapping[str, Any]) -> dict[str, Any]:
    """Delivers a request to the driver of a run; returns its answer."""
    uri = request["steer"]
    return {"uri": uri, "answer": call_driver(RunLayout.open(uri), "steer", request["request"])}


if __name__ == "__main__":
    main()
