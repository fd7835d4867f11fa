"""Where runs are stored and where they are executed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from raydrive.api.argument_types import CONFIG, WORKSPACE
from raydrive.core.argument_checks import CALLABLE, NOTHING, TEXT, checks_arguments
from raydrive.core.errors import RaydriveError
from raydrive.settings.nearest import DEFAULT_STORAGE, read_place

if TYPE_CHECKING:
    from raydrive.api.config import HyperDriveConfig
    from raydrive.api.run import HyperDriveRun
    from raydrive.api.submit.submission import Submission


@checks_arguments(run=TEXT, unreadable=CALLABLE | NOTHING)
class Workspace:
    """A storage URI and a Ray address.

    Args:
        storage: Folder or URI where runs are stored; None = ``RAYDRIVE_STORAGE``, then ``~/raydrive``.
        address: ``auto``, ``HOST:PORT``, ``http://HOST:8265`` (the dashboard; storage must be shared) or ``local``;
            None = ``RAY_ADDRESS``, then an embedded local cluster.
        plain_ray: True = leave Ray's private parts as they are; an embedded cluster then starts more slowly. The
            variable ``RAYDRIVE_PLAIN_RAY`` overrides it.
    """

    def __init__(
        self,
        storage: str | os.PathLike[str] | None = None,
        address: str | None = None,
        plain_ray: bool | None = None,
    ) -> None:
        chosen = os.environ.get("RAYDRIVE_STORAGE") or DEFAULT_STORAGE if storage is None else os.fspath(storage)
        self.storage = chosen
        self.address = address
        self.plain_ray = plain_ray

    @classmethod
    def from_config(cls, path: str | os.PathLike[str] | None = None) -> Workspace:
        """Returns the workspace of ``raydrive.toml`` in this folder or one above it; the environment wins.

        Args:
            path: Another file.

        Raises:
            ConfigError: If the file cannot be read or something in it is wrong; all problems at once.
        """
        place = read_place(path)
        storage = os.environ.get("RAYDRIVE_STORAGE") or place.storage
        return cls(storage, os.environ.get("RAY_ADDRESS") or place.address, place.plain_ray)

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
        from raydrive.api.run import HyperDriveRun  # lazy: raydrive.api.run, 0.08 s

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
        from raydrive.api.run import HyperDriveRun  # lazy: raydrive.api.run, 0.08 s
        from raydrive.storage.run_layout import find_run  # lazy: raydrive.storage.run_layout, 0.01 s

        return HyperDriveRun.open(find_run(self.storage, run).uri)

    def _entries(self) -> list[Any]:
        from raydrive.storage.run_layout import list_runs  # lazy: raydrive.storage.run_layout, 0.01 s

        return sorted(list_runs(self.storage), key=lambda entry: entry.created, reverse=True)

    def __repr__(self) -> str:
        return f"Workspace(storage={self.storage!r}, address={self.address!r})"


@checks_arguments(workspace=WORKSPACE, config=CONFIG)
class Experiment:
    """A name that groups runs.

    Args:
        workspace: Where its runs are stored and executed.
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
        from raydrive.api.run import HyperDriveRun  # lazy: raydrive.api.run, 0.08 s
        from raydrive.api.submit.launch import launch  # lazy: raydrive.api.submit.launch, 0.08 s
        from raydrive.api.submit.submission import Submission  # lazy: raydrive.api.submit.submission, 0.05 s

        submission = config if isinstance(config, Submission) else config.to_submission(self.name)
        where = self.workspace
        found = launch(submission, storage=where.storage, address=where.address, plain_ray=where.plain_ray)
        return HyperDriveRun(found)

    def get_runs(self) -> Iterator[HyperDriveRun]:
        """Yields the runs of the experiment, newest first."""
        return self.workspace.runs(self.name)

    def __repr__(self) -> str:
        return f"Experiment({self.workspace!r}, {self.name!r})"
