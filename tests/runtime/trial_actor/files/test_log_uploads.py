"""What an attempt leaves reaches the storage, or its user learns what does not: without Ray, with a real S3."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import moto_s3
import pytest
import s3_proxy
from trial_actor_helpers import Driver, an_actor, end_of, of_kind

from raydrive.context import Run
from raydrive.core.records import OUTPUTS
from raydrive.runtime.trial_actor.actor import TrialSupervisor
from raydrive.runtime.trial_events import EndedEvent, NoteEvent, TrialEvent
from raydrive.storage.checkpoints import fetch_checkpoint, manifests
from raydrive.storage.code_snapshot import store_code, store_function
from raydrive.storage.folder import arrow
from raydrive.storage.folder.base import Folder
from raydrive.storage.folder.open import open_folder
from raydrive.storage.run_layout import RunLayout, new_run_id
from raydrive.storage.trial_files import download_file, list_files, read_file, read_log
from raydrive.testing.runners import function_config

CAFE = os.fsdecode(b"caf\xe9.txt")


class Bucket:
    """The place for runs, and which keys its server denies."""

    def __init__(self) -> None:
        self.uri = ""
        self.denies: Callable[[str, str], bool] = lambda method, key: False


@pytest.fixture(scope="module")
def served() -> Iterator[Bucket]:
    bucket = Bucket()
    with moto_s3.serving() as (url, _), s3_proxy.denying(url, lambda *request: bucket.denies(*request)) as proxy:
        place = proxy.removeprefix("http://")
        bucket.uri = f"s3://key:secret@bucket/runs?endpoint_override={place}&scheme=http&region=us-east-1"
        yield bucket


@pytest.fixture
def bucket(served: Bucket, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    monkeypatch.setattr(arrow, "SETTLE_S", 0.0)
    served.denies = lambda method, key: False
    return served


def run_trial(
    storage: str | Path,
    train: Callable[[dict[str, Any]], object] | Path,
    *,
    patience_s: float = 1.0,
    meanwhile: Callable[[TrialSupervisor], Awaitable[None]] | None = None,
    **trial: Any,
) -> tuple[RunLayout, dict[str, str], EndedEvent]:
    """Runs one trial; returns its run, the notices with what they are about, and its last event."""
    layout = RunLayout.create(storage, "contract", new_run_id("contract"))
    config = function_config()
    if isinstance(train, Path):
        trial.update(kind="script", script="train.py", code_sha256=store_code(layout, train))
    else:
        trial.update(code_sha256=store_function(layout, cloudpickle.dumps(train)))
    spec = dataclasses.replace(config.trial, storage_patience_s=patience_s, **trial)
    config = dataclasses.replace(config, trial=spec)

    async def main() -> list[TrialEvent]:
        driver = Driver(is_open=True)
        async with an_actor(layout, config, driver) as actor:
            running = asyncio.ensure_future(actor.run(1, 0, 1, {}, None, 0))
            if meanwhile is not None:
                await meanwhile(actor)
            rest = await asyncio.wait_for(running, 60)
            return [*driver.events, *rest]

    events = asyncio.run(main())
    notes = {event.text: event.about for event in of_kind(events, NoteEvent)}
    return layout, notes, end_of(events)


def stored_of(layout: RunLayout) -> list[str]:
    """The trial's files in the storage, without its log."""
    return [name for name in list_files(layout, 0) if name != "attempt-1/log.txt"]


def log_of(layout: RunLayout) -> str:
    return read_log(layout, 0, 1)[0].decode()


def place_in(note: str) -> Path:
    """Where a notice says that the node's copy is."""
    return Path(note.rpartition(" in ")[2])


