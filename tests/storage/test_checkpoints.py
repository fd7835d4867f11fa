"""Checkpoints in a run folder: which are kept, and that nobody deletes one that is gone on from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raydrive.core.errors import StorageError
from raydrive.runtime.trial_actor.files.checkpoint_publisher import recover
from raydrive.storage.checkpoints import manifests, name_of, pin, pin_for, pinned, prune, publish, unpin_for
from raydrive.storage.folder.local import LocalFolder
from raydrive.storage.run_layout import RunLayout


def run_with(tmp_path: Path, values: list[float | None]) -> RunLayout:
    """A run whose trial 0 saved a checkpoint for each value."""
    layout = RunLayout.create(tmp_path / "storage", "e", "e-20261125-120000-0001")
    for k, value in enumerate(values, 1):
        saved = tmp_path / f"saved-{k}"
        saved.mkdir()
        (saved / "state").write_text(str(k))
        publish(layout, 0, saved, attempt=1, interval=k, value=value, at=float(k))
    return layout


def numbers(layout: RunLayout) -> list[int]:
    return [manifest.number for manifest in manifests(layout, 0)]


def test_the_newest_and_the_best_are_kept(tmp_path: Path) -> None:
    layout = run_with(tmp_path, [0.1, 0.9, 0.3, None, 0.2])
    assert prune(layout, 0, keep_last=1, maximize=True) == [1, 3, 4]
    assert numbers(layout) == [2, 5]


def test_what_an_attempt_goes_on_from_is_kept_until_a_later_one_goes_on_from_another(tmp_path: Path) -> None:
    layout = run_with(tmp_path, [None] * 4)
    assert pinned(layout, 0) is None
    notes: list[str] = []
    found = recover(layout, 0, 2, "2", 9, tmp_path / "here", notes.append)
    assert found is not None
    assert (found.number, pinned(layout, 0), notes) == (2, 2, [])
    # Whoever prunes, also a lost attempt that still trains, leaves it.
    assert prune(layout, 0, keep_last=1, maximize=True) == [1, 3]
    pin(layout, 0, 3, 4)
    assert prune(layout, 0, keep_last=1, maximize=True) == [2]
    assert numbers(layout) == [4]


def test_what_another_trial_goes_on_from_is_kept_until_that_one_needs_it_no_more(tmp_path: Path) -> None:
    layout = run_with(tmp_path, [None] * 4)
    pin_for(layout, 0, 7, 2)
    pin_for(layout, 0, 8, 3)
    assert prune(layout, 0, keep_last=1, maximize=True) == [1]
    unpin_for(layout, 0, 7)
    assert prune(layout, 0, keep_last=1, maximize=True) == [2]
    assert numbers(layout) == [3, 4]


def test_another_trials_checkpoint_is_taken_with_the_intervals_of_the_one_that_takes_it(tmp_path: Path) -> None:
    layout = run_with(tmp_path, [None] * 3)
    notes: list[str] = []
    found = recover(layout, 5, 2, name_of(0, "2") or "", 9, tmp_path / "here", notes.append)
    assert found is not None
    assert (found.number, found.interval, (found.path / "state").read_text(), notes) == (2, 9, "2", [])
    assert pinned(layout, 5) is None
    place = layout.checkpoint(0, 2).local_path
    assert place is not None
    (place / "files" / "state").write_text("x")
    found = recover(layout, 5, 2, "0/2", 9, tmp_path / "here", notes.append)
    assert found is not None
    assert found.number == 3  # a newer one of the same trial
    assert notes == ["checkpoint 2 of trial 0 is missing or damaged; using its checkpoint 3"]
    assert recover(layout, 5, 2, "4/1", 9, tmp_path / "here", notes.append) is None


def test_the_one_before_a_damaged_one_is_pinned(tmp_path: Path) -> None:
    layout = run_with(tmp_path, [None] * 3)
    place = layout.checkpoint(0, 3).local_path
    assert place is not None
    (place / "files" / "state").write_text("x")
    notes: list[str] = []
    found = recover(layout, 0, 2, "3", 9, tmp_path / "here", notes.append)
    assert found is not None
    assert (found.number, (found.path / "state").read_text(), pinned(layout, 0)) == (2, "2", 2)
    assert "state is damaged" in notes[0]
    assert "using the previous one" in notes[0]
    assert prune(layout, 0, keep_last=1, maximize=True) == [1]


def test_what_the_record_does_not_name_yet_takes_nothing_away(tmp_path: Path) -> None:
    """A newer one may be there whose word never reached the driver: the one it does know has to stay."""
    layout = run_with(tmp_path, [None] * 4)
    assert prune(layout, 0, keep_last=1, maximize=True, upto=3) == [1, 2]
    assert numbers(layout) == [3, 4]


def test_a_checkpoint_with_intervals_that_were_never_reported_is_passed_over(tmp_path: Path) -> None:
    layout = run_with(tmp_path, [None] * 4)  # checkpoint n holds n intervals
    found = recover(layout, 0, 2, "4", 2, tmp_path / "here", lambda text: None)
    assert found is not None
    assert found.number == 2


def test_a_manifest_that_is_not_what_was_written_does_not_count_and_that_is_noted(tmp_path: Path) -> None:
    layout, notes = run_with(tmp_path, [0.5, 0.6]), list[str]()
    place = layout.checkpoint(0, 2)
    written = place.read_bytes("manifest.json")
    for damaged in (
        written.replace(b'"interval": 2', b'"interval": 3'),
        b'{"number": 2, "attempt": 1, "interval": "2", "value": null, "at": 0, "files": {}}',
        b'{"number": 2, "attempt": 1, "interval": 2, "value": null, "at": 0, "files": {"../x": {"sha256": ""}}}',
        b'{"number": 2, "attempt": 1, "interval": 2, "value": null, "at": 0, "files": {"x": 5}}',
        b"[" * 2000,
    ):
        assert damaged != written
        place.write_whole("manifest.json", damaged)
        assert numbers(layout) == [1]
        found = recover(layout, 0, 2, "2", 2, tmp_path / "here", notes.append)
        assert found is not None
        assert found.number == 1
        assert notes.pop() == "checkpoint 2 of trial 0 is missing or damaged; using the previous one"


def test_a_torn_pin_keeps_nothing_and_breaks_nothing(tmp_path: Path) -> None:
    layout = run_with(tmp_path, [None] * 2)
    layout.checkpoints(0).write_whole("resumed.json", b'{"attempt": 2')
    assert prune(layout, 0, keep_last=1, maximize=True) == [1]


class Interrupted(BaseException):
    """The process is killed here."""


@pytest.mark.parametrize("end", [StorageError("the disk is full"), Interrupted()])
@pytest.mark.parametrize("step", range(8))
def test_a_checkpoint_counts_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, end: BaseException
) -> None:
    """Before or after any of the writes of an upload: three files, and then the manifest."""
    layout = run_with(tmp_path, [None])
    saved = tmp_path / "later"
    (saved / "deep").mkdir(parents=True)
    for name in ("a", "b", "deep/c"):
        (saved / name).write_text(name)
    writes: list[str] = []

    def wrapped(real: Any) -> Any:
        def write(*arguments: Any, **options: Any) -> Any:
            if len(writes) * 2 == step:
                raise end
            done = real(*arguments, **options)
            writes.append(str(arguments[-1]))
            if len(writes) * 2 == step + 1:
                raise end
            return done

        return write

    with monkeypatch.context() as patch:
        for name in ("put_file", "write_whole"):
            patch.setattr(LocalFolder, name, wrapped(getattr(LocalFolder, name)))
        with pytest.raises(type(end)):
            publish(layout, 0, saved, attempt=1, interval=2, value=None, at=2.0)
    whole = step == 7 and isinstance(end, Interrupted)  # killed after its last write: it is all there
    assert numbers(layout) == ([1, 2] if whole else [1])
    found = recover(layout, 0, 2, "2", 2, tmp_path / "here", lambda text: None)
    assert found is not None
    assert found.number == (2 if whole else 1)
    # What a try left does not stay in the way of the next one, nor on the disk.
    folder = layout.checkpoints(0).local_path
    assert folder is not None
    left = {path.name for path in folder.iterdir() if path.is_dir()}
    if isinstance(end, StorageError):
        assert left == {"00001"}
    again = publish(layout, 0, saved, attempt=1, interval=2, value=None, at=3.0)
    publish(layout, 0, saved, attempt=1, interval=3, value=None, at=4.0)
    prune(layout, 0, keep_last=2, maximize=True)
    kept = {path.name for path in folder.iterdir() if path.is_dir()}
    assert kept == {f"{found.number:05d}", f"{again.number:05d}", f"{again.number + 1:05d}"}
    assert len(again.files) == 3


def test_an_upload_under_way_is_not_taken_for_the_remains_of_one(tmp_path: Path) -> None:
    layout = run_with(tmp_path, [None] * 2)
    begun = layout.checkpoint(0, 3)
    begun.child("files").write_whole("state", b"3")
    assert prune(layout, 0, keep_last=1, maximize=True) == [1]
    assert begun.child("files").exists("state")
