"""What can be found wrong with a submission without a cluster: for ``submit``, ``validate`` and ``--dry-run``."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from raydrive.api.submit.functions import pickle_function
from raydrive.api.submit.secret_values import read_secrets, refuse_by_job
from raydrive.api.submit.submission import Submission
from raydrive.api.submit.user_classes import with_records
from raydrive.api.submit.warm_start import NONE, WarmStartPlan, plan_warm_start
from raydrive.core.config.run_config import RunConfig
from raydrive.core.errors import ConfigError, Problem, show
from raydrive.storage.check_storage import check_usable
from raydrive.storage.code_snapshot import CodeSnapshot, snapshot
from raydrive.storage.run_layout import check_experiment


@dataclass(frozen=True, slots=True)
class Checked:
    """A submission that nothing is wrong with, as far as this machine can tell."""

    plan: WarmStartPlan
    """What earlier runs bring."""
    pickled: bytes
    """The function; empty for scripts and commands."""
    code: CodeSnapshot | None
    """The code; whoever gets this stores or discards it."""
    secrets: Mapping[str, str]
    """Values of the secrets by name."""
    config: RunConfig
    """The configuration as it is recorded: policies and samplings of the user's classes as their records."""
    classes: bytes = b""
    """Those classes, as far as they travel by value."""

    def discard(self) -> None:
        """Removes what was packed."""
        if self.code is not None:
            self.code.discard()


def check_submission(submission: Submission, *, storage: str, address: str | None) -> Checked:
    """Checks a submission and packs what is to be stored of it; nothing reaches the storage.

    Args:
        submission: What to run.
        storage: Folder or URI below which runs are kept.
        address: Ray address, or that of a dashboard; None = ``RAY_ADDRESS``, then an embedded cluster.

    Raises:
        ConfigError: With everything that is wrong: names, secrets, earlier runs, interpreter, function, code, classes.
        StorageError: If the storage cannot be used from this machine.
    """
    from raydrive.api.submit.dashboard import place_there
    from raydrive.runtime.ray_cluster.dashboard_jobs import dashboard_of

    problems: list[Problem] = []

    @contextlib.contextmanager
    def collected() -> Iterator[None]:
        try:
            yield
        except ConfigError as error:
            problems.extend(error.problems)

    by_job = dashboard_of(address) is not None
    spec, source = submission.config.trial, submission.source_directory
    plan, pickled, code, secrets = NONE, b"", None, dict[str, str]()
    with collected():
        check_experiment(submission.config.experiment)
    with collected():
        if by_job:
            refuse_by_job(spec.secrets)
            place_there(storage)
        else:
            secrets = read_secrets(spec.secrets)
    if spec.python and _on_this_machine(address):
        problems += _python_problems(spec.python, source)
    with collected():
        pickled = submission.pickled
        if not pickled and submission.function is not None:
            pickled = pickle_function(submission.function)
    with collected():
        code = snapshot(source, storage) if source is not None else None
    classes = b""
    with collected():
        if code is not None or source is None:  # what is wrong with the code is said already
            submission, classes = with_records(submission, code)
    with collected():
        if not by_job:  # earlier runs are looked up where the storage is
            plan = plan_warm_start(submission, storage)
    checked = Checked(plan, pickled, code, secrets, submission.config, classes)
    try:
        if problems:
            raise ConfigError(problems)
        if not by_job:
            check_usable(storage)
    except BaseException:
        checked.discard()
        raise
    return checked


def _on_this_machine(address: str | None) -> bool:
    """Whether the trials will run here: on an embedded cluster."""
    ray = sys.modules.get("ray")
    joined = ray is not None and ray.is_initialized()
    return not joined and (address or os.environ.get("RAY_ADDRESS") or "local") == "local"


def _python_problems(python: str, source: Path | None) -> list[Problem]:
    """What is wrong with the interpreter of the trials, which start in a copy of the source directory."""
    in_code = source is not None and "/" in python and os.access(source / python, os.X_OK)
    if in_code or shutil.which(python) is not None:
        return []
    found = f"{show(python)}, which this machine has no program of"
    fix = "Write the path out: '~' and variables are not replaced." if python.startswith(("~", "$")) else ""
    return [Problem("python", found, "an interpreter: a path, or a name on PATH", fix)]
