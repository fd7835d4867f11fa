"""W&B's tracker with the real library, offline, read back from the files that `wandb sync` sends."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from callback_contract import needs

from raydrive.testing.trackers import Kept, TrackerContract
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
        kept = Kept()
        for file in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
            self._read(file, about, kept)
        return kept

    def _read(self, file: Path, about: About, kept: Kept) -> None:
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
                step = row["interval"]
                if number is None:
                    kept.best.append((step, row["best val/loss"]))
                for name, value in row.items() if number is not None else ():
                    points = kept.curves[number].setdefault(name, [])
                    if not name.startswith("_") and name != "interval" and step not in dict(points):
                        points.append((step, value))
            elif kind == "exit":
                kept.ended[number] = record.exit.exit_code == 0
        for curves in kept.curves.values():
            for name in [name for name in curves if name.startswith("_") or name == "interval"]:
                del curves[name]
