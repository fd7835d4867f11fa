"""MLflow's tracker, read back with MLflow's client: from files, and from a real server that goes away and returns."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import mlflow
import pytest
from waiting import wait_until

from raydrive.core.records import Close, Finish, Launch, Reported, Started, Suggested, dump
from raydrive.storage.journal.writer import JournalWriter
from raydrive.storage.run_layout import RunLayout
from raydrive.testing.trackers import Kept, TrackerContract
from raydrive.trackers.follower import Follower, about_of
from raydrive.trackers.mlflow import MlflowTracker
from raydrive.trackers.protocol import About, Tracker

SERVER = any(metadata.Distribution.discover(name="mlflow"))
"""Whether the whole of mlflow is here, and not its client alone."""
needs_server = [
    pytest.mark.integrations,
    pytest.mark.skipif(not SERVER, reason="large libraries: `make integrations` installs mlflow and runs this"),
]


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


def read_back(uri: str, about: About) -> Kept:
    client, kept = mlflow.MlflowClient(uri), Kept()
    experiment = client.get_experiment_by_name(about.experiment)
    for run in client.search_runs([experiment.experiment_id]):
        if run.data.tags.get("raydrive.live") != about.run_id:
            continue
        number = int(run.data.tags["raydrive.trial"]) if "raydrive.trial" in run.data.tags else None
        curves = {
            name: [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, name)]
            for name in run.data.metrics
        }
        curves = {name: sorted(points) for name, points in curves.items()}
        if number is None:
            assert None not in kept.ended
            kept.best = curves.get("best val/loss", [])
        else:
            assert number not in kept.curves
            assert "mlflow.parentRunId" in run.data.tags
            kept.curves[number], kept.params[number] = curves, run.data.params
        if run.info.status != "RUNNING":
            kept.ended[number] = run.info.status == "FINISHED"
        elif number is None:
            kept.ended.setdefault(None, False)
    return kept


class TestMlflowFiles(TrackerContract):
    def make(self, folder: Path, about: About) -> Tracker:
        return MlflowTracker({"uri": f"file://{folder}/mlruns"}, about)

    def kept(self, folder: Path, about: About) -> Kept:
        return read_back(f"file://{folder}/mlruns", about)


class Server:
    """A real MLflow server on loopback."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.uri, self._folder = f"http://127.0.0.1:{self.port}", folder

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.uri}/health", timeout=5):
            return True
        return False

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--backend-store-uri", f"sqlite:///{self._folder}/mlflow.db", "--workers", "1"]
        with (self._folder / "server.log").open("a") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, cwd=self._folder)
        try:
            wait_until(self._answers, "the server", 120, seen=(self._folder / "server.log").read_text)
            yield
        finally:
            os.killpg(process.pid, 9)
            process.wait()


@pytest.fixture(scope="module")
def server_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = Server(tmp_path_factory.mktemp("mlflow"))
    with server.running():
        yield server.uri


class TestMlflowServer(TrackerContract):
    pytestmark = needs_server

    @pytest.fixture(autouse=True)
    def _server(self, server_uri: str) -> None:
        self.uri = server_uri

    def make(self, folder: Path, about: About) -> Tracker:
        return MlflowTracker({"uri": self.uri, "experiment": folder.name}, about)

    def kept(self, folder: Path, about: About) -> Kept:
        return read_back(self.uri, replace(about, experiment=folder.name))


def entry(*records: Any) -> str:
    return dump(records[0], records[1:])


@pytest.mark.integrations
@pytest.mark.skipif(not SERVER, reason="large libraries: `make integrations` installs mlflow and runs this")
def test_a_server_that_goes_away_gets_all_of_it_when_it_returns(run_layout: RunLayout, tmp_path: Path) -> None:
    server, stop, troubles = Server(tmp_path), threading.Event(), list[str]()
    about = about_of(run_layout)
    settings = {"uri": server.uri}
    follower = Follower(run_layout, "mlflow", lambda: MlflowTracker(settings, about), troubles.append)
    thread = threading.Thread(target=follower.follow, args=(stop, 60.0))
    with JournalWriter.open(run_layout.journal) as writer:
        writer.append([entry(Started(1.0, 1)), entry(Suggested(2.0, 0, {"x": 0.5}), Launch(0, 1, {"x": 0.5}))])
        with server.running():
            thread.start()
            writer.append([entry(Reported(3.0, 0, 1, 1, 1, 0.9))])
            wait_until(lambda: follower.progress.delivered == 3, "the tracker to be told")
        writer.append([entry(Reported(3.0 + k, 0, 1, k, k, 0.9 / k)) for k in range(2, 50)])
        wait_until(lambda: bool(troubles), "the tracker to be told")
        assert "mlflow is away" in troubles[0]
        assert "everything is delivered when it returns" in troubles[0]
        with server.running():
            wait_until(lambda: follower.progress.delivered == 51, "the tracker to be told")
            assert troubles[-1] == ""
            writer.append(
                [entry(Reported(99.0, 0, 1, 50, 50, 0.1), Close(0, "Completed", "w"), Finish("Completed", "w"))]
            )
            thread.join(60)
            assert follower.progress.over
            kept = read_back(server.uri, about)
    assert [step for step, _ in kept.curves[0][about.metric]] == list(range(1, 51))
    assert kept.ended == {None: True, 0: True}
