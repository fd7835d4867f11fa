"""W&B's tracker with the real library, offline, read back from the files that `wandb sync` sends."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from callback_contract import needs
from killed_tracker import TOLD, killed_while_told

from raydrive.testing.trackers import ABOUT, Kept, TrackerContract, logged
from raydrive.trackers.protocol import About, Tracker
from raydrive.trackers.wandb import WandbTracker

pytestmark = needs("wandb")
_BLOCK = 32768


def records(file: Path) -> Iterator[Any]:
    """The records of a file of W&B's: LevelDB's log format (doc/log_format.md there), behind seven bytes."""
    from wandb.proto import wandb_internal_pb2

    data, at, parts = file.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if _BLOCK - at % _BLOCK < 7:
            at += _BLOCK - at % _BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        parts += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(parts)
            parts = b""
            yield record


class TestWandb(TrackerContract):
    def make(self, folder: Path, about: About) -> Tracker:
        return WandbTracker({"project": "p", "mode": "offline", "dir": str(folder)}, about)

    def kept(self, folder: Path, about: About) -> Kept:
        kept, self.rows = Kept(), dict[int | None, dict[int, dict[str, Any]]]()
        for file in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
            self._read(file, about, kept)
        for number, rows in self.rows.items():
            for _, row in sorted(rows.items()):
                step = row.pop("interval")
                if number is None:
                    kept.best.append((step, row["best val/loss"]))
                for name in row if number is not None else ():
                    if not name.startswith("_"):
                        kept.curves[number].setdefault(name, []).append((step, row[name]))
        return kept

    def _read(self, file: Path, about: About, kept: Kept) -> None:
        """Adds what a file holds; a row whose step is there takes that one's place, as at W&B's server."""
        number: int | None = None
        for record in records(file):
            kind = record.WhichOneof("record_type")
            if kind == "run":
                if record.run.run_group != about.run_id:
                    return
                assert record.run.project == "p"
                _, _, tail = record.run.display_name.removeprefix(about.run_id).partition("_")
                number = int(tail) if tail else None
                if number is not None:
                    given = {item.key: json.loads(item.value_json) for item in record.run.config.update}
                    kept.curves.setdefault(number, {})
                    kept.params[number] = {key: str(value) for key, value in given.items() if key != "_wandb"} or (
                        kept.params.get(number, {})
                    )
            elif kind == "history":
                row = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
                rows = self.rows.setdefault(number, {})
                assert rows.get(record.history.step.num, row)["interval"] == row["interval"], "another row of this step"
                rows[record.history.step.num] = row
            elif kind == "exit":
                kept.ended[number] = record.exit.exit_code == 0


def test_rows_that_are_told_again_are_dropped_or_have_the_steps_that_they_had(tmp_path: Path) -> None:
    """W&B drops a row whose step is not above the last one; in another file of the same run it takes its place."""
    killed_while_told(TestWandb, tmp_path)
    subject = TestWandb()
    again = subject.make(tmp_path, ABOUT)
    again.begin()
    again.deliver([*TOLD, logged(0, 3)])
    again.deliver([*TOLD, logged(0, 3)])
    again.close()
    found = subject.kept(tmp_path, ABOUT)
    assert [step for step, _ in found.curves[0]["val/loss"]] == [1, 2, 3]
    assert found.best == [(1, 1.0), (2, 0.5)]
    last = max(tmp_path.glob("wandb/offline-run-*/*.wandb"), key=lambda file: file.stat().st_size)
    assert sum(record.WhichOneof("record_type") == "history" for record in records(last)) <= 3
