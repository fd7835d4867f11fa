"""Folders: the promises on both kinds, URIs, and errors that say what to do."""

from __future__ import annotations

import errno
import os
import pickle
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from raydrive.core.errors import StorageError
from raydrive.storage.folder import local as local_module
from raydrive.storage.folder.arrow import normalise
from raydrive.storage.folder.base import SCHEMES, Folder, failure, redact
from raydrive.storage.folder.local import LocalFolder
from raydrive.storage.folder.open import open_folder


@pytest.mark.parametrize("text", ["s3:/bucket/runs", "s3:bucket/runs", "S3:/bucket/runs", "gs:/b", "abfss:c@account/x"])
def test_a_uri_that_lacks_a_slash_is_no_folder_on_this_machine(text: str) -> None:
    scheme, _, rest = text.partition(":")
    with pytest.raises(StorageError, match=f"Hint: write {scheme}://{rest.lstrip('/')}, or ./{text}"):
        open_folder(text)
    assert isinstance(open_folder(f"./{text}"), LocalFolder)
    assert isinstance(open_folder("runs:/1"), LocalFolder)


# ------------------------------------------------------------------------------------------------ both kinds of folder


def test_a_folder_that_does_not_exist_yet_is_empty(folder: Folder) -> None:
    assert list(folder.list()) == []
    assert list(folder.walk()) == []
    assert not folder.exists()
    assert folder.read_or_none("x") is None
    folder.delete("x")
    folder.delete_tree()
    assert not folder.exists()


def test_what_is_written_is_read(folder: Folder) -> None:
    for data in (b"", b"one", b"\0" * 3_000_000):
        folder.write_whole("file.bin", data)
        assert folder.read_bytes("file.bin") == data
    folder.write_whole("file.bin", b"0123456789")
    assert folder.read_or_none("file.bin", 3) == b"3456789"
    assert folder.read_or_none("file.bin", 3, 2) == b"34"
    assert folder.read_or_none("file.bin", 8, 100) == b"89"
    assert folder.read_or_none("file.bin", 10) == b""
    assert folder.read_or_none("file.bin", 99, 1) == b""
    assert folder.read_or_none("file.bin", 0, 0) == b""


def test_names_with_folders_and_odd_characters(folder: Folder) -> None:
    names = ["a b/żółw #1%20?.txt", "deep/er/x", "x:y&z=1"]
    for name in names:
        folder.write_whole(name, name.encode())
    assert [item.name for item in folder.walk()] == sorted(names)
    for name in names:
        assert folder.read_bytes(name) == name.encode()
    assert folder.child("deep", "er").read_bytes("x") == b"deep/er/x"
    assert folder.child("deep/er") == folder.child("deep").child("er")


def test_listing(folder: Folder) -> None:
    folder.write_whole("b.txt", b"12")
    folder.write_whole("a.txt", b"1")
    folder.write_whole("bdir/x", b"123")
    items = {item.name: (item.size, item.is_dir) for item in folder.list()}
    assert items == {"a.txt": (1, False), "b.txt": (2, False), "bdir": (0, True)}
    assert [item.name for item in folder.list("b")] == ["b.txt", "bdir"]
    assert all(item.mtime > 1e9 for item in folder.walk())
    assert folder.exists("bdir/x")
    assert folder.exists("bdir")
    assert not folder.exists("bdi")


def test_exclusive_creation(folder: Folder) -> None:
    assert folder.create_exclusive("one", b"first")
    assert not folder.create_exclusive("one", b"second")
    assert folder.read_bytes("one") == b"first"


def test_a_new_folder_is_made_once(folder: Folder) -> None:
    new = folder.child("a", "b")
    assert new.make(exclusive=True)
    new.write_whole("x", b"")
    assert not new.make(exclusive=True)
    new.make()
    new.delete_tree()
    assert folder.exists()
    assert not new.exists()
    assert new.make(exclusive=True)


def test_files_come_and_go(folder: Folder, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(3 << 20))
    assert folder.put_file(source, "deep/copy") == 3 << 20
    assert folder.get_file("deep/copy", tmp_path / "new" / "target") == 3 << 20
    assert (tmp_path / "new" / "target").read_bytes() == source.read_bytes()
    assert [item.name for item in Path(tmp_path, "new").iterdir()] == ["target"]
    folder.delete("deep/copy")
    folder.delete("deep/copy")
    assert not folder.exists("deep/copy")


def test_files_that_are_missing(folder: Folder, tmp_path: Path) -> None:
    for attempt in (
        lambda: folder.read_bytes("nothing.txt"),
        lambda: folder.get_file("nothing.txt", tmp_path / "target"),
        lambda: folder.put_file(tmp_path / "nothing.txt", "x"),
    ):
        with pytest.raises(
            StorageError, match=r"cannot (read|write) .*Hint|cannot (read|write) .*No such file|does not"
        ):
            attempt()
    assert not (tmp_path / "target").exists()
    assert not folder.exists("x")
    with pytest.raises(StorageError, match=f"cannot read {tmp_path}/nothing.txt: No such file"):
        folder.put_file(tmp_path / "nothing.txt", "x")


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/../../x", "/etc/passwd", "a//b", "a/", "a\0b"])
def test_no_name_leads_out_of_the_folder(folder: Folder, name: str) -> None:
    for attempt in (folder.child, folder.read_or_none, folder.delete, lambda n: folder.write_whole(n, b"")):
        with pytest.raises(ValueError, match="not a name inside a folder"):
            attempt(name)


