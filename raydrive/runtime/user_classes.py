"""Loads the classes of policies and samplings that are not raydrive's own: for a run's driver, and to check them first.

They come from where the submission put them: a pickle with the classes that travel by value, the run's code snapshot,
an entry point, or an installed package. This executes the user's code. A driver does so, as a trial executes the
training script; a reader (status, studio, report) never does: else write access to a storage would be enough to execute
code in the processes of its readers.
"""

from __future__ import annotations

import importlib
import pickle
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from raydrive.core.config.run_config import RunConfig
from raydrive.core.early_stopping.policies import Policy
from raydrive.core.early_stopping.policy_record import RecordedPolicy, built_policy
from raydrive.core.errors import ConfigError, Problem, RaydriveError, UserCodeError, did_you_mean, show
from raydrive.core.search.protocol import SamplingSpec
from raydrive.core.search.sampling_record import RecordedSampling, built_sampling
from raydrive.core.user_classes import is_reference, meant_class, reason
from raydrive.core.views.heartbeat import dump_heartbeat
from raydrive.core.views.summary import INTERRUPTED
from raydrive.runtime.entry_points import POLICIES, SAMPLINGS, installed
from raydrive.storage.code_snapshot import load_function, unpack_code
from raydrive.storage.run_layout import RunLayout
from raydrive.storage.run_reader import read_heartbeat


class SnapshotFinder(MetaPathFinder):
    """Finds the top-level modules of a code snapshot, before those of the same name that are installed.

    The standard library's names stay its own: the process that imports the snapshot needs them itself.

    Args:
        folder: The unpacked snapshot.
        packages_only: Whether folders without ``__init__.py`` are passed over; they come after what is installed.
    """

    def __init__(self, folder: Path, *, packages_only: bool) -> None:
        self._folder = str(folder)
        self._packages_only = packages_only

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Returns where a module is, or None when it is not in the snapshot."""
        if path is not None or fullname in sys.stdlib_module_names:
            return None
        spec = PathFinder.find_spec(fullname, [self._folder])
        return None if spec is None or (spec.loader is None and self._packages_only) else spec


class UserClasses:
    """Finds classes by their recorded types.

    Args:
        by_value: The classes that travelled by value, by their recorded types.
        folder: The unpacked code snapshot; None = there is none.
    """

    def __init__(self, by_value: Mapping[str, type], folder: Path | None) -> None:
        self._by_value = by_value
        if folder is not None:
            sys.meta_path.insert(0, SnapshotFinder(folder, packages_only=True))
            sys.meta_path.append(SnapshotFinder(folder, packages_only=False))

    def policy(self, raw: Mapping[str, Any]) -> Policy:
        """Returns a policy from its record.

        Raises:
            ConfigError: If its class cannot be loaded, or does not take the recorded parameters.
        """
        return built_policy(raw, lambda name: self._find(name, POLICIES, "policy.type"))

    def sampling(self, raw: Mapping[str, Any]) -> SamplingSpec:
        """Returns a way of sampling from its record.

        Raises:
            ConfigError: If its class cannot be loaded, or does not take the recorded parameters.
        """
        return built_sampling(raw, lambda name: self._find(name, SAMPLINGS, "sampling.type"))

    def filled_in(self, config: RunConfig) -> RunConfig:
        """Returns a configuration with objects in place of the records.

        Raises:
            ConfigError: If a class cannot be loaded, or does not take the recorded parameters.
        """
        policy, sampling = config.policy, config.sampling
        if isinstance(policy, RecordedPolicy):
            policy = self.policy(policy.raw)
        if isinstance(sampling, RecordedSampling):
            sampling = self.sampling(sampling.raw)
        return replace(config, policy=policy, sampling=sampling)

    def _find(self, name: str, group: str, where: str) -> type:
        if name in self._by_value:
            return self._by_value[name]
        target = name
        if not is_reference(name):
            known = installed(group)
            target = known.get(name.casefold(), "")
            if not target:
                allowed = ", ".join([*known, "module:Class, the name of your class"])
                raise ConfigError(Problem(where, show(name), allowed, did_you_mean(name, list(known))))
        return imported(target, where, name)


def imported(target: str, where: str = "type", name: str = "") -> type:
    """Returns a class by ``module:QualName``. Imports its module.

    Args:
        target: The class.
        where: What names it, for errors.
        name: What is there, where that is another name.

    Raises:
        ConfigError: If there is no such module or class, or its module cannot be imported.
    """
    module, _, path = target.partition(":")
    shown = show(name or target)
    if module == "__main__":
        fix = "Put it into a module of the submitted code; in Python, pass the object itself."
        raise ConfigError(
            Problem(where, f"{shown}, a class of the script that submitted", "a class defined in a module", fix)
        )
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if module == missing or module.startswith(f"{missing}."):
            allowed = "a module in the submitted code (trial.code, source_directory), or in an installed package"
            problem = Problem(where, f"{shown}, but no module {missing}", allowed, meant_class(target))
            raise ConfigError(problem) from error
        allowed = "a module that can be imported where the driver runs"
        fix = "Put it next to the class in the submitted code, or install it there."
        raise ConfigError(Problem(where, f"{shown} ({reason(error)})", allowed, fix)) from error
    except (Exception, SystemExit) as error:  # the user's code
        raise ConfigError(Problem(where, f"{shown} ({reason(error)})", "a module that can be imported")) from error
    for word in path.split("."):
        names = [one for one, value in vars(found).items() if isinstance(value, type)]
        found = getattr(found, word, None)
        if found is None:
            fix = did_you_mean(word, names)
            raise ConfigError(Problem(where, f"{shown}, but no {word} in {module}", "a class of that module", fix))
    if not isinstance(found, type):
        raise ConfigError(Problem(where, f"{shown}, which is {show(found)}", "a class"))
    return found


def read_classes(data: bytes) -> dict[str, type]:
    """Returns classes from the bytes that ``api.submit.user_classes`` made: by their recorded types.

    Raises:
        ConfigError: If they cannot be loaded.
    """
    if not data:
        return {}
    try:
        found: dict[str, type] = pickle.loads(data)
    except (Exception, SystemExit) as error:  # imports what the classes use
        allowed = "classes whose code and imports are available where the driver runs"
        fix = "Put it into one module with the class, into a script's source directory, or into an installed package."
        raise ConfigError(Problem("policy, sampling", reason(error), allowed, fix)) from error
    for name, kind in found.items():
        kind.__qualname__ = name.partition(":")[2]  # cloudpickle forgets what is around a class
    return found


def needs_classes(config: RunConfig) -> bool:
    """Whether a recorded configuration has a policy or sampling whose class is not raydrive's own."""
    return isinstance(config.policy, RecordedPolicy) or isinstance(config.sampling, RecordedSampling)


