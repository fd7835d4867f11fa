"""Code snapshots, from a source directory to a trial's working directory."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import textwrap
import threading
import zipfile
from pathlib import Path

import pytest

from raydrive.core.errors import ConfigError, StorageError
from raydrive.storage.code_snapshot import (
    SMALL_BYTES,
    load_function,
    make_workdir,
    snapshot,
    store_code,
    store_function,
    unpack_code,
)
from raydrive.storage.folder.base import Folder
from raydrive.storage.folder.open import open_folder
from raydrive.storage.run_layout import RunLayout, new_run_id
from raydrive.storage.source_files import MAX_DEPTH


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "src"
    write(root, {"train.py": "print('hi')\n", "pkg/__init__.py": "", "pkg/model.py": "x = 1\n", "data/a.csv": "1,2\n"})
    (root / "train.py").chmod(0o755)
    (root / "pkg/model.py").chmod(0o600)
    return root


@pytest.fixture
def layout(folder: Folder) -> RunLayout:
    return RunLayout.create(folder, "digits", new_run_id("digits"))


def write(root: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def names(root: Path, **options: int) -> list[str]:
    with snapshot(root, **options) as packed, zipfile.ZipFile(packed.path) as archive:
        return archive.namelist()


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


# ------------------------------------------------------------------------------------------------------- there and back


def test_there_and_back(layout: RunLayout, source: Path, tmp_path: Path) -> None:
    (source / "empty").mkdir()
    sha256 = store_code(layout, source)
    assert [item.name for item in layout.code.list()] == [f"{sha256}.zip"]
    assert hashlib.sha256(layout.code.read_bytes(f"{sha256}.zip")).hexdigest() == sha256
    target = unpack_code(layout, sha256, tmp_path / "cache")
    assert target.parent == tmp_path / "cache"
    assert tree(target) == tree(source)
    assert (target / "empty").is_dir()
    assert (target / "train.py").stat().st_mode & 0o777 == 0o755
    assert (target / "pkg/model.py").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [sha256]


def test_a_snapshot_is_taken_before_there_is_a_run(layout: RunLayout, source: Path) -> None:
    packed = snapshot(source)
    assert (packed.files, packed.size) == (4, 22)
    assert store_code(layout, packed) == packed.sha256
    assert not packed.path.exists()


def test_the_same_files_give_the_same_snapshot(source: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for name in reversed(sorted(tree(source))):
        write(copy, {name: (source / name).read_bytes()})
        (copy / name).chmod((source / name).stat().st_mode)
        os.utime(copy / name, (1, 1))
    with snapshot(source) as first, snapshot(copy) as second:
        assert first.sha256 == second.sha256
    (copy / "train.py").chmod(0o644)
    with snapshot(source) as first, snapshot(copy) as second:
        assert first.sha256 != second.sha256


def test_unpacking_happens_once(layout: RunLayout, source: Path, tmp_path: Path) -> None:
    sha256 = store_code(layout, source)
    target = unpack_code(layout, sha256, tmp_path / "cache")
    (target / "mark").write_text("")
    assert unpack_code(layout, sha256, tmp_path / "cache") == target
    assert (target / "mark").exists()


def test_many_unpack_at_once(layout: RunLayout, source: Path, tmp_path: Path) -> None:
    sha256 = store_code(layout, source)
    expected, found, barrier = tree(source), [], threading.Barrier(8)

    def unpack() -> None:
        barrier.wait()
        found.append(tree(unpack_code(layout, sha256, tmp_path / "cache")))

    threads = [threading.Thread(target=unpack) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [sha256]


def test_a_damaged_snapshot_is_refused(layout: RunLayout, source: Path, tmp_path: Path) -> None:
    sha256 = store_code(layout, source)
    layout.code.write_whole(f"{sha256}.zip", layout.code.read_bytes(f"{sha256}.zip")[:-1])
    with pytest.raises(StorageError, match=rf"{sha256}.zip is damaged: its sha256 is"):
        unpack_code(layout, sha256, tmp_path / "cache")
    with pytest.raises(StorageError, match="cannot read"):
        unpack_code(layout, "0" * 64, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "a\\..\\evil", "a//evil", "./evil"])
def test_an_archive_that_leads_outside_is_refused(layout: RunLayout, tmp_path: Path, name: str) -> None:
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("fine.txt", "")
        archive.writestr(zipfile.ZipInfo(name), "evil")
    _refused(layout, path, tmp_path)


def test_an_archive_with_a_link_is_refused(layout: RunLayout, tmp_path: Path) -> None:
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as archive:
        entry = zipfile.ZipInfo("link")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc")
    _refused(layout, path, tmp_path)


def test_what_is_no_archive_is_refused(layout: RunLayout, tmp_path: Path) -> None:
    path = tmp_path / "evil.zip"
    path.write_bytes(b"not a zip")
    _refused(layout, path, tmp_path, "cannot be unpacked")


def _refused(layout: RunLayout, path: Path, tmp_path: Path, why: str = "leads outside") -> None:
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    layout.code.put_file(path, f"{sha256}.zip")
    with pytest.raises(StorageError, match=why):
        unpack_code(layout, sha256, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
    assert not (tmp_path / "evil").exists()


def test_functions(layout: RunLayout) -> None:
    sha256 = store_function(layout, b"pickled")
    assert layout.code.exists(f"{sha256}.pkl")
    assert load_function(layout, sha256) == b"pickled"
    layout.code.write_whole(f"{sha256}.pkl", b"other")
    with pytest.raises(StorageError, match="is damaged"):
        load_function(layout, sha256)


# ----------------------------------------------------------------------------------------------------- what is left out


def test_never_in_a_snapshot(source: Path) -> None:
    before = names(source)
    for folder in (".git", "__pycache__", ".venv", "venv"):
        write(source, {f"{folder}/x": "", f"pkg/{folder}/x": ""})
    assert names(source) == before
    write(source, {"docs/venv": "a file of that name is no environment"})
    assert names(source) == sorted([*before, "docs/venv"])


def test_ignored_as_in_gitignore(source: Path) -> None:
    write(source, {"data/keep.csv": "", "data/deep/b.csv": "", "notes.txt": "", "pkg/notes.txt": "", "build/x/y": ""})
    write(source, {".raydriveignore": "# large\ndata/*\n!data/keep.csv\n/notes.txt\nbuild/\n\n*.log\n", "a.log": ""})
    assert names(source) == [
        ".raydriveignore", "data/keep.csv", "pkg/__init__.py", "pkg/model.py", "pkg/notes.txt", "train.py"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("present", "used"),
    [
        ([".gitignore"], ".gitignore"),
        ([".amlignore", ".gitignore"], ".amlignore"),
        ([".raydriveignore", ".amlignore", ".gitignore"], ".raydriveignore"),
    ],
)
def test_which_file_counts(source: Path, present: list[str], used: str) -> None:
    for name in present:
        write(source, {name: f"{name}.txt\n", f"{name}.txt": ""})
    left_out = {f"{name}.txt" for name in present} - set(names(source))
    assert left_out == {f"{used}.txt"}


def test_an_ignore_file_that_cannot_be_used(source: Path) -> None:
    (source / ".raydriveignore").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"source_directory/.raydriveignore: .*a readable text file in UTF-8"):
        snapshot(source)
    write(source, {".raydriveignore": "fine\n!\n"})
    with pytest.raises(ConfigError, match=r"patterns in the syntax of .gitignore"):
        snapshot(source)


def test_the_storage_inside_is_not_code(source: Path) -> None:
    before = names(source)
    storage = open_folder(source / "runs")
    layout = RunLayout.create(storage, "digits", "digits-1")
    layout.write_config(b"{}")
    with snapshot(source, storage) as packed, zipfile.ZipFile(packed.path) as archive:
        assert archive.namelist() == before
    sha256 = store_code(layout, source)
    assert zipfile.ZipFile(source / f"runs/digits/digits-1/code/{sha256}.zip").namelist() == before


def test_the_storage_is_the_source_directory_itself(source: Path) -> None:
    before = names(source)
    for experiment in ("digits", "wine"):
        RunLayout.create(source, experiment, f"{experiment}-1").write_config(b"{}")
    with snapshot(source, source) as packed, zipfile.ZipFile(packed.path) as archive:
        assert archive.namelist() == before


# ----------------------------------------------------------------------------------------------------- links and others


def test_links_inside_are_followed(source: Path, tmp_path: Path) -> None:
    (source / "link.py").symlink_to("train.py")
    (source / "linked").symlink_to("pkg", target_is_directory=True)
    with snapshot(source) as packed, zipfile.ZipFile(packed.path) as archive:
        assert archive.read("link.py") == b"print('hi')\n"
        assert archive.read("linked/model.py") == b"x = 1\n"


def test_names_that_are_odd_but_text_come_through(layout: RunLayout, source: Path, tmp_path: Path) -> None:
    odd = ["a\\b.txt", "two\nlines", "żółw ✓", "end."]
    for name in odd:
        (source / name).write_text(name)
    unpacked = unpack_code(layout, store_code(layout, source), tmp_path / "cache")
    assert [(unpacked / name).read_text() for name in odd] == odd


def test_names_that_are_no_text_and_folders_too_deep_are_named(source: Path) -> None:
    (source / os.fsdecode(b"caf\xe9.txt")).touch()
    deep = source / "/".join(["d"] * (MAX_DEPTH + 1))
    deep.mkdir(parents=True)
    with pytest.raises(ConfigError) as caught:
        snapshot(source)
    assert [problem.where for problem in caught.value.problems] == [
        "source_directory/caf\\xe9.txt",
        f"source_directory/{'/'.join(['d'] * (MAX_DEPTH + 1))}",
    ]
    assert "has a name that is not UTF-8" in str(caught.value)
    (source / ".raydriveignore").write_text("caf*\nd/\n")
    snapshot(source).discard()


def test_a_source_directory_that_is_a_link(source: Path, tmp_path: Path) -> None:
    (source / "link.py").symlink_to(source / "train.py")
    (tmp_path / "link").symlink_to(source)
    assert names(tmp_path / "link") == names(source)


def test_everything_that_cannot_be_packed_is_listed(source: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "src-2").mkdir()
    (source / "out").symlink_to(tmp_path / "outside")
    (source / "sibling").symlink_to(tmp_path / "src-2")  # its path begins as the source's does
    (source / "pkg/circle").symlink_to(source)
    (source / "pkg/self").symlink_to("self")
    (source / "broken").symlink_to("nowhere")
    os.mkfifo(source / "pipe")
    with socket.socket(socket.AF_UNIX) as bound:
        here = Path.cwd()
        os.chdir(source)  # the path of a socket is short
        bound.bind("socket")
        os.chdir(here)
        with pytest.raises(ConfigError) as caught:
            snapshot(source)
        problems = {problem.where.removeprefix("source_directory/"): problem for problem in caught.value.problems}
        assert sorted(problems) == ["broken", "out", "pipe", "pkg/circle", "pkg/self", "sibling", "socket"]
        assert "leads outside" in problems["out"].found
        assert "leads outside" in problems["sibling"].found
        assert "a folder that contains it" in problems["pkg/circle"].found
        assert "does not exist" in problems["broken"].found
        assert all("name it in .raydriveignore" in problem.fix for problem in problems.values())
        write(source, {".raydriveignore": "/out\n/sibling\npkg/circle\npkg/self\nbroken\npipe\nsocket\n"})
        assert names(source) == [".raydriveignore", "data/a.csv", "pkg/__init__.py", "pkg/model.py", "train.py"]


def test_what_is_no_directory(source: Path) -> None:
    with pytest.raises(ConfigError, match=r"train.py is a file; allowed: a directory"):
        snapshot(source / "train.py")
    with pytest.raises(ConfigError, match="does not exist; allowed: a directory"):
        snapshot(source / "nothing")


# --------------------------------------------------------------------------------------------------------------- limits


def test_too_many_bytes(source: Path) -> None:
    write(source, {"data/big.bin": b"x" * 5000, "data/deep/bigger.bin": b"x" * 9000})
    with pytest.raises(ConfigError) as caught:
        snapshot(source, max_bytes=10_000)
    text = str(caught.value)
    assert "13.7 KiB in 6 files; allowed: at most 9.8 KiB and 2000 files" in text
    assert "Largest files: data/deep/bigger.bin (8.8 KiB), data/big.bin (4.9 KiB)" in text
    assert "Largest folders: data/ (13.7 KiB, 3 files), data/deep/ (8.8 KiB, 1 files)" in text
    assert str(source / ".raydriveignore") in text
    write(source, {".raydriveignore": "data/deep\n"})
    assert "data/big.bin" in names(source, max_bytes=10_000)


def test_too_many_files(source: Path) -> None:
    write(source, {f"many/{number}": "" for number in range(20)})
    with pytest.raises(ConfigError, match=r"in 24 files; allowed: .* 10 files.*Largest folders: many/ \(20 files\)"):
        snapshot(source, max_files=10)


def test_exactly_the_limit_is_allowed(source: Path) -> None:
    with snapshot(source) as packed:
        assert len(names(source, max_bytes=packed.size, max_files=packed.files)) == packed.files


# ---------------------------------------------------------------------------------------------------- working directory


def test_a_working_directory_of_its_own(source: Path, tmp_path: Path) -> None:
    os.utime(source / "train.py", (1_000_000, 1_000_000))
    (source / "train.py").chmod(0o555)
    write(source, {"data/big.bin": b"x" * (SMALL_BYTES + 1), "data/small.bin": b"x" * SMALL_BYTES})
    outputs, logs = tmp_path / "kept/outputs", tmp_path / "kept/logs"
    made = make_workdir(source, tmp_path / "work/7", outputs, logs)
    assert made == tmp_path / "work/7"
    assert tree(made) == tree(source)
    assert sorted(os.listdir(made)) == ["data", "logs", "outputs", "pkg", "train.py"]
    assert (made / "data/big.bin").is_symlink()
    assert not (made / "data/small.bin").is_symlink()
    assert (made / "train.py").stat().st_mtime == 1_000_000
    assert (made / "train.py").stat().st_mode & 0o777 == 0o755  # a trial may change its own copy
    (made / "train.py").write_text("changed")
    (made / "pkg/new.py").write_text("new")
    assert (source / "train.py").read_text() == "print('hi')\n"
    assert not (source / "pkg/new.py").exists()
    (made / "outputs/model.bin").write_text("model")
    (made / "logs/more.log").write_text("log")
    assert (outputs / "model.bin").read_text() == "model"
    assert (logs / "more.log").read_text() == "log"


def test_results_of_earlier_work_are_not_the_trials(source: Path, tmp_path: Path) -> None:
    write(source, {"outputs/old.bin": "old", "logs/old.log": "old", "pkg/outputs/kept": "code of that name"})
    made = make_workdir(source, tmp_path / "work", tmp_path / "outputs", tmp_path / "logs")
    assert os.listdir(made / "outputs") == os.listdir(made / "logs") == []
    assert (made / "pkg/outputs/kept").exists()


def test_a_working_directory_without_code(tmp_path: Path) -> None:
    made = make_workdir(None, tmp_path / "work", tmp_path / "o", tmp_path / "l")
    assert sorted(os.listdir(made)) == ["logs", "outputs"]
    with pytest.raises(StorageError, match="cannot make the working directory"):
        make_workdir(None, tmp_path / "work", tmp_path / "o", tmp_path / "l")


def test_a_large_file_of_the_snapshot_is_protected(local: Folder, tmp_path: Path) -> None:
    layout = RunLayout.create(local, "digits", "digits-1")
    write(tmp_path / "big", {"big.bin": b"x" * (SMALL_BYTES + 1), "small.bin": b"x"})
    target = unpack_code(layout, store_code(layout, tmp_path / "big"), tmp_path / "cache")
    assert (target / "big.bin").stat().st_mode & 0o222 == 0
    assert (target / "small.bin").stat().st_mode & 0o200


def test_unpacking_needs_no_pathspec_and_no_pyarrow(local: Folder, source: Path, tmp_path: Path) -> None:
    """Trial actors do it; they should not pay for imports that only a submission needs."""
    layout = RunLayout.create(local, "digits", "digits-1")
    sha256 = store_code(layout, source)
    code = f"""
        import sys
        from pathlib import Path
        from raydrive.storage.code_snapshot import make_workdir, unpack_code
        from raydrive.storage.run_layout import RunLayout
        code = unpack_code(RunLayout.open({layout.uri!r}), {sha256!r}, Path({str(tmp_path / "cache")!r}))
        make_workdir(code, Path({str(tmp_path / "w")!r}), Path({str(tmp_path / "o")!r}), Path({str(tmp_path / "l")!r}))
        assert not {{"pyarrow", "pathspec", "ray", "numpy"}} & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=60)
