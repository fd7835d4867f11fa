"""A real S3 client against a real HTTP server: moto on loopback, in a process of its own."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import moto_s3
import pytest

from raydrive.api.config import HyperDriveConfig
from raydrive.api.run import HyperDriveRun
from raydrive.api.submit.warm_start import copy_warm_start, plan_warm_start
from raydrive.cli.app import run as main
from raydrive.context import Run
from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.trial_spec import Metric, PrimaryMetricGoal, TrialSpec
from raydrive.core.errors import StorageError
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import uniform
from raydrive.core.sweep.warm_start_data import dump, load
from raydrive.runtime.inline import run_inline
from raydrive.runtime.trial_actor.files.checkpoint_publisher import recover
from raydrive.storage.check_storage import check_usable, is_there
from raydrive.storage.code_snapshot import store_code, unpack_code
from raydrive.storage.folder import arrow
from raydrive.storage.folder.base import Folder
from raydrive.storage.folder.open import open_folder
from raydrive.storage.input_cache import fetch_input
from raydrive.storage.journal.writer import JournalReader, JournalWriter
from raydrive.storage.run_layout import RunLayout, find_run, new_run_id
from raydrive.storage.run_reader import RunReader
from raydrive.storage.trial_files import list_files, read_log
from raydrive.storage.uploads import LogUploader, upload_tree
from raydrive.testing.journal import JournalContract, lines, numbers

_numbers = itertools.count()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with moto_s3.serving() as (url, _):
        yield url


@pytest.fixture
def s3(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Folder:
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "geheim")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setattr(arrow, "SETTLE_S", 0.0)
    return open_folder(f"s3://bucket/runs-{next(_numbers)}")


class TestJournal(JournalContract):
    @pytest.fixture
    def folder(self, s3: Folder) -> Folder:
        return s3.child("journal")


def test_a_bucket_without_runs_is_there_and_a_wrong_name_is_not(s3: Folder, capfd: pytest.CaptureFixture[str]) -> None:
    assert is_there(s3)
    assert main(["list", "--storage", "s3://bucket/no-runs"]) == 0
    assert "No runs in s3://bucket/no-runs" in capfd.readouterr().err
    assert main(["list", "--storage", "s3://buket/runs"]) == 2
    told = "--storage: found 's3://buket/runs', which does not exist; allowed: a bucket that exists. Check the name."
    assert told in capfd.readouterr().err


def test_folders(s3: Folder, tmp_path: Path) -> None:
    assert list(s3.list()) == []
    assert not s3.exists()
    check_usable(s3, thorough=True)
    assert list(s3.list()) == []
    for data in (b"", b"one", b"0123456789"):
        s3.write_whole("a b/żółw.txt", data)
        assert s3.read_bytes("a b/żółw.txt") == data
    assert s3.read_or_none("a b/żółw.txt", 3, 2) == b"34"
    assert s3.read_or_none("a b/żółw.txt", 10) == b""
    assert s3.read_or_none("nothing") is None
    s3.write_whole("x", b"12")
    assert [(item.name, item.size, item.is_dir) for item in s3.list()] == [("a b", 0, True), ("x", 2, False)]
    assert [item.name for item in s3.walk()] == ["a b/żółw.txt", "x"]
    assert s3.is_folder("a b")
    assert not s3.is_folder("x")
    again = open_folder(s3.child("a b").uri)
    assert again.read_bytes("żółw.txt") == b"0123456789"
    s3.delete("x")
    s3.delete("x")
    assert not s3.exists("x")
    s3.delete_tree()
    s3.delete_tree()
    assert list(s3.walk()) == []


def test_large_files(s3: Folder, tmp_path: Path) -> None:
    data = os.urandom(20 << 20)  # several parts of a multipart upload
    (tmp_path / "large").write_bytes(data)
    assert s3.put_file(tmp_path / "large", "deep/large") == len(data)
    assert s3.get_file("deep/large", tmp_path / "copy") == len(data)
    assert (tmp_path / "copy").read_bytes() == data
    with pytest.raises(StorageError, match=r"cannot read s3://bucket/.*/nothing"):
        s3.get_file("nothing", tmp_path / "nothing")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "large"]


def test_data_of_inputs_is_fetched(s3: Folder, tmp_path: Path) -> None:
    s3.write_whole("data/a b.csv", b"1,2")
    s3.write_whole("data/deep/c.csv", b"3")
    base, mark, options = s3.uri.partition("?")
    whole = fetch_input(f"{base}/data{mark}{options}", tmp_path, folder=True)
    assert (whole.name, (whole / "deep" / "c.csv").read_bytes()) == ("data", b"3")
    assert fetch_input(f"{base}/data/a%20b.csv{mark}{options}", tmp_path, folder=False).read_bytes() == b"1,2"
    with pytest.raises(StorageError, match="it contains no file"):
        fetch_input(f"{base}/none{mark}{options}", tmp_path, folder=True)
    with pytest.raises(StorageError, match=r"cannot read s3://bucket/.*/none\.csv"):
        fetch_input(f"{base}/none.csv{mark}{options}", tmp_path, folder=False)


def test_exclusive_creation(s3: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert s3.create_exclusive("one", b"first")
    assert not s3.create_exclusive("one", b"second")
    assert s3.read_bytes("one") == b"first"
    # Two callers that both looked before either put: the later put wins, and the earlier caller learns it.
    monkeypatch.setattr(type(s3), "exists", lambda *_: False)
    monkeypatch.setattr(arrow.time, "sleep", lambda _: s3.write_whole("two", b"second"))
    assert not s3.create_exclusive("two", b"first")


def test_a_run(s3: Folder, tmp_path: Path) -> None:
    layout = RunLayout.create(s3, "digits", new_run_id("digits"))
    layout.write_config(b"{}")
    with pytest.raises(StorageError, match="already exists"):
        RunLayout.create(s3, "digits", layout.run_id)
    found = RunLayout.open(find_run(s3, "last").uri)
    assert found == layout
    assert found.read_config() == b"{}"
    layout.write_driver(b"1")
    layout.write_driver(b"2")
    assert found.read_driver() == b"2"

    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "train.py").write_text("x = 1")
    code = unpack_code(found, store_code(layout, tmp_path / "src"), tmp_path / "cache")
    assert (code / "train.py").read_text() == "x = 1"

    (tmp_path / "log.txt").write_bytes(b"hello\n" * 300_000)
    uploader = LogUploader(tmp_path / "log.txt", layout.attempt(0, 1))
    uploader.sync()
    assert read_log(found, 0, 1, -6)[0] == b"hello\n"
    assert read_log(found, 0, 1)[0] == b"hello\n" * 300_000
    assert upload_tree(tmp_path / "src", layout.outputs(0)).files == 1
    assert list_files(found, 0) == ["attempt-1/log.txt", "outputs/train.py"]


def test_a_long_journal(s3: Folder) -> None:
    """More segments than one prefetch and one probe."""
    live = JournalReader(s3)
    with JournalWriter.open(s3) as writer:
        for number in range(70):
            writer.append(lines(number))
            if number % 20 == 7:
                list(live.read())
    seen = live.entries
    assert numbers(live) == list(range(seen, 70))
    assert numbers(JournalReader(s3)) == list(range(70))


def test_a_bucket_that_is_missing(s3: Folder) -> None:
    with pytest.raises(
        StorageError, match=r"cannot write s3://nobucket/x/file: .*Hint: the bucket or container does not"
    ):
        open_folder("s3://nobucket/x").write_whole("file", b"")


def test_a_service_that_is_away(s3: Folder) -> None:
    away = open_folder("s3://bucket/x?endpoint_override=http://127.0.0.1:9")
    with pytest.raises(StorageError, match=r"s3://bucket/x/file: .*Hint: the service cannot be reached") as caught:
        away.write_whole("file", b"")
    assert "geheim" not in str(caught.value)


def test_a_warm_start_is_copied_from_one_place_of_the_store_to_another(s3: Folder, tmp_path: Path) -> None:
    config = RunConfig(
        experiment="e",
        metric=Metric(name="score", goal=PrimaryMetricGoal.MAXIMIZE),
        sampling=RandomParameterSampling({"x": uniform(0, 1)}),
        limits=Limits(max_total_runs=1, max_concurrent_runs=1),
        trial=TrialSpec(kind="function"),
        seed=0,
    )
    parent = RunLayout.create(s3, "e", "e-20261125-120000-0000")
    parent.write_config(json.dumps(config.to_json()).encode())
    run_inline(config, lambda params: Run.get_context().log("score", 0.5), JournalWriter.open(parent.journal))
    (tmp_path / "outputs/deep").mkdir(parents=True)
    (tmp_path / "outputs/deep/model").write_bytes(b"weights")
    upload_tree(tmp_path / "outputs", parent.outputs(0))
    run = HyperDriveRun(parent)
    wanted = HyperDriveConfig(
        *(config.sampling, "score", "maximize", 2), run_config=print, resume_from=[run], resume_child_runs=["last_0"]
    ).to_submission("e")
    descent = plan_warm_start(wanted, s3.uri)
    heir = RunLayout.create(s3, "e", "e-20261125-130000-0000")
    lineage, warm_start = copy_warm_start(descent, heir)
    heir.write_warm_start(dump(warm_start))
    assert (lineage.continued[0].source, lineage.continued[0].interval) == ("outputs", 1)
    assert load(heir.read_warm_start()).resumed_prefixes == warm_start.resumed_prefixes
    recorded = lineage.parents[0]
    assert RunReader.open(heir.sibling(recorded.experiment, recorded.run, recorded.uri)).id == run.id
    parent.folder.delete_tree()
    notes: list[str] = []
    found = recover(heir, 0, 1, "1", 1, tmp_path / "here", notes.append)
    assert found is not None
    assert (found.path / "deep/model").read_bytes() == b"weights"
    assert notes == []


def put_key(endpoint: str, key: str) -> None:
    """Puts an object under a key that pyarrow would not write."""
    connection = http.client.HTTPConnection(endpoint.removeprefix("http://"), timeout=30)
    with contextlib.closing(connection):
        connection.request("PUT", f"/bucket/{urllib.parse.quote(key)}", b"" if key.endswith("/") else b"x")
        assert connection.getresponse().status == 200


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (["ok", "up/../../../evil"], r"'up/../../../evil' is not a valid name inside a folder"),
        (["dd//e"], "'dd//e' is not a valid name inside a folder"),
        (["/lead"], "'/lead' is not a valid name inside a folder"),
        (["a", "a/b"], "'a/b' is below a file"),
        (["x" * 300], r"a part of 'x+'... has more than 255 bytes"),
    ],
)
def test_a_folder_of_inputs_that_no_directory_can_hold_is_refused_by_name(
    s3: Folder, endpoint: str, tmp_path: Path, keys: list[str], words: str
) -> None:
    base, mark, options = s3.uri.partition("?")
    for key in keys:
        put_key(endpoint, f"{base.removeprefix('s3://bucket/')}/data/{key}")
    with pytest.raises(StorageError, match=f"cannot fetch s3://bucket/.*/data.* completely: {words}") as caught:
        fetch_input(f"{base}/data{mark}{options}", tmp_path, folder=True)
    assert caught.value.__cause__ is None  # it fails the trial: no other node would do better
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == []


def test_an_object_that_stands_for_a_folder_is_none(s3: Folder, endpoint: str, tmp_path: Path) -> None:
    base, mark, options = s3.uri.partition("?")
    for key in ("data/dir/", "data/dir/f", "data/.a.tmp"):
        put_key(endpoint, f"{base.removeprefix('s3://bucket/')}/{key}")
    found = fetch_input(f"{base}/data{mark}{options}", tmp_path, folder=True)
    assert sorted(str(path.relative_to(found)) for path in found.rglob("*") if path.is_file()) == [".a.tmp", "dir/f"]
    assert [item.name for item in s3.walk()] == ["data/.a.tmp", "data/dir/f"]
