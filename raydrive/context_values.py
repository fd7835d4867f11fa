"""From what training code has at hand to what the wire and the trial's folder take; the helpers of ``context``.

Arrays and tensors are taken by their looks (``item``, ``shape``), so that neither numpy nor a tensor library is loaded.
Standard library only, nothing newer than Python 3.8.
"""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from typing import IO, Any, Callable, Mapping, Union  # noqa: UP035  (aliases used at run time)

from raydrive import ranks, wire

PathOrStream = Union[str, "os.PathLike[str]", IO[bytes], IO[str]]


MOST_BITS = 3_330
"""Of a whole number, a thousand digits: Python refuses to print very long ones, and JSON is printed."""
MAX_DEPTH = 30
"""Most lists and mappings in each other in one value; the reader of the wire has the same bound."""


class Process:
    """What this process is, and what it has logged. A forked child starts its own, from its own environment."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.lock, self.saving = threading.RLock(), threading.RLock()  # a save may wait long, and nothing else with it
        self.channel = os.environ.get(wire.CHANNEL, "")
        self.client = wire.Client(self.channel) if self.channel else None
        self.offline_id = os.environ.get(wire.TRIAL_ID) or f"OfflineRun_{uuid.uuid4()}"  # not where it has a real one
        self.metrics: dict[str, list[Any]] = {}
        self.tags: dict[str, str] = {}
        self.noted: list[str] = []
        self.failed = False
        self._rank: int | None = None

    @property
    def rank(self) -> int:
        """Rank of this process among those that train together, as its environment has it when it first logs."""
        if self._rank is None:
            self._rank = ranks.rank_of(os.environ)
        return self._rank


class ParentRun:
    """The run that a trial belongs to, as seen from the trial.

    A run has no metrics or tags of its own in raydrive: what is logged here is kept with the trial, as ``parent/NAME``.
    """

    def __init__(self, child: Any, run_id: str, note: Callable[[str], None]) -> None:
        self._child = child
        self._say = note
        self.id = run_id
        """Id of the run."""

    def log(self, name: str, value: Any, description: str = "", step: float | None = None) -> None:
        """Logs a metric of the trial under ``parent/NAME``."""
        self._note()
        self._child.log(f"parent/{name}", value, description, step)

    def tag(self, key: str, value: Any = None) -> None:
        """Sets a tag of the trial under ``parent/KEY``."""
        self._note()
        self._child.tag(f"parent/{key}", value)

    def _note(self) -> None:
        self._say(
            "a run has no metrics or tags of its own: what is logged to run.parent is stored with the trial as "
            "parent/NAME"
        )


class ExperimentName:
    """The experiment of a run, as far as a training process has it."""

    def __init__(self, name: str) -> None:
        self.name = name
        """Name of the experiment."""

    def __str__(self) -> str:
        return self.name


def shown(value: object, length: int = 80) -> str:
    """A value for a message: the beginning of its repr, whatever its own code does."""
    if isinstance(value, (str, bytes)) and len(value) > length:
        return f"{value[:length]!r}... ({len(value)} characters)"
    try:
        return repr(value)[:length]
    except Exception:  # the value's own code, or a number that is too long to print
        return f"a {type(value).__name__} that cannot be printed"


def text_of(value: object) -> str:
    """The text of a value, or what stands for it where it has none."""
    try:
        return str(value)
    except Exception:  # the value's own code, or a number that is too long to print
        return shown(value)


def tag_of(key: Any, value: Any) -> dict[str, Any]:
    """One tag as a mapping.

    Raises:
        TypeError: The key is not text.
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
        raise TypeError(f"tags: found {shown(tags)}; expected a mapping of names to strings")
    return {text_of(key): "" if value is None else text_of(value) for key, value in tags.items()}


