"""Where runs are kept and where they are executed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raydrive.api.argument_types import CONFIG, WORKSPACE
from raydrive.core.argument_checks import CALLABLE, NOTHING, TEXT, checks_arguments
from raydrive.core.errors import ConfigError, Problem, RaydriveError, did_you_mean, show
from raydrive.core.toml_text import toml_values
from raydrive.storage.folder.current import current_folder

if TYPE_CHECKING:
    from raydrive.api.config import HyperDriveConfig
    from raydrive.api.run import HyperDriveRun
    from raydrive.api.submit.submission import Submission

DEFAULT_STORAGE = "~/raydrive"
CONFIG_FILE = "raydrive.toml"
_KEYS = ("storage", "address")
_OTHER_KEYS = (
    "seed",
    "resources",
    "python",
    "allow_pip_install",
    "preload",
    "grace_s",
    "reuse_actors",
    "max_attempts",
    "keep",
    "keep_checkpoints",
    "resume_argument",
    "lease_s",
    "first_failures",
    "max_losses",
    "storage_patience_s",
    "log_limit",
    "environment_variables",
    "secrets",
    "metrics",
    "input_mapping",
)
"""Site settings that sweep files are laid under; a workspace has no use for them."""


@checks_arguments(run=TEXT, unreadable=CALLABLE | NOTHING)
class Workspace:
    """A storage URI and a Ray address.

    Args:
        storage: Folder or URI below which runs are kept; None = ``RAYDRIVE_STORAGE``, then ``~/raydrive``.
        address: ``auto``, ``HOST:PORT``, ``http://HOST:8265`` (the dashboard; storage must be shared) or ``local``;
            None = ``RAY_ADDRESS``, then an embedded local cluster.
    """

    def __init__(self, storage: str | os.PathLike[str] | None = None, address: str | None = None) -> None:
        chosen = os.environ.get("RAYDRIVE_STORAGE") or DEFAULT_STORAGE if storage is None else os.fspath(storage)
        self.storage = chosen
        self.address = address

    @classmethod
    def from_config(cls, path: str | os.PathLike[str] | None = None) -> Workspace:
        """Returns the workspace of ``raydrive.toml`` in this folder or one above it; the environment wins.

        Args:
            path: Another file.

        Raises:
            ConfigError: If the file cannot be read or holds an unknown key.
        """
        settings = read_settings(path)
        storage = os.environ.get("RAYDRIVE_STORAGE") or settings.get("storage")
        return cls(storage, os.environ.get("RAY_ADDRESS") or settings.get("address"))

    def experiments(self) -> list[str]:
        """Returns the names of the experiments, sorted.

        Raises:
            StorageError: If the storage cannot be read.
        """
        return sorted({entry.experiment for entry in self._entries()})

    def runs(
        self, experiment: str | None = None, *, unreadable: Callable[[str, RaydriveError], None] | None = None
    ) -> Iterator[HyperDriveRun]:
        """Yields the runs, newest first.

        Args:
            experiment: Only those of one experiment.
            unreadable: Gets id and error of each run that cannot be read, so that the others follow; None raises.

        Raises:
            StorageError: If the storage cannot be read.
        """
        from raydrive.api.run import HyperDriveRun

        for entry in self._entries():
            if experiment not in (None, entry.experiment):
                continue
            try:
                run = HyperDriveRun.open(entry.uri)
            except RaydriveError as error:
                if unreadable is None:
                    raise
                unreadable(entry.run_id, error)
                continue
            yield run

    def get_run(self, run: str) -> HyperDriveRun:
        """Returns a run by its id, a unique prefix of it, ``last``, or the path or URI of its folder.

        Raises:
            RunNotFoundError: If no run, or more than one, answers to it.
            StorageError: If the storage cannot be read.
        """
        from raydrive.api.run import HyperDriveRun
        from raydrive.storage.run_layout import find_run

        return HyperDriveRun.open(find_run(self.storage, run).uri)

    def _entries(self) -> list[Any]:
        from raydrive.storage.run_layout import list_runs

        return sorted(list_runs(self.storage), key=lambda entry: entry.created, reverse=True)

    def __repr__(self) -> str:
        return f"Workspace(storage={self.storage!r}, address={self.address!r})"


@checks_arguments(workspace=WORKSPACE, config=CONFIG)
class Experiment:
    """A name that groups runs.

    Args:
        workspace: Where its runs are kept and executed.
        name: A name that can be a folder name.
    """

    def __init__(self, workspace: Workspace, name: str) -> None:
        self.workspace = workspace
        self.name = name

    def submit(self, config: HyperDriveConfig | Submission) -> HyperDriveRun:
        """Starts a run and returns at once.

        Args:
            config: What to run.

        Raises:
            ConfigError: If the configuration cannot be used.
            StorageError: If the run folder cannot be written.
            ClusterError: If Ray cannot be reached or could never satisfy the request.
        """
        from raydrive.api.run import HyperDriveRun
        from raydrive.api.submit.launch import launch
        from raydrive.api.submit.submission import Submission

        submission = config if isinstance(config, Submission) else config.to_submission(self.name)
        return HyperDriveRun(launch(submission, storage=self.workspace.storage, address=self.workspace.address))

    def get_runs(self) -> Iterator[HyperDriveRun]:
        """Yields the runs of the experiment, newest first."""
        return self.workspace.runs(self.name)

    def __repr__(self) -> str:
        return f"Experiment({self.workspace!r}, {self.name!r})"


def read_settings(path: str | os.PathLike[str] | None = None) -> Mapping[str, str]:
    """Returns ``storage`` and ``address`` from ``raydrive.toml``; nothing when there is no such file.

    Args:
        path: The file; None looks in this folder and those above it.

    Raises:
        ConfigError: If the file cannot be read or holds an unknown key.
    """
    file = Path(path) if path is not None else nearest_settings()
    if file is None:
        return {}
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise ConfigError(Problem(str(file), str(error), "a TOML file with 'storage' and 'address'")) from error
    raw = toml_values(text, str(file))
    below = raw.get("raydrive", raw)
    if not isinstance(below, dict):
        raise ConfigError(Problem("raydrive", show(below), "a table of settings", place=str(file)))
    raw = below
    known = [*_KEYS, *_OTHER_KEYS]
    problems = [
        Problem(f"{file}: {key}", show(value), ", ".join(known), did_you_mean(key, known))
        for key, value in raw.items()
        if key not in known or (key in _KEYS and not isinstance(value, str))
    ]
    if problems:
        raise ConfigError(problems)
    return {key: raw[key] for key in _KEYS if key in raw}


def nearest_settings() -> Path | None:
    """Returns the ``raydrive.toml`` of this folder or the nearest one above it, None when there is none.

    Raises:
        ConfigError: If this folder was deleted.
    """
    here = current_folder()
    return next(
        (folder / CONFIG_FILE for folder in (here, *here.parents) if os.path.isfile(folder / CONFIG_FILE)), None
    )
