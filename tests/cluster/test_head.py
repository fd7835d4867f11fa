"""The process that holds the cluster's state is killed and comes back: nothing of a run ends, no report is lost."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from terminal import code, environment, processes_of, raydrive, wait_until, write_config

from raydrive import HyperDriveRun
from raydrive.core.records import Lost
from raydrive.storage.journal import JournalReader
from raydrive.testing.aftermath import check_run

pytestmark = pytest.mark.ray
STEPS = """
for k in 1 2 3 4 5; do raydrive log score=$1; done
while [ ! -e "$RAYDRIVE_FILES_DIR/../../enough" ]; do raydrive log score=$1; sleep 0.1; done
"""


@pytest.fixture
def head() -> Iterator[str]:
    """A cluster whose head keeps its state in RocksDB; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    folder = tempfile.mkdtemp(prefix="rd-", dir="/tmp")  # Ray's socket paths must stay short
    start = ["start", "--head", f"--port={port}", "--num-cpus=4", "--include-dashboard=false", "--disable-usage-stats"]
    subprocess.run(
        [str(Path(sys.executable).parent / "ray"), *start, f"--temp-dir={folder}", "--node-ip-address=127.0.0.1"],
        env=environment(
            RAY_gcs_storage="rocksdb",
            RAY_gcs_storage_path=f"{folder}/state",
            RAY_gcs_rpc_server_reconnect_timeout_s="120",
        ),
        check=True,
        capture_output=True,
        timeout=90,
    )
    assert os.listdir(f"{folder}/state"), "it keeps its state somewhere else"
    yield f"127.0.0.1:{port}"
    for pid in [process.pid for process in psutil.process_iter() if _is_of(process, folder)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


def _is_of(process: psutil.Process, folder: str) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.pid != os.getpid() and any(folder in word for word in process.cmdline())
    return False


def gcs_at(address: str) -> psutil.Process:
    """The server that keeps the state of the cluster at an address."""
    port = f"--gcs_server_port={address.rpartition(':')[2]}"
    return next(
        process
        for process in psutil.process_iter()
        if process.name().startswith("gcs_server") and port in process.cmdline()
    )


def test_a_run_does_not_notice_more_than_a_delay(head: str, tmp_path: Path) -> None:
    code(tmp_path, steps_sh=STEPS)
    config = write_config(tmp_path / "headless.yaml", "sh steps.sh ${{search_space.x}}", {"x": [1, 2, 3, 4]})
    storage = str(tmp_path / "storage")
    submitted = raydrive("submit", config, "--address", head, "--detach", RAYDRIVE_STORAGE=storage)
    assert submitted.returncode == 0, submitted.stderr
    run = HyperDriveRun.open(next(str(path.parent) for path in Path(storage).rglob("config.json")))
    wait_until(lambda: run.refresh().counts["Running"] == 2 and run.refresh().reports > 10)
    driver, trials = run.heartbeat()["pid"], [trial.pid for trial in run.sweep.trials if trial.pid]

    server = gcs_at(head)
    command, env, cwd = server.cmdline(), server.environ(), server.cwd()
    server.kill()
    server.wait(10)
    reports = run.refresh().reports
    wait_until(lambda: run.refresh().reports > reports + 20)  # actors talk to each other without it
    again = subprocess.Popen(command, env=env, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        reports = run.refresh().reports
        wait_until(lambda: run.refresh().reports > reports + 20)
        assert processes_of(run.id)
        assert [trial.pid for trial in run.sweep.trials if trial.pid] == trials
        Path(run.uri, "enough").touch()
        wait_until(lambda: run.get_status() == "Completed", 90)
        assert run.heartbeat()["pid"] == driver
        assert run.sweep.epoch == 1
        assert [(trial.state, trial.attempt) for trial in run.sweep.trials] == [("Completed", 1)] * 4
        assert [fact for fact, _ in JournalReader(run.layout.journal).read() if type(fact) is Lost] == []
        assert check_run(run.uri) == []
    finally:
        again.kill()
        again.wait()
