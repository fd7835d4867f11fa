"""What a trial left: its files by name, its logs from any byte on, from a directory and from an object store."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from raydrive.core.errors import StorageError, TrialError
from raydrive.storage.folder.base import Folder
from raydrive.storage.run_layout import RunLayout
from raydrive.storage.trial_files import (
    copy_file,
    copy_files,
    is_inside,
    list_files,
    log_size,
    read_file,
    read_log,
    whole_log,
)
from raydrive.storage.uploads import LOG_PART_BYTES, log_part

PARTS = [b"a" * LOG_PART_BYTES, b"b" * LOG_PART_BYTES, b"the end\n"]
"""A log that an object store keeps in three parts."""


@pytest.fixture
def layout(folder: Folder) -> RunLayout:
    layout = RunLayout.create(folder, "digits", "run-1")
    trial = layout.trial(0)
    for name in ("outputs/model.bin", "outputs/deep/a.txt", "logs/train.log", "checkpoints/00001/weights"):
        trial.write_whole(name, name.encode())
    trial.write_whole("attempt-1/log.txt", b"first\n")
    for number, part in enumerate(PARTS):
        layout.attempt(0, 2).write_whole(log_part(number), part)
    return layout


NAMES = ["attempt-1/log.txt", "attempt-2/log.txt", "logs/train.log", "outputs/deep/a.txt", "outputs/model.bin"]


def test_a_log_in_parts_is_one_name_and_checkpoints_are_none(layout: RunLayout) -> None:
    assert list_files(layout, 0) == NAMES
    assert list_files(layout, 1) == []


def test_files_are_read_by_these_names(layout: RunLayout) -> None:
    assert read_file(layout, 0, "outputs/deep/a.txt") == b"outputs/deep/a.txt"
    assert read_file(layout, 0, "attempt-2/log.txt") == b"".join(PARTS)


@pytest.mark.parametrize("name", ["outputs", "outputs/", "outputs/../../../config.json", "/etc/passwd", "", "a\0b"])
def test_what_is_no_name_of_a_file_is_refused(layout: RunLayout, name: str) -> None:
    with pytest.raises(TrialError, match="trial 0 has no file") as caught:
        read_file(layout, 0, name)
    assert f"it has: {', '.join(NAMES)}" in str(caught.value)


def test_a_misspelt_name_gets_the_nearest(layout: RunLayout) -> None:
    with pytest.raises(TrialError, match=r"Did you mean 'outputs/model\.bin'\?"):
        read_file(layout, 0, "outputs/model.bim")
    with pytest.raises(TrialError, match="it has: none"):
        read_file(layout, 7, "outputs/model.bin")


def test_logs_are_read_from_any_byte_on(layout: RunLayout) -> None:
    whole = b"".join(PARTS)
    assert log_size(layout, 0, 2) == len(whole)
    assert read_log(layout, 0, 2, LOG_PART_BYTES - 1, 3) == (b"abb", LOG_PART_BYTES + 2)
    assert read_log(layout, 0, 2, -8) == (b"the end\n", len(whole))
    assert read_log(layout, 0, 2, len(whole)) == (b"", len(whole))
    assert read_log(layout, 0, 2, len(whole) + 100) == (b"", len(whole)), "its middle was dropped meanwhile"
    assert whole_log(layout, 0, 2) == whole.decode()
    assert (read_log(layout, 0, 3), whole_log(layout, 0, 3)) == ((b"", 0), "")


def test_a_copy_goes_where_it_is_wanted(layout: RunLayout, tmp_path: Path) -> None:
    into = tmp_path / "here"
    into.mkdir()
    assert copy_file(layout, 0, "outputs/model.bin", str(into)) == str(into / "model.bin")
    assert copy_file(layout, 0, "attempt-2/log.txt", f"{tmp_path}/new/") == f"{tmp_path}/new/log.txt"
    assert (tmp_path / "new" / "log.txt").read_bytes() == b"".join(PARTS)
    assert copy_file(layout, 0, "outputs/model.bin", str(into / "mine")) == str(into / "mine")
    assert (into / "mine").read_bytes() == b"outputs/model.bin"


def test_all_files_of_a_prefix_keep_their_folders(layout: RunLayout, tmp_path: Path) -> None:
    copied, left_out = copy_files(layout, 0, "outputs/", str(tmp_path / "to"))
    assert copied == [str(tmp_path / "to/outputs/deep/a.txt"), str(tmp_path / "to/outputs/model.bin")]
    assert left_out == []
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "outputs").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match=r"^2 of 5 files could not be copied: outputs/deep/a\.txt \("):
        copy_files(layout, 0, "", str(tmp_path / "full"))
    assert (tmp_path / "full" / "logs" / "train.log").exists()


def test_what_is_no_file_is_left_out_with_its_reason(local: Folder, tmp_path: Path) -> None:
    layout = RunLayout.create(local, "digits", "run-2")
    layout.trial(0).write_whole("outputs/a", b"1")
    path = layout.trial(0).local_path
    assert path is not None
    os.mkfifo(path / "outputs" / "pipe")
    (path / "outputs" / "away").symlink_to(tmp_path)
    skipped: list[str] = []
    assert list_files(layout, 0, skipped) == ["outputs/a"]
    assert sorted(text.split()[0] for text in skipped) == ["outputs/away", "outputs/pipe"]


def test_a_name_that_is_no_text_is_read_by_the_one_that_is_shown(local: Folder) -> None:
    layout = RunLayout.create(local, "digits", "run-3")
    layout.trial(0).write_whole("outputs/plain", b"plain")
    path = layout.trial(0).local_path
    assert path is not None
    (path / "outputs" / os.fsdecode(b"caf\xe9")).write_bytes(b"odd")
    (odd,) = [name for name in list_files(layout, 0) if name != "outputs/plain"]
    assert odd.isascii()
    assert read_file(layout, 0, odd) == b"odd"


@pytest.mark.parametrize(
    ("name", "inside"),
    [("a/b", True), ("..", False), ("a/../b", False), ("a//b", False), ("/a", False), ("a\0", False)],
)
def test_names_that_stay_below_their_folder(name: str, inside: bool) -> None:
    assert is_inside(name) is inside