def test_no_file_decides_over_the_others(bucket: Bucket, tmp_path: Path) -> None:
    def train(params: dict[str, Any]) -> None:
        Run.get_context().log("score", 1)
        for name in ("a.txt", CAFE, "caf%E9.txt", "two\nlines", ".x.tmp", "z.txt"):
            with open(f"outputs/{name}", "w", encoding="utf-8") as file:
                file.write(ascii(name))
        os.symlink(".", "outputs/loop")
        os.symlink("nowhere", "outputs/dangling")
        os.mkfifo("logs/pipe")

    layout, notes, last = run_trial(bucket.uri, train)
    assert last.exit_code == 0
    stored = ["a.txt", "caf%E9.txt", "caf%E9.txt~2", "two%0Alines", ".x.tmp", "z.txt"]
    assert stored_of(layout) == sorted(f"outputs/{name}" for name in stored)
    contents = {read_file(layout, 0, f"outputs/{name}").decode() for name in stored}
    assert contents == {ascii(name) for name in ("a.txt", CAFE, "caf%E9.txt", "two\nlines", ".x.tmp", "z.txt")}
    assert notes == {
        "stored under other names, because the storage does not accept theirs: outputs/caf\\xe9.txt as "
        "outputs/caf%E9.txt~2, "
        "outputs/two\\nlines as outputs/two%0Alines": "",
        "not in the storage, which accepts only files: outputs/dangling (a dangling link), outputs/loop (a link to a "
        "folder), logs/pipe (not a file)": "outputs",
    }
    assert all(f"raydrive: {note}\n" in log_of(layout) for note in notes)
    download_file(layout, 0, "outputs/two%0Alines", tmp_path / "here")
    assert (tmp_path / "here").read_text() == ascii("two\nlines")


def test_a_denied_prefix_is_named_and_its_files_stay_on_the_node(bucket: Bucket) -> None:
    bucket.denies = lambda method, key: method == "PUT" and "/private/" in key

    def train(params: dict[str, Any]) -> None:
        Run.get_context().log("score", 1)
        os.makedirs("outputs/private")
        for name in ("a", "private/x", "private/y", "z"):
            Path("outputs", name).write_text(name)

    layout, notes, last = run_trial(bucket.uri, train, patience_s=60.0)
    assert last.exit_code == 0
    assert stored_of(layout) == ["outputs/a", "outputs/z"]
    ((note, about),) = notes.items()
    assert about == "outputs"
    start = "missing from the storage: outputs/private/x, outputs/private/y (AWS Error ACCESS_DENIED"
    assert note.startswith(start)
    assert f"the copy on node {os.uname().nodename} stays for 7 days in " in note
    assert (place_in(note) / "outputs" / "private" / "y").read_text() == "private/y"
    assert note in log_of(layout)


def test_a_store_that_is_away_for_too_long_costs_the_trial_nothing(bucket: Bucket) -> None:
    bucket.denies = lambda method, key: method == "PUT" and "/trials/" in key

    def train(params: dict[str, Any]) -> None:
        Run.get_context().log("score", 1)
        Path("outputs/model").write_text("weights")
        Path("runs").mkdir()
        Path("runs/events").write_text("kept")

    _, notes, last = run_trial(bucket.uri, train, keep=("runs/**",))
    assert last.exit_code == 0
    ((note, about),) = notes.items()
    assert about == "outputs"
    assert note.startswith(
        "missing from the storage: log.txt, outputs/model, kept/runs/events (AWS Error ACCESS_DENIED"
    )
    place = place_in(note)
    assert (place / "outputs" / "model").read_text() == "weights"
    assert (place / "kept" / "runs" / "events").read_text() == "kept"
    assert "raydrive: missing" in (place / "log.txt").read_text()


def test_who_ends_a_trial_does_not_wait_for_a_store_that_is_away(bucket: Bucket) -> None:
    tried = threading.Event()

    def denies(method: str, key: str) -> bool:
        if method == "PUT" and "/trials/" in key:
            tried.set()
            return True
        return False

    bucket.denies = denies

    def train(params: dict[str, Any]) -> None:
        Run.get_context().log("score", 1)
        Path("outputs/model").write_text("weights")

    async def stop(actor: TrialSupervisor) -> None:
        while not tried.is_set():
            await asyncio.sleep(0.05)
        await actor.stop(1, 0, 1, 1.0)

    _, notes, last = run_trial(bucket.uri, train, patience_s=600.0, meanwhile=stop)
    assert last.exit_code == 0
    assert [note.partition(" (")[0] for note in notes] == ["missing from the storage: log.txt, outputs/model"]


