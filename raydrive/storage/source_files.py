"""Which files of a source directory belong to its snapshot."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from raydrive.core.errors import ConfigError, Problem
from raydrive.storage.folder.names import is_text, legible

IGNORE_FILES = (".raydriveignore", ".amlignore", ".gitignore")
"""The first of these that exists at the top of the source directory says what is left out."""
ALWAYS_IGNORED = frozenset({".git", "__pycache__", ".venv", "venv"})
MAX_BYTES = 300 << 20
MAX_DEPTH = 100
"""Folders in one another, at most."""
MAX_FILES = 2000
"""HyperDrive's limits on a snapshot."""
_WHERE = "source_directory"
_HARD_STOP = 50  # times the limit on files: a home directory given by mistake is not walked to its end


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of a snapshot."""

    name: str
    """Relative to the source directory, with slashes."""
    path: str
    size: int
    mode: int
    """Permission bits."""


@dataclass(slots=True)
class SourceFiles:
    """What a snapshot holds."""

    files: list[SourceFile] = field(default_factory=list)
    """Sorted by name."""
    empty_folders: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes in total."""
        return sum(file.size for file in self.files)


def collect(
    root: Path, *, exclude: Iterable[Path] = (), max_bytes: int = MAX_BYTES, max_files: int = MAX_FILES
) -> SourceFiles:
    """Returns the files of a source directory that are not ignored.

    Links are followed where they lead to something inside; the snapshot then has a copy. Links that lead outside, in
    circles or nowhere are refused: the same code must run on another node.

    Args:
        root: The directory, absolute.
        exclude: Real paths of folders to leave out.
        max_bytes: Limit on the files' bytes in total.
        max_files: Limit on the number of files.

    Raises:
        ConfigError: If ``root`` is not a directory.
        ConfigError: If it has links, sockets or unreadable files that cannot be packed; lists all of them.
        ConfigError: If a limit is passed; names the largest files and folders.
    """
    if not root.is_dir():
        found = f"{root} is a file" if root.exists() else f"{root} does not exist"
        raise ConfigError(Problem(_WHERE, found, "a directory"))
    walk = _Walk(root, frozenset(map(str, exclude)), max_files * _HARD_STOP)
    walk.folder(str(root), "", (os.path.realpath(root),))
    if walk.problems:
        raise ConfigError(walk.problems)
    source = walk.source
    source.files.sort(key=lambda file: file.name)
    source.empty_folders.sort()
    if source.size > max_bytes or len(source.files) > max_files:
        raise ConfigError(_too_much(root, source, max_bytes, max_files))
    return source


class _Walk:
    """One pass over a source directory."""

    def __init__(self, root: Path, exclude: frozenset[str], stop_at: int) -> None:
        self.source = SourceFiles()
        self.problems: list[Problem] = []
        self._base = os.path.realpath(root)
        self._exclude = exclude
        self._stop_at = stop_at
        self._ignored = _ignore_rules(root)

    def folder(self, path: str, name: str, above: tuple[str, ...]) -> None:
        """Collects a folder.

        Args:
            path: Where it is.
            name: Its name in the snapshot with a slash at the end; empty for the top.
            above: Real paths of this folder and those it was reached through: a link to one of them is a circle.
        """
        count = 0
        try:
            with os.scandir(path) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self._refuse(name or ".", f"cannot be read ({error.strerror})", "Make it readable")
            return
        for entry in found:
            if len(self.source.files) < self._stop_at:
                count += self._entry(entry, name, above)
        if not count and name:
            self.source.empty_folders.append(name.rstrip("/"))

    def _entry(self, entry: os.DirEntry[str], folder: str, above: tuple[str, ...]) -> int:
        """Collects one name; returns whether it belongs to the snapshot."""
        name = folder + entry.name
        if not is_text(entry.name) and not self._ignored(legible(name)):
            self._refuse(legible(name), "has a name that is not UTF-8", "Rename it")
            return 1
        try:
            status = entry.stat()
        except OSError as error:
            if self._ignored(name):
                return 0
            broken = f"is a link to {os.readlink(entry.path)!r}, which does not exist" if entry.is_symlink() else ""
            self._refuse(name, broken or f"cannot be read ({error.strerror})", "Remove it")
            return 0
        is_folder = stat.S_ISDIR(status.st_mode)
        if (is_folder and entry.name in ALWAYS_IGNORED) or self._ignored(name + "/" * is_folder):
            return 0
        real = os.path.realpath(entry.path) if entry.is_symlink() else f"{above[-1]}/{entry.name}"
        if real in self._exclude:
            return 0
        if entry.is_symlink() and real != self._base and not real.startswith(self._base + "/"):
            self._refuse(name, f"is a link that leads outside, to {real}", "Copy what is needed into the directory")
        elif is_folder and len(above) > MAX_DEPTH:
            self._refuse(name, f"is below {MAX_DEPTH} folders", "Use fewer nested folders")
        elif is_folder and real in above:
            self._refuse(name, f"is a link to a folder that contains it, {real}", "Remove it")
        elif is_folder:
            self.folder(entry.path, name + "/", (*above, real))
        elif not stat.S_ISREG(status.st_mode):
            self._refuse(name, "is a socket, pipe or device", "Remove it")
        elif not os.access(entry.path, os.R_OK):
            self._refuse(name, "cannot be read (Permission denied)", "Make it readable")
        else:
            self.source.files.append(SourceFile(name, entry.path, status.st_size, status.st_mode & 0o777))
        return 1

    def _refuse(self, name: str, found: str, fix: str) -> None:
        allowed = "files and folders, and links to them inside the directory"
        self.problems.append(Problem(f"{_WHERE}/{name}", found, allowed, f"{fix}, or name it in .raydriveignore."))


def _ignore_rules(root: Path) -> Callable[[str], bool]:
    import pathspec  # lazy: pathspec, 0.009 s

    for name in IGNORE_FILES:
        path = root / name
        try:
            text = path.read_text("utf-8")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(Problem(f"{_WHERE}/{name}", str(error), "a readable text file in UTF-8")) from error
        try:
            return pathspec.GitIgnoreSpec.from_lines(text.splitlines()).match_file
        except ValueError as error:
            allowed = "patterns in the syntax of .gitignore"
            raise ConfigError(Problem(f"{_WHERE}/{name}", str(error), allowed)) from error
    return lambda _: False


def _too_much(root: Path, source: SourceFiles, max_bytes: int, max_files: int) -> Problem:
    """Returns what exceeds the limit, and what to exclude."""
    sizes: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for file in source.files:
        for folder in _folders_of(file.name):
            sizes[folder] += file.size
            counts[folder] += 1
    big = [f"{file.name} ({_human(file.size)})" for file in sorted(source.files, key=lambda file: -file.size)[:5]]
    wide = [f"{name} ({_human(size)}, {counts[name]} files)" for name, size in sizes.most_common(3)]
    many = [f"{name} ({count} files)" for name, count in counts.most_common(3)]
    found = f"{root} with {_human(source.size)} in {len(source.files)} files"
    largest = f"Largest files: {', '.join(big)}."
    folders = f" Largest folders: {', '.join(wide if source.size > max_bytes else many)}." if sizes else ""
    fix = f"{largest}{folders} List what the training does not need in {root / IGNORE_FILES[0]} (syntax of .gitignore)."
    return Problem(_WHERE, found, f"at most {_human(max_bytes)} and {max_files} files", fix)


def _folders_of(name: str) -> Iterator[str]:
    at = name.find("/")
    while at >= 0:
        yield name[: at + 1]
        at = name.find("/", at + 1)


def _human(size: float) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
