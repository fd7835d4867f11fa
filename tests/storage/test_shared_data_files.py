"""What a value is as a file of shared data: equal to what it was, mapped and read-only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from mapped_memory import is_mapped

from raydrive.storage.shared_data import read_shared, write_shared


def stored(value: Any, folder: Path) -> Any:
    return read_shared(str(write_shared(value, folder, "x")))


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24.0).reshape(4, 6),
        np.asfortranarray(np.arange(6, dtype="i2").reshape(2, 3)),
        np.array(["a", "bc"]),
        np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    ],
)
def test_arrays_are_mapped(array: np.ndarray, tmp_path: Path) -> None:
    found = stored(array, tmp_path)
    assert type(found) is np.ndarray
    assert (found.dtype, found.flags.f_contiguous) == (array.dtype, array.flags.f_contiguous)
    assert np.array_equal(found, array)
    assert is_mapped(found)


@pytest.mark.parametrize("array", [np.array(3.0), np.empty((0, 2)), np.array([1, "a", None], dtype=object)])
def test_arrays_that_cannot_be_mapped_are_equal_all_the_same(array: np.ndarray, tmp_path: Path) -> None:
    found = stored(array, tmp_path)
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert np.array_equal(found, array)


@pytest.mark.parametrize("kind", ["table", "batch", "empty"])
def test_arrow_tables_are_mapped(kind: str, tmp_path: Path) -> None:
    table = pa.table({"a": np.arange(1000), "b": [f"{n}" for n in range(1000)]}, metadata={"of": "user"})
    value = {"table": table, "batch": table.to_batches()[0], "empty": table.slice(0, 0)}[kind]
    found = stored(value, tmp_path)
    assert type(found) is type(value)
    assert found.schema.equals(value.schema, check_metadata=True)
    assert found.equals(value)
    if kind == "table":
        assert is_mapped(found.column("a").chunk(0).to_numpy())


def test_the_columns_of_a_dataframe_and_arrays_inside_anything_are_mapped(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"a": np.arange(1000.0), "n": np.arange(1000), "c": pd.Categorical(["x", "y"] * 500), "o": [{1}, None] * 500},
        index=pd.Index(range(1, 1001), name="row"),
    )
    found = stored({"frame": frame, "arrays": [np.ones(5000)], "text": "t"}, tmp_path)
    pd.testing.assert_frame_equal(found["frame"], frame)
    assert found["text"] == "t"
    assert is_mapped(found["arrays"][0])
    assert is_mapped(found["frame"]["a"].to_numpy())


def test_another_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.pickle").write_bytes(b"something else" * 10)
    with pytest.raises(ValueError, match=r"x\.pickle is not a file of shared data"):
        read_shared(str(tmp_path / "x.pickle"))
