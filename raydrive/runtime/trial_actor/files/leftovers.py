"""Files that a script left in its working directory, which is removed with the attempt: which are kept, which are not.

``outputs`` and ``logs`` there are links to the trial's own folders. Everything else that is new, or that differs from
the code snapshot, is moved to the trial's ``kept`` folder where a pattern of ``raydrive.keep`` names it, else counted,
for a notice. Links in ``outputs`` that lead into the working directory would dangle: what they lead to
takes their place.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from raydrive.core.errors import StorageError
from raydrive.storage.code_snapshot import PUBLISHED, SMALL_BYTES
from raydrive.storage.folder.local import LocalFolder
from raydrive.storage.folder.names import legible, temporary
from raydrive.storage.kept_patterns import Patterns

MOST_NAMES = 10_000
"""Names in a working directory that are looked at, at most, where nothing is to be kept."""
_NAMED = 5
_CACHES = frozenset({"__pycache__", "venv", "node_modules", ".git", ".venv", ".nv", ".triton", ".config", ".local"})
_CACHE_TAG = "CACHEDIR.TAG"
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


@dataclass(slots=True)
class Leftovers:
    """What is new in a working directory, outside ``outputs`` and ``logs``."""

    kept: dict[str, str] = field(default_factory=dict)
    """Paths by name, of what the patterns name."""
    others: dict[str, int] = field(default_factory=dict)
    """Bytes by name, of the rest."""
    shared: list[str] = field(default_factory=list)
    """Names of large files of the code that were changed in place, for all trials of the node."""
    cut: bool = False
    """Whether there was more than was looked at."""

    def forget(self, saved: Iterable[Mapping[str, int]]) -> None:
        """Takes out working copies of checkpoints.

        Args:
            saved: Of each checkpoint of the attempt, the bytes of its files by name.
        """
        for files in saved:
            first = next(iter(files), None)
            for name in [name for name in self.others if first is not None and name.endswith(f"/{first}")]:
                above = name[: -len(str(first))]
                if all(self.others.get(above + inner) == size for inner, size in files.items()):
                    for inner in files:
                        del self.others[above + inner]

    def shared_text(self) -> str:
        """Returns what was changed for other trials, too, as one sentence; empty if there is nothing."""
        if not self.shared:
            return ""
        names = ", ".join(map(legible, self.shared[:_NAMED]))
        more = f" and {len(self.shared) - _NAMED} more" if len(self.shared) > _NAMED else ""
        why = f"because files of the code above {amount(SMALL_BYTES)} are shared"
        return f"changed in place for all trials on this node, {why}: {names}{more}"

    def text(self) -> str:
        """Returns what is not kept, as one sentence; empty if there is nothing."""
        groups: dict[str, list[int]] = {}
        for name, size in self.others.items():
            top, slash, _ = name.partition("/")
            groups.setdefault(top + slash, []).append(size)
        largest = sorted(groups.items(), key=lambda group: (-sum(group[1]), group[0]))
        words = [f"{legible(name)} ({_extent(name, sizes)})" for name, sizes in largest[:_NAMED]]
        if not words:
            return ""
        least, more = "at least " if self.cut else "", len(largest) - _NAMED
        rest, them = f" and {more} more" if more > 0 else "", "it" if len(largest) == 1 else "them"
        return f"not kept: {least}{', '.join(words)}{rest}; add {them} to raydrive.keep or write below outputs/"


def _extent(name: str, sizes: Sequence[int]) -> str:
    total = amount(sum(sizes))
    return f"{total}, {len(sizes)} file{'s' * (len(sizes) > 1)}" if name.endswith("/") else total


def amount(size: float) -> str:
    """Returns a number of bytes as people write it: ``1.2 MB``."""
    for unit in _UNITS:
        if size < 1000 or unit == _UNITS[-1]:
            break
        size /= 1000
    if size == 1 and unit == "bytes":
        return "1 byte"
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"


def look(cwd: Path, code: Path | None, keep: Sequence[str], taken: Collection[str] = ()) -> Leftovers:
    """Returns what is new in a working directory; caches, links and empty folders are nothing.

    Args:
        cwd: The working directory.
        code: The snapshot that it was made from; None = without.
        keep: Patterns of what is kept.
        taken: Real paths of files and folders that are kept already.
    """
    found, own = Leftovers(), sizes_of(code) if code is not None else {}
    patterns = Patterns(keep) if keep else None
    for count, (name, entry, in_cache) in enumerate(_new(str(cwd), with_caches=patterns is not None)):
        if patterns is None and count >= MOST_NAMES:
            found.cut = True
            break
        wanted = patterns.decide(name) if patterns is not None else None
        if wanted is False or (in_cache and not wanted):
            continue
        is_link = entry.is_symlink()
        if is_link and _is_changed(name, own, code):
            found.shared.append(name)
        elif is_link and not (wanted and _is_new_link(entry, code)):
            continue
        with contextlib.suppress(OSError):
            if not is_link and not _is_new_file(name, entry, own, code):
                continue
            if wanted:
                found.kept[name] = entry.path
            elif not is_link and not (taken and _is_taken(entry.path, taken)):
                found.others[name] = entry.stat(follow_symlinks=False).st_size
    return found


def _new(cwd: str, *, with_caches: bool) -> Iterator[tuple[str, os.DirEntry[str], bool]]:
    """Names that are no folders, with whether they are in a cache; those of ``PUBLISHED`` are left out."""
    stack = [("", cwd, False)]
    while stack:
        above, path, in_cache = stack.pop()
        in_cache = in_cache or os.path.exists(f"{path}/{_CACHE_TAG}")
        if in_cache and not with_caches:
            continue
        for entry in _entries(path):
            if not above and entry.name in PUBLISHED:
                continue
            if entry.is_dir(follow_symlinks=False):
                cache = in_cache or _is_cache(entry.name)
                if entry.name != "__pycache__" and (with_caches or not cache):
                    stack.append((f"{above}{entry.name}/", entry.path, cache))
            else:
                yield above + entry.name, entry, in_cache or entry.name.endswith((".pyc", ".pyo"))


def _entries(path: str) -> Iterator[os.DirEntry[str]]:
    """What is in a folder; nothing where it cannot be read."""
    if not os.access(path, os.R_OK | os.X_OK):
        with contextlib.suppress(OSError):  # a script may close its folder to itself; what is in it counts all the same
            os.chmod(path, 0o700)
    with contextlib.suppress(OSError), os.scandir(path) as entries:
        yield from entries


def _is_cache(name: str) -> bool:
    return name in _CACHES or (name.startswith(".") and ("cache" in name or name == ".ipynb_checkpoints"))


def _is_new_file(name: str, entry: os.DirEntry[str], own: Mapping[str, tuple[int, int]], code: Path | None) -> bool:
    """Whether a file is there that the code does not have so.

    Raises:
        OSError: If it cannot be looked at.
    """
    if not entry.is_file(follow_symlinks=False):
        return False  # pipes and sockets hold nothing
    status = entry.stat(follow_symlinks=False)
    size, changed = own.get(name, (-1, -1))
    if size != status.st_size or code is None:
        return True
    return changed != status.st_mtime_ns and not (size <= SMALL_BYTES and _same(entry.path, str(code / name)))


def _is_taken(path: str, taken: Collection[str]) -> bool:
    real = os.path.realpath(path)
    return real in taken or any(_is_inside(real, folder) for folder in taken)


def _is_changed(name: str, own: dict[str, tuple[int, int]], code: Path | None) -> bool:
    """Whether a large file of the code is not what it was: it is read-only, which means nothing to root."""
    if code is None or name not in own:
        return False
    with contextlib.suppress(OSError):
        status = os.stat(code / name)
        before, own[name] = own[name], (status.st_size, status.st_mtime_ns)
        return before != own[name]
    return False


def _is_new_link(entry: os.DirEntry[str], code: Path | None) -> bool:
    """Whether a link is not one that ``make_workdir`` made of a large file of the code."""
    with contextlib.suppress(OSError):
        return code is None or not _is_inside(os.readlink(entry.path), str(code))
    return False


def _same(one: str, other: str) -> bool:
    with open(one, "rb") as left, open(other, "rb") as right:
        return left.read() == right.read()


@functools.lru_cache(maxsize=4)
def sizes_of(code: Path) -> dict[str, tuple[int, int]]:
    """Returns size and time of change of the files of a snapshot, in bytes and nanoseconds, by name; looks once."""
    found = {}
    for folder, _, names in os.walk(code):
        for name in names:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            found[os.path.relpath(path, code)] = (status.st_size, status.st_mtime_ns)
    return found


# ---------------------------------------------------------------------- moving


def move_kept(kept: Mapping[str, str], into: Path, cwd: Path) -> dict[str, str]:
    """Moves files of a working directory into a folder, under their names; links among them continue leading there.

    Returns:
        Names of those that could not be moved, and why.
    """
    failed: dict[str, str] = {}
    for name, path in kept.items():
        try:
            if os.path.islink(path):
                _move_link(name, path, into, cwd, kept)
            else:
                _move(path, f"{into}/{name}")
        except (OSError, StorageError) as error:
            failed[name] = str(error)
    return failed


def _move_link(name: str, path: str, into: Path, cwd: Path, kept: Mapping[str, str]) -> None:
    """Keeps a link as one where it leads to what is kept too; else what it leads to, if that is a file.

    Raises:
        OSError: If it leads to another folder, or nowhere, or cannot be kept.
        StorageError: If it cannot be copied.
    """
    goal, real, target = os.readlink(path), os.path.realpath(path), f"{into}/{name}"
    inner = os.path.relpath(real, os.path.realpath(cwd))
    follows = inner in kept or any(each.startswith(f"{inner}/") for each in kept)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if follows and not os.path.isabs(goal):
        _replace_link(target, goal)
    elif os.path.isfile(real) or (follows and os.path.isfile(f"{into}/{inner}")):
        _copy(real if os.path.isfile(real) else f"{into}/{inner}", target)
    elif follows:
        _replace_link(target, os.path.relpath(f"{into}/{inner}", os.path.dirname(target)))
    else:
        raise OSError("a link to a folder that is not kept" if os.path.isdir(real) else "a dangling link")


def _replace_link(path: str, goal: str) -> None:
    part = os.path.join(os.path.dirname(path), temporary("link"))
    os.symlink(goal, part)
    os.replace(part, path)


def _move(path: str, target: str) -> None:
    """Moves a file; where that takes copying, it appears as a whole.

    Raises:
        OSError: If it cannot be moved.
        StorageError: If it cannot be copied.
    """
    folder, name = os.path.split(target)
    os.makedirs(folder, exist_ok=True)
    try:
        os.rename(path, target)
    except OSError:  # another file system, mostly; copying says what else it is
        LocalFolder(Path(folder)).put_file(Path(path), name)


def _copy(path: str, target: str, *, link: bool = False) -> None:
    """Puts a file's content at another place; the file stays.

    Args:
        path: The file.
        target: The place; replaced as a whole.
        link: Whether the two may be one file from now on.

    Raises:
        StorageError: If it cannot be copied.
    """
    folder, name = os.path.split(target)
    if link:
        part = os.path.join(folder, temporary(name))
        with contextlib.suppress(OSError):
            os.link(path, part)
            os.replace(part, target)
            return
    LocalFolder(Path(folder)).put_file(Path(path), name)


def take_replaced(cwd: Path, files: Path) -> dict[str, str]:
    """Moves what is in an ``outputs`` or ``logs`` that a script has made in the place of ours.

    Returns:
        Names of what could not be moved, and why.
    """
    failed: dict[str, str] = {}
    for name in PUBLISHED:
        there, ours = cwd / name, files / name
        real = os.path.realpath(there)
        if not os.path.lexists(there) or real == os.path.realpath(ours):
            continue
        if os.path.isdir(real) and _is_inside(real, os.path.realpath(cwd)):
            failed.update(move_tree(real, str(ours), name))
        else:
            goal = f"a link to {legible(os.readlink(there))}" if there.is_symlink() else "a file"
            failed[name] = f"the script replaced it with {goal}"
    return failed


def move_tree(source: str, target: str, shown: str) -> dict[str, str]:
    """Moves the files and links below a folder into another one.

    Args:
        source: The folder.
        target: The other one.
        shown: What it is called in the names that are returned.

    Returns:
        Names of what could not be moved, and why.
    """
    failed: dict[str, str] = {}
    for name, entry in _below(source):
        try:
            if entry.is_symlink():
                os.makedirs(os.path.dirname(f"{target}/{name}"), exist_ok=True)
                _replace_link(f"{target}/{name}", os.readlink(entry.path))
            elif entry.is_file():
                _move(entry.path, f"{target}/{name}")
            else:
                failed[f"{shown}/{name}"] = "not a file"
        except (OSError, StorageError) as error:
            failed[f"{shown}/{name}"] = str(error)
    return failed


def resolve_links(tree: Path, going: Sequence[Path], home: Path, shown: str, taken: set[str]) -> dict[str, str]:
    """Puts what links lead to in their place where that is about to be removed with the attempt.

    Args:
        tree: A folder that stays.
        going: Folders that will be removed.
        home: What is here stays for a while, and on this node only.
        shown: What the tree is called.
        taken: Gets the real paths of what was put there.

    Returns:
        Names of links for which that was not possible, and why.
    """
    failed: dict[str, str] = {}
    ends = [os.path.realpath(folder) for folder in going]
    own, root = os.path.realpath(tree), os.path.realpath(home)
    for name, entry in list(_below(str(tree))):
        real = os.path.realpath(entry.path) if entry.is_symlink() else ""
        if not _is_inside(real, root) or _is_inside(f"{real}/", own):
            continue
        removed = any(_is_inside(real, end) for end in ends)
        try:
            if os.path.isdir(real) and removed:
                os.unlink(entry.path)
                shutil.copytree(real, entry.path, symlinks=True, copy_function=_link_or_copy)
            elif os.path.isfile(real):
                _copy(real, entry.path, link=removed)
            else:
                real = ""
                failed[f"{shown}/{name}"] = f"it leads to {legible(real)}, which is removed"
            taken.add(real)
        except (OSError, StorageError) as error:  # shutil.Error is one
            failed[f"{shown}/{name}"] = str(error)
    return failed


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _below(tree: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """All that is in a folder and is none; not by recursion, since a script may nest as deep as it likes."""
    stack = [("", tree)]
    while stack:
        above, path = stack.pop()
        for entry in _entries(path):
            if entry.is_dir(follow_symlinks=False):
                stack.append((f"{above}{entry.name}/", entry.path))
            else:
                yield above + entry.name, entry


def _is_inside(path: str, folder: str) -> bool:
    return path.startswith(f"{folder}/")
