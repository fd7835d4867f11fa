"""Policies and samplings of a user's own classes, on their way from a submission to the driver.

A class in an installed package, or in the source directory of a script, travels by its name. Any other one (of a
notebook, of the script that submits, of a module beside it) travels by value, as a training function does.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from raydrive.api.submit.packaging import PackedCode, by_value, is_installed
from raydrive.api.submit.submission import Submission
from raydrive.core.config.run_config import RunConfig
from raydrive.core.early_stopping.policy_record import RecordedPolicy, policy_record, recorded_policy
from raydrive.core.errors import ConfigError, Problem
from raydrive.core.search.sampling_record import RecordedSampling, recorded_sampling, sampling_record
from raydrive.core.user_classes import is_own, is_reference, type_name
from raydrive.storage.code_snapshot import snapshot, store_code, unpack
from raydrive.storage.run_layout import RunLayout

_FILE_KEYS = {"policy": "early_termination", "sampling": "sampling_algorithm"}


def check_objects(config: RunConfig) -> None:
    """Checks that the policy and the sampling of a configuration can be recorded; what takes no process is checked.

    Raises:
        ConfigError: If the parameters of one of them cannot be determined, or are not JSON.
    """
    problems: list[Problem] = []
    for name, value in (("policy", config.policy), ("sampling", config.sampling)):
        try:
            _record(name, value)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)


def with_records(submission: Submission, code: PackedCode | None) -> tuple[Submission, bytes]:
    """Checks the user's classes of a submission by building them in a new process, as the driver will.

    Args:
        submission: What to run.
        code: Its code, packed.

    Returns:
        The submission with the records in place of the objects, and the classes that travel by value as a pickle;
        the submission itself where all classes are raydrive's.

    Raises:
        ConfigError: With everything that keeps a driver from building them; with the way out.
    """
    config = submission.config
    parts = {
        name: value for name, value in (("policy", config.policy), ("sampling", config.sampling)) if _is_users(value)
    }
    if submission.classes is not None or not parts:
        return submission, submission.classes or b""
    try:
        records = {"policy": None, "sampling": None, **{name: _record(name, value) for name, value in parts.items()}}
        pickled = _pickled([type(value) for value in parts.values()], submission.source_directory)
        found = _checked(records, pickled, None if code is None else code.archive, config)
    except ConfigError as error:
        raise ConfigError(_placed(one, submission.places) for one in error.problems) from error
    policy, sampling = found.get("policy"), found.get("sampling")
    config = replace(
        config,
        policy=config.policy if policy is None else recorded_policy(policy),
        sampling=config.sampling if sampling is None else recorded_sampling(sampling),
    )
    return replace(submission, config=config), pickled


def mend(layout: RunLayout, config: RunConfig, source: Path) -> None:
    """Makes the driver of a run load the user's classes from another folder; trials keep the run's code.

    Args:
        layout: The run.
        config: Its configuration.
        source: The folder with the corrected code.

    Raises:
        ConfigError: If the run has no such classes, or they cannot be built from that folder.
        StorageError: If the code cannot be stored.
    """
    records = {
        "policy": config.policy.raw if isinstance(config.policy, RecordedPolicy) else None,
        "sampling": config.sampling.raw if isinstance(config.sampling, RecordedSampling) else None,
    }
    if not any(records.values()):
        found = "a policy and a sampling of raydrive's own"
        raise ConfigError(Problem("--classes", found, "a run with a class of your own", "Remove it."))
    with snapshot(source) as code:
        _checked(records, b"", code.path, config)
        layout.write_classes_code(store_code(layout, code))


def _is_users(value: Any) -> bool:
    return isinstance(value, RecordedPolicy | RecordedSampling) or not is_own(type(value))


def _record(name: str, value: Any) -> dict[str, Any]:
    record: Any = policy_record if name == "policy" else sampling_record
    found: dict[str, Any] = record(value)
    return found


def _checked(records: Mapping[str, Any], pickled: bytes, archive: Path | None, config: RunConfig) -> dict[str, Any]:
    # Lazy: few submissions have such classes.
    from raydrive.runtime.class_check import check  # lazy: raydrive.runtime.class_check, 0.09 s

    with tempfile.TemporaryDirectory(prefix="raydrive-classes-") as folder:
        unpacked, pickle = "", ""
        if archive is not None:
            unpacked = f"{folder}/code"
            unpack(archive, Path(unpacked))
        if pickled:
            pickle = f"{folder}/classes.pkl"
            Path(pickle).write_bytes(pickled)
        request = {**records, "folder": unpacked, "pickle": pickle}
        return check({**request, "seed": config.seed, "maximize": config.metric.maximize})


def _placed(problem: Problem, places: Mapping[str, str]) -> Problem:
    """A problem under the names of the file that the submission came from, with its place there."""
    first, dot, rest = problem.where.partition(".")
    if not places or first not in _FILE_KEYS:
        return problem
    where = f"{_FILE_KEYS[first]}{dot}{rest}"
    named = f"key {where}" if problem.found == "an unknown key" else where
    return replace(problem, where=where, place=places.get(named) or places.get(_FILE_KEYS[first], ""))


# --- by value --------------------------------------------------------------------------------------------------------


def _pickled(kinds: list[type], source: Path | None) -> bytes:
    """Classes that no driver can import by their names, with the code of the modules that they and their bases are in.

    Raises:
        ConfigError: If one cannot be pickled.
    """
    import cloudpickle  # lazy: cloudpickle, 0.004 s; lazy: few submissions have such classes

    local = {type_name(kind): kind for kind in kinds if not is_own(kind) and not _is_found(kind, source)}
    if not local:
        return b""
    with by_value(_modules_of(local.values())):
        try:
            data: bytes = cloudpickle.dumps(local)
        except Exception as error:  # pickling runs the user's __reduce__: anything may come
            found = f"{', '.join(local)} ({type(error).__name__}: {error})"
            fix = "Open files, locks and connections in a method instead of keeping them outside."
            raise ConfigError(Problem("policy, sampling", found, "a class that can be pickled", fix)) from error
    return data


def _modules_of(kinds: Iterable[type]) -> list[ModuleType]:
    """The local modules of classes and of their bases, which travel with them."""
    modules = {base.__module__: sys.modules.get(base.__module__) for kind in kinds for base in kind.__mro__}
    return [one for one in modules.values() if one is not None and not _is_there(one)]


def _is_there(module: ModuleType) -> bool:
    """Whether a module is there by its name in every process that has raydrive; ``__main__`` always goes by value."""
    return (
        module.__name__ in ("__main__", "raydrive") or module.__name__.startswith("raydrive.") or is_installed(module)
    )


def _is_found(kind: type, source: Path | None) -> bool:
    """Whether a driver finds a class by its name: in an installed package, or in the source directory of a script."""
    module = sys.modules.get(kind.__module__)
    if module is None or not is_reference(type_name(kind)) or "<locals>" in kind.__qualname__:
        return False
    if module.__name__ == "__main__":
        return False
    return is_installed(module) or (source is not None and _is_below(module, source))


def _is_below(module: ModuleType, source: Path) -> bool:
    """Whether a module is the one of its name in a folder."""
    file = getattr(module, "__file__", None)
    parts = module.__name__.split(".")
    here = [source.joinpath(*parts).with_suffix(".py"), source.joinpath(*parts, "__init__.py")]
    return file is not None and any(one.is_file() and one.samefile(file) for one in here)