def run_classes(config: RunConfig, layout: RunLayout, cache: Path) -> UserClasses:
    """Returns the classes that came with a run. Executes the run's code.

    Args:
        config: The run's configuration.
        layout: The run.
        cache: A folder of this node, where the code is unpacked; files in it are left there.

    Raises:
        ConfigError: If the classes that travelled by value cannot be loaded.
        StorageError: If the run's code cannot be read.
    """
    mended = layout.read_classes_code()
    by_value = load_function(layout, config.classes_sha256) if config.classes_sha256 and not mended else b""
    code = mended or (config.trial.code_sha256 if config.trial.kind != "function" else "")
    return UserClasses(read_classes(by_value), unpack_code(layout, code, cache) if code else None)


def with_classes(config: RunConfig, layout: RunLayout, cache: Path) -> RunConfig:
    """Returns a recorded configuration whose policy and sampling can judge and sample. Executes the run's code.

    Args:
        config: What ``RunConfig.from_json`` returned.
        layout: The run.
        cache: As for ``run_classes``.

    Raises:
        UserCodeError: If a class cannot be loaded, or does not take the recorded parameters.
        StorageError: If the run's code cannot be read.
    """
    return class_filler(config, layout, cache)(config) if needs_classes(config) else config


def class_filler(config: RunConfig, layout: RunLayout, cache: Path) -> Callable[[RunConfig], RunConfig]:
    """Returns what puts the objects of a run's own classes in the place of their records. Executes the run's code.

    Args:
        config: The recorded configuration of the run.
        layout: The run.
        cache: As for ``run_classes``.

    Raises:
        UserCodeError: If its code cannot be loaded; what is returned raises it for records that a class does not take.
        StorageError: If the run's code cannot be read.
    """

    def filled_in(recorded: RunConfig) -> RunConfig:
        try:
            return classes.filled_in(recorded)
        except ConfigError as error:
            raise UserCodeError(f"the run's own classes cannot be loaded: {'; '.join(error.lines())}") from error

    try:
        classes = run_classes(config, layout, cache)
    except ConfigError as error:
        raise UserCodeError(f"the run's own classes cannot be loaded: {'; '.join(error.lines())}") from error
    return filled_in


def record_failure(layout: RunLayout, error: RaydriveError) -> None:
    """Writes why a driver did not begin to the run's heartbeat, where readers look for it.

    Raises:
        StorageError: If that cannot be written.
    """
    beat = replace(read_heartbeat(layout), state=INTERRUPTED, at=time.time(), trouble=str(error))
    layout.write_driver(dump_heartbeat(beat.to_json()))
