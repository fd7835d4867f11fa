"""Files whose folder others may write to, opened safely: without waiting, and only inside given folders.

What a trial leaves in its folder is whatever it likes: a link to ``/etc/shadow`` in the place of its log, a FIFO that
makes ``open`` wait for ever, a device, a link in the place of the folder itself. Everything that reads what a trial
left goes through this module, which keeps two promises:

- It opens regular files only, and no open waits: a FIFO, a socket, a device and a folder are refused by name.
- Of a file below a *root* every folder on the way is opened from the one before (``openat``) and no link is followed
  by the system. Where there is a link, the path is resolved, looked at, and opened from a root once more, again without
  any link: whoever changes it meanwhile gets a refusal and never another file. The root itself may be reached through
  links: that is where a user put his storage.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator, MutableSequence, Sequence
from dataclasses import dataclass

from raydrive.core.errors import RefusedFileError

A_FILE, A_FOLDER = "a file", "a folder"
LINK_TO_FOLDER = f"a link to {A_FOLDER}"
LEAVES = "a link that leaves the folder of the run"
"""Kinds of what is in a folder; every other kind is why it is left out."""
DEEPEST = 200
"""Folders nested deeper than this are not looked into."""
_QUIET = os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
# O_PATH: a folder that may be entered and not listed is a step on the way all the same.
_STEP = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_KINDS = (
    (stat.S_ISDIR, A_FOLDER),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISLNK, "a link"),
)


class _LinkError(Exception):
    """A part of the path is a link."""


def kind_of(mode: int) -> str:
    """Returns what a mode of ``stat`` is, for messages; ``a file`` for a regular one."""
    return next((text for test, text in _KINDS if test(mode)), A_FILE)


def open_regular(path: str, flags: int = os.O_RDONLY) -> int:
    """Opens a regular file at a path that is trusted; links are followed.

    Args:
        path: The file.
        flags: As for ``os.open``.

    Returns:
        The descriptor, in blocking mode.

    Raises:
        RefusedFileError: If a FIFO, a socket or a device is there.
        OSError: If it cannot be opened, or is a folder.
    """
    return _regular(path, flags, None, path)


def open_contained(roots: Sequence[str], name: str, flags: int = os.O_RDONLY) -> int:
    """Opens a regular file below a root.

    Args:
        roots: Folders that links may lead to; the name is relative to the first.
        name: The file; its parts are neither empty nor ``.`` or ``..``.
        flags: As for ``os.open``; ``O_CREAT`` makes the file, and no folder.

    Returns:
        The descriptor, in blocking mode.

    Raises:
        RefusedFileError: If it is not a regular file, or a link leads out of all roots.
        OSError: If it cannot be opened, or there is none.
    """
    place = os.path.join(roots[0], name)
    with _folder_of(roots, name) as (folder, last):
        return _regular(last, flags | os.O_NOFOLLOW, folder, place)


def open_within(roots: Sequence[str | os.PathLike[str]], path: str | os.PathLike[str], flags: int = os.O_RDONLY) -> int:
    """Opens a regular file by its path; no link on the way may lead out of all roots.

    Args:
        roots: Folders that links may lead to.
        path: The file.
        flags: As for ``os.open``; ``O_CREAT`` makes the file, and no folder.

    Returns:
        The descriptor, in blocking mode.

    Raises:
        RefusedFileError: If it is not a regular file, or a link leads out of all roots.
        OSError: If it cannot be opened, or there is none.
    """
    for whole, folders in (
        (os.path.abspath(path), [os.path.abspath(root) for root in roots]),
        (os.path.realpath(path), [os.path.realpath(root) for root in roots]),
    ):
        for root in folders:
            if whole.startswith(f"{root}/"):
                others = (other for other in folders if other != root)
                return open_contained((root, *others), whole[len(root) + 1 :], flags)
    raise _leads_out(os.fspath(path), os.path.realpath(path))


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a folder."""

    name: str
    kind: str
    """``A_FILE``, ``A_FOLDER``, or why it is left out."""
    size: int
    """Bytes; 0 for what is not a file."""
    mtime: float
    """Last change, seconds since the epoch."""


