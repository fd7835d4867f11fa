"""The job on the other side of a dashboard: starts or resumes the run that ``dashboard`` asks for, and ends.

``python -m raydrive.api.submit.dashboard_job`` runs on the cluster's head, in a working directory with
``request.json`` and the packed code. The code is stored as it came: user code is loaded in trial processes only.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raydrive.api.submit.dashboard import ANSWER, KINDS, REQUEST
from raydrive.api.submit.launch import launch, resume
from raydrive.api.submit.packaging import read_packed
from raydrive.api.submit.submission import ChildReference, RunReference, Submission
from raydrive.core.config.run_config import RunConfig
from raydrive.core.errors import ConfigError, RaydriveError
from raydrive.storage.run_reader import RunReader


def main() -> None:
    """Starts the driver that ``request.json`` asks for, and prints where its run is kept, or what was wrong."""
    request = json.loads(Path(REQUEST).read_text())
    try:
        answer: dict[str, Any] = {"uri": _resume(request) if "resume" in request else _launch(request)}
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
        resume_from=tuple(RunReference(**one) for one in request["resume_from"]),
        resume_child_runs=tuple(ChildReference(**one) for one in request["resume_child_runs"]),
    )
    return launch(submission, storage=request["storage"], address="auto", plain_ray=request.get("plain_ray")).uri


def _resume(request: Mapping[str, Any]) -> str:
    """Goes on with a run; returns the URI of its folder."""
    run = RunReader.open(request["resume"])
    plain_ray = request.get("plain_ray")
    resume(run, address="auto", plain_ray=plain_ray, limits=request["limits"], force=request["force"])
    return run.uri


if __name__ == "__main__":
    main()