def check_name(name: str) -> None:
    """Refuses what cannot be the name of a metric.

    Raises:
        TypeError: It is not text.
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
        raise TypeError(f"{where}: found {type(value).__name__}, which cannot be iterated over: {error}") from None
    return [scalar(item, f"{where}, element {index}", "nest nothing in it") for index, item in enumerate(items)]


def cell(value: Any, where: str) -> Any:
    """A column of a table, or the one value of a column.

    Raises:
        TypeError: It is neither.
    """
    many = hasattr(value, "__iter__") and not isinstance(value, str) and getattr(value, "shape", None) != ()
    return column(value, where) if many else scalar(value, where, "give a list of them for a column")


def tree(value: Any, where: str, depth: int = 0) -> Any:
    """The same in JSON types.

    Raises:
        TypeError: Something in it has no JSON form.
        ValueError: It is nested deeper than ``MAX_DEPTH``.
    """
    if value is None:
        return None
    if depth > MAX_DEPTH:
        raise ValueError(f"{where}: found lists and mappings nested more than {MAX_DEPTH} deep; allowed: {MAX_DEPTH}")
    if isinstance(value, Mapping):
        return {str(key): tree(item, where, depth + 1) for key, item in value.items()}
    if hasattr(value, "__iter__") and not isinstance(value, str) and getattr(value, "shape", None) != ():
        return [tree(item, where, depth + 1) for item in value]
    return scalar(value, where, "it has no JSON form")


def row(metrics: Any, where: str) -> dict[str, Any]:
    """Values to be logged together.

    Raises:
        TypeError: It is not a mapping, or a value neither a number nor a string.
        ValueError: There is no value, or a name is empty.
    """
    if not isinstance(metrics, Mapping):
        raise TypeError(f"{where}: found {type(metrics).__name__}; expected a mapping of names to values")
    if not metrics:
        raise ValueError(f"{where}: found no value; give at least one, such as {{'accuracy': 0.93}}")
    for name in metrics:
        check_name(name)
    return {
        name: scalar(item, f"{where}, {name}", "log lists and tables with log_list and log_table")
        for name, item in metrics.items()
    }


def chart(value: Any, where: str) -> Any:
    """A chart's data in JSON types, from a mapping or the JSON text of one.

    Raises:
        TypeError: It is not a mapping, or something in it has no JSON form.
        ValueError: The text is not JSON, or it is nested too deep.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise ValueError(f"{where}: the text is not JSON: {error}") from None
        except RecursionError:
            raise ValueError(f"{where}: found text nested too deeply; allowed: {MAX_DEPTH}") from None
    if not isinstance(value, Mapping):
        raise TypeError(f"{where}: found {type(value).__name__}; expected a mapping or the JSON text of one")
    return tree(value, where)


def say_value(name: str, value: object, step: object = None) -> None:
    """Prints a value that no trial takes: ``accuracy = 0.93 (step 3)``."""
    say(f"{name} = {text_of(value)}" + ("" if step is None else f" (step {text_of(step)})"))


def say(text: str) -> None:
    """Prints what there is no trial for; whatever the text, with what the terminal cannot show spelled out."""
    try:
        print(text, flush=True)
    except UnicodeEncodeError:
        print(text.encode("ascii", "backslashreplace").decode(), flush=True)


def check_folder(directory: str | os.PathLike[str], what: str) -> None:
    """Refuses what is not a folder.

    Raises:
        NotADirectoryError: There is no such folder.
    """
    if not os.path.isdir(directory):
        raise NotADirectoryError(f"{what}; found {os.fspath(directory)!r}")


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
    import shutil  # lazy: shutil, 0.002 s; only scripts that keep files pay for it

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


def keep_picture(name: str, count: int, path: str | None, plot: Any) -> str:
    """Puts a picture, a file or a plot, among the trial's outputs; returns its name there.

    Args:
        name: Name of the metric.
        count: How many pictures of that name this process has logged, with this one.
        path: The file, or None.
        plot: What has ``savefig``, where there is no file.

    Raises:
        OSError: It cannot be read or written.
    """
    suffix = os.path.splitext(path)[1] if path is not None else ".png"
    safe = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)
    stored = f"outputs/images/{safe}-{os.getpid()}-{count}{suffix}"
    target = target_of(stored)
    if path is not None:
        copy_file(path, target)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        plot.savefig(target)
    return stored


def copy_folder(root: str, target: str) -> None:
    """Copies the files of a folder, one after the other.

    Raises:
        OSError: A file cannot be read or written.
    """
    own = os.path.realpath(target)
    for folder, below, files in os.walk(root):
        # A copy into the folder itself must not copy the copy.
        below[:] = [item for item in below if os.path.realpath(os.path.join(folder, item)) != own]
        for file in files:
            source = os.path.join(folder, file)
            copy_file(source, os.path.join(target, os.path.relpath(source, root)))


def stage_checkpoint(directory: str, root: str, end: str = "") -> str:
    """Copies a folder into the checkpoint folder of the trial, for its actor to publish; returns its name.

    Waits while the one before is still on its way: the actor removes it when it has arrived.

    Args:
        directory: The folder to save.
        root: ``RAYDRIVE_CHECKPOINT_DIR``.
        end: How its name ends.
    """
    os.makedirs(root, exist_ok=True)
    while any(name.endswith((wire.SAVED, wire.DONE)) for name in os.listdir(root)):
        time.sleep(0.005)
    name = "%d-%d%s" % (os.getpid(), time.time_ns(), end)  # noqa: UP031  (as old as scripts may be)
    _copy_folder(directory, os.path.join(root, name))
    os.rename(os.path.join(root, name), os.path.join(root, name + wire.SAVED))
    return name


def stage_reported(directory: str | os.PathLike[str] | None, root: str) -> str:
    """The same for a checkpoint that is sent in one message with its values; an empty name for None."""
    return "" if directory is None else stage_checkpoint(os.fspath(directory), root, wire.REPORTED)


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
        # Not at the top: most trials save no checkpoint, and each one's start counts.
        import shutil  # lazy: shutil, 0.002 s

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
