"""Trial files: to a storage that is not a directory, and back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydrive.core.errors import StorageError, TrialError
from raydrive.storage import trial_files, uploads
from raydrive.storage.folder.base import Folder
from raydrive.storage.folder.open import open_folder
from raydrive.storage.run_layout import RunLayout
from raydrive.storage.trial_files import download_file, list_files, log_size, read_file, read_log
from raydrive.storage.uploads import LogUploader, Uploaded, log_part, upload_tree

PART = 100


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "LOG_PART_BYTES", PART)
    monkeypatch.setattr(trial_files, "LOG_PART_BYTES", PART)


@pytest.fixture
def layout(folder: Folder) -> RunLayout:
    return RunLayout.create(folder, "digits", "digits-1")


@pytest.fixture
def remote_layout(arrow: Folder) -> RunLayout:
    return RunLayout.create(arrow, "digits", "digits-1")


def test_a_tree_is_copied(folder: Folder, tmp_path: Path) -> None:
    root = tmp_path / "outputs"
    (root / "deep/er").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "model.bin").write_bytes(b"model")
    (root / "deep/er/x").write_bytes(b"")
    (root / "latest.bin").symlink_to("model.bin")
    (root / "loop").symlink_to(".", target_is_directory=True)
    (root / "broken").symlink_to("nowhere")
    os.mkfifo(root / "pipe")
    done = upload_tree(root, folder.child("outputs"))
    assert (done.files, done.size) == (3, 10)
    assert done.skipped == ["broken (a dangling link)", "loop (a link to a folder)", "pipe (not a file)"]
    assert [item.name for item in folder.walk()] == ["outputs/deep/er/x", "outputs/latest.bin", "outputs/model.bin"]
    assert upload_tree(tmp_path / "nothing", folder).files == 0


def test_a_log_grows(remote_layout: RunLayout, tmp_path: Path) -> None:
    log, folder = tmp_path / "log.txt", remote_layout.attempt(3, 1)
    uploader = LogUploader(log, folder)
    assert uploader.sync() == 0
    assert read_log(remote_layout, 3, 1) == (b"", 0)
    whole, place = b"", 0
    for number in range(60):
        with log.open("ab") as file:
            file.write(f"line {number}\n".encode())
        if number % 3:
            assert uploader.sync() > 0
            assert uploader.sync() == 0
        data, place = read_log(remote_layout, 3, 1, place)
        whole += data
    uploader.sync()
    data, place = read_log(remote_layout, 3, 1, place)
    whole += data
    assert whole == log.read_bytes()
    assert place == uploader.sent == len(whole) == log_size(remote_layout, 3, 1)
    assert [item.name for item in folder.list()] == [log_part(number) for number in range(len(whole) // PART + 1)]
    assert [item.size for item in folder.list()][:-1] == [PART] * (len(whole) // PART)
    assert list_files(remote_layout, 3) == ["attempt-1/log.txt"]
    assert read_file(remote_layout, 3, "attempt-1/log.txt") == whole
    assert download_file(remote_layout, 3, "attempt-1/log.txt", tmp_path / "copy") == len(whole)
    assert (tmp_path / "copy").read_bytes() == whole


def test_an_upload_never_costs_more_than_a_part_and_what_is_new(
    remote_layout: RunLayout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, log, sizes = remote_layout.attempt(1, 1), tmp_path / "log.txt", list[int]()
    put = type(folder).write_whole

    def counted(self: Folder, name: str, data: bytes, *, durable: bool = True) -> None:
        sizes.append(len(data))
        put(self, name, data)  # type: ignore[call-arg]

    monkeypatch.setattr(type(folder), "write_whole", counted)
    uploader = LogUploader(log, folder)
    log.write_bytes(b"x" * 1050)
    uploader.sync()
    assert sizes == [PART] * 10 + [50]
    sizes.clear()
    with log.open("ab") as file:
        file.write(b"y" * 60)
    uploader.sync()
    assert sizes == [PART, 10]


def test_an_upload_that_failed_goes_on(
    remote_layout: RunLayout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, log = remote_layout.attempt(1, 1), tmp_path / "log.txt"
    put, room = type(folder).write_whole, [2]

    def failing(self: Folder, name: str, data: bytes, *, durable: bool = True) -> None:
        room[0] -= 1
        if room[0] < 0:
            raise StorageError("away")
        put(self, name, data)  # type: ignore[call-arg]

    monkeypatch.setattr(type(folder), "write_whole", failing)
    log.write_bytes(os.urandom(5 * PART))
    uploader = LogUploader(log, folder)
    with pytest.raises(StorageError, match="away"):
        uploader.sync()
    assert uploader.sent == 2 * PART
    room[0] = 99
    assert uploader.sync() == 3 * PART
    assert read_log(remote_layout, 1, 1)[0] == log.read_bytes()


@given(
    size=st.integers(0, 450),
    start=st.integers(-500, 500),
    limit=st.integers(0, 500),
    kind=st.sampled_from(["one", "parts"]),
)
def test_any_range_of_a_log(
    tmp_path_factory: pytest.TempPathFactory, size: int, start: int, limit: int, kind: str
) -> None:
    place = tmp_path_factory.mktemp("log")
    layout = RunLayout(open_folder(place / "run"), "digits", "run")
    log = bytes(number % 251 for number in range(size))
    (place / "log.txt").write_bytes(log)
    if kind == "one":
        layout.attempt(1, 1).write_whole("log.txt", log)
    else:
        LogUploader(place / "log.txt", layout.attempt(1, 1)).sync()
    begin = max(0, size + start) if start < 0 else start
    expected = log[begin : begin + limit]
    end = min(begin, size) + len(expected)  # of a log that has become shorter, its new end
    assert read_log(layout, 1, 1, start, limit) == (expected, end)
    assert log_size(layout, 1, 1) == size


def test_a_trials_files(layout: RunLayout, tmp_path: Path) -> None:
    trial = layout.trial(2)
    trial.write_whole("attempt-1/log.txt", b"one")
    trial.write_whole("attempt-2/log.txt", b"two")
    trial.write_whole("outputs/model/weights.bin", b"weights")
    trial.write_whole("logs/more.txt", b"more")
    trial.write_whole("checkpoints/00001/state", b"not a result")
    assert list_files(layout, 2) == [
        "attempt-1/log.txt", "attempt-2/log.txt", "logs/more.txt", "outputs/model/weights.bin"
    ]  # fmt: skip
    assert read_file(layout, 2, "outputs/model/weights.bin") == b"weights"
    assert download_file(layout, 2, "outputs/model/weights.bin", tmp_path / "w.bin") == 7
    assert (tmp_path / "w.bin").read_bytes() == b"weights"
    assert list_files(layout, 3) == []


@pytest.mark.parametrize(
    "name", ["outputs/model.bim", "outputs", "../00003/outputs/x", "attempt-9/log.txt", "", "/etc/passwd"]
)
def test_files_a_trial_does_not_have(layout: RunLayout, tmp_path: Path, name: str) -> None:
    layout.trial(2).write_whole("outputs/model.bin", b"")
    layout.trial(3).write_whole("outputs/x", b"")
    for attempt in (lambda: read_file(layout, 2, name), lambda: download_file(layout, 2, name, tmp_path / "w")):
        with pytest.raises(TrialError, match=r"trial 2 has no file .* it has: outputs/model.bin"):
            attempt()
    assert not (tmp_path / "w").exists()


def test_names_that_are_no_text_are_listed_and_read_escaped(layout: RunLayout, tmp_path: Path) -> None:
    """As a directory may hold them; an object store has them escaped already."""
    place = layout.outputs(2).local_path
    if place is None:
        pytest.skip("an object store has no such names")
    place.mkdir(parents=True)
    for name in (b"caf\xe9.txt", b"caf%E9.txt", b"\xff\xfe"):
        Path(os.fsdecode(os.fsencode(place) + b"/" + name)).write_bytes(name)
    names = ["outputs/%FF%FE", "outputs/caf%E9.txt", "outputs/caf%E9.txt~"]
    assert list_files(layout, 2) == names
    contents = [b"\xff\xfe", b"caf%E9.txt", b"caf\xe9.txt"]
    assert [read_file(layout, 2, name) for name in names] == contents
    assert download_file(layout, 2, names[2], tmp_path / "copy") == 8
    assert (tmp_path / "copy").read_bytes() == contents[2]
    with pytest.raises(TrialError, match="has no file"):
        read_file(layout, 2, "outputs/caf%E8.txt")


def test_what_was_done_is_not_done_again_and_a_store_that_is_away_ends_it(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = tmp_path / "here"
    local.mkdir()
    for name in "abc":
        (local / name).write_text(name)
    put, away, tried = type(folder).put_file, {"b"}, list[str]()

    def failing(self: Folder, source: Path, name: str, **more: Any) -> int:
        tried.append(name)
        if name in away:
            raise StorageError("cannot write b: no")
        return put(self, source, name, **more)  # type: ignore[no-any-return, call-arg]

    def check() -> None:
        raise StorageError("away")

    monkeypatch.setattr(type(folder), "put_file", failing)
    done = Uploaded()
    with pytest.raises(StorageError, match="away"):
        upload_tree(local, folder.child("x"), before=done, check=check)
    assert (done.done, tried) == ({"a"}, ["a", "b"])
    assert upload_tree(local, folder.child("x"), before=done) is done
    assert (done.done, done.missing, tried) == ({"a", "c"}, {"b": "cannot write b: no"}, ["a", "b", "b", "c"])
    away.clear()
    upload_tree(local, folder.child("x"), before=done)
    assert (done.done, done.missing, done.files, done.size) == ({"a", "b", "c"}, {}, 3, 3)
    assert [item.name for item in folder.walk() if item.name.startswith("x/")] == ["x/a", "x/b", "x/c"]


def test_the_nearest_name_is_proposed(layout: RunLayout) -> None:
    layout.trial(2).write_whole("outputs/model.bin", b"")
    with pytest.raises(TrialError, match=r"Did you mean 'outputs/model.bin'\?"):
        read_file(layout, 2, "outputs/modle.bin")
    with pytest.raises(TrialError, match="it has: none"):
        read_file(layout, 5, "x")
