"""Packing the code of a submission, sending it to another machine, and storing it there as it came."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from raydrive import HyperDriveConfig, RandomParameterSampling, ScriptRunConfig, uniform
from raydrive.api.submit import dashboard, dashboard_job
from raydrive.api.submit.packaging import pack, read_packed
from raydrive.api.submit.preflight import check_submission
from raydrive.api.submit.submission import Submission
from raydrive.core.errors import ConfigError, StorageError
from raydrive.storage.code_snapshot import load_function
from raydrive.storage.run_layout import RunLayout


class Tracer:
    """Unpickling it leaves a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)


def traced(trace: Path) -> Callable[[dict[str, Any]], float]:
    tracer = Tracer(trace)

    def train(params: dict[str, Any]) -> float:
        return float(tracer is not None)

    return train


def submission_of(target: Any) -> Submission:
    sampling = RandomParameterSampling({"x": uniform(0, 1)})
    return HyperDriveConfig(sampling, "score", "maximize", 2, run_config=target, seed=1).to_submission("packed")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "train.py").write_text("print('score 1')\n")
    return folder


@pytest.fixture
def layout(tmp_path: Path) -> RunLayout:
    return RunLayout.create(str(tmp_path / "runs"), "packed", "packed-1")


def test_a_function_travels_and_is_stored_without_being_loaded(tmp_path: Path, layout: RunLayout) -> None:
    sent = pack(traced(tmp_path / "loaded"), None, str(tmp_path / "runs"))
    assert sent is not None
    assert sent.sha256 == hashlib.sha256(sent.function).hexdigest()
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    sent.write(bundle)
    received = read_packed(bundle, sent.sha256)
    assert received == sent
    checked = check_submission(
        dataclasses.replace(submission_of(traced(tmp_path / "loaded")), function=None, code=received),
        storage=str(tmp_path / "runs"),
        address="auto",
    )
    assert checked.code is received
    received.store(layout)
    assert load_function(layout, sent.sha256) == sent.function
    assert not (tmp_path / "loaded").exists()


def test_a_source_directory_travels_and_is_stored_byte_for_byte(
    source: Path, tmp_path: Path, layout: RunLayout
) -> None:
    sent = pack(None, source, str(tmp_path / "runs"))
    assert sent is not None
    assert sent.archive is not None
    whole = sent.archive.read_bytes()
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    sent.write(bundle)
    sent.discard()
    assert not sent.archive.exists()
    read_packed(bundle, sent.sha256).store(layout)
    assert layout.code.read_bytes(f"{sent.sha256}.zip") == whole
    assert sorted(path.name for path in bundle.iterdir()) == ["code.zip"], "it was not unpacked on the way"


def test_a_command_without_code_has_nothing_to_pack(tmp_path: Path) -> None:
    assert pack(None, None, str(tmp_path)) is None


@pytest.mark.parametrize("kind", ["function", "directory"])
def test_code_that_changed_on_its_way_is_refused(kind: str, source: Path, tmp_path: Path) -> None:
    sent = pack(traced(tmp_path / "loaded"), None) if kind == "function" else pack(None, source)
    assert sent is not None
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    sent.write(bundle)
    with next(bundle.iterdir()).open("ab") as file:
        file.write(b"more")
    with pytest.raises(StorageError, match=f"damaged in transfer: its sha256 is [0-9a-f]{{64}}, not {sent.sha256}"):
        read_packed(bundle, sent.sha256)


def test_code_that_did_not_arrive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=f"did not arrive in {tmp_path}: .*No such file"):
        read_packed(tmp_path, "0" * 64)


def test_a_submission_that_is_refused_leaves_no_zip(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    submission = submission_of(ScriptRunConfig(source, script="train.py"))
    with pytest.raises(ConfigError, match="'runs', a path of this machine"):
        check_submission(submission, storage="runs", address="http://127.0.0.1:1")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_the_job_answers_with_every_problem_and_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is wrong on the other side arrives as the error that it is there."""
    submission = submission_of(traced(tmp_path / "loaded"))
    sent = pack(submission.function, None)
    assert sent is not None
    monkeypatch.chdir(tmp_path)
    sent.write(tmp_path)
    request = {
        "storage": str(tmp_path / "runs"),
        "config": submission.config.to_json(),
        "code_sha256": sent.sha256,
        "classes_sha256": "",
        "resume_from": [{"run": "gone", "where": "resume_from[0]"}],
        "resume_child_runs": [],
    }
    (tmp_path / "request.json").write_text(json.dumps(request))
    dashboard_job.main()
    answer = capsys.readouterr().out.removeprefix(dashboard.ANSWER)
    (problem,) = json.loads(answer)["problems"]
    assert problem["where"] == "resume_from[0]"
    assert problem["found"].startswith("'gone'")
    assert not (tmp_path / "loaded").exists()
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("sent", "text"), [(None, "did not arrive"), (b"of another run", "damaged in transfer")])
def test_classes_that_are_not_what_was_sent_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], sent: bytes | None, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if sent is not None:
        (tmp_path / dashboard.CLASSES).write_bytes(sent)
    request = {
        "storage": str(tmp_path / "runs"),
        "config": submission_of(traced(tmp_path / "loaded")).config.to_json(),
        "code_sha256": "",
        "classes_sha256": hashlib.sha256(b"classes").hexdigest(),
        "resume_from": [],
        "resume_child_runs": [],
    }
    (tmp_path / "request.json").write_text(json.dumps(request))
    dashboard_job.main()
    answer = json.loads(capsys.readouterr().out.removeprefix(dashboard.ANSWER))
    assert answer["kind"] == "StorageError"
    assert text in answer["text"]
    assert not (tmp_path / "runs").exists()


def test_a_zip_of_a_directory_holds_what_trials_get(source: Path) -> None:
    packed = pack(None, source)
    assert packed is not None
    assert packed.archive is not None
    assert zipfile.ZipFile(packed.archive).read("train.py") == b"print('score 1')\n"
    packed.discard()