def list_contained(roots: Sequence[str], name: str = "") -> list[Entry]:
    """Returns what is in a folder below a root, sorted by name; what links lead to is looked at, and never entered.

    Args:
        roots: Folders that links may lead to; the name is relative to the first.
        name: The folder; empty = the first root itself.

    Raises:
        RefusedFileError: If a link on the way leads out of all roots.
        OSError: If it cannot be listed, or there is none.
    """
    place = os.path.join(roots[0], name)
    if not name:
        descriptor = os.open(roots[0], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    else:
        with _folder_of(roots, name) as (folder, last):
            descriptor = os.open(last, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | _QUIET, dir_fd=folder)
    try:
        with os.scandir(descriptor) as entries:
            found = [_entry(entry, roots, place) for entry in entries]
    finally:
        os.close(descriptor)
    return sorted((entry for entry in found if entry is not None), key=lambda entry: entry.name)


def walk_contained(
    roots: Sequence[str], name: str = "", skipped: MutableSequence[str] | None = None
) -> Iterator[Entry]:
    """Yields every file below a folder, names relative to it, in order of their names.

    A link to a folder is entered as if that stood there, each such folder once, but not from inside itself.

    Args:
        roots: Folders that links may lead to; the name is relative to the first.
        name: The folder; empty = the first root itself. One that does not exist holds nothing.
        skipped: Gets the names of what is not a file, and of folders that cannot be listed, with the reason.

    Raises:
        RefusedFileError: If a link on the way to the folder leads out of all roots.
        OSError: If the folder itself cannot be listed.
    """
    left_out: MutableSequence[str] = [] if skipped is None else skipped
    entered: set[str] = set()
    start = os.path.realpath(os.path.join(roots[0], name))
    stack: list[tuple[str, str, Iterator[Entry]]] = [("", start, iter(_listed(roots, name)))]
    while stack:
        above, around, entries = stack[-1]
        entry = next(entries, None)
        if entry is None:
            stack.pop()
            continue
        below, real = f"{above}{entry.name}", f"{around}/{entry.name}"
        if entry.kind == A_FILE:
            yield Entry(below, entry.kind, entry.size, entry.mtime)
            continue
        if entry.kind == LINK_TO_FOLDER:
            real = os.path.realpath(real)
        if entry.kind not in (A_FOLDER, LINK_TO_FOLDER):
            left_out.append(f"{below} ({entry.kind})")
        elif entry.kind == LINK_TO_FOLDER and (
            real in entered or any(f"{at}/".startswith(f"{real}/") for _, at, _ in stack)
        ):
            left_out.append(f"{below} ({LINK_TO_FOLDER} that is listed)")
        elif len(stack) == DEEPEST:
            left_out.append(f"{below} (folders nested more than {DEEPEST} deep)")
        else:
            if entry.kind == LINK_TO_FOLDER:
                entered.add(real)
            try:
                stack.append((f"{below}/", real, iter(_listed(roots, f"{name}/{below}".strip("/")))))
            except (OSError, RefusedFileError) as error:  # one folder does not decide over the others
                left_out.append(f"{below} ({getattr(error, 'strerror', None) or error})")


def is_contained(roots: Sequence[str], path: str) -> bool:
    """Returns whether a path, once its links are followed, is one of the roots or below one."""
    real = os.path.realpath(path)
    return any(real == root or real.startswith(f"{root}/") for root in map(os.path.realpath, roots))


def remove_tree(folder: str | os.PathLike[str]) -> None:
    """Removes a folder and everything in it, as far as that is possible; links are removed and not followed.

    Args:
        folder: The folder; a link in its place is removed.
    """
    if os.path.islink(folder):
        with contextlib.suppress(OSError):
            os.unlink(folder)
        return
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except RecursionError:  # nested deeper than Python calls functions (before Python 3.13)
        subprocess.run(["rm", "-rf", "--", os.fspath(folder)], check=False, stderr=subprocess.DEVNULL)


def _listed(roots: Sequence[str], name: str) -> list[Entry]:
    try:
        return list_contained(roots, name)
    except FileNotFoundError:  # deleted meanwhile
        return []


def _entry(entry: os.DirEntry[str], roots: Sequence[str], place: str) -> Entry | None:
    try:
        found = entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # deleted meanwhile
        return None
    kind = kind_of(found.st_mode)
    if kind == "a link":
        path = os.path.join(place, entry.name)
        if not is_contained(roots, path):
            return Entry(entry.name, LEAVES, 0, found.st_mtime)
        try:
            found = os.stat(path)
        except OSError:
            return Entry(entry.name, "a broken link", 0, found.st_mtime)
        kind = kind_of(found.st_mode)
        kind = kind if kind == A_FILE else f"a link to {kind}"
    return Entry(entry.name, kind, found.st_size if kind == A_FILE else 0, found.st_mtime)


@contextlib.contextmanager
def _folder_of(roots: Sequence[str], name: str) -> Iterator[tuple[int, str]]:
    """The open folder that holds a name, and the last part of the name, which is not a link."""
    descriptor, last = _reach(roots, name)
    try:
        yield descriptor, last
    finally:
        os.close(descriptor)


def _reach(roots: Sequence[str], name: str) -> tuple[int, str]:
    with contextlib.suppress(_LinkError):
        return _step(roots[0], name)
    place = os.path.join(roots[0], name)
    real = os.path.realpath(place)
    for root in map(os.path.realpath, roots):
        if real == root:
            raise _refused(place, stat.S_IFDIR)
        if real.startswith(f"{root}/"):
            try:
                return _step(root, real[len(root) + 1 :])
            except _LinkError:  # a circle, or it was changed since it was resolved
                raise RefusedFileError(f"cannot read {place}: a link in the path is broken") from None
    raise _leads_out(place, real)


def _leads_out(place: str, real: str) -> RefusedFileError:
    return RefusedFileError(
        f"cannot read {place}: a link leads out of the run's folder, to {real}; what a trial links to is read only "
        "inside that folder. Hint: have the script copy the file into ./outputs"
    )


def _step(root: str, name: str) -> tuple[int, str]:
    """Opens the folders on the way one by one; the last part may be missing."""
    *folders, last = name.split("/")
    # The root is not followed step by step: a user may keep his storage behind links.
    descriptor = os.open(root, _STEP & ~os.O_NOFOLLOW)
    try:
        for part in folders:
            try:
                following = os.open(part, _STEP, dir_fd=descriptor)
            except OSError as error:
                if error.errno in (errno.ELOOP, errno.ENOTDIR) and _is_link(part, descriptor):
                    raise _LinkError from None
                raise
            os.close(descriptor)
            descriptor = following
        if _is_link(last, descriptor):
            raise _LinkError
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, last


def _is_link(name: str, folder: int) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _regular(path: str, flags: int, folder: int | None, place: str) -> int:
    follow = not flags & os.O_NOFOLLOW
    with contextlib.suppress(FileNotFoundError):
        # Looked at first: to open a device may do something, and a FIFO's writer would believe that it is read.
        mode = os.stat(path, dir_fd=folder, follow_symlinks=follow).st_mode
        if folder is None and stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if not stat.S_ISREG(mode):
            raise _refused(place, mode)
    try:
        descriptor = os.open(path, flags | _QUIET, 0o666, dir_fd=folder)
    except BlockingIOError:  # a regular file that another machine has on lease (NFS, Samba): it gives it back
        descriptor = os.open(path, (flags | _QUIET) & ~os.O_NONBLOCK, 0o666, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise RefusedFileError(
                f"cannot open {place}: it was replaced by a link or a FIFO in the meantime"
            ) from error
        raise
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise _refused(place, mode)
        os.set_blocking(descriptor, True)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _refused(place: str, mode: int) -> RefusedFileError:
    return RefusedFileError(f"cannot open {place}: it is {kind_of(mode)} and not a file")
