"""What a trial left is opened without waiting, and only inside the run's folder."""

from __future__ import annotations

import contextlib
import os
import pickle
import shutil
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from raydrive.core.errors import RefusedFileError, StorageError, TrialError
from raydrive.storage.checkpoints import manifests, pin, pinned, prune, publish
from raydrive.storage.folder.base import Folder
from raydrive.storage.folder.contained import DEEPEST, open_contained, open_regular, remove_tree, walk_contained
from raydrive.storage.folder.open import open_folder
from raydrive.storage.run_layout import RunLayout
from raydrive.storage.trial_files import download_file, list_files, log_size, read_file, read_log
from raydrive.storage.uploads import LogUploader, upload_tree

SECRET = b"root:x:the secret of another user\n"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file beside the storage, as /etc/shadow is."""
    path = tmp_path / "etc" / "log.txt"
    path.parent.mkdir()
    path.write_bytes(SECRET)
    return path


@pytest.fixture
def layout(tmp_path: Path) -> RunLayout:
    layout = RunLayout.create(str(tmp_path / "storage"), "digits", "digits-1")
    for trial in (2, 3):
        layout.attempt(trial, 1).write_whole("log.txt", b"epoch 1\n")
        layout.outputs(trial).write_whole("model.bin", b"model")
    return layout


def place(layout: RunLayout, name: str) -> Path:
    """A path of trial 3 that nothing stands at any more."""
    root = layout.trial(3).local_path
    assert root is not None
    path = root / name if name else root
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return path


def listen(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        here = os.getcwd()
        os.chdir(path.parent)  # paths of sockets are short
        try:
            one.bind(path.name)
        finally:
            os.chdir(here)


INSTEAD: dict[str, Callable[[Path, Path], object]] = {
    "absolute link": lambda path, outside: path.symlink_to(outside),
    "relative link": lambda path, outside: path.symlink_to(os.path.relpath(outside, path.parent)),
    "link to a link": lambda path, outside: (
        path.with_name("other").symlink_to(outside), path.symlink_to("other")
    ),
    "FIFO": lambda path, _: os.mkfifo(path),
    "socket": lambda path, _: listen(path),
    "device": lambda path, _: path.symlink_to("/dev/zero"),
    "folder": lambda path, _: path.mkdir(),
    "circle": lambda path, _: path.symlink_to(path.name),
}  # fmt: skip
READERS: dict[str, Callable[[RunLayout, str, Path], object]] = {
    "read_log": lambda layout, _, __: read_log(layout, 3, 1),
    "end of the log": lambda layout, _, __: read_log(layout, 3, 1, -100),
    "read_file": lambda layout, name, _: read_file(layout, 3, name),
    "download_file": lambda layout, name, target: download_file(layout, 3, name, target),
    "read_or_none": lambda layout, name, _: layout.trial(3).read_or_none(name),
    "size_or_none": lambda layout, name, _: layout.trial(3).size_or_none(name),
    "get_file": lambda layout, name, target: layout.trial(3).get_file(name, target),
    "of a pickled folder": lambda layout, name, _: pickle.loads(pickle.dumps(layout.trial(3))).read_or_none(name),
}


@pytest.mark.parametrize("instead", INSTEAD)
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_file_of_the_trial_is_refused_by_every_reader(
    layout: RunLayout, outside: Path, tmp_path: Path, reader: str, instead: str
) -> None:
    name = "attempt-1/log.txt"
    INSTEAD[instead](place(layout, name), outside)
    if reader == "size_or_none" and instead == "folder":
        return
    with pytest.raises((RefusedFileError, StorageError, TrialError)) as refused:
        READERS[reader](layout, name, tmp_path / "copy")
    assert SECRET.decode() not in str(refused.value)
    assert not (tmp_path / "copy").exists()
    assert name not in list_files(layout, 3)
    assert log_size(layout, 3, 1) == 0


@pytest.mark.parametrize("replaced", ["", "attempt-1"])
@pytest.mark.parametrize("reader", READERS)
def test_a_folder_that_is_a_link_to_elsewhere_is_not_entered(
    layout: RunLayout, outside: Path, tmp_path: Path, reader: str, replaced: str
) -> None:
    target = outside.parent if replaced else tmp_path
    (tmp_path / "attempt-1").symlink_to(outside.parent)
    place(layout, replaced).symlink_to(target)
    with pytest.raises((StorageError, TrialError), match=r"leads out of the run's folder|has no file"):
        READERS[reader](layout, "attempt-1/log.txt", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    if replaced:
        assert list_files(layout, 3) == ["outputs/model.bin"]
    else:
        with pytest.raises(RefusedFileError):
            list_files(layout, 3)
    with pytest.raises(RefusedFileError):
        layout.attempt(3, 1).list()


def test_what_is_left_out_is_named_with_the_reason(layout: RunLayout, outside: Path) -> None:
    outputs = layout.outputs(3).local_path
    assert outputs is not None
    (outputs / "shadow").symlink_to(outside)
    (outputs / "away").symlink_to(outside.parent)
    (outputs / "again").symlink_to(".")
    (outputs / "nowhere").symlink_to("missing")
    (outputs / "latest.bin").symlink_to("model.bin")
    os.mkfifo(outputs / "pipe")
    skipped: list[str] = []
    assert list_files(layout, 3, skipped) == ["attempt-1/log.txt", "outputs/latest.bin", "outputs/model.bin"]
    assert skipped == [
        "outputs/again (a link to a folder that is listed)",
        "outputs/away (a link that leaves the folder of the run)",
        "outputs/nowhere (a broken link)",
        "outputs/pipe (a FIFO)",
        "outputs/shadow (a link that leaves the folder of the run)",
    ]


def test_links_to_folders_do_not_multiply(layout: RunLayout) -> None:
    outputs = layout.outputs(3).local_path
    assert outputs is not None
    for number in range(30):  # entered wherever they stand, they would be 30! paths
        (outputs / f"d{number}").mkdir()
        (outputs / f"d{number}/x").touch()
        for other in range(30):
            (outputs / f"d{number}/to{other}").symlink_to(outputs / f"d{other}")
    (outputs / "latest").symlink_to("d7")
    skipped: list[str] = []
    names = list_files(layout, 3, skipped)
    assert len(names) <= 2 + 30 * 2
    assert {f"outputs/d{number}/x" for number in range(30)} <= {*names}
    assert len(skipped) <= 30 * 30 * 2 + 1
    (outputs / "d0/last").symlink_to(outputs.parent / "attempt-1")
    assert "outputs/d0/last/log.txt" in list_files(layout, 3)


def test_links_inside_the_run_are_followed(layout: RunLayout, tmp_path: Path) -> None:
    outputs = layout.outputs(3).local_path
    assert outputs is not None
    (outputs / "best.bin").symlink_to("model.bin")
    (outputs / "absolute.bin").symlink_to(outputs / "model.bin")
    (outputs / "other.bin").symlink_to("../../00002/outputs/model.bin")
    (outputs / "folder").symlink_to(outputs)
    for name in ("best.bin", "absolute.bin", "other.bin", "folder/model.bin", "folder/folder/best.bin"):
        assert read_file(layout, 3, f"outputs/{name}") == b"model"
        assert download_file(layout, 3, f"outputs/{name}", tmp_path / "copy") == 5


def test_a_storage_behind_links_is_read_as_ever(layout: RunLayout, tmp_path: Path) -> None:
    (tmp_path / "home").symlink_to("storage")
    (tmp_path / "storage/linked").symlink_to("digits")
    (tmp_path / "storage/digits/run-2").symlink_to("digits-1")
    for way in ("home/digits/digits-1", "storage/linked/digits-1", "home/linked/run-2"):
        linked = RunLayout.open(tmp_path / way)
        assert list_files(linked, 3) == ["attempt-1/log.txt", "outputs/model.bin"]
        assert read_log(linked, 3, 1) == (b"epoch 1\n", 8)
        assert read_file(linked, 3, "outputs/model.bin") == b"model"
        absolute = layout.outputs(3).local_path
        assert absolute is not None
        (absolute / "best.bin").symlink_to(tmp_path / way / "trials/00003/outputs/model.bin")
        assert read_file(linked, 3, "outputs/best.bin") == b"model"
        (absolute / "best.bin").unlink()
        linked.outputs(3).write_whole("more.bin", b"more")
        linked.outputs(3).delete("more.bin")
    os.mkfifo(tmp_path / "storage/digits/digits-1/driver.json")
    with pytest.raises(StorageError, match="a FIFO"):
        layout.read_driver()


def test_a_file_that_grows_for_ever_is_read_to_where_it_was(layout: RunLayout, tmp_path: Path) -> None:
    path, stop = place(layout, "outputs/endless"), threading.Event()
    path.write_bytes(b"x" * 4_000_000)

    def grow() -> None:
        with path.open("ab") as file:
            while not stop.is_set() and file.tell() < 1 << 28:
                file.write(b"x" * 100_000)
                file.flush()

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        data = read_file(layout, 3, "outputs/endless")
        assert 4_000_000 <= len(data) < 1 << 28
        assert download_file(layout, 3, "outputs/endless", tmp_path / "copy") >= len(data)
    finally:
        stop.set()
        writer.join()


def test_folders_nested_beyond_reason_are_left_out(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1500):  # deeper than Python calls functions, and than a path may be long
        os.mkdir("d", dir_fd=folder)
        below = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)
    (tmp_path / "z").write_bytes(b"z")
    skipped: list[str] = []
    assert [entry.name for entry in walk_contained([str(tmp_path)], "", skipped)] == ["z"]
    assert len(skipped) == 1
    assert skipped[0].endswith(f"(folders nested more than {DEEPEST} deep)")
    remove_tree(tmp_path / "d")
    assert not (tmp_path / "d").exists()


def test_nothing_is_written_or_deleted_through_a_link_to_elsewhere(layout: RunLayout, outside: Path) -> None:
    (outside.parent / "manifest.json").write_text("{}")
    place(layout, "checkpoints").symlink_to(outside.parent)
    for change in (
        lambda: layout.checkpoints(3).write_whole("new.json", b"{}"),
        lambda: layout.checkpoints(3).create_exclusive("new.json", b"{}"),
        lambda: layout.checkpoints(3).delete("manifest.json"),
        lambda: layout.checkpoint(3, 1).delete_tree(),
        lambda: layout.checkpoint(3, 1).put_file(outside, "files/x"),
        lambda: pin(layout, 3, 1, 1),
        lambda: pinned(layout, 3),
        lambda: publish(layout, 3, outside.parent, attempt=1, interval=1, value=None, at=0.0),
        lambda: manifests(layout, 3),
        lambda: prune(layout, 3, keep_last=1, maximize=True),
    ):
        with pytest.raises(RefusedFileError, match="leads out of the run's folder"):
            change()
    assert sorted(path.name for path in outside.parent.iterdir()) == ["log.txt", "manifest.json"]


def test_whoever_changes_a_path_meanwhile_gets_no_other_file(tmp_path: Path, outside: Path) -> None:
    root = tmp_path / "run"
    (root / "a").mkdir(parents=True)
    (root / "a/x").write_bytes(b"mine")
    (root / "b").symlink_to(outside.parent)
    (root / "b/x").write_bytes(SECRET)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for source, target in (("a", "c"), ("b", "a"), ("a", "b"), ("c", "a")):
                os.rename(root / source, root / target)

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        for _ in range(3000):
            try:
                descriptor = open_contained([str(root)], "a/x")
            except (OSError, RefusedFileError):
                continue
            with open(descriptor, "rb") as file:
                assert file.read() == b"mine"
    finally:
        stop.set()
        swapping.join()


def test_no_upload_leaves_the_run(arrow: Folder, tmp_path: Path, outside: Path) -> None:
    home = tmp_path / "node/run"
    outputs, work = home / "files/outputs", home / "work"
    for folder in (outputs, work):
        folder.mkdir(parents=True)
    (work / "best.bin").write_bytes(b"best")
    (outputs / "best.bin").symlink_to(work / "best.bin")
    (outputs / "shadow").symlink_to(outside)
    (outputs / "away").symlink_to(outside.parent)
    os.mkfifo(outputs / "pipe")
    done = upload_tree(outputs, arrow, within=(home,))
    assert [item.name for item in arrow.walk()] == ["best.bin"]
    assert sorted(text.partition(" (")[0] for text in done.skipped) == ["away", "pipe", "shadow"]
    shutil.rmtree(outputs)
    outputs.symlink_to(outside.parent)
    assert upload_tree(outputs, arrow.child("more"), within=(home,)).skipped == [
        ". (a link that leaves the folder of the run)"
    ]
    for source in (outside, outputs / "log.txt"):
        with pytest.raises(RefusedFileError):
            arrow.put_file(source, "x", within=(home,))
    assert [item.name for item in arrow.walk()] == ["best.bin"]


@pytest.mark.parametrize("instead", INSTEAD)
def test_what_stands_in_the_place_of_a_log_is_not_uploaded(
    arrow: Folder, tmp_path: Path, outside: Path, instead: str
) -> None:
    log = tmp_path / "node" / "log.txt"
    log.parent.mkdir()
    log.write_bytes(b"epoch 1\n")
    uploader = LogUploader(log, arrow)
    uploader.sync()
    log.unlink()
    INSTEAD[instead](log, outside)
    with contextlib.suppress(StorageError):
        uploader.sync()
    assert [arrow.read_bytes(item.name) for item in arrow.walk()] == [b"epoch 1\n"]


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_WRONLY | os.O_APPEND | os.O_CREAT, os.O_RDWR])
def test_no_open_waits(tmp_path: Path, flags: int) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        with pytest.raises(RefusedFileError, match="a FIFO"):
            open_regular(str(tmp_path / name), flags)
        with pytest.raises(RefusedFileError, match="a FIFO"):
            open_contained([str(tmp_path)], name, flags)
    for folder in (open_folder(tmp_path), open_folder(tmp_path).contained()):
        with pytest.raises(RefusedFileError, match="a FIFO"):
            folder.read_or_none("pipe")
        with pytest.raises(RefusedFileError, match="a FIFO"):
            folder.child("in").put_file(tmp_path / "pipe", "x")


@pytest.mark.skipif(os.geteuid() == 0 and not hasattr(os, "seteuid"), reason="needs another user")
def test_what_this_user_may_not_read_is_an_error_with_a_hint(layout: RunLayout) -> None:
    path = place(layout, "outputs/locked")
    path.write_bytes(b"x")
    path.chmod(0)
    root = os.geteuid() == 0
    if root:
        for above in path.parents:
            if not above.stat().st_mode & 0o001 and above.stat().st_uid == 0:
                above.chmod(above.stat().st_mode | 0o055)
        os.seteuid(65534)
    try:
        with pytest.raises(StorageError, match="check owner and mode"):
            read_file(layout, 3, "outputs/locked")
        assert "outputs/locked" in list_files(layout, 3)
    finally:
        if root:
            os.seteuid(0)
