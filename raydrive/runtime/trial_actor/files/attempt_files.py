"""The files of trials on one node: unpacked code, working directories, logs, and the way of outputs to the storage."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from raydrive.core.config.trial_spec import TrialConfig
from raydrive.core.errors import RefusedFileError, StorageError
from raydrive.runtime.gang.node_files import while_training
from raydrive.runtime.node_cache import evict_old_caches, is_held, lock_run_cache
from raydrive.runtime.private_folder import private_folder
from raydrive.runtime.trial_actor.environment import node_environment
from raydrive.runtime.trial_actor.files.leftovers import sizes_of
from raydrive.runtime.trial_actor.files.reusable_workdir import ReusableWorkdir, make_folder
from raydrive.runtime.trial_actor.files.temporary_folder import TemporaryFolder
from raydrive.storage.code_snapshot import PUBLISHED, load_function, make_workdir, unpack_code
from raydrive.storage.folder.base import Folder, failure
from raydrive.storage.folder.contained import is_contained, open_within, remove_tree
from raydrive.storage.folder.open import open_folder
from raydrive.storage.input_cache import fetch_input
from raydrive.storage.run_layout import RunLayout, log_order, rank_log
from raydrive.storage.uploads import LogUploader

TAIL_BYTES = 4096
"""Bytes at the end of a failed attempt's log in which its last words are looked for."""
LONG_TAIL_BYTES = 64 * 1024
"""The same where many lines are asked for: XLA prints its largest buffers after the message that memory ran out."""
OURS = "raydrive: "
"""Begins lines of ours in a log."""


@dataclass(frozen=True, slots=True)
class ProcessLog:
    """The log of one process of several on this node."""

    path: Path
    uploader: LogUploader | None
    """Uploads it to a storage that is not local; None when it is written there directly."""

    def changed(self, start: int) -> None:
        """Notes that it is another one from this byte on, since it was cut."""
        if self.uploader is not None:
            self.uploader.rewind(start)


