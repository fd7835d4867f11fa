"""A journal's older part in one Parquet file: ``snapshot-e0001-00000042-4194100-1a2b3c4d.parquet``.

The name says how far it goes, every entry from the first one up to that segment and so many of its bytes, and the
CRC-32 of the file. A row is an entry. What nearly all entries are, a report of numbers, is in columns; any other is its
line, word for word, without its checksum:

    at, trial, attempt, seq, interval, value, step, numbers    of a report, also of one that has its line
    shape                                                      names of the metrics in ``numbers`` and which are whole
    line                                                       null where the columns give the line to the letter

An entry goes into columns alone only if reading it back was tried and gave the same line. So a reader cannot tell
whether entries come from a snapshot or from segments, and a journal is never less exact for having been compacted.

Row groups without a report that fits no column can be read as ``Block``, which is folded at once.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any
from zlib import crc32

from raydrive.core import records
from raydrive.core.errors import DamagedJournalError, JournalError
from raydrive.core.numbers import as_float
from raydrive.core.records import Entry, Reported
from raydrive.core.sweep.report_block import Block, Other
from raydrive.storage.folder.base import Folder
from raydrive.storage.journal.segments import Snapshot

GROUP_ROWS = 1 << 17
FORMAT = 1
_WHOLE = 1 << 53
_COLUMNS = ("at", "trial", "attempt", "seq", "interval", "value")


class SnapshotGoneError(JournalError):
    """There is no such snapshot (any more): a newer one has taken its place."""


# ---------------------------------------------------------------------------------------------- writing


@dataclass(slots=True)
class _Rows:
    """Entries on their way into a row group, by column."""

    columns: dict[str, list[Any]] = field(
        default_factory=lambda: {name: [] for name in (*_COLUMNS, "step", "shape", "numbers", "line")}
    )
    columnar: bool = True
    """False when a report fits no column: then the group can only be read entry by entry."""

    def add(self, line: bytes) -> None:
        """Takes an entry; ``line`` without its newline.

        Raises:
            JournalError: If it is not an entry.
        """
        fact, decisions = records.load(line)
        row: dict[str, Any] = {}
        if isinstance(fact, Reported):
            if _fits(fact):
                row = {name: getattr(fact, name) for name in _COLUMNS}
                row["at"] = float(fact.at)  # as the column will have it
                row["value"] = None if fact.value is None else float(fact.value)
                shape = _shape(fact)
                if not decisions and shape is not None:
                    row["shape"], row["numbers"], row["step"] = shape
                    if _line_of(_report(row)) == line:
                        self._append(row)
                        return
                    row = {name: row[name] for name in _COLUMNS}
            else:
                self.columnar = False
        row["line"] = line
        self._append(row)

    def _append(self, row: dict[str, Any]) -> None:
        for name, column in self.columns.items():
            column.append(row.get(name))


def _fits(fact: Reported) -> bool:
    """Whether the numbers a sweep folds survive in columns."""
    whole = (fact.trial, fact.attempt, fact.seq, fact.interval)
    value, at = fact.value, fact.at
    return (
        all(type(number) is int and abs(number) < _WHOLE for number in whole)
        and (value is None or type(value) is float or (type(value) is int and abs(value) < _WHOLE))
        and (type(at) is float or (type(at) is int and abs(at) < _WHOLE))
        # A step may be anything that JSON has; it is not folded.
    )


def _shape(fact: Reported) -> tuple[str | None, list[float] | None, float | None] | None:
    """Names and kinds of a report's numbers, and the numbers; None when not everything in it is a number."""
    numbers = [*fact.metrics.values()]
    if fact.step is not None:
        numbers.append(fact.step)
    kinds = ""
    for number in numbers:
        if type(number) is float:
            kinds += "f"
        elif type(number) is int and abs(number) < _WHOLE:
            kinds += "i"
        else:
            return None
    if fact.tags:
        return None
    if not numbers:
        return None, None, None
    shape = json.dumps([list(fact.metrics), kinds], separators=(",", ":"))
    values = [float(number) for number in fact.metrics.values()]
    return shape, values or None, None if fact.step is None else float(fact.step)


def _report(row: dict[str, Any]) -> Reported:
    """The report that ``_shape`` took apart."""
    metrics: dict[str, Any] = {}
    step: float | None = row["step"]
    if row["shape"] is not None:
        names, kinds = json.loads(row["shape"])
        metrics, step = _joined(names, kinds, row["numbers"] or [], step)
    return Reported(row["at"], row["trial"], row["attempt"], row["seq"], row["interval"], row["value"], metrics, step)


def _joined(
    names: list[str], kinds: str, numbers: list[float], step: float | None
) -> tuple[dict[str, Any], float | None]:
    if "i" not in kinds:
        return dict(zip(names, numbers, strict=True)), step
    metrics = {
        name: int(number) if kind == "i" else number
        for name, number, kind in zip(names, numbers, kinds[: len(names)], strict=True)
    }
    return metrics, int(step) if step is not None and kinds[-1] == "i" else step


