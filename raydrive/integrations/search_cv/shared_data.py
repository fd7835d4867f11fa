"""What all candidates are fitted on, once: a file below the storage, which each node maps into memory read-only.

Trials of one node share the pages of that file; what they copy out of it for a fold is their own. From a storage that
is not a file system each node fetches the file once.
"""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib

from raydrive import variables, wire
from raydrive.core.errors import ConfigError, Problem
from raydrive.storage.folder.base import redact
from raydrive.storage.folder.open import open_folder
from raydrive.storage.folder.uris import within

INPUT = "data"
"""Name of the input of a trial that stands for the file."""
MAPPED_BYTES = 1_000_000
"""A smaller file is read into memory of the process's own."""
_FOLDER, _FILE = ".search-data", "data.joblib"


@dataclass(frozen=True)
class SharedData:
    """What all candidates are fitted on."""

    X: Any
    """Samples: whatever the estimator takes, of length n_samples."""
    y: Any
    """Targets, of length n_samples; None without."""
    splits: Sequence[tuple[Any, Any]]
    """Indices of the training and of the test samples of each fold."""
    fit_params: Mapping[str, Any]
    """Further arguments of ``fit``."""
    score_params: Mapping[str, Any]
    """Further arguments of the scorer."""


@dataclass(frozen=True)
class StoredData:
    """Where the file is."""

    uri: str
    local: bool
    """Whether each node reads the file at this path, in a file system that all of them have."""

    @property
    def inputs(self) -> dict[str, str]:
        """The input of a run's trials."""
        return {INPUT: self.uri}

    @property
    def fetched(self) -> dict[str, str]:
        """Which inputs are fetched to a node first."""
        return {} if self.local else {INPUT: "file"}


@contextlib.contextmanager
def stored(data: SharedData, storage: str | os.PathLike[str]) -> Iterator[StoredData]:
    """Writes the file; it is removed when the block ends, but for a ``KeyboardInterrupt``: such a run can be resumed.

    Args:
        data: What the file holds.
        storage: The workspace's storage.

    Raises:
        ConfigError: If the storage's URI has keys or passwords.
        StorageError: If it cannot be written.
        OSError: The same, on a mounted file system.
    """
    folder = open_folder(storage).child(_FOLDER, secrets.token_hex(8))
    if "***" in redact(folder.uri):
        fix = "Set credentials in the environment or use the machines' identity: the URI is recorded with the run."
        raise ConfigError(Problem("storage", redact(os.fspath(storage)), "a URI without keys or passwords", fix))
    keep = False
    try:
        if folder.local_path is not None:
            folder.local_path.mkdir(parents=True)
            path = folder.local_path / _FILE
            joblib.dump(data, path)
            yield StoredData(str(path), local=True)
        else:
            with tempfile.TemporaryDirectory() as temporary:
                joblib.dump(data, Path(temporary) / _FILE)
                folder.put_file(Path(temporary) / _FILE, _FILE)
            yield StoredData(within(folder.uri, _FILE), local=False)
    except KeyboardInterrupt:
        keep = True
        raise
    finally:
        _loaded.cache_clear()  # where the candidates were evaluated here
        if not keep:
            folder.delete_tree()


def load(path: str) -> SharedData:
    """Returns what a file holds, its numpy arrays mapped into memory read-only where it is large.

    Args:
        path: The file; empty = that of the trial of this process.

    Raises:
        OSError: If it cannot be read.
    """
    path = path or variables.read(wire.INPUTS, "{}")[INPUT]
    return _loaded(path)


@functools.lru_cache(maxsize=1)  # a process evaluates one candidate after the other
def _loaded(path: str) -> SharedData:
    mapped = os.path.getsize(path) > MAPPED_BYTES
    data: SharedData = joblib.load(path, mmap_mode="r" if mapped else None)
    return data
