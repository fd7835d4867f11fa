"""TensorBoard's tracker, read back from its event files."""

from __future__ import annotations

from pathlib import Path

import pytest
from killed_tracker import TOLD, killed_while_told
from tensorboardX.proto import event_pb2, plugin_hparams_pb2

from raydrive.testing.trackers import ABOUT, Kept, TrackerContract, logged
from raydrive.trackers.protocol import About, Tracker
from raydrive.trackers.tensorboard import TensorboardTracker


def events(folder: Path) -> list[event_pb2.Event]:
    """All events of a folder's own files, in order of time."""
    found = []
    for file in sorted(folder.glob("events*")):
        data, at = file.read_bytes(), 0
        while at < len(data):
            length = int.from_bytes(data[at : at + 8], "little")
            if at + 16 + length > len(data):
                break  # a process died within it
            found.append(event_pb2.Event.FromString(data[at + 12 : at + 12 + length]))
            at += 16 + length
    return found


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Scalars by tag, as often as they are there."""
    found: dict[str, list[tuple[int, float]]] = {}
    for event in events(folder):
        for value in event.summary.value:
            if value.WhichOneof("value") == "simple_value":
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return {name: sorted(values) for name, values in found.items()}


def texts(folder: Path) -> list[str]:
    return [
        value.tensor.string_val[0].decode()
        for event in events(folder)
        for value in event.summary.value
        if value.tag.startswith("raydrive")
    ]


def hyperparameters(folder: Path) -> dict[str, str]:
    for event in events(folder):
        for value in event.summary.value:
            if value.tag == "_hparams_/session_start_info":
                data = plugin_hparams_pb2.HParamsPluginData.FromString(value.metadata.plugin_data.content)
                given = data.session_start_info.hparams
                return {name: str(getattr(given[name], given[name].WhichOneof("kind"))) for name in given}
    return {}


class TestTensorboard(TrackerContract):
    def make(self, folder: Path, about: About) -> Tracker:
        return TensorboardTracker({"dir": str(folder)}, about)

    def kept(self, folder: Path, about: About) -> Kept:
        root, kept = folder / about.run_id, Kept()
        kept.best = scalars(root).get("best_val/loss", [])
        for place in [root, *sorted(root.glob("trial-*"))]:
            number = None if place == root else int(place.name.removeprefix("trial-"))
            if number is not None:
                kept.curves[number], kept.params[number] = scalars(place), hyperparameters(place)
            if ends := texts(place):
                kept.ended[number] = ends[-1].startswith("Completed")
        return kept


def test_what_a_killed_process_had_written_is_there_once(tmp_path: Path) -> None:
    """The next one is told the same again, behind a record that is not whole."""
    subject = TestTensorboard()
    killed_while_told(TestTensorboard, tmp_path)
    (file, *_) = (tmp_path / ABOUT.run_id / "trial-00000").glob("events*")
    with file.open("ab") as torn:
        torn.write(file.read_bytes()[:30])
    again = subject.make(tmp_path, ABOUT)
    again.begin()
    again.deliver([*TOLD, logged(0, 3)])
    again.close()
    curve = [(1, 1.0), (2, 0.5), (3, pytest.approx(1 / 3))]
    assert subject.kept(tmp_path, ABOUT).curves[0]["val/loss"] == curve
    found = [value.tag for event in events(file.parent) for value in event.summary.value]
    assert found.count("_hparams_/session_start_info") == 1
