"""Frames and series of pandas as Arrow IPC files: columns that processes map into memory, equal to what they were.

A column is an array of Arrow without a copy: numbers as they are (NaN is no null), truth values, times and the codes of
categories as the integers that pandas keeps, pandas' further types by their own conversion, text as text. Dtypes,
labels and what else belongs to a frame are pickled in the file's metadata. Columns that all have one type of numbers
are read as the one block that pandas makes of them; there are no copies on that way either.
"""

from __future__ import annotations

import itertools
import pickle
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_KEY = b"raydrive"
_AS_INTEGERS = {"b": "u1", "m": "i8", "M": "i8"}
"""Kinds of numpy's that Arrow would pack or check, and the integers that their memory holds."""
_SMALL = 1000
"""An index of fewer rows is pickled."""
NUMBERS, MASKED, CODES, OWN, TEXT = "numbers", "masked", "codes", "own", "text"
"""How a column is kept: as an array of numpy, as such an array and one that tells what is missing, as the codes of
categories, by its dtype's own conversion, as text."""


class NotTakenError(ValueError):
    """Arrow cannot keep something of a frame as it is; the text tells what."""


@dataclass(frozen=True)
class _Column:
    """How a column or an index is kept."""

    how: str
    dtype: Any

    @property
    def width(self) -> int:
        """How many arrays it is."""
        return 2 if self.how == MASKED else 1


@dataclass(frozen=True)
class _OneArray:
    """An index of one array."""

    column: _Column
    name: Any
    frequency: Any


@dataclass(frozen=True)
class _Levels:
    """A MultiIndex; its codes are arrays."""

    levels: Sequence[Any]
    names: Sequence[Any]


@dataclass(frozen=True)
class _Layout:
    """What a file holds beside its columns."""

    kind: str
    """``DataFrame`` or ``Series``."""
    columns: Sequence[_Column]
    labels: Any
    """The frame's columns; the name of a series."""
    index: Any
    """The index itself where it is small, else a ``_OneArray`` or ``_Levels``."""
    attrs: dict[Any, Any]
    unique_labels: bool