def test_a_store_that_comes_back_in_time_has_everything(bucket: Bucket) -> None:
    denied = iter([True] * 4)
    bucket.denies = lambda method, key: method == "PUT" and "/trials/" in key and next(denied, False)

    def train(params: dict[str, Any]) -> None:
        Run.get_context().log("score", 1)
        for name in "abc":
            Path("outputs", name).write_text(name)

    layout, notes, last = run_trial(bucket.uri, train, patience_s=60.0)
    assert (last.exit_code, notes) == (0, {})
    assert stored_of(layout) == ["outputs/a", "outputs/b", "outputs/c"]


def test_a_name_that_only_this_store_refuses_is_stored_under_a_plain_one(bucket: Bucket) -> None:
    bucket.denies = lambda method, key: method == "PUT" and ":" in key.partition("?")[0]

    def train(params: dict[str, Any]) -> None:
        Run.get_context().log("score", 1)
        Path("outputs/a:b").write_text("x")

    layout, notes, _ = run_trial(bucket.uri, train)
    assert stored_of(layout) == ["outputs/a%3Ab"]
    assert list(notes) == [
        "stored under other names, because the storage does not accept theirs: outputs/a:b as outputs/a%3Ab"
    ]


def test_a_key_that_is_too_long_is_shortened(bucket: Bucket) -> None:
    def train(params: dict[str, Any]) -> None:
        Run.get_context().log("score", 1)
        folder = "/".join(["outputs", *["x" * 200] * 6])
        os.makedirs(folder)
        Path(folder, "model").write_text("weights")

    layout, notes, _ = run_trial(bucket.uri, train)
    (name,) = stored_of(layout)
    assert name.startswith("outputs/long-")
    assert name.endswith("-model")
    assert read_file(layout, 0, name) == b"weights"
    assert name in next(iter(notes))


@pytest.mark.parametrize("kind", ["s3", "local"])
def test_what_is_kept_and_what_is_not(bucket: Bucket, tmp_path: Path, kind: str) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "results.csv").write_text("old")
    (code / "train.py").write_text(
        "import os\n"
        "from raydrive import Run\n"
        "Run.get_context().log('score', 1)\n"
        "os.makedirs('wandb/run-1')\n"
        "open('wandb/run-1/data', 'w').write('w' * 1200)\n"
        "os.symlink('run-1', 'wandb/latest-run')\n"
        "open('results.csv', 'w').write('new')\n"
        "os.makedirs('lightning_logs/version_0')\n"
        "open('lightning_logs/version_0/hparams.yaml', 'w').write('x: 1')\n"
        "os.unlink('outputs'); os.mkdir('outputs'); open('outputs/model', 'w').write('weights')\n"
    )
    storage = bucket.uri if kind == "s3" else tmp_path / "storage"
    layout, notes, last = run_trial(storage, code)
    words = "wandb/ (1.2 kB, 1 file), lightning_logs/ (4 bytes, 1 file), results.csv (3 bytes)"
    text = f"not kept: {words}; add them to raydrive.keep or write below outputs/"
    assert (last.exit_code, notes) == (0, {text: ""})
    assert f"raydrive: {text}\n" in log_of(layout)
    assert stored_of(layout) == ["outputs/model"]

    layout, notes, last = run_trial(storage, code, keep=("wandb/**", "*.csv", "!lightning_logs/"))
    assert (last.exit_code, notes) == (0, {})
    assert "raydrive:" not in log_of(layout)
    links = ["kept/wandb/latest-run/data"] if kind == "local" else []  # a link, which leads to what is there
    wanted = ["kept/results.csv", *links, "kept/wandb/run-1/data", "outputs/model"]
    assert stored_of(layout) == wanted
    assert read_file(layout, 0, "kept/results.csv") == b"new"


