"""TensorBoard: a folder of event files for the run, and one below it for each trial."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from raydrive.core.views.chart_axes import flat
from raydrive.core.views.portable_values import Names, as_moment, as_text
from raydrive.trackers.protocol import About, Improved, Logged, RunEnded, TrialBegan, TrialEnded, Update

Event = tuple[str, int, float]
"""Tag, step and time of an event: the same when it is told again."""
_ALLOWED, _LONGEST = r"[-/\w.]", 500


class TensorboardTracker:
    """Keeps a run as event files: ``DIR/RUN`` and ``DIR/RUN/trial-00007``.

    Args:
        settings: ``dir``, the folder that TensorBoard is started with.
        about: The run.
    """

    def __init__(self, settings: Mapping[str, str], about: About) -> None:
        import tensorboardX  # lazy: optional dependency
        from tensorboardX.summary import hparams  # lazy: optional dependency

        self._writer_class, self._hparams = tensorboardX.SummaryWriter, hparams
        self._about = about
        self._root = Path(settings["dir"]).expanduser() / about.run_id
        self._open: dict[int | None, Any] = {}
        """Writers by the number of the trial; None = the whole."""
        self._there: dict[int | None, set[Event]] = {}
        """What their folders held when they were opened: a process that died had written it, and may not have recorded
        that."""
        self._names = Names(_ALLOWED, _LONGEST, is_path=True)

    def begin(self) -> None:
        """Makes the folder; files that are there stay, and TensorBoard reads all of a folder as one.

        Raises:
            OSError: If it cannot be written.
        """
        self._root.mkdir(parents=True, exist_ok=True)
        self._writer(None)

    def deliver(self, updates: Sequence[Update]) -> None:
        """Takes updates; they are in the files when this returns.

        Raises:
            OSError: If they cannot be written.
        """
        touched: set[int | None] = set()
        for update in updates:
            number = None if isinstance(update, Improved | RunEnded) else update.trial
            touched.add(number)
            match update:
                case TrialBegan():
                    self._log_params(update)
                case Logged():
                    self._logged(update)
                case Improved():
                    self._scalar(None, f"best_{self._about.metric}", update.value, update.step, update.at)
                case TrialEnded() | RunEnded():
                    self._ended(number, update)
        for number in touched & self._open.keys():
            self._open[number].flush()

    def close(self) -> None:
        """Closes the files."""
        for number in list(self._open):
            self._open.pop(number).close()

    def _writer(self, number: int | None) -> Any:
        if number not in self._open:
            folder = self._root if number is None else self._root / f"trial-{number:05d}"
            self._there[number] = _events_in(folder)
            # Names of files have seconds only, and another instance must not write into one that is there.
            suffix = f".{time.time_ns()}"
            self._open[number] = self._writer_class(logdir=str(folder), write_to_disk=True, filename_suffix=suffix)
        return self._open[number]

    def _logged(self, update: Logged) -> None:
        for name, value in update.values.items():
            self._scalar(update.trial, name, value, update.step, update.at)

    def _scalar(self, number: int | None, name: str, value: float, step: int, at: float) -> None:
        writer, tag, moment = self._writer(number), self._names.of(name), as_moment(at)
        if (tag, step, moment) not in self._there[number]:
            writer.add_scalar(tag, value, step, walltime=moment)

    def _log_params(self, update: TrialBegan) -> None:
        """Writes what the page of hyperparameters shows: it finds the values of the metric by itself."""
        params = {
            as_text(key): value if isinstance(value, bool | int | float) else as_text(value)
            for key, value in flat(update.params).items()
        }
        writer = self._writer(update.trial)
        if any(tag.startswith("_hparams_") for tag, _, _ in self._there[update.trial]):
            return
        for part in self._hparams(params, {self._names.of(self._about.metric): math.nan}):
            writer.file_writer.add_summary(part)

    def _ended(self, number: int | None, update: TrialEnded | RunEnded) -> None:
        writer = self._writer(number)
        moment = as_moment(update.at)
        if ("raydrive/text_summary", 0, moment) not in self._there[number]:
            writer.add_text("raydrive", f"{update.state}: {as_text(update.why)}", 0, walltime=moment)
        writer.close()
        del self._open[number]


def _events_in(folder: Path) -> set[Event]:
    """What the event files of a folder hold, up to where each can be read: a process may have died within a record."""
    from tensorboardX.proto import event_pb2  # lazy: optional dependency

    found = set[Event]()
    for file in folder.glob("events*"):
        data, at = file.read_bytes(), 0
        # A record is its length (8 bytes), a checksum of that (4), the event, and a checksum of it (4).
        while at + 12 <= len(data):
            end = at + 12 + int.from_bytes(data[at : at + 8], "little")
            if end > len(data):
                break
            event = event_pb2.Event.FromString(data[at + 12 : end])
            found |= {(value.tag, event.step, event.wall_time) for value in event.summary.value}
            at = end + 4
    return found
