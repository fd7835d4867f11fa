"""Starting and resuming runs through a Ray dashboard: the submission travels as a Ray job, which starts the driver.

The job's working directory is a bundle: ``request.json`` and the code, as the zip of ``storage.code`` or as the bytes
of a function. ``python -m raydrive.api.submit.dashboard`` is the job; it starts the detached driver, prints one line
that begins with ``ANSWER`` and ends.
"""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raydrive.api.submit.submission import ChildReference, RunReference, Submission
from raydrive.core.config.run_config import RunConfig
from raydrive.core.errors import ClusterError, ConfigError, Problem, RaydriveError, StorageError

ANSWER = "raydrive-answer: "
REQUEST, CODE, FUNCTION, CLASSES = "request.json", "code.zip", "function.pkl", "classes.pkl"
TIMEOUT_S = 300.0
"""How long a job may take to start a driver; the code is sent before."""
_KINDS: dict[str, type[RaydriveError]] = {"StorageError": StorageError, "ClusterError": ClusterError}


def launch_by_job(submission: Submission, *, storage: str, address: str) -> str:
    """Starts a run on the cluster behind a dashboard; returns the URI of its folder.

    Args:
        submission: What to run.
        storage: Folder or URI below which runs are kept, as the cluster's nodes see it.
        address: The dashboard's, ``http://HOST:8265``.

    Raises:
        ConfigError: If the storage is a relative path, the code is too large, or the cluster refuses the submission.
        ClusterError: If the dashboard cannot be reached, or the job fails.
        StorageError: If the cluster cannot use the storage.
    """
    from raydrive.api.submit.preflight import check_submission

    checked = check_submission(submission, storage=storage, address=address)
    place = place_there(storage)
    request = {
        "storage": place,
        "config": checked.config.to_json(),
        "resume_from": [{"run": _name_of(one), "where": one.where} for one in submission.resume_from],
        "resume_child_runs": [
            {"run": _name_of(one), "where": one.where, "trial": one.trial} for one in submission.resume_child_runs
        ],
    }
    with tempfile.TemporaryDirectory(prefix="raydrive-job-") as folder:
        bundle = Path(folder)
        (bundle / CLASSES).write_bytes(checked.classes)
        try:
            if checked.pickled:
                (bundle / FUNCTION).write_bytes(checked.pickled)
            elif checked.code is not None:
                os.link(checked.code.path, bundle / CODE)
        finally:
            checked.discard()
        return _ask(address, request, bundle)


def resume_by_job(uri: str, *, address: str, limits: Mapping[str, Any], force: bool) -> None:
    """Goes on with a recorded run on the cluster behind a dashboard.

    Args:
        uri: The run's folder, as the cluster's nodes see it.
        address: The dashboard's.
        limits: Fields of ``Limits`` to change.
        force: Take over even when another driver seems alive.

    Raises:
        ConfigError: If a limit is out of range, or the run is over and no limit was raised.
        ClusterError: If a live driver owns the run, the dashboard cannot be reached, or the job fails.
        StorageError: If the cluster cannot read the run.
    """
    with tempfile.TemporaryDirectory(prefix="raydrive-job-") as folder:
        _ask(address, {"resume": uri, "limits": dict(limits), "force": force}, Path(folder))


def _ask(address: str, request: Mapping[str, Any], bundle: Path) -> str:
    from raydrive.runtime.ray_cluster.dashboard_jobs import run_job

    (bundle / REQUEST).write_text(json.dumps(request))
    name = request.get("resume") or request["config"]["experiment"]
    printed = run_job(
        address, f"python -m {__spec__.name}", bundle, timeout_s=TIMEOUT_S, metadata={"raydrive": str(name)}
    )
    lines = [line.removeprefix(ANSWER) for line in printed.splitlines() if line.startswith(ANSWER)]
    if not lines:
        raise ClusterError(f"the Ray job at {address} ended without an answer: is another raydrive installed there?")
    answer = json.loads(lines[-1])
    if "uri" in answer:
        return str(answer["uri"])
    if answer["kind"] == "ConfigError":
        raise ConfigError([Problem(**problem) for problem in answer["problems"]])
    raise _KINDS.get(answer["kind"], RaydriveError)(answer["text"])


def place_there(storage: str) -> str:
    """Returns the storage as the cluster's nodes are to understand it.

    Raises:
        ConfigError: If it is a path that only this machine knows.
    """
    if "://" in storage or os.path.isabs(storage):
        return storage
    fix = "Name it with --storage: a URI such as s3://bucket/runs, or the absolute path of a shared folder."
    found = f"{storage!r}, a path of this machine"
    raise ConfigError(Problem("storage", found, "storage that all nodes of the cluster share", fix))


def _name_of(reference: RunReference) -> str:
    run = reference.run
    return run if isinstance(run, str) else str(run.uri)


# --- the job ---------------------------------------------------------------------------------------------------------


def main() -> None:
    """What the job does: starts the driver that ``request.json`` asks for, and prints where its run is kept."""
    request = json.loads(Path(REQUEST).read_text())
    try:
        answer: dict[str, Any] = {"uri": _resume(request) if "resume" in request else _launch(request)}
    except ConfigError as error:
        problems = [dataclasses.asdict(problem) for problem in error.problems]
        answer = {"kind": "ConfigError", "problems": problems}
    except RaydriveError as error:
        kind = next((name for name, known in _KINDS.items() if isinstance(error, known)), "RaydriveError")
        answer = {"kind": kind, "text": str(error)}
    print(f"{ANSWER}{json.dumps(answer)}", flush=True)


def _launch(request: Mapping[str, Any]) -> str:
    from raydrive.api.submit.launch import launch
    from raydrive.storage.code_snapshot import unpack

    pickled, source = b"", None
    if os.path.exists(FUNCTION):
        pickled = Path(FUNCTION).read_bytes()
    elif os.path.exists(CODE):
        source = Path("code").absolute()
        unpack(Path(CODE), source)
    submission = Submission(
        config=RunConfig.from_json(request["config"]),
        source_directory=source,
        pickled=pickled,
        classes=Path(CLASSES).read_bytes(),  # checked where they come from; only the driver loads them here
        resume_from=tuple(RunReference(**one) for one in request["resume_from"]),
        resume_child_runs=tuple(ChildReference(**one) for one in request["resume_child_runs"]),
    )
    return launch(submission, storage=request["storage"], address="auto").uri


def _resume(request: Mapping[str, Any]) -> str:
    from raydrive.api.run import HyperDriveRun
    from raydrive.api.submit.launch import resume

    run = HyperDriveRun.open(request["resume"])
    return resume(run, address="auto", limits=request["limits"], force=request["force"]).uri


if __name__ == "__main__":
    main()