def test_a_trial_that_leaves_nothing_is_told_nothing(bucket: Bucket, tmp_path: Path) -> None:
    def train(params: dict[str, Any]) -> None:
        Run.get_context().log("score", 1)
        Path("outputs/model").write_text("weights")

    for storage in (bucket.uri, tmp_path / "storage"):
        layout, notes, last = run_trial(storage, train)
        assert (last.exit_code, notes) == (0, {})
        assert stored_of(layout) == ["outputs/model"]


@pytest.mark.parametrize("kind", ["s3", "local"])
def test_a_script_that_removes_all_that_is_ours_harms_nothing(bucket: Bucket, tmp_path: Path, kind: str) -> None:
    def train(params: dict[str, Any]) -> None:
        import shutil

        Run.get_context().log("score", 1)
        for name in ("RAYDRIVE_CHECKPOINT_DIR", "RAYDRIVE_OUTPUT_DIR"):
            shutil.rmtree(Path(os.environ[name]).parent, ignore_errors=True)
        shutil.rmtree(os.getcwd(), ignore_errors=True)

    _, notes, last = run_trial(bucket.uri if kind == "s3" else tmp_path / "storage", train)
    assert (last.exit_code, notes) == (0, {})


@pytest.mark.parametrize("odd", ["fifo", "folder", "link"])
def test_outputs_that_are_no_folder_any_more_are_named(tmp_path: Path, odd: str) -> None:
    def train(params: dict[str, Any]) -> None:
        Run.get_context().log("score", 1)
        os.unlink("outputs")
        if odd == "fifo":
            os.mkfifo("outputs")
        elif odd == "folder":
            os.mkdir("results")
            Path("results/model").write_text("weights")
            os.symlink("results", "outputs")
        else:
            os.symlink("/usr", "outputs")

    layout, notes, last = run_trial(tmp_path / "storage", train)
    assert last.exit_code == 0
    if odd == "folder":
        assert (stored_of(layout), notes) == (["outputs/model"], {})
    else:
        what = "a link to /usr" if odd == "link" else "a file"
        ((note, about),) = notes.items()
        assert note.startswith(f"missing from the storage: outputs (the script replaced it with {what})")
        assert about == "outputs"


def test_a_disk_that_is_full_when_files_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def train(params: dict[str, Any]) -> None:
        Run.get_context().log("score", 1)
        Path("runs").mkdir()
        Path("runs/a").write_text("a")
        Path("runs/b").write_text("b")

    rename, put = os.rename, open_folder(tmp_path).put_file.__func__  # type: ignore[attr-defined]

    def full(source: Any, target: Any, **options: Any) -> None:
        if str(target).endswith("runs/a"):
            raise OSError(28, os.strerror(28))
        rename(source, target, **options)

    def nothing(self: Folder, source: Path, name: str) -> int:
        if name == "a":
            raise OSError(28, os.strerror(28))
        return int(put(self, source, name))

    monkeypatch.setattr(os, "rename", full)
    monkeypatch.setattr(type(open_folder(tmp_path)), "put_file", nothing)
    layout, notes, last = run_trial(tmp_path / "storage", train, keep=("runs/",))
    assert last.exit_code == 0
    assert stored_of(layout) == ["kept/runs/b"]
    ((note, about),) = notes.items()
    assert about == "outputs"
    assert note.startswith("missing from the storage: kept/runs/a ([Errno 28] No space left on device)")
    assert (place_in(note) / "runs" / "a").read_text() == "a"