def test_a_put_that_fails_leaves_the_old_content(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write_whole("x", b"old")
    source = tmp_path / "source"
    source.write_bytes(b"new" * 1000)

    class Broken:
        def __init__(self, *_: object, **__: object) -> None:
            self.reads = 0
            self.file = os.open(source, os.O_RDONLY)

        def __enter__(self) -> Broken:
            return self

        def __exit__(self, *_: object) -> None:
            os.close(self.file)

        def fileno(self) -> int:
            return self.file

        def read(self, size: int) -> bytes:
            self.reads += 1
            if self.reads > 1:
                raise OSError(errno.EIO, "Input/output error")
            return b"new"

    monkeypatch.setattr(local_module, "open", Broken, raising=False)
    with pytest.raises(StorageError, match="Input/output error"):
        folder.put_file(source, "x")
    monkeypatch.undo()
    assert folder.read_bytes("x") == b"old"
    assert [item.name for item in folder.list()] == ["x"]


def test_readers_never_see_a_part(folder: Folder) -> None:
    versions = [bytes([letter]) * 300_000 for letter in b"abc"]
    folder.write_whole("x", versions[0])
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            folder.write_whole("x", versions[number % 3], durable=False)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        seen = {folder.read_bytes("x") for _ in range(200)}
    finally:
        stop.set()
        thread.join()
    assert seen <= set(versions)


# ------------------------------------------------------------------------------------------------------ local folders


def test_one_of_many_creates_it(local: Folder) -> None:
    winners = []
    barrier = threading.Barrier(8)

    def create(number: int) -> None:
        barrier.wait()
        for name in map(str, range(20)):
            if local.create_exclusive(name, f"{number}".encode()):
                winners.append((name, number))

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(winners) == 20
    for name, number in winners:
        assert local.read_bytes(name) == f"{number}".encode()


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP])
def test_exclusive_creation_without_hard_links(local: Folder, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def no_links(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", no_links)
    assert local.create_exclusive("one", b"first")
    assert not local.create_exclusive("one", b"second")
    assert local.read_bytes("one") == b"first"


def test_a_link_whose_answer_was_lost(local: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """NFS: the server made the link, the client asked again and was told that it exists."""
    link = os.link

    def lost(source: str, target: str) -> None:
        link(source, target)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))

    monkeypatch.setattr(os, "link", lost)
    assert local.create_exclusive("one", b"first")


def test_a_write_that_fails_leaves_nothing(local: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    local.write_whole("x", b"old")
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) > 2:
            return write(descriptor, data[:2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        for attempt in (local.write_whole, local.create_exclusive):
            with pytest.raises(StorageError, match=r"No space left.*Hint: the disk is full: free some space"):
                attempt("x", b"newer")
    assert local.read_bytes("x") == b"old"
    path = local.local_path
    assert path is not None
    assert os.listdir(path) == ["x"]


def test_unfinished_writes_are_not_listed(local: Folder) -> None:
    local.write_whole("x", b"1")
    path = local.local_path
    assert path is not None
    (path / ".x.123-abc.tmp").write_bytes(b"part")
    assert [item.name for item in local.list()] == ["x"]


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folder = open_folder(tmp_path / "file" / "below")
    with pytest.raises(
        StorageError, match=r"cannot write .*/file/below/x: Not a directory. Hint: a part of the path is"
    ):
        folder.write_whole("x", b"")
    with pytest.raises(StorageError, match="cannot make the folder"):
        folder.make()
    with pytest.raises(StorageError, match="cannot make the folder"):
        open_folder(tmp_path / "file").make()
    assert not folder.exists("x")


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc/1/mem").exists(), reason="needs /proc")
def test_places_nobody_may_write() -> None:
    with pytest.raises(StorageError, match=r"cannot write /proc/raydrive/x: .*Hint"):
        open_folder("/proc/raydrive").write_whole("x", b"")


def test_local_folders_do_not_load_pyarrow(tmp_path: Path) -> None:
    code = f"""
        import sys
        from raydrive.storage.folder.open import open_folder
        from raydrive.storage.folder.base import Folder
        folder = open_folder({str(tmp_path)!r}).child("a")
        folder.write_whole("x", b"1"); folder.create_exclusive("y", b""); folder.list(); folder.delete_tree()
        assert "pyarrow" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=60)


# ---------------------------------------------------------------------------------------------------- paths and URIs


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for given, path in [
        ("runs", tmp_path / "runs"),
        ("./runs/../runs/", tmp_path / "runs"),
        ("~/runs", tmp_path / "home" / "runs"),
        (f"file://{tmp_path}/a%20b", tmp_path / "a b"),
        (f"file://localhost{tmp_path}", tmp_path),
        (tmp_path, tmp_path),
        ("what?is=this", tmp_path / "what?is=this"),
        ("a%20b", tmp_path / "a%20b"),
    ]:
        folder = open_folder(given)
        assert folder.local_path == path
        assert open_folder(folder.uri) == folder
    assert list(tmp_path.iterdir()) == []  # opening makes nothing


def test_children_have_uris_of_their_own(tmp_path: Path) -> None:
    child = open_folder(tmp_path).child("a b", "c")
    assert child.uri == str(tmp_path / "a b" / "c")
    assert open_folder(child.uri) == child
    assert hash(open_folder(child.uri)) == hash(child)
    copy = pickle.loads(pickle.dumps(child))
    assert copy == child
    assert isinstance(copy, LocalFolder)


def test_unknown_schemes_are_refused_with_the_known_ones() -> None:
    for uri in ("azureml://datastores/x", "memory://x", "hf://x", "wasp://x"):
        with pytest.raises(StorageError) as caught:
            open_folder(uri)
        for name in SCHEMES:
            assert f"{name}://" in str(caught.value)
    with pytest.raises(StorageError, match=r"cannot name a host.*file:///server/path"):
        open_folder("file://server/path")
    with pytest.raises(StorageError, match=r"names no bucket.*s3://BUCKET/PATH"):
        open_folder("s3:///path")
    with pytest.raises(StorageError, match="the path is empty"):
        open_folder("")
    with pytest.raises(StorageError, match="no such user"):
        open_folder("~nobody-of-that-name/x")


@pytest.mark.parametrize(
    ("given", "environment", "expected"),
    [
        ("s3://b/p", {}, "s3://b/p"),
        ("s3://b/p/?region=eu-west-1", {}, "s3://b/p?region=eu-west-1"),
        ("s3://b/p", {"AWS_REGION": "eu-west-1"}, "s3://b/p?region=eu-west-1"),
        (
            "s3://b/p",
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:5000"},
            "s3://b/p?endpoint_override=127.0.0.1%3A5000&region=us-east-1&scheme=http",
        ),
        (
            "s3://b/p",
            {"AWS_ENDPOINT_URL": "http://other", "AWS_ENDPOINT_URL_S3": "https://minio:9000/"},
            "s3://b/p?endpoint_override=minio%3A9000&region=us-east-1&scheme=https",
        ),
        (
            "s3://b/p?endpoint_override=http://mine:1&region=x",
            {"AWS_ENDPOINT_URL": "http://other"},
            "s3://b/p?endpoint_override=mine%3A1&region=x&scheme=http",
        ),
        ("gs://b/p", {"AWS_ENDPOINT_URL": "http://other"}, "gs://b/p"),
        ("wasbs://c@a.blob.core.windows.net/p", {}, "abfss://c@a.dfs.core.windows.net/p"),
        ("wasb://c@a.blob.core.windows.net/p/q", {}, "abfs://c@a.dfs.core.windows.net/p/q"),
        ("S3://b/p", {}, "s3://b/p"),
    ],
)
def test_uris_as_pyarrow_wants_them(given: str, environment: dict[str, str], expected: str) -> None:
    assert normalise(given, environment) == expected


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket/path?region=eu-west-1",
        "s3://KEY:geheim@bucket/path?endpoint_override=127.0.0.1:1&scheme=http",
        "gs://anonymous@bucket/path",
        "abfss://container@account.dfs.core.windows.net/path",
        "wasbs://container@account.blob.core.windows.net/path",
    ],
)
def test_every_scheme_opens_without_a_network(uri: str) -> None:
    folder = open_folder(uri)
    assert folder.local_path is None
    child = folder.child("a b")
    again = open_folder(child.uri)
    assert again == child
    assert pickle.loads(pickle.dumps(child)) == child
    assert "geheim" not in repr(folder) + str(folder) + folder.place_of("x")
    assert child.place_of("c").endswith("/path/a%20b/c")


def test_secrets_do_not_reach_messages() -> None:
    assert redact("s3://K:S@b/p?scheme=http&secret_key=1") == "s3://***@b/p?scheme=http&secret_key=***"
    assert redact("abfss://c@a/p?sig=1") == "abfss://c@a/p?sig=***"
    assert redact("/a/b?key=1") == "/a/b?key=1"
    error = failure("read", "s3://K:S@b/p", OSError("When reading 's3://K:S@b/p': NoSuchBucket"))
    assert "K:S" not in str(error)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("AWS Error NO_SUCH_BUCKET: The specified bucket does not exist", "create it first"),
        ("When getting information: AWS Error ACCESS_DENIED during HeadObject", "credentials"),
        ("AWS Error NETWORK_CONNECTION: curlCode: 7, Couldn't connect to server", "cannot be reached"),
        ("Unable to load libjvm: cannot open shared object", "JAVA_HOME"),
        ("something else", ""),
    ],
)
def test_hints_for_what_stores_say(text: str, hint: str) -> None:
    message = str(failure("read", "s3://b/x", OSError(text)))
    assert text in message
    assert hint in message
    assert ("Hint:" in message) == bool(hint)
