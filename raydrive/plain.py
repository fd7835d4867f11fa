"""From what training code has at hand to what the wire and the trial's folder take; the helpers of ``context``.

Arrays and tensors are taken by their looks (``item``, ``shape``), so that neither numpy nor a tensor library is loaded.
Standard library only, nothing newer than Python 3.8.
"""

from __future__ import annotations

import os
import threading
import time
from typing import IO, Any, Mapping, Union  # noqa: UP035  (aliases used at run time)

from raydrive import wire

PathOrStream = Union[str, "os.PathLike[str]", IO[bytes], IO[str]]


MOST_BITS = 3_330
"""Of a whole number, a thousand digits: Python refuses to print very long ones, and JSON is printed."""


def shown(value: object, length: int = 80) -> str:
    """A value for a message: the beginning of its repr, whatever its own code does."""
    if isinstance(value, (str, bytes)) and len(value) > length:
        return f"{value[:length]!r}... ({len(value)} characters)"
    try:
        return repr(value)[:length]
    except Exception:  # the value's own code, or a number that is too long to print
        return f"a {type(value).__name__} that cannot be shown"


def text_of(value: object) -> str:
    """The text of a value, or what stands for it where it has none."""
    try:
        return str(value)
    except Exception:  # the value's own code, or a number that is too long to print
        return shown(value)


def tag_of(key: Any, value: Any) -> dict[str, Any]:
    """One tag as a mapping.

    Raises:
        TypeError: The key is no text.
    """
    if not isinstance(key, str):
        raise TypeError(f"key of a tag: found {shown(key)} of type {type(key).__name__}; expected text")
    return {key: value}


def tags_of(tags: Any) -> dict[str, str]:
    """Tags as texts.

    Raises:
        TypeError: They are no mapping.
    """
    if not isinstance(tags, Mapping):
        raise TypeError(f"tags: found {shown(tags)}; expected a mapping of names to texts")
    return {text_of(key): "" if value is None else text_of(value) for key, value in tags.items()}


def check_name(name: str) -> None:
    """Refuses what cannot be the name of a metric.

    Raises:
        TypeError: It is no text.
        ValueError: It is empty.
    """
    if not isinstance(name, str):
        raise TypeError(f"name of a metric: found {shown(name)} of type {type(name).__name__}; expected text")
    if not name.strip():
        raise ValueError(f"name of a metric: found {shown(name)}; expected at least one letter")


def scalar(value: Any, where: str, way_out: str) -> Any:
    """The number or string that ``value`` is; booleans count as 0 and 1.

    Args:
        value: What was logged.
        where: The call it was given to, for the message.
        way_out: What to do instead, for the message.

    Raises:
        TypeError: It is neither a number nor a string.
    """
    if isinstance(value, bool):
        return int(value)
    if type(value) in (float, str):
        return value
    if isinstance(value, type):  # a class has the methods of its objects, and none of their values
        raise TypeError(f"{where}: found the class {value.__name__}; expected a number or a string; {way_out}")
    shape = getattr(value, "shape", ())
    if hasattr(value, "item") and all(size == 1 for size in shape):
        value = value.item()
    if isinstance(value, bool):
        return int(value)
    for kind in (str, int, float):
        if isinstance(value, kind):
            if isinstance(value, int) and value.bit_length() > MOST_BITS:
                raise TypeError(f"{where}: found a number of more than 1,000 digits; expected a shorter one")
            return kind(value)
    if not hasattr(value, "__len__") and hasattr(value, "__float__"):  # Decimal, Fraction
        return float(value)
    what = f"shape {tuple(shape)}" if shape else shown(value)
    raise TypeError(f"{where}: found {type(value).__name__} ({what}); expected a number or a string; {way_out}")


def column(value: Any, where: str) -> list[Any]:
    """A list of numbers and strings.

    Raises:
        TypeError: It is something else.
    """
    if isinstance(value, (str, bytes)) or not hasattr(type(value), "__iter__"):
        raise TypeError(
            f"{where}: found {type(value).__name__} ({shown(value)}); expected a list of numbers or strings"
        )
    try:
        items = list(value)
    except Exception as error:
        raise TypeError(f"{where}: found {type(value).__name__}, which gives no items: {error}") from None
    return [scalar(item, f"{where}, element {index}", "nest nothing in it") for index, item in enumerate(items)]