@pytest.mark.parametrize("kind", ["s3", "local"])
def test_a_checkpoint_is_whole_or_none(bucket: Bucket, tmp_path: Path, kind: str) -> None:
    def train(params: dict[str, Any]) -> None:
        run = Run.get_context()
        staging = Path(os.environ["RAYDRIVE_CHECKPOINT_DIR"])
        for number, odd in enumerate(("link", "pipe"), 1):
            run.log("score", number)
            folder = staging / odd
            (folder / "step").mkdir(parents=True)
            (folder / "step" / CAFE).write_text("weights")
            os.symlink("step", folder / "latest")
            if odd == "pipe":
                os.mkfifo(folder / "pipe")
            (staging / f"{odd}.done").touch()
            while (staging / f"{odd}.done").exists():
                pass
        (staging / "unfinished").mkdir()
        (staging / "file.pt").touch()
        (staging / "file.pt.done").touch()
        (staging / "nothing.done").touch()

    storage = bucket.uri if kind == "s3" else tmp_path / "storage"
    layout, notes, last = run_trial(storage, train, patience_s=60.0)
    assert last.exit_code == 0
    (manifest,) = manifests(layout, 0)
    found = fetch_checkpoint(layout, 0, manifest, tmp_path / "here")
    assert (found / "latest" / CAFE).read_text() == "weights"
    assert (found / "latest").is_symlink()
    assert notes == {
        "the checkpoint at interval 2 is not in the storage: it would not be complete without pipe "
        "(not a file)": OUTPUTS,
        "the checkpoint file.pt is not in the storage: it is a file, and a checkpoint is a folder": OUTPUTS,
        "the checkpoint nothing is not in the storage: there is no such folder": OUTPUTS,
        "not kept, because no NAME.done marks them as complete: checkpoint unfinished": "",
    }


def test_a_checkpoint_whose_place_is_denied_is_named_and_waited_for_once(bucket: Bucket) -> None:
    bucket.denies = lambda method, key: method == "PUT" and "/checkpoints/" in key

    def train(params: dict[str, Any]) -> None:
        run = Run.get_context()
        Path("state").mkdir()
        Path("state/m").write_text("m")
        run.log("score", 1)
        run.save_checkpoint("state")

    layout, notes, last = run_trial(bucket.uri, train, patience_s=0.2)
    assert (last.exit_code, manifests(layout, 0)) == (0, [])
    given_up, left = notes
    assert given_up.startswith("the checkpoint at interval 1 was given up: ")
    assert "ACCESS_DENIED" in given_up
    assert left.startswith("not kept: state/ (1 byte, 1 file)")
    assert list(notes.values()) == ["outputs", ""]


def test_the_working_copy_of_a_saved_checkpoint_is_not_missed(tmp_path: Path) -> None:
    def train(params: dict[str, Any]) -> None:
        run = Run.get_context()
        Path("state").mkdir()
        Path("state/m").write_text("m")
        run.log("score", 1)
        run.save_checkpoint("state")

    layout, notes, last = run_trial(tmp_path / "storage", train)
    assert (last.exit_code, notes, len(manifests(layout, 0))) == (0, {}, 1)


def test_a_link_in_outputs_to_the_working_directory_does_not_dangle(tmp_path: Path) -> None:
    def train(params: dict[str, Any]) -> None:
        Run.get_context().log("score", 1)
        Path("best.bin").write_text("weights")
        os.symlink(os.path.abspath("best.bin"), "outputs/best.bin")

    layout, notes, _ = run_trial(tmp_path / "storage", train)
    assert notes == {}
    assert read_file(layout, 0, "outputs/best.bin") == b"weights"


def test_links_that_lead_in_circles_harm_no_listing(tmp_path: Path) -> None:
    def train(params: dict[str, Any]) -> None:
        Run.get_context().log("score", 1)
        os.symlink(".", "outputs/loop")
        os.symlink("b", "outputs/a")
        os.symlink("a", "outputs/b")
        os.mkfifo("outputs/pipe")
        Path("outputs/model").write_text("weights")

    layout, _, _ = run_trial(tmp_path / "storage", train)
    assert stored_of(layout) == ["outputs/model"]
