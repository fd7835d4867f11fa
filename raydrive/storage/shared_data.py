"""Data that all trials of a run read, kept once: files that each process maps into memory, read-only.

An array of numpy is a ``.npy`` file; a table of pyarrow and a frame or series of pandas are Arrow IPC files. Anything
else is pickled, with the large buffers in it (arrays in a dict, frames whose columns Arrow cannot keep) behind the
pickle, from where they are mapped, too. Processes of one node share the pages of a file; what they copy out of it is
their own.
"""

from __future__ import annotations

import functools
import mmap
import pickle
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raydrive import variables, wire
from raydrive.storage.shared_frames import NotTakenError, is_frame, read_frame, write_frame

PREFIX = "data."
"""What the names of the inputs begin with that stand for such files."""
_NPY, _ARROW, _FRAME, _PICKLE = ".npy", ".arrow", ".frame", ".pickle"
_MAGIC = b"raydrive-data-1\n"
_ALIGNED = 64
"""Bytes that a buffer's place in a file is a multiple of, as in ``.npy`` and Arrow files."""


@dataclass(frozen=True)
class DataFunction:
    """A training function with data; what a trial calls."""

    function: Callable[..., object]
    """Takes the hyperparameters, and the data by name."""
    names: tuple[str, ...]

    def __call__(self, params: dict[str, Any]) -> object:
        """Calls the function with the data of the run.

        Raises:
            OSError: If a file cannot be read.
            Exception: What the function raises.
        """
        files: Mapping[str, str] = variables.read(wire.INPUTS, "{}")
        return self.function(params, **{name: read_shared(files[PREFIX + name]) for name in self.names})


def write_shared(value: Any, folder: Path, name: str, tell: Callable[[str], None] = lambda _: None) -> Path:
    """Writes a value into a folder and returns the file.

    Args:
        value: Any value that can be pickled.
        folder: The folder; it exists.
        name: Name of the file, without the ending that tells its kind.
        tell: Is called with the reason where a frame of pandas is pickled.

    Raises:
        OSError: If it cannot be written.
        Exception: What the pickling of the value raises.
    """
    kind = type(value).__module__.partition(".")[0]
    if kind == "numpy" and _is_mappable(value):
        import numpy as np  # lazy: numpy, 0.1 s

        path = folder / f"{name}{_NPY}"
        np.save(path, value, allow_pickle=False)
    elif kind == "pyarrow" and type(value).__name__ in ("Table", "RecordBatch"):
        path = folder / f"{name}{_ARROW}"
        _write_arrow(value, path)
    else:
        path = _written_frame(value, folder / f"{name}{_FRAME}", tell) or folder / f"{name}{_PICKLE}"
        if path.suffix == _PICKLE:
            _write_pickle(value, path)
    return path


def _written_frame(value: Any, path: Path, tell: Callable[[str], None]) -> Path | None:
    """Writes a frame or series of pandas and returns the file; None for what is none, or cannot be kept by Arrow."""
    if not is_frame(value):
        return None
    try:
        write_frame(value, path)
    except NotTakenError as error:
        tell(str(error))
        return None
    return path


@functools.cache  # a process that is used again maps them once
def read_shared(path: str) -> Any:
    """Returns what a file holds; arrays, tables and buffers in it are mapped into memory, read-only.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is no such file.
    """
    if path.endswith(_NPY):
        import numpy as np  # lazy: numpy, 0.1 s

        return np.load(path, mmap_mode="r", allow_pickle=False).view(np.ndarray)
    if path.endswith(_FRAME):
        return read_frame(path)
    return _read_arrow(path) if path.endswith(_ARROW) else _read_pickle(path)


def _is_mappable(value: Any) -> bool:
    """Whether a value of numpy's is an array that a ``.npy`` file can hold and a process can map."""
    array = type(value).__name__ in ("ndarray", "memmap")
    return array and value.ndim > 0 and value.size > 0 and not value.dtype.hasobject


def _write_arrow(table: Any, path: Path) -> None:
    import pyarrow as pa  # lazy: pyarrow, 0.2 s

    schema = table.schema.with_metadata({**(table.schema.metadata or {}), b"raydrive": type(table).__name__.encode()})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        writer.write(table)


def _read_arrow(path: str) -> Any:
    import pyarrow as pa  # lazy: pyarrow, 0.2 s

    reader = pa.ipc.open_file(pa.memory_map(path))
    metadata = dict(reader.schema.metadata or {})
    kind = metadata.pop(b"raydrive", b"Table")
    found = reader.get_batch(0) if kind == b"RecordBatch" else reader.read_all()
    return found.replace_schema_metadata(metadata or None)


def _write_pickle(value: Any, path: Path) -> None:
    """Writes magic, the number of parts, the place and length of each, and the parts: the pickle and its buffers."""
    import cloudpickle  # lazy: cloudpickle, 0.01 s

    buffers: list[pickle.PickleBuffer] = []
    head = cloudpickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    parts = [memoryview(head), *(buffer.raw() for buffer in buffers)]
    at = len(_MAGIC) + 8 + 16 * len(parts)
    places = []
    for part in parts:
        at += -at % _ALIGNED
        places.append((at, part.nbytes))
        at += part.nbytes
    with path.open("wb") as file:
        file.write(_MAGIC + struct.pack("<Q", len(parts)))
        for place in places:
            file.write(struct.pack("<QQ", *place))
        for (start, _), part in zip(places, parts, strict=True):
            file.write(b"\0" * (start - file.tell()))
            file.write(part)


def _read_pickle(path: str) -> Any:
    with open(path, "rb") as file:
        mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    start = len(_MAGIC) + 8
    if bytes(mapped[: len(_MAGIC)]) != _MAGIC:
        raise ValueError(f"{path} is not a file of shared data")
    (count,) = struct.unpack_from("<Q", mapped, len(_MAGIC))
    places = [struct.unpack_from("<QQ", mapped, start + 16 * number) for number in range(count)]
    head, *buffers = (mapped[at : at + size] for at, size in places)
    return pickle.loads(head, buffers=buffers)
