"""The process that holds the cluster's state is killed and comes back: nothing of a run ends, no report is lost."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import heads
import psutil
import pytest
from terminal import code, processes_of, raydrive, write_config
from waiting import wait_until

from raydrive import HyperDriveRun
from raydrive.core.records import Lost
from raydrive.storage.journal.writer import JournalReader
from raydrive.testing.finished_run import check_run

pytestmark = pytest.mark.ray
STEPS = """
for k in 1 2 3 4 5; do raydrive log score=$1; done
while [ ! -e "$RAYDRIVE_FILES_DIR/../../enough" ]; do raydrive log score=$1; sleep 0.1; done
"""


@pytest.fixture
def head() -> Iterator[str]:
    """A cluster whose head keeps its state in RocksDB; gives its address."""
    kept = {
        "RAY_gcs_storage": "rocksdb",
        "RAY_gcs_storage_path": "{folder}/state",
        "RAY_gcs_rpc_server_reconnect_timeout_s": "120",
    }
    with heads.head("--include-dashboard=false", **kept) as (address, folder):
        assert os.listdir(f"{folder}/state"), "it keeps its state somewhere else"
        yield address


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
    wait_until(
        lambda: run.refresh().counts["Running"] == 2 and run.refresh().reports > 10, "two running trials that report"
    )
    driver, trials = run.heartbeat()["pid"], [trial.pid for trial in run.sweep.trials if trial.pid]

    server = gcs_at(head)
    command, env, cwd = server.cmdline(), server.environ(), server.cwd()
    server.kill()
    server.wait(10)
    reports = run.refresh().reports
    wait_until(lambda: run.refresh().reports > reports + 20, "20 more reports")  # actors talk to each other without it
    again = subprocess.Popen(command, env=env, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        reports = run.refresh().reports
        wait_until(lambda: run.refresh().reports > reports + 20, "20 more reports")
        assert processes_of(run.id)
        assert [trial.pid for trial in run.sweep.trials if trial.pid] == trials
        Path(run.uri, "enough").touch()
        wait_until(lambda: run.get_status() == "Completed", "the end of the run")
        assert run.heartbeat()["pid"] == driver
        assert run.sweep.epoch == 1
        assert [(trial.state, trial.attempt) for trial in run.sweep.trials] == [("Completed", 1)] * 4
        assert [fact for fact, _ in JournalReader(run.layout.journal).read() if type(fact) is Lost] == []
        assert check_run(run.uri) == []
    finally:
        again.kill()
        again.wait()
