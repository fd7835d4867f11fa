"""Frames of pandas as files of shared data: equal to what they were, mapped where Arrow has them as they are."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapped_memory import is_mapped

from raydrive.storage.shared_data import read_shared, write_shared

ROWS = 2000


def stored(value: Any, folder: Path, name: str = "x") -> tuple[Any, list[str]]:
    """What is read back, and what was told; by Arrow unless something was told."""
    told: list[str] = []
    path = write_shared(value, folder, name, told.append)
    assert path.suffix == (".pickle" if told else ".frame")
    return read_shared(str(path)), told


def memory_of(array: Any) -> list[np.ndarray]:
    """What an array of pandas consists of, without a copy."""
    buffers: list[pickle.PickleBuffer] = []
    pickle.dumps(array, protocol=5, buffer_callback=buffers.append)
    return [found for found in (np.frombuffer(one, "u1") for one in buffers) if found.size >= ROWS]


def times(n: int) -> pd.DatetimeIndex:
    return pd.date_range("2026-01-01", periods=n, freq="h")


def numbers() -> np.ndarray:
    values = np.random.default_rng(0).normal(size=ROWS)
    values[::7] = np.nan
    return values


COLUMNS: dict[str, Any] = {
    "floats": numbers(),
    "halves": numbers().astype("f2"),
    "whole": np.arange(ROWS, dtype="i2"),
    "truth": np.arange(ROWS) % 3 == 0,
    "times": times(ROWS).where(np.arange(ROWS) % 2 == 0),
    "zoned": times(ROWS).tz_localize("Europe/Berlin", ambiguous="NaT", nonexistent="NaT"),
    "spans": pd.to_timedelta(np.arange(ROWS), unit="s"),
    "periods": pd.period_range("2020-01", periods=ROWS, freq="D"),
    "intervals": pd.interval_range(0, ROWS),
    "text": pd.array([None if n % 5 == 0 else f"text {n}" for n in range(ROWS)], dtype="str"),
    "objects": pd.Series([None if n % 5 == 0 else f"text {n}" for n in range(ROWS)], dtype=object),
    "missing whole": pd.array([None if n % 3 == 0 else n for n in range(ROWS)], dtype="Int64"),
    "missing truth": pd.array([None if n % 3 == 0 else n % 2 == 0 for n in range(ROWS)], dtype="boolean"),
    "missing floats": pd.array([None if n % 3 == 0 else n / 7 for n in range(ROWS)], dtype="Float32"),
    "ordered": pd.Categorical(["low", "high", None, "low"] * (ROWS // 4), ["low", "middle", "high"], ordered=True),
    "categories": pd.Categorical(np.arange(ROWS) // 3),
    "arrow": pd.array(np.arange(ROWS), dtype="int32[pyarrow]"),
    "arrow text": pd.array([f"{n}" for n in range(ROWS)], dtype="string[pyarrow]"),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_each_kind_of_column_is_what_it_was(kind: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({kind: COLUMNS[kind], "n": np.arange(ROWS)})
    found, told = stored(frame, tmp_path)
    pd.testing.assert_frame_equal(found, frame, check_freq=True)
    series, _ = stored(frame[kind], tmp_path, "series")
    pd.testing.assert_series_equal(series, frame[kind])
    assert told == []


def test_a_frame_of_all_kinds_is_what_it_was(tmp_path: Path) -> None:
    frame = pd.DataFrame(COLUMNS)
    frame.attrs = {"source": "a test"}
    found, told = stored(frame, tmp_path)
    pd.testing.assert_frame_equal(found, frame)
    assert (told, found.attrs) == ([], frame.attrs)


INDEXES: dict[str, Any] = {
    "range": pd.RangeIndex(5, 5 + 2 * ROWS, 2, name="n"),
    "whole": pd.Index(np.arange(ROWS)[::-1].copy(), name="row"),
    "times": times(ROWS),
    "zoned": times(ROWS).tz_localize("UTC"),
    "text": pd.Index([f"row {n}" for n in range(ROWS)], name="of text"),
    "categories": pd.CategoricalIndex(["a", "b"] * (ROWS // 2)),
    "intervals": pd.interval_range(0, ROWS, name="i"),
    "two levels": pd.MultiIndex.from_product([["a", "b"], range(ROWS // 2)], names=["letter", None]),
    "missing in a level": pd.MultiIndex.from_arrays([["a", None] * (ROWS // 2), np.arange(ROWS)]),
}


@pytest.mark.parametrize("kind", INDEXES)
@pytest.mark.parametrize("rows", [ROWS, 10, 0])
def test_each_kind_of_index_is_what_it_was(kind: str, rows: int, tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": np.arange(float(rows)), "b": ["x"] * rows}, index=INDEXES[kind][:rows])
    found, told = stored(frame, tmp_path)
    pd.testing.assert_frame_equal(found, frame, check_index_type="equiv", check_freq=True)
    assert type(found.index) is type(frame.index)
    assert told == []


@pytest.mark.parametrize(
    "labels",
    [
        pd.Index([0, 1, 2]),
        pd.Index(["a", "a", "b"], name="twice"),
        pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)]),
        pd.Index(["a", 1, None], dtype=object),
    ],
)
def test_labels_are_what_they_were(labels: pd.Index, tmp_path: Path) -> None:
    frame = pd.DataFrame(np.arange(3 * ROWS).reshape(ROWS, 3), columns=labels)
    found, told = stored(frame, tmp_path)
    pd.testing.assert_frame_equal(found, frame)
    assert told == []


def test_flags_and_frames_without_columns_or_rows_are_what_they_were(tmp_path: Path) -> None:
    unique = pd.DataFrame({"a": [1.0]}).set_flags(allows_duplicate_labels=False)
    assert not stored(unique, tmp_path, "a")[0].flags.allows_duplicate_labels
    for name, frame in {"b": pd.DataFrame(index=range(5)), "c": pd.DataFrame({"a": [], "b": []})}.items():
        pd.testing.assert_frame_equal(stored(frame, tmp_path, name)[0], frame)


def test_columns_are_mapped_and_numbers_of_one_type_are_one_block(tmp_path: Path) -> None:
    plain = pd.DataFrame(np.random.default_rng(0).normal(size=(ROWS, 7)))
    found, _ = stored(plain, tmp_path, "plain")
    block = found.to_numpy()
    assert is_mapped(block), "as an array it is the file's memory, too"
    assert np.shares_memory(block, found[3].to_numpy())
    mixed, _ = stored(pd.DataFrame(COLUMNS), tmp_path, "mixed")
    for name in ("floats", "halves", "whole", "truth", "times", "spans"):
        assert is_mapped(mixed[name].to_numpy()), name
    for name in ("missing whole", "missing truth", "missing floats", "ordered"):
        buffers = memory_of(mixed[name].array)
        assert buffers, name
        assert all(is_mapped(one) for one in buffers), name
    with pytest.raises(ValueError, match="read-only"):
        mixed["floats"].to_numpy()[0] = 1.0


def test_what_a_trial_changes_is_its_own(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": np.arange(float(ROWS)), "b": np.arange(float(ROWS))})
    path = write_shared(frame, tmp_path, "x")
    first = read_shared(str(path)).copy()
    first.loc[0, "a"] = -1.0
    first["c"] = 1
    pd.testing.assert_frame_equal(read_shared(str(path)), frame)


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        ([{1}, None] * 3, "column 'o' holds objects of the type set"),
        (["a", float("nan")] * 3, "column 'o' holds objects of the type float"),
        ([1, "a"] * 3, "column 'o' holds objects of the type int"),
        (["\ud800"] * 6, "column 'o' of the type object"),
        (np.ones(6) * 1j, "column 'o' of the type complex128"),
        (pd.arrays.SparseArray([0, 0, 1] * 2), "column 'o' has the type Sparse"),
    ],
)
def test_what_arrow_cannot_keep_is_told_and_pickled(column: Any, reason: str, tmp_path: Path) -> None:
    objects = isinstance(column, list)
    frame = pd.DataFrame({"n": np.arange(6.0), "o": pd.Series(column, dtype=object) if objects else column})
    found, told = stored(frame, tmp_path)
    pd.testing.assert_frame_equal(found, frame)
    assert len(told) == 1
    assert told[0].startswith(reason)


def test_a_class_of_ones_own_stays_one(tmp_path: Path) -> None:
    path = write_shared(Measured({"a": [1.0]}), tmp_path, "x")
    assert path.suffix == ".pickle"
    assert type(read_shared(str(path))) is Measured


class Measured(pd.DataFrame):
    """A frame with a class of its own."""


VALUES = {
    "f8": st.floats(allow_nan=True),
    "i8": st.integers(-(2**63), 2**63 - 1),
    "bool": st.booleans(),
    "str": st.none() | st.text(st.characters(exclude_categories=["Cs"])),
    "object": st.none() | st.text(st.characters(exclude_categories=["Cs"])),
    "category": st.sampled_from(["a", "b", None]),
    "Int64": st.none() | st.integers(-(2**63), 2**63 - 1),
}


@st.composite
def frames(draw: Any) -> pd.DataFrame:
    rows = draw(st.integers(0, 5))
    kinds = draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=4))
    columns = [
        pd.Series(draw(st.lists(VALUES[kind], min_size=rows, max_size=rows)), range(rows), dtype=kind) for kind in kinds
    ]
    return pd.concat(columns, axis=1, keys=range(len(kinds))) if columns else pd.DataFrame(index=range(rows))


@given(frame=frames())
@settings(max_examples=200, deadline=None)
def test_any_frame_is_what_it_was(tmp_path_factory: pytest.TempPathFactory, frame: pd.DataFrame) -> None:
    found, told = stored(frame, tmp_path_factory.mktemp("any"))
    pd.testing.assert_frame_equal(found, frame)
    assert told == []


def test_without_pandas_nothing_is_a_frame(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delitem(sys.modules, "pandas")
    assert write_shared({"a": 1}, tmp_path, "x").suffix == ".pickle"
