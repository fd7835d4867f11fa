"""``with_data``: a training function with data that is stored once, and mapped into memory once on each node."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import os
import secrets
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from raydrive.api.submit.packaging import by_value, local_module
from raydrive.api.submit.trainable import name_of
from raydrive.core.config.run_config import RunConfig
from raydrive.core.errors import ConfigError, Problem, StorageError, show
from raydrive.storage.folder.base import Folder, redact
from raydrive.storage.folder.open import open_folder
from raydrive.storage.folder.uris import within
from raydrive.storage.shared_data import PREFIX, DataFunction, write_shared

FOLDER = ".shared-data"
"""Folder below the storage that holds the data of runs, one folder each."""


class WithData:
    """A training function and its data; made by ``with_data``.

    Args:
        function: Takes the hyperparameters, and the data by name.
        data: The data by name.
    """

    def __init__(self, function: Callable[..., object], data: Mapping[str, Any]) -> None:
        self.function = function
        self.data = dict(data)
        self.__qualname__ = name_of(function)

    def __call__(self, params: dict[str, Any]) -> object:
        """Calls the function here, with the data as it was given.

        Raises:
            Exception: What the function raises.
        """
        return self.function(params, **self.data)

    @property
    def bound(self) -> Callable[..., object]:
        """The same as a ``functools.partial``, for checks and messages."""
        return functools.partial(self.function, **self.data)

    @property
    def in_trials(self) -> DataFunction:
        """What travels to the trials: the function, without the data."""
        return DataFunction(self.function, tuple(self.data))


def with_data(function: Callable[..., object], /, **data: Any) -> WithData:
    """Returns a training function with data that all trials of a node share: ``with_data(train, X=X, y=y)``.

    Trials call ``function(params, X=..., y=...)``. The data is written below the storage once, when a run with it is
    submitted, and each node reads it once: arrays of numpy, tables of pyarrow, frames and series of pandas, and arrays
    inside anything else are mapped into memory, read-only. The files are removed when the run ends.

    Args:
        function: A training function that also takes the data by these names.
        **data: Whatever can be pickled, by name.

    Raises:
        ConfigError: If there is no data, or some of it cannot be pickled.
    """
    problems = [] if data else [Problem("with_data", "no data", "the data by name: with_data(train, X=X, y=y)")]
    ray = sys.modules.get("ray")
    problems += [
        Problem(name, "a ray.ObjectRef", "the object itself", f"Write {name}=ray.get({name}).")
        for name, value in data.items()
        if ray is not None and isinstance(value, getattr(ray, "ObjectRef", ()))
    ]
    problems += _not_taken(function, data)
    if problems:
        raise ConfigError(problems)
    return WithData(function, data)


def _not_taken(function: Callable[..., object], data: Mapping[str, Any]) -> list[Problem]:
    """A problem where a function does not take the data by these names."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return []  # no function, or a builtin without a signature: told when it is submitted
    try:
        signature.bind_partial({}, **data)
    except TypeError as error:
        name = name_of(function)
        taken = f"def {name}(params, {', '.join(data)})"
        return [Problem("with_data", f"{name}{signature} ({error})", f"a function that takes the data: {taken}")]
    return []


@contextlib.contextmanager
def stored_data(target: object, config: RunConfig, storage: str, *, by_job: bool) -> Iterator[RunConfig]:
    """Writes the data of a training function below the storage; yields the configuration with its place.

    Args:
        target: What was submitted; data is there only where it is a ``WithData``.
        config: The configuration of the run.
        storage: Folder or URI where runs are stored.
        by_job: Whether the run is started through a dashboard, whose machines may have other file systems.

    Raises:
        ConfigError: If something cannot be pickled, or the storage is of no use for it.
        StorageError: If it cannot be written. What was written is removed then, and when the block raises.
    """
    if not isinstance(target, WithData):
        yield config
        return
    if by_job and "://" not in storage and not os.path.isdir(storage):
        fix = "Name a URI such as s3://bucket/runs, or mount that folder here."
        raise ConfigError(
            Problem(
                "storage", f"{storage!r}, which is not a folder on this machine", "a function that uses the data", fix
            )
        )
    folder = open_folder(storage).child(FOLDER, secrets.token_hex(8))
    if "***" in redact(folder.uri):
        fix = "Set credentials in the environment or use the machines' identity: the URI is recorded with the run."
        raise ConfigError(Problem("storage", redact(storage), "a URI without keys or passwords", fix))
    try:
        inputs = _written(target, folder)
        fetched = {} if folder.local_path is not None else dict.fromkeys(inputs, "file")
        spec = config.trial
        trial = dataclasses.replace(
            spec, inputs={**spec.inputs, **inputs}, fetched={**spec.fetched, **fetched}, data_folder=folder.uri
        )
        yield dataclasses.replace(config, trial=trial)
    except BaseException:
        folder.delete_tree()
        raise


def _written(target: WithData, folder: Folder) -> dict[str, str]:
    """Writes the data; returns the place of each by the name of its input."""
    inputs: dict[str, str] = {}
    module = local_module(target.function)
    with contextlib.ExitStack() as stack:
        here = folder.local_path
        if here is not None:
            here.mkdir(parents=True)
        else:
            here = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="raydrive-data-")))
        stack.enter_context(by_value([module] if module is not None else []))
        for name, value in target.data.items():
            try:
                path = write_shared(value, here, name, functools.partial(_tell_pickled, name))
            except OSError as error:
                raise StorageError(f"cannot write the data {name!r} to {here}: {error}") from error
            except Exception as error:  # pickling runs the user's __reduce__: anything may come
                found = f"{show(value)} ({type(error).__name__}: {error})"
                raise ConfigError(Problem(name, found, "data that can be pickled")) from error
            if folder.local_path is None:
                folder.put_file(path, path.name)
                path.unlink()
            inputs[PREFIX + name] = str(path) if folder.local_path is not None else within(folder.uri, path.name)
    return inputs


def _tell_pickled(name: str, reason: str) -> None:
    warnings.warn(
        f"the data {name!r} is pickled, as {reason}, which Arrow cannot keep. Columns of numbers are mapped into "
        "memory all the same; other ones are loaded by each training process",
        UserWarning,
        stacklevel=2,
    )