def _line_of(fact: Reported) -> bytes:
    return records.dump(fact, ()).encode()[:-1]


def write_snapshot(target: str, old: Iterable[Any], lines: Iterable[bytes]) -> int:
    """Writes a snapshot to a local file.

    Args:
        target: Path of the file.
        old: Tables of the snapshot before it, as ``SnapshotFile.tables`` gives them.
        lines: The entries after that, without their newlines.

    Returns:
        How many entries it holds.

    Raises:
        JournalError: If a line is not an entry.
        OSError: If it cannot be written.
    """
    from pyarrow import parquet  # lazy: pyarrow, 0.08 s

    count = 0
    with parquet.ParquetWriter(
        target,
        _schema().with_metadata({"raydrive": json.dumps({"format": FORMAT})}),
        compression="zstd",
        use_dictionary=["shape", "trial", "columnar"],
        column_encoding={
            **{name: "BYTE_STREAM_SPLIT" for name in ("at", "value", "step", "numbers.list.element")},
            **{name: "DELTA_BINARY_PACKED" for name in ("attempt", "seq", "interval")},
        },
        write_page_checksum=True,
    ) as writer:
        for table in _coalesced(chain(old, _tables(lines))):
            writer.write_table(table, row_group_size=GROUP_ROWS)
            count += table.num_rows
    return count


def _tables(lines: Iterable[bytes]) -> Iterator[Any]:
    rows = _Rows()
    for line in lines:
        rows.add(line)
        if len(rows.columns["line"]) == GROUP_ROWS:
            yield _table(rows)
            rows = _Rows()
    yield _table(rows)


def _table(rows: _Rows) -> Any:
    import pyarrow as pa  # lazy: pyarrow, 0.08 s

    schema = _schema()
    columns = {**rows.columns, "columnar": [rows.columnar] * len(rows.columns["line"])}
    return pa.Table.from_arrays([pa.array(columns[spec.name], spec.type) for spec in schema], schema=schema)


def _coalesced(tables: Iterable[Any]) -> Iterator[Any]:
    """Puts small tables together: a snapshot that grew in many steps shall not fall into many small row groups."""
    waiting: list[Any] = []
    for table in tables:
        waiting.append(table)
        if sum(one.num_rows for one in waiting) >= GROUP_ROWS // 2:
            yield _together(waiting)
            waiting = []
    if waiting:
        yield _together(waiting)


def _together(tables: list[Any]) -> Any:
    import pyarrow as pa  # lazy: pyarrow, 0.08 s
    from pyarrow import compute  # lazy: pyarrow, 0.08 s

    table = pa.concat_tables(tables)
    columnar = table.column("columnar")
    if compute.all(columnar).as_py() == compute.any(columnar).as_py():
        return table
    place = table.schema.get_field_index("columnar")
    return table.set_column(place, table.schema.field(place), pa.array([False] * table.num_rows))


def _schema() -> Any:
    import pyarrow as pa  # lazy: pyarrow, 0.08 s

    whole, number = pa.int64(), pa.float64()
    return pa.schema(
        [
            ("at", number),
            ("trial", whole),
            ("attempt", whole),
            ("seq", whole),
            ("interval", whole),
            ("value", number),
            ("step", number),
            ("shape", pa.string()),
            ("numbers", pa.list_(number)),
            ("line", pa.binary()),
            ("columnar", pa.bool_()),
        ]
    )


# ---------------------------------------------------------------------------------------------- reading