def is_frame(value: Any) -> bool:
    """Whether a value is a frame or series of pandas, and of no class derived from these."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and type(value) in (pandas.DataFrame, pandas.Series)


def write_frame(value: Any, path: Path) -> None:
    """Writes a frame or series.

    Args:
        value: The frame or series.
        path: The file.

    Raises:
        NotTakenError: If Arrow cannot keep it as it is; nothing was written.
        OSError: If it cannot be written.
    """
    import pyarrow as pa  # lazy: pyarrow, 0.2 s

    series = type(value).__name__ == "Series"
    parts = [value] if series else [value.iloc[:, place] for place in range(value.shape[1])]
    kept = [_kept(one, value.name if series else value.columns[place]) for place, one in enumerate(parts)]
    index, own = _kept_index(value.index)
    layout = _Layout(
        kind="Series" if series else "DataFrame",
        columns=[column for column, _ in kept],
        labels=value.name if series else value.columns,
        index=index,
        attrs=dict(value.attrs),
        unique_labels=not value.flags.allows_duplicate_labels,
    )
    arrays = [array for _, found in kept for array in found] + own
    schema = pa.schema([(str(place), array.type) for place, array in enumerate(arrays)], {_KEY: _dumped(layout)})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        if arrays:
            writer.write_batch(pa.record_batch(arrays, schema=schema))


def read_frame(path: str) -> Any:
    """Returns the frame or series of a file; what is no text is mapped into memory, read-only.

    Raises:
        OSError: If it cannot be read.
    """
    import pandas as pd  # lazy: optional dependency
    import pyarrow as pa  # lazy: pyarrow, 0.2 s

    with pa.memory_map(path) as file:
        whole = file.read_buffer()
    reader = pa.ipc.open_file(pa.BufferReader(whole))
    layout: _Layout = pickle.loads(reader.schema.metadata[_KEY])
    arrays = reader.get_batch(0).columns if reader.num_record_batches else []
    ends = list(itertools.accumulate((column.width for column in layout.columns), initial=0))
    parts = [arrays[start:end] for start, end in itertools.pairwise(ends)]
    index = _index(layout.index, arrays[ends[-1] :])
    if layout.kind == "Series":
        found = pd.Series(_values(layout.columns[0], parts[0]), index=index, name=layout.labels, copy=False)
    else:
        found = _frame(layout, parts, index, whole)
    found.attrs = layout.attrs
    return found.set_flags(allows_duplicate_labels=False) if layout.unique_labels else found


def _dumped(layout: _Layout) -> bytes:
    import cloudpickle  # lazy: cloudpickle, 0.01 s

    return bytes(cloudpickle.dumps(layout))


def _kept(of: Any, name: Any) -> tuple[_Column, list[Any]]:
    """How a series or an index of pandas is kept, and the arrays of Arrow."""
    import numpy as np  # lazy: numpy, 0.1 s
    import pyarrow as pa  # lazy: pyarrow, 0.2 s

    dtype, values = of.dtype, of.array
    try:
        if type(dtype).__name__ == "CategoricalDtype":
            return _Column(CODES, dtype), [_numbers(values.codes)]
        if _is_masked(values):
            missing = values.isna()
            numbers = values.to_numpy(dtype.numpy_dtype, na_value=dtype.numpy_dtype.type(0))
            return _Column(MASKED, dtype), [_numbers(numbers), _numbers(missing)]
        if not isinstance(dtype, np.dtype):
            if not hasattr(dtype, "__from_arrow__"):
                raise NotTakenError(f"column {name!r} has the type {dtype}")
            return _Column(OWN, dtype), [_one_chunk(pa.array(values))]
        if dtype.kind == "O":
            return _Column(TEXT, dtype), [_text(values, name)]
        return _Column(NUMBERS, dtype), [_numbers(np.asarray(values, dtype))]
    except (pa.ArrowException, TypeError, NotImplementedError, UnicodeError) as error:
        raise NotTakenError(f"column {name!r} of the type {dtype} ({error})") from error


def _is_masked(values: Any) -> bool:
    """Whether an array of pandas has numbers, and apart from them what is missing."""
    import pandas as pd  # lazy: optional dependency

    return isinstance(values, pd.arrays.IntegerArray | pd.arrays.FloatingArray | pd.arrays.BooleanArray)


def _numbers(values: Any) -> Any:
    import numpy as np  # lazy: numpy, 0.1 s
    import pyarrow as pa  # lazy: pyarrow, 0.2 s

    plain = np.ascontiguousarray(values)
    return pa.array(plain.view(_AS_INTEGERS.get(plain.dtype.kind, plain.dtype)), from_pandas=False)


def _one_chunk(array: Any) -> Any:
    return array.combine_chunks() if hasattr(array, "combine_chunks") else array


def _text(values: Any, name: Any) -> Any:
    """A column of objects, all of which are text or None."""
    import pyarrow as pa  # lazy: pyarrow, 0.2 s

    objects = values.to_numpy()
    other = next((one for one in objects if one is not None and type(one) is not str), None)
    if other is not None:
        raise NotTakenError(f"column {name!r} holds objects of the type {type(other).__name__}")
    return pa.array(objects, pa.large_string(), from_pandas=False)


def _kept_index(index: Any) -> tuple[Any, list[Any]]:
    """The index as it is where it is small, else what it is put together from, and arrays."""
    import numpy as np  # lazy: numpy, 0.1 s
    import pyarrow as pa  # lazy: pyarrow, 0.2 s

    if type(index).__name__ == "RangeIndex" or len(index) < _SMALL:
        return index, []
    if type(index).__name__ == "MultiIndex":
        return _Levels(list(index.levels), list(index.names)), [pa.array(np.ascontiguousarray(c)) for c in index.codes]
    column, arrays = _kept(index, "of the index")
    frequency = index.freq if type(index).__name__ in ("DatetimeIndex", "TimedeltaIndex") else None
    return _OneArray(column, index.name, frequency), arrays


def _index(kept: Any, arrays: Sequence[Any]) -> Any:
    import pandas as pd  # lazy: optional dependency

    if isinstance(kept, _Levels):
        codes = [array.to_numpy(zero_copy_only=True) for array in arrays]
        return pd.MultiIndex(kept.levels, codes, names=kept.names, verify_integrity=False)
    if not isinstance(kept, _OneArray):
        return kept
    found = pd.Index(_values(kept.column, arrays), dtype=kept.column.dtype, name=kept.name, copy=False)
    if kept.frequency is not None:
        found.freq = kept.frequency
    return found


def _values(column: _Column, arrays: Sequence[Any]) -> Any:
    """The values of a column, as pandas takes them without a copy."""
    import pandas as pd  # lazy: optional dependency

    if column.how == OWN:
        return column.dtype.__from_arrow__(arrays[0])
    if column.how == TEXT:
        # An index, so that the frame does not guess another type.
        return pd.Index(arrays[0].to_numpy(zero_copy_only=False), dtype=column.dtype, copy=False)
    numbers = arrays[0].to_numpy(zero_copy_only=True)
    if column.how == CODES:
        return pd.Categorical.from_codes(numbers, dtype=column.dtype, validate=False)
    if column.how == MASKED:
        missing = arrays[1].to_numpy(zero_copy_only=True).view(bool)
        make = column.dtype.construct_array_type()
        return make(numbers.view(column.dtype.numpy_dtype), missing, copy=False)
    return numbers.view(column.dtype)


def _frame(layout: _Layout, parts: Sequence[Sequence[Any]], index: Any, whole: Any) -> Any:
    import pandas as pd  # lazy: optional dependency

    block = _block(layout.columns, [arrays[0] for arrays in parts], whole)
    if block is not None:
        return pd.DataFrame(block, index=index, columns=layout.labels, copy=False)
    values = {place: _values(column, parts[place]) for place, column in enumerate(layout.columns)}
    found = pd.DataFrame(values, index=index, copy=False)
    found.columns = layout.labels
    return found


def _block(columns: Sequence[_Column], arrays: Sequence[Any], whole: Any) -> Any:
    """All columns as one array of shape ``(rows, columns)``, where they are numbers of one type; else None.

    Arrow writes such columns one behind the other, each padded to the same length.
    """
    import numpy as np  # lazy: numpy, 0.1 s

    if len(arrays) < 2 or any(column != columns[0] for column in columns) or columns[0].how != NUMBERS:
        return None
    places = [array.buffers()[1].address + array.offset * array.type.byte_width for array in arrays]
    steps = {after - before for before, after in itertools.pairwise(places)}
    if len(steps) != 1 or not len(arrays[0]):
        return None
    dtype, shape = columns[0].dtype, (len(arrays[0]), len(arrays))
    strides = (dtype.itemsize, steps.pop())
    memory = np.frombuffer(whole, dtype="u1")
    return np.ndarray(shape, dtype, buffer=memory, offset=places[0] - whole.address, strides=strides)