def cell(value: Any, where: str) -> Any:
    """A column of a table, or the one value of a column.

    Raises:
        TypeError: It is neither.
    """
    many = hasattr(value, "__iter__") and not isinstance(value, str) and getattr(value, "shape", None) != ()
    return column(value, where) if many else scalar(value, where, "give a list of them for a column")


def tree(value: Any, where: str) -> Any:
    """The same in JSON types, whatever the nesting.

    Raises:
        TypeError: Something in it has no JSON form.
    """
    if value is None:
        return None
    if isinstance(value, Mapping):
        return {str(key): tree(item, where) for key, item in value.items()}
    if hasattr(value, "__iter__") and not isinstance(value, str) and getattr(value, "shape", None) != ():
        return [tree(item, where) for item in value]
    return scalar(value, where, "it has no JSON form")


def target_of(name: str) -> str:
    """Path below the trial's files for ``name``; empty outside a trial.

    Raises:
        ValueError: The name is empty, absolute, or leads out of the trial's files.
    """
    clean = os.path.normpath(name.strip().replace("\\", "/")) if name.strip() else ""
    if clean in ("", ".") or os.path.isabs(clean) or clean.split("/")[0] == "..":
        raise ValueError(
            f"name of a file: found {shown(name)}; expected a relative path that stays below the trial's files"
        )
    root = os.environ.get(wire.FILES_DIR, "")
    return os.path.join(root, clean) if root else ""


def copy_file(source: PathOrStream, target: str) -> None:
    """Copies a file or stream; the target appears whole or not at all.

    Raises:
        OSError: It cannot be read or written.
    """
    import shutil  # only scripts that keep files pay for it

    path = None if hasattr(source, "read") else os.fspath(source)
    if path is not None and os.path.exists(target) and os.path.samefile(path, target):
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    partial = f"{target}.{os.getpid()}-{threading.get_ident()}.partial"
    try:
        if path is not None:
            shutil.copyfile(path, partial)
        else:
            first = source.read(1 << 20)  # type: ignore[union-attr]
            with open(partial, "wb") as file:
                while first:
                    file.write(first.encode() if isinstance(first, str) else first)
                    first = source.read(1 << 20)  # type: ignore[union-attr]
        os.replace(partial, target)
    except BaseException:
        if os.path.exists(partial):
            os.unlink(partial)
        raise


def stage_checkpoint(directory: str, root: str) -> str:
    """Copies a folder into the checkpoint folder of the trial, for its actor to publish; returns its name.

    Waits while the one before is still on its way: the actor removes it when it has arrived.

    Args:
        directory: The folder to save.
        root: ``RAYDRIVE_CHECKPOINT_DIR``.
    """
    while any(name.endswith((wire.SAVED, wire.DONE)) for name in os.listdir(root)):
        time.sleep(0.005)
    name = "%d-%d" % (os.getpid(), time.time_ns())  # noqa: UP031  (as old as scripts may be)
    _copy_folder(directory, os.path.join(root, name))
    os.rename(os.path.join(root, name), os.path.join(root, name + wire.SAVED))
    return name


def _copy_folder(source: str, target: str) -> None:
    """Copies a folder; links are followed, as by ``shutil.copytree``; times are not kept.

    Training waits for this: the kernel copies, without a detour through this process, and some file systems then only
    note that both files share their blocks.
    """
    os.mkdir(target)
    with os.scandir(source) as entries:
        for entry in entries:
            into = os.path.join(target, entry.name)
            if entry.is_dir():
                _copy_folder(entry.path, into)
            else:
                _copy_bytes(entry.path, into)


def _copy_bytes(source: str, target: str) -> None:
    if not _kernel_copied(source, target):
        import shutil  # not at the top: most trials save no checkpoint, and each one's start counts

        shutil.copyfile(source, target)
        shutil.copymode(source, target)


def _kernel_copied(source: str, target: str) -> bool:
    """Whether the kernel could copy a regular file, with its mode; else nothing of use is in the target."""
    copy_range = getattr(os, "copy_file_range", None)  # Linux only
    if copy_range is None or not os.path.isfile(source):
        return False
    with open(source, "rb", buffering=0) as reader, open(target, "wb", buffering=0) as writer:
        status = os.fstat(reader.fileno())
        try:
            os.fchmod(writer.fileno(), status.st_mode & 0o777)
            while copy_range(reader.fileno(), writer.fileno(), 1 << 30):
                pass
        except OSError:  # between file systems, say
            return False
        return os.fstat(writer.fileno()).st_size >= status.st_size > 0
