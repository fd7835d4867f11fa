"""What can be found wrong with a submission without a cluster: for ``submit``, ``validate`` and ``--dry-run``."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from raydrive.api.submit.command_program import program_problem, script_problem
from raydrive.api.submit.machine import machine_problems
from raydrive.api.submit.packaging import PackedCode, pack
from raydrive.api.submit.secret_values import read_secrets, refuse_by_job, secret_sources
from raydrive.api.submit.submission import Submission
from raydrive.api.submit.user_classes import with_records
from raydrive.api.submit.warm_start import NONE, WarmStartPlan, plan_warm_start
from raydrive.core.config.run_config import RunConfig
from raydrive.core.config.tracker_settings import LIBRARIES, Tracking
from raydrive.core.errors import ConfigError, Problem, show
from raydrive.runtime.ray_cluster.dashboard_jobs import dashboard_of
from raydrive.storage.check_storage import check_usable
from raydrive.storage.run_layout import check_experiment


@dataclass(frozen=True, slots=True)
class Checked:
    """A submission that nothing is wrong with, as far as this machine can tell."""

    plan: WarmStartPlan
    """What earlier runs bring."""
    code: PackedCode | None
    """The code, to be stored or sent, and then discarded; None for a command that needs none."""
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
    problems: list[Problem] = []

    @contextlib.contextmanager
    def collected() -> Iterator[None]:
        try:
            yield
        except ConfigError as error:
            problems.extend(error.problems)

    by_job = dashboard_of(address) is not None
    spec, source = submission.config.trial, submission.source_directory
    plan, code, secrets = NONE, submission.code, dict[str, str]()
    with collected():
        check_experiment(submission.config.experiment)
    with collected():
        if by_job:
            refuse_by_job(secret_sources(submission.config))
            _refuse_local(storage)
        else:
            secrets = read_secrets(secret_sources(submission.config))
    problems += _command_problems(submission, address)
    if _on_this_machine(address):
        where = "raydrive.resources" if submission.places else "resources"
        problems += machine_problems(spec.resources, where, submission.places)
    if _on_this_machine(address):
        problems += _tracker_problems(spec.track)
    if spec.python and _on_this_machine(address):
        problems += _python_problems(spec.python, source)
    with collected():
        code = code or pack(submission.function, source, storage)
    classes = b""
    try:
        with collected():
            if code is not None or source is None:  # what is wrong with the code is among the problems already
                submission, classes = with_records(submission, code)
        with collected():
            if not by_job:  # earlier runs are looked up where the storage is
                plan = plan_warm_start(submission, storage)
        if problems:
            raise ConfigError(problems)
        if not by_job:
            check_usable(storage)
    except BaseException:
        if code is not None:
            code.discard()
        raise
    return Checked(plan, code, secrets, submission.config, classes)


def _command_problems(submission: Submission, address: str | None) -> list[Problem]:
    """What is wrong with what the command starts."""
    spec, place = submission.config.trial, submission.places.get("trial.command", "")
    if spec.kind != "command" or submission.code is not None:  # sent by a machine that has looked
        return []
    where = "trial.command" if place else "command"
    found = script_problem(spec.command, submission.source_directory, where)
    own_path = "PATH" in spec.environment_variables or (spec.python and "/" not in spec.python)
    if found is None and not own_path and _on_this_machine(address):
        found = program_problem(spec.command, where, spec.python)
    return [] if found is None else [replace(found, place=place)]


def _refuse_local(storage: str) -> None:
    """Refuses storage that only this machine can find, for a cluster that is reached through its dashboard.

    Raises:
        ConfigError: If it is a relative path, or one that begins with ``~``.
    """
    if "://" in storage or os.path.isabs(storage):
        return
    fix = "Name it with --storage: a URI such as s3://bucket/runs, or the absolute path of a shared folder."
    found = f"{storage!r}, a path of this machine"
    raise ConfigError(Problem("storage", found, "storage that all nodes of the cluster share", fix))


def _on_this_machine(address: str | None) -> bool:
    """Whether the trials will run here: on an embedded cluster."""
    ray = sys.modules.get("ray")
    joined = ray is not None and ray.is_initialized()
    return not joined and (address or os.environ.get("RAY_ADDRESS") or "local") == "local"


def _tracker_problems(track: Tracking) -> list[Problem]:
    """Trackers whose libraries are not installed here."""
    return [
        Problem(f"track.{name}", f"no module {module!r}", "an installed one", f"pip install 'raydrive[{name}]'")
        for name, module in LIBRARIES.items()
        if name in track and importlib.util.find_spec(module) is None
    ]


def _python_problems(python: str, source: Path | None) -> list[Problem]:
    """What is wrong with the interpreter of the trials, which start in a copy of the source directory."""
    in_code = source is not None and "/" in python and os.access(source / python, os.X_OK)
    if in_code or shutil.which(python) is not None:
        return []
    found = f"{show(python)}, but this machine has no such program"
    fix = "Write the full path: '~' and variables are not expanded." if python.startswith(("~", "$")) else ""
    return [Problem("python", found, "an interpreter: a path, or a name on PATH", fix)]
