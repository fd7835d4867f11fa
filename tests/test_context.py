"""What training code sees, against a real reader of the wire."""

from __future__ import annotations

import decimal
import io
import itertools
import json
import math
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raydrive import context, context_values, wire
from raydrive.context import Run, RunEnvironmentError


class Trial:
    """The surroundings of a trial: its environment is this process's, and what it logs is read here."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files = folder / "files"
        (self.files / "outputs").mkdir(parents=True)
        self.env = wire.trial_environment(
            channel=str(folder / "channel"),
            run_id="digits-1",
            trial=7,
            attempt=2,
            experiment="digits",
            params={"lr": 0.1, "model": {"depth": 3}},
            files_dir=str(self.files),
        )
        for name, text in self.env.items():
            monkeypatch.setenv(name, text)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(folder / "channel"))
        self._listener.listen()
        self._received: list[bytearray] = []
        self._readers: list[threading.Thread] = []
        self._ended = False
        self._last = str(folder / "last")
        self._accepter = threading.Thread(target=self._accept)
        self._accepter.start()

    def _accept(self) -> None:
        while True:
            connection, who = self._listener.accept()
            if who == self._last:  # those who came before are all accepted
                connection.close()
                return
            self._received.append(bytearray())
            reader = threading.Thread(target=self._read, args=(connection, self._received[-1]))
            reader.start()
            self._readers.append(reader)

    def _read(self, connection: socket.socket, received: bytearray) -> None:
        with connection:
            while data := connection.recv(1 << 16):
                received += data

    def messages(self) -> list[dict[str, Any]]:
        """Everything logged so far; ends the reading."""
        wire.hang_up()
        if not self._ended:
            self._ended = True
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as last:
                last.bind(self._last)
                last.connect(self._listener.getsockname())
            self._accepter.join(10)
            for reader in self._readers:
                reader.join(10)
            self._listener.close()
        messages, bad = wire.decode([bytes(line) for data in self._received for line in data.splitlines()])
        assert bad == []
        return messages

    def metrics(self) -> list[dict[str, Any]]:
        return [message["m"] for message in self.messages()]


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trial]:
    trial = Trial(tmp_path, monkeypatch)
    yield trial
    trial.messages()


@pytest.fixture(autouse=True)
def _outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("RAYDRIVE_"):
            monkeypatch.delenv(name)
    context.reset_for_next_trial()


# ---------------------------------------------------------------------- in a trial


def test_a_trial_knows_who_it_is(trial: Trial) -> None:
    run = Run.get_context(allow_offline=False)
    assert (run.id, run.number, run.attempt, run.offline) == ("digits-1_7", 7, 2, False)
    assert run.params == {"lr": 0.1, "model": {"depth": 3}}
    assert run.parent is not None
    assert run.parent.id == "digits-1"
    assert run.experiment.name == "digits"
    assert run.output_directory == str(trial.files / "outputs")
    assert run.resume_from is None


def test_params_may_be_changed_without_changing_the_trials(trial: Trial) -> None:
    run = Run.get_context()
    run.params["model"]["depth"] = 5
    assert run.params["model"]["depth"] == 3


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (1, 1),
        (0.93, 0.93),
        (True, 1),
        (math.inf, math.inf),
        ("relu", "relu"),
        (np.float32(0.5), 0.5),
        (np.float64(0.1), 0.1),
        (np.int64(3), 3),
        (np.bool_(True), 1),
        (np.str_("a"), "a"),
        (np.array(2.5), 2.5),
        (np.array([[2.5]]), 2.5),
        (decimal.Decimal("0.25"), 0.25),
    ],
)
def test_log_takes_what_is_one_number(trial: Trial, value: Any, sent: Any) -> None:
    Run.get_context().log("a - b: c", value, step=np.int64(3), description="d")
    (message,) = trial.messages()
    assert message["m"] == {"a - b: c": sent}
    assert type(message["m"]["a - b: c"]) is type(sent)
    assert (message["s"], message["d"]) == (3, "d")


def test_nan_is_logged(trial: Trial) -> None:
    Run.get_context().log("loss", float("nan"))
    assert math.isnan(trial.metrics()[0]["loss"])


@pytest.mark.parametrize("value", [[1], (1, 2), np.arange(3), {"a": 1}, None, object(), range(3), 1j, b"x"])
def test_log_refuses_anything_else_and_says_what_to_do(trial: Trial, value: Any) -> None:
    run = Run.get_context()
    with pytest.raises(TypeError, match=r"log\('acc', ...\): found .*; expected a number or a string; use log_list"):
        run.log("acc", value)
    assert trial.messages() == []
    assert run.get_metrics() == {}


@pytest.mark.parametrize("name", ["", "  "])
def test_a_metric_needs_a_name(name: str) -> None:
    with pytest.raises(ValueError, match="name of a metric"):
        Run.get_context().log(name, 1)
    with pytest.raises(TypeError, match="name of a metric"):
        Run.get_context().log(3, 1)  # type: ignore[arg-type]


def test_lists_rows_tables_and_charts(trial: Trial) -> None:
    run = Run.get_context()
    run.log_list("losses", np.array([1.0, 2.0]))
    run.log_list("names", (name for name in "ab"))
    run.log_row("point", x=1, y=np.float32(0.5))
    run.log_table("table", {"x": [1, 2], "y": np.array([3, 4]), "z": "one"})
    run.log_confusion_matrix("cm", {"data": {"matrix": np.eye(2), "labels": None}})
    run.log_accuracy_table("at", '{"schema_type": "accuracy_table"}')
    assert trial.metrics() == [
        {"losses": [1.0, 2.0]},
        {"names": ["a", "b"]},
        {"point": {"x": 1, "y": 0.5}},
        {"table": {"x": [1, 2], "y": [3, 4], "z": "one"}},
        {"cm": {"data": {"matrix": [[1.0, 0.0], [0.0, 1.0]], "labels": None}}},
        {"at": {"schema_type": "accuracy_table"}},
    ]


def test_what_is_no_list_row_table_or_chart() -> None:
    run = Run.get_context()
    with pytest.raises(TypeError, match="expected a list"):
        run.log_list("a", "text")
    with pytest.raises(TypeError, match="element 1"):
        run.log_list("a", [1, [2]])
    with pytest.raises(ValueError, match="found no column"):
        run.log_row("a")
    with pytest.raises(TypeError, match="expected a mapping"):
        run.log_table("a", [1])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="log_residuals"):
        run.log_residuals("a", [1])
    with pytest.raises(ValueError, match="the text is not JSON"):
        run.log_predictions("a", "{")


def test_metrics_logged_by_this_process_can_be_read_back(trial: Trial) -> None:
    run = Run.get_context()
    for value in (1, 2):
        run.log("loss", value)
    Run.get_context().log("acc", 0.5)
    assert run.get_metrics() == {"loss": [1, 2], "acc": 0.5}
    assert run.get_metrics("acc") == {"acc": 0.5}
    assert run.get_metrics("none") == {}


def test_a_process_that_leaves_a_trial_forgets_it_and_hands_over_what_it_logged(trial: Trial) -> None:
    run = Run.get_context()
    run.log("loss", 1)
    run.tag("fold", 2)
    context.reset_for_next_trial()
    assert (run.get_metrics(), run.get_tags()) == ({}, {})
    run.log("loss", 2)
    assert run.get_metrics() == {"loss": 2}
    assert [message["m"]["loss"] for message in trial.messages() if "m" in message] == [1, 2]


def test_tags_and_state(trial: Trial) -> None:
    run = Run.get_context()
    run.tag("fold", 2)
    run.set_tags({"a": "b", "empty": None})
    run.complete()
    run.fail("out of patience", "E7")
    run.flush()
    assert run.get_tags() == {"fold": "2", "a": "b", "empty": ""}
    messages = trial.messages()
    assert [message.get("tags") for message in messages[:2]] == [{"fold": "2"}, {"a": "b", "empty": ""}]
    assert [(message["state"], message["why"]) for message in messages[2:]] == [
        ("Completed", ""),
        ("Failed", "E7: out of patience"),
    ]


def test_what_is_logged_to_the_parent_is_kept_with_the_trial(trial: Trial, capfd: pytest.CaptureFixture[str]) -> None:
    parent = Run.get_context().parent
    assert parent is not None
    parent.log("best", 0.5)
    parent.log("best", 0.6)
    parent.tag("who", "me")
    messages = trial.messages()
    assert [message["m"] for message in messages[:2]] == [{"parent/best": 0.5}, {"parent/best": 0.6}]
    assert messages[2]["tags"] == {"parent/who": "me"}
    assert capfd.readouterr().err.count("a run has no metrics or tags of its own") == 1


def test_a_run_that_was_made_before_a_fork_logs_as_the_child(trial: Trial) -> None:
    run = Run.get_context()
    run.log("who", "parent")
    code = (
        "import os\nfrom raydrive.context import Run\nrun = Run.get_context()\n"  # outside: at import time of a module
        "import json, sys\nos.environ.update(json.loads(sys.argv[1]))\n"  # what the forked child does
        "run.log('who', 'child')\nprint(run.id)"
    )
    outside = {name: text for name, text in os.environ.items() if not name.startswith("RAYDRIVE_")}
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(trial.env)], env=outside, check=True, capture_output=True, text=True
    )
    assert done.stdout == "digits-1_7\n"
    pid = os.fork()
    if pid == 0:
        run.log("who", "fork")
        os._exit(0 if run.get_metrics() == {"who": "fork"} else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert sorted(metrics["who"] for metrics in trial.metrics()) == ["child", "fork", "parent"]


def test_a_channel_that_is_gone_does_not_stop_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(wire.CHANNEL, str(tmp_path / "nobody"))
    run = Run.get_context()
    run.log("a", 1)
    run.log("a", 2)
    out, err = capfd.readouterr()
    assert out == "a = 1\na = 2\n"
    assert err.count("\n") == 1
    assert run.get_metrics() == {"a": [1, 2]}


# ---------------------------------------------------------------------- files


def test_files_are_kept_with_the_trial(trial: Trial, tmp_path: Path) -> None:
    run = Run.get_context()
    source = tmp_path / "model.bin"
    source.write_bytes(b"weights")
    copy = run.upload_file("outputs/best/model.bin", str(source))
    assert copy == str(trial.files / "outputs/best/model.bin")
    assert Path(copy).read_bytes() == b"weights"
    assert run.upload_file("outputs/best/model.bin", copy) == copy  # onto itself
    assert Path(copy).read_bytes() == b"weights"
    run.upload_file("bytes", io.BytesIO(b"b"))
    run.upload_file("text", io.StringIO("tä"))
    assert (trial.files / "bytes").read_bytes() == b"b"
    assert (trial.files / "text").read_text(encoding="utf-8") == "tä"
    assert run.upload_files(["x", "y"], [str(source), str(source)]) == [str(trial.files / "x"), str(trial.files / "y")]
    with pytest.raises(ValueError, match="found 1 names and 0 paths"):
        run.upload_files(["x"], [])
    assert not list(trial.files.rglob("*.partial"))


def test_a_file_that_cannot_be_read_leaves_nothing(trial: Trial) -> None:
    with pytest.raises(FileNotFoundError):
        Run.get_context().upload_file("outputs/a", "/no/such/file")
    assert list((trial.files / "outputs").iterdir()) == []


@pytest.mark.parametrize("name", ["", " ", ".", "..", "../x", "a/../../x", "/etc/x", "outputs/../../x", "..\\x"])
def test_names_stay_below_the_trials_files(trial: Trial, name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="stays below the trial's files"):
        Run.get_context().upload_file(name, io.BytesIO(b"x"))
    assert not (tmp_path / "x").exists()


def test_a_folder_is_kept_with_the_trial(trial: Trial, tmp_path: Path) -> None:
    run = Run.get_context()
    folder = tmp_path / "model"
    (folder / "deep").mkdir(parents=True)
    (folder / "a").write_text("1")
    (folder / "deep" / "b").write_text("2")
    run.upload_folder("outputs/model", folder)
    assert (trial.files / "outputs/model/deep/b").read_text() == "2"
    run.upload_folder("outputs/copy", trial.files / "outputs")  # into itself
    assert sorted(path.name for path in (trial.files / "outputs/copy").iterdir()) == ["model"]
    with pytest.raises(NotADirectoryError, match="no such folder"):
        run.upload_folder("outputs/none", tmp_path / "none")


class Figure:
    def savefig(self, path: str) -> None:
        Path(path).write_bytes(b"png")


def test_pictures(trial: Trial, tmp_path: Path) -> None:
    run = Run.get_context()
    (tmp_path / "p.svg").write_text("<svg/>")
    run.log_image("loss / epoch", plot=Figure())
    run.log_image("loss / epoch", path=str(tmp_path / "p.svg"))
    names = [metrics["loss / epoch"]["image"] for metrics in trial.metrics()]
    assert [(trial.files / name).read_bytes() for name in names] == [b"png", b"<svg/>"]
    assert all(name.startswith("outputs/images/loss___epoch-") for name in names)
    for wrong in ({}, {"path": "a", "plot": Figure()}):
        with pytest.raises(ValueError, match="give either path= or plot="):
            run.log_image("x", **wrong)  # type: ignore[arg-type]


def test_a_save_that_waits_in_a_thread_of_its_own_holds_nothing_else_up(
    trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, state = tmp_path / "checkpoints", tmp_path / "state"
    root.mkdir()
    state.mkdir()
    (state / "k").write_text("1")
    (tmp_path / "p.svg").write_text("<svg/>")
    monkeypatch.setenv(wire.CHECKPOINT_DIR, str(root))
    run = Run.get_context()
    run.save_checkpoint(state)
    saving = threading.Thread(target=run.save_checkpoint, args=(state,))
    saving.start()
    run.log("loss", 0.5)
    run.log_image("curve", path=str(tmp_path / "p.svg"))
    (folder,) = root.glob(f"*{wire.SAVED}")
    assert saving.is_alive()  # until the first has arrived, which the actor then takes away
    folder.rename(tmp_path / "arrived")
    saving.join(20)
    assert not saving.is_alive()
    messages = trial.messages()
    assert ["checkpoint" in message for message in messages] == [True, False, False, True]
    assert [path.suffix for path in root.iterdir()] == [wire.SAVED]


# ---------------------------------------------------------------------- anywhere else


def test_a_report_is_one_message_with_its_values_and_its_checkpoint(
    trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staging = tmp_path / "checkpoints"
    staging.mkdir()
    monkeypatch.setenv(wire.CHECKPOINT_DIR, str(staging))
    model = tmp_path / "model"
    model.mkdir()
    (model / "weights").write_text("1")
    run = Run.get_context()
    run.report({"accuracy": np.float32(0.5), "epochs": 3}, step=np.int64(3), checkpoint=model, description="held out")
    run.report({"accuracy": 0.75})
    (model / "weights").write_text("2")
    (saved,) = staging.iterdir()
    assert (saved / "weights").read_text() == "1"
    both, alone = trial.messages()
    assert both["m"] == {"accuracy": 0.5, "epochs": 3}
    assert (both["s"], both["d"]) == (3, "held out")
    assert both["checkpoint"] + ".raydrive" == saved.name
    assert (alone["m"], "s" in alone, "checkpoint" in alone) == ({"accuracy": 0.75}, False, False)
    assert run.get_metrics() == {"accuracy": [0.5, 0.75], "epochs": 3}


@pytest.mark.parametrize(
    ("metrics", "options", "error", "said"),
    [
        ({}, {}, ValueError, "found no value"),
        ([("a", 1)], {}, TypeError, "found list"),
        ({"": 1}, {}, ValueError, "at least one letter"),
        ({1: 1}, {}, TypeError, "name of a metric"),
        ({"a": [1]}, {}, TypeError, "a: found list"),
        ({"a": 1}, {"checkpoint": "nowhere"}, NotADirectoryError, "found 'nowhere'"),
        ({"a": 1}, {"step": [1]}, TypeError, "the step"),
    ],
)
def test_a_report_that_cannot_be_made_logs_and_saves_nothing(
    trial: Trial, metrics: Any, options: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        Run.get_context().report(metrics, **options)
    assert trial.messages() == []
    assert Run.get_context().get_metrics() == {}


def test_a_process_of_a_higher_rank_says_so(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run.get_context()
    run.set_tags({"a": "b"})
    monkeypatch.setenv("RANK", "2")  # as a process does that is told its rank after it was started
    monkeypatch.setenv("WORLD_SIZE", "4")
    run.log("accuracy", 0.5)
    run.report({"accuracy": 0.5})
    run.log_row("table", x=1)
    assert [message.get("r", 0) for message in trial.messages()] == [0, 2, 2, 2]


@pytest.mark.parametrize("deep", [True, False])
def test_what_is_nested_too_deep_is_refused_with_a_sentence(trial: Trial, deep: bool) -> None:
    value: Any = {}
    for _ in range(5000):
        value = {"a": value}
    with pytest.raises(ValueError, match="nested"):
        Run.get_context().log_predictions("p", value if deep else '{"a":' * 5000 + "1" + "}" * 5000)
    circle: dict[str, Any] = {}
    circle["a"] = circle
    with pytest.raises(ValueError, match="nested"):
        Run.get_context().log_predictions("p", circle)


def test_outside_a_trial_everything_prints(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run = Run.get_context()
    assert run.offline
    assert run.id.startswith("OfflineRun_")
    assert Run.get_context().id == run.id
    assert (run.number, run.params, run.parent, run.resume_from, run.experiment.name) == (None, {}, None, None, "")
    run.log("accuracy", 0.93, step=1)
    run.log_list("l", [1])
    run.log_row("r", x=1)
    run.log_table("t", {"x": [1]})
    run.log_image("i", path="p.png")
    run.log_confusion_matrix("c", {"a": 1})
    run.tag("k", "v")
    assert run.upload_file("outputs/a", "nowhere") == ""
    assert run.upload_folder("outputs/b", tmp_path) == ""
    run.fail("no luck")
    assert capsys.readouterr().out.splitlines() == [
        "accuracy = 0.93 (step 1)",
        "l = [1]",
        "r = {'x': 1}",
        "t = {'x': [1]}",
        "i = p.png",
        "c = {'a': 1}",
        "tag k = v",
        "file outputs/a: not copied outside a trial",
        "folder outputs/b: not copied outside a trial",
        "state = Failed: no luck",
    ]


def test_a_script_may_insist_on_a_trial() -> None:
    with pytest.raises(RunEnvironmentError, match="RAYDRIVE_CHANNEL is not set"):
        Run.get_context(allow_offline=False)


@pytest.mark.parametrize("kernel", [True, False])
def test_a_checkpoint_is_copied_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel: bool) -> None:
    if not kernel:
        monkeypatch.delattr(os, "copy_file_range", raising=False)
    model, root = tmp_path / "model", tmp_path / "root"
    (model / "deep").mkdir(parents=True)
    root.mkdir()
    (model / "deep" / "weights").write_bytes(bytes(range(256)) * 5000)
    (model / "empty").touch(mode=0o600)
    (model / "run.sh").write_text("#!/bin/sh\n")
    (model / "run.sh").chmod(0o755)
    (model / "link").symlink_to(model / "run.sh")
    name = context_values.stage_checkpoint(str(model), str(root))
    assert os.listdir(root) == [name + wire.SAVED]
    copied = root / (name + wire.SAVED)
    assert (copied / "deep" / "weights").read_bytes() == bytes(range(256)) * 5000
    assert (copied / "empty").read_bytes() == b""
    assert (copied / "link").read_text() == "#!/bin/sh\n"
    assert not (copied / "link").is_symlink()
    assert [(copied / one).stat().st_mode & 0o777 for one in ("empty", "run.sh")] == [0o600, 0o755]


def test_a_checkpoint_waits_for_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").mkdir()
    root = tmp_path / "root"
    root.mkdir()
    waited: list[float] = []

    class Clock:
        time_ns = itertools.count().__next__

        @staticmethod
        def sleep(seconds: float) -> None:
            waited.append(seconds)
            if len(waited) == 3:
                next(root.iterdir()).rmdir()  # it has arrived

    monkeypatch.setattr(context_values, "time", Clock)
    context_values.stage_checkpoint(str(tmp_path / "model"), str(root))
    assert waited == []
    context_values.stage_checkpoint(str(tmp_path / "model"), str(root))
    assert len(waited) == 3


def test_outside_a_trial_a_report_prints(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    Run.get_context().report({"accuracy": 0.5, "text": "\ud800"}, step=1, checkpoint=tmp_path)
    out, error = capsys.readouterr()
    assert out.startswith("accuracy = 0.5 (step 1)\n")
    assert "report keeps no checkpoint outside a trial" in error