class SnapshotFile:
    """Reads a snapshot, row group by row group."""

    def __init__(self, folder: Folder, snapshot: Snapshot) -> None:
        """Opens it.

        Raises:
            SnapshotGoneError: If it is not there.
            JournalError: If it is damaged.
            StorageError: If it cannot be read.
        """
        import pyarrow as pa  # lazy: pyarrow, 0.08 s
        from pyarrow import parquet  # lazy: pyarrow, 0.08 s

        self._name = snapshot.name
        # Whole, not piece by piece: it may be deleted while it is being read, and it is small beside what it holds.
        data = folder.read_or_none(snapshot.name)
        if data is None:
            raise SnapshotGoneError(f"{snapshot.name} has disappeared")
        if snapshot.checksum and snapshot.checksum != f"{crc32(data):08x}":
            raise DamagedJournalError(f"{snapshot.name} is not what was written: its checksum is {crc32(data):08x}")
        with self._damage():
            self._file = parquet.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
            found = json.loads((self._file.schema_arrow.metadata or {}).get(b"raydrive", b"{}")).get("format")
        if found != FORMAT:
            raise JournalError(f"{snapshot.name} has format {found!r}, this raydrive reads {FORMAT}: update raydrive")
        if not self._file.schema_arrow.equals(_schema()):
            raise DamagedJournalError(f"{snapshot.name} does not have the columns of a snapshot")

    @contextlib.contextmanager
    def _damage(self) -> Iterator[None]:
        """Whatever goes wrong while the file is read means that it is damaged: pyarrow raises all kinds of errors."""
        try:
            yield
        except (JournalError, MemoryError):
            raise
        except Exception as error:
            what = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise DamagedJournalError(f"{self._name} cannot be read ({what[:300]})") from error

    @property
    def entries(self) -> int:
        """How many entries it holds."""
        return int(self._file.metadata.num_rows)

    def tables(self) -> Iterator[Any]:
        """Yields its tables, to be copied into the next snapshot.

        Raises:
            JournalError: If one is damaged.
        """
        for group in range(self._file.num_row_groups):
            yield self._table(group)

    def entries_from(self, skip: int) -> Iterator[Entry]:
        """Yields the entries but the first so many.

        Raises:
            JournalError: If it is damaged.
        """
        for group, start in self._groups(skip):
            with self._damage():
                entries = list(_entries(self._table(group), start))
            yield from entries

    def lines_from(self, skip: int) -> Iterator[bytes]:
        """Yields the entries' lines, without newlines, but the first so many; as ``entries_from``."""
        for group, start in self._groups(skip):
            with self._damage():
                table = self._table(group)
                lines = table.column("line").to_pylist()[start:]
                for place, entry in enumerate(_entries(table, start, skip_lines=True)):
                    if lines[place] is None:
                        lines[place] = _line_of(entry[0])  # type: ignore[arg-type]
            yield from lines

    def blocks_from(self, skip: int) -> Iterator[Block | list[Entry]]:
        """Yields the entries but the first so many, a row group at once; as ``entries_from``."""
        for group, start in self._groups(skip):
            with self._damage():
                plain = bool(self._table(group, ["columnar"]).column("columnar")[0].as_py())
                piece: Block | list[Entry]
                if plain and not start:
                    piece = _block(self._table(group, [*_COLUMNS, "step", "shape", "line"]))
                else:
                    piece = list(_entries(self._table(group), start))
            yield piece

    def _groups(self, skip: int) -> Iterator[tuple[int, int]]:
        """Row groups with entries beyond the first so many, each with where to begin in it."""
        for group in range(self._file.num_row_groups):
            with self._damage():
                rows = self._file.metadata.row_group(group).num_rows
            if skip < rows:
                yield group, skip
            skip = max(0, skip - rows)

    def _table(self, group: int, columns: list[str] | None = None) -> Any:
        with self._damage():
            return self._file.read_row_group(group, columns)


def _entries(table: Any, start: int, *, skip_lines: bool = False) -> Iterator[Entry]:
    """The rows as entries; with ``skip_lines`` those that have a line are not parsed (and are nothing to use)."""
    columns = [table.column(name).slice(start).to_pylist() for name in (*_COLUMNS, "step", "shape", "numbers", "line")]
    shapes: dict[str, tuple[list[str], str]] = {}
    nothing: Entry = (Reported(0.0, 0, 0, 0, 0, None), ())
    for at, trial, attempt, seq, interval, value, step, shape, numbers, line in zip(*columns, strict=True):
        if line is not None:
            yield nothing if skip_lines else records.load(line)
        elif shape is None:
            yield Reported(at, trial, attempt, seq, interval, value), ()
        else:
            if shape not in shapes:
                names, kinds = json.loads(shape)
                shapes[shape] = names, kinds
            metrics, whole_step = _joined(*shapes[shape], numbers or [], step)
            yield Reported(at, trial, attempt, seq, interval, value, metrics, whole_step), ()


def _block(table: Any) -> Block:
    """A row group whose reports are all in columns."""
    import numpy as np  # lazy: numpy, 0.05 s

    trial = table.column("trial")
    mask = trial.is_valid().to_numpy()
    reports = table.filter(trial.is_valid())
    numbers = {name: reports.column(name).to_numpy() for name in ("trial", "attempt", "seq", "interval")}
    before = np.cumsum(mask)
    others, lines = [], table.column("line")
    steps = np.array(reports.column("step").to_numpy(), dtype=float)
    names: dict[int, tuple[str, ...]] = {}
    for row in np.flatnonzero(lines.is_valid().to_numpy()).tolist():
        fact, decisions = records.load(lines[row].as_py())
        if not mask[row]:
            others.append(Other(int(before[row]), fact, decisions))
            continue
        report = int(before[row]) - 1
        names[report] = tuple(fact.metrics) if isinstance(fact, Reported) else ()
        if isinstance(fact, Reported) and isinstance(fact.step, int | float):
            steps[report] = as_float(fact.step)
        if decisions:
            others.append(Other(int(before[row]), None, decisions))
    shapes = reports.column("shape")

    def logged(report: int) -> tuple[str, ...]:
        if report in names:
            return names[report]
        shape = shapes[report].as_py()
        return tuple(json.loads(shape)[0]) if shape is not None else ()

    values = reports.column("value").to_numpy()
    return Block(
        at=reports.column("at").to_numpy(),
        **numbers,
        value=np.asarray(values, dtype=float),
        logged=logged,
        others=others,
        entries=table.num_rows,
        step=steps,
    )