@dataclass(frozen=True, slots=True)
class Prepared:
    """The files of one attempt."""

    cwd: Path
    """Working directory: the code, ``outputs`` and ``logs``. Removed when the attempt has ended."""
    files: Path
    """Holds ``outputs`` and ``logs``: the trial's folder in the storage, or a local stand-in for it."""
    log: Path
    """What the process writes to stdout and stderr."""
    uploader: LogUploader | None
    """Uploads the log to a storage that is not local; None when it is written there directly."""
    layout: RunLayout
    trial: int
    scratch: Path
    """Folder of this attempt on this node, beside the working directory. Removed when the attempt has ended."""
    home: Path
    """The run's folder on this node, in which all of that is."""
    code: Path | None
    """The snapshot that the working directory was made from; None without code."""
    keep: tuple[str, ...]
    """Patterns of what is kept of the working directory."""
    workdir: ReusableWorkdir | None = None
    """Holds ``cwd`` and ``scratch``, and is kept for the next attempt where this one left nothing there."""
    put_back: Callable[[ReusableWorkdir], None] = lambda workdir: None
    """Takes the working directory when it is free again."""
    node_rank: int = 0
    """Number of this node among those of the trial."""
    more_logs: tuple[ProcessLog, ...] = ()
    """The logs of the further processes on this node, beside ``log``, which is the first one's."""
    order: ProcessLog | None = None
    """The order in which the logs of this node were written; None where the trial has one process."""

    @property
    def staging(self) -> Path:
        """Where training puts checkpoints."""
        return self.scratch / "checkpoints"

    @property
    def outputs(self) -> Path:
        """Folder of ``./outputs``."""
        return self.files / "outputs"

    @property
    def within(self) -> tuple[Path, ...]:
        """Where links of the trial may lead: the run's folders, here and (where it is local) in the storage."""
        storage = self.layout.folder.local_path
        return (self.home,) if storage is None else (storage, self.home)

    def sync_log(self) -> None:
        """Uploads what is new in the log to a storage that is not local.

        Raises:
            StorageError: If it cannot be written.
        """
        logs = (*self.more_logs, *((self.order,) if self.order is not None else ()))
        for uploader in (self.uploader, *(one.uploader for one in logs)):
            if uploader is not None:
                uploader.sync()

    @property
    def log_folder(self) -> Folder:
        """The attempt's folder in the storage, with its log."""
        return self.uploader.folder if self.uploader is not None else open_folder(self.log.parent)

    @property
    def process_logs(self) -> dict[int, Path]:
        """The log of each process on this node, by rank."""
        logs = [self.log, *(one.path for one in self.more_logs)]
        first = self.node_rank * len(logs)
        return dict(enumerate(logs, first))

    def is_bare(self) -> bool:
        """Whether nothing was left in the working directory; one with code holds that at least."""
        return self.workdir is not None and self.workdir.is_as_made()

    def log_changed(self, start: int) -> None:
        """Notes that the log is another one from this byte on, since it was cut."""
        if self.uploader is not None:
            self.uploader.rewind(start)

    def last_lines(self, process: int = 0, most: int = 1) -> list[str]:
        """Returns the last lines of a log that say something, in order; none where it cannot be read.

        Args:
            process: Index of the process on this node.
            most: At most this many.
        """
        log = self.more_logs[process - 1].path if process else self.log
        tail = TAIL_BYTES if most == 1 else LONG_TAIL_BYTES
        try:
            with open(open_within(self.within, log), "rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - tail))
                lines = file.read(tail).decode("utf-8", "replace").splitlines()
        except (OSError, RefusedFileError):
            return []
        said = [line.strip() for line in lines if line.strip()]
        # A notice of ours that was added when the process had ended is not why it failed.
        return ([line for line in said if not line.startswith(OURS)] or said)[-most:]

    def last_words(self, process: int = 0) -> str:
        """Returns the last line of a log that says something: of a Python traceback, the exception.

        Args:
            process: Index of the process on this node.
        """
        return "".join(self.last_lines(process))

    def note(self, text: str) -> None:
        """Adds a line of ours to the trial's log."""
        with contextlib.suppress(OSError, RefusedFileError):
            log = open_within(self.within, self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            with open(log, "a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(f"{OURS}{text}\n")

    def log_trouble(self) -> str:
        """Returns why the log is no longer read: the trial has put something else in its place; else empty."""
        with contextlib.suppress(OSError):  # the script may have removed it
            try:
                os.close(open_within(self.within, self.log))
            except RefusedFileError as error:
                return f"its log is no longer read: {error}"
        return ""

    def clean(self, *, bare: bool = False, stays: Sequence[Path] = ()) -> None:
        """Removes what only this attempt needed on this node.

        Args:
            bare: Whether ``is_bare`` was found.
            stays: Folders that are not removed.
        """
        if self.workdir is None:
            if self.cwd not in stays:
                _remove(self.cwd, PUBLISHED, ())
            _remove(self.scratch, (), (self.staging.name,))
        elif bare or (self.cwd not in stays and self.workdir.clear()):
            self.put_back(self.workdir)
        if self.uploader is not None and self.files not in stays:
            remove_tree(self.files)


def _remove(folder: Path, links: tuple[str, ...], folders: tuple[str, ...]) -> None:
    """Removes a folder; fast when it holds nothing but what was made in it before the attempt began."""
    path = str(folder)
    try:
        for name in links:
            os.unlink(f"{path}/{name}")
        for name in folders:
            os.rmdir(f"{path}/{name}")
        os.rmdir(path)
    except OSError:
        remove_tree(folder)


class TrialFiles:
    """Makes the files of a run's attempts on this node.

    Args:
        uri: The run folder.
        config: What the run's trials need of its configuration.
    """

    def __init__(self, uri: str, config: TrialConfig) -> None:
        self._layout = RunLayout.open(uri)
        self._root = private_folder() / self._layout.key
        self._spec = config.trial
        self._code: Path | None = None
        self._function: Path | None = None
        self._work = self._root / "work"
        self._held: int | None = None
        self._free_workdirs: list[ReusableWorkdir] = []
        self._code_files: list[str] = []
        """Paths of the unpacked code's files."""
        self.link = _place_in_memory()
        """Where the link of a reusable working directory to its trial is made; the process that ends last removes it.
        None = there is no such place."""
        self.temporary = TemporaryFolder()

    @property
    def to_remove(self) -> list[str]:
        """Paths that the process that ends last removes."""
        return [self.temporary.path, *([str(self.link)] if self.link else [])]

    def use_python(self, python: str) -> None:
        """Makes trials use the interpreter that was built for them, an absolute path."""
        self._spec = dataclasses.replace(self._spec, python=python)

    def environment(self, secrets: Mapping[str, str]) -> dict[str, str]:
        """Returns what training processes inherit from this node.

        Args:
            secrets: Variables that the storage does not hold.
        """
        return node_environment(self._spec, folder=self._root, base=self._code, secrets=secrets)

    async def clear_temporary(self) -> None:
        """Removes what a trial has left in its temporary folder."""
        if not self.temporary.is_empty():
            await asyncio.get_running_loop().run_in_executor(None, self.temporary.clear)

    @property
    def root(self) -> Path:
        """The run's folder on this node."""
        return self._root

    @property
    def code_dir(self) -> Path | None:
        """The unpacked snapshot, once ``unpack`` was called; None when the run has none."""
        return self._code

    @property
    def function_path(self) -> Path:
        """The pickled function on this node.

        Raises:
            StorageError: If the run has none.
        """
        if self._function is None:
            raise StorageError(f"run {self._layout.run_id} has no function")
        return self._function

    def unpack(self) -> None:
        """Fetches the code of the run to this node.

        Raises:
            StorageError: If it is missing or damaged.
        """
        if self._held is not None and not self.is_held():
            os.close(self._held)
            self._held = None
        if self._held is None:
            self._root = private_folder() / self._root.name  # with the rights it has to have, where all of it is gone
            self._work = self._root / "work"
            self._held = lock_run_cache(self._root)
            evict_old_caches(self._root.parent)
        self._work.mkdir(parents=True, exist_ok=True)
        sha256 = self._spec.code_sha256
        if not sha256:
            return
        if self._spec.kind == "function":
            self._function = self._root / f"{sha256}.pkl"
            data = load_function(self._layout, sha256)
            partial = self._root / f".{sha256}.{secrets.token_hex(4)}"
            partial.write_bytes(data)
            partial.rename(self._function)  # another actor of this node may be reading it
        else:
            if self._code is not None and not self._code_is_whole():
                remove_tree(self._code)
            self._code = unpack_code(self._layout, sha256, self._root / "code")
            sizes_of(self._code)  # before a trial can change it
            self._code_files = _files_below(self._code)

    def is_held(self) -> bool:
        """Whether the run's folder on this node is still the one that ``unpack`` made."""
        return self._held is not None and is_held(self._held, self._root)

    def is_whole(self) -> bool:
        """Whether what ``unpack`` brought is still there: cleaners of ``/tmp`` delete files and folders alike."""
        if not self.is_held() or not self._work.is_dir():
            return False
        if self._function is not None:
            return self._function.is_file()
        return self._code is None or self._code_is_whole()

    def _code_is_whole(self) -> bool:
        return all(map(os.path.lexists, self._code_files))

    def inputs(self) -> dict[str, str]:
        """Returns the values of ``${{inputs.x}}`` on this node; what stands elsewhere is brought here, once per run.

        Raises:
            StorageError: If something cannot be brought here whole.
        """
        return {
            name: str(fetch_input(value, self._root / "inputs", folder=self._spec.fetched[name] == "folder"))
            if name in self._spec.fetched
            else value
            for name, value in self._spec.inputs.items()
        }

    def prepare(self, trial: int, attempt: int, node_rank: int = 0, processes: int = 1, nodes: int = 1) -> Prepared:
        """Makes the working directory of an attempt; ``outputs`` and ``logs`` exist in it.

        Args:
            trial: Number of the trial.
            attempt: Number of the attempt.
            node_rank: Number of this node among those of the trial.
            processes: Training processes of the trial on each node.
            nodes: Nodes of the trial.

        Raises:
            StorageError: If something cannot be made.
        """
        self.temporary.make()
        name = f"{trial:05d}-{attempt}-{secrets.token_hex(2)}"
        local = self._layout.trial(trial).local_path
        files = self._root / "files" / name if local is None else while_training(local, node_rank)
        if local is not None and not is_contained([str(self._layout.folder.local_path)], str(local)):
            raise RefusedFileError(
                f"cannot use {local}: another trial has created a link there that leads out of the run's"
            )
        workdir = self._bound_workdir(name, files) if self._code is None else None
        cwd = workdir.cwd if workdir else make_workdir(self._code, self._work / name, files / "outputs", files / "logs")
        log_folder = f"{local}/attempt-{attempt}" if local is not None else str(files)
        make_folder(log_folder)
        first = node_rank * processes
        names = list(map(rank_log, range(first, first + processes)))
        mpi = self._spec.distribution == "mpi"
        if mpi and node_rank:  # what its ranks print comes to the first node
            names = [f"mpi_node_{node_rank}.txt"]
        log, *more = (self._log(log_folder, trial, attempt, name) for name in names)
        several = nodes * processes > 1 and not mpi
        order = self._log(log_folder, trial, attempt, log_order(node_rank)) if several else None
        scratch = workdir.scratch if workdir else self._root / "scratch" / name
        if workdir is None:
            (scratch / "checkpoints").mkdir(parents=True)
        rest = (self._root, self._code, self._spec.keep, workdir, self._free_workdirs.append)
        place = (cwd, files, log.path, log.uploader, self._layout, trial, scratch)
        return Prepared(*place, *rest, node_rank=node_rank, more_logs=tuple(more), order=order)

    def _log(self, folder: str, trial: int, attempt: int, name: str) -> ProcessLog:
        path, in_storage = Path(f"{folder}/{name}"), self._layout.attempt(trial, attempt)
        if self._layout.folder.local_path is not None:
            return ProcessLog(path, None)
        return ProcessLog(path, LogUploader(path, in_storage, (self._root,), name))

    def _bound_workdir(self, name: str, files: Path) -> ReusableWorkdir:
        """A free working directory, bound to the trial whose files these are.

        Raises:
            StorageError: If it cannot be made.
        """
        while (
            self._free_workdirs and not self._free_workdirs[-1].is_as_made()
        ):  # another process has removed it while it was free
            self._free_workdirs.pop().remove()
        try:
            if self.link is not None and not self.link.parent.is_dir():
                self.link = _place_in_memory(self.link.name)
            workdir = (
                self._free_workdirs.pop() if self._free_workdirs else ReusableWorkdir(self._work / name, self.link)
            )
            try:
                workdir.bind(files)
            except OSError:  # memory may be full, of what others keep there
                workdir.remove()
                workdir = ReusableWorkdir(self._work / name)
                workdir.bind(files)
        except OSError as error:
            raise failure("make the working directory", str(self._work / name), error) from error
        return workdir


def _files_below(folder: Path) -> list[str]:
    """Paths of the files below a folder, without those that Python itself adds."""
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        found += [os.path.join(place, name) for name in files]
    return found


def _place_in_memory(name: str = "") -> Path | None:
    """A path for a link where making and deleting one costs nothing; None where there is no such place."""
    try:
        return private_folder("/dev/shm") / (name or f"{os.getpid()}-{secrets.token_hex(4)}")
    except OSError:
        return None
