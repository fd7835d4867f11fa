"""Runs that are submitted through a Ray dashboard, from a machine that sees nothing else of the cluster."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import heads
import pytest
from terminal import code, environment, raydrive, write_config

from raydrive import Experiment, HyperDriveConfig, HyperDriveRun, RandomParameterSampling, Workspace, uniform
from raydrive.core.errors import ConfigError
from raydrive.storage.code_snapshot import snapshot

pytestmark = pytest.mark.ray

STEPS = """
echo "in $(pwd)"
for k in 1 2 3; do raydrive log score=$1; done
"""


@pytest.fixture(scope="module")
def dashboard() -> Iterator[str]:
    """A cluster with a dashboard, of another process; gives the dashboard's address."""
    web, agent = heads.free_port(), heads.free_port()
    options = ["--include-dashboard=true", "--dashboard-host=127.0.0.1", f"--dashboard-port={web}"]
    # Jobs are started by the agent, whose usual port another cluster of this machine may hold.
    options.append(f"--dashboard-agent-listen-port={agent}")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with heads.head(*options, num_cpus=2, PATH=path):  # jobs begin with `python`, as Ray's documentation has them
        yield f"http://127.0.0.1:{web}"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    code(tmp_path, steps_sh=STEPS)
    return write_config(tmp_path / "sweep.yml", "sh steps.sh ${{search_space.x}}", {"x": [1, 3, 2]})


def train(params: dict[str, float]) -> None:
    from raydrive import Run

    Run.get_context().log("score", params["x"])


def test_a_run_goes_by_a_job_and_is_watched_from_storage(dashboard: str, config: Path, tmp_path: Path) -> None:
    storage = str(tmp_path / "shared")
    done = raydrive("submit", config, "--address", dashboard, "--storage", storage, timeout=180)
    assert done.returncode == 0, done.stderr
    assert "INFO" not in done.stderr
    run = HyperDriveRun.open(storage + "/sweep/" + done.stderr.split("Run ")[1].split(" ")[0])
    assert run.get_status() == "Completed"
    best = run.get_best_run_by_primary_metric()
    assert best is not None
    assert best.params == {"x": 3}

    more = raydrive(
        "resume", run.id, "--storage", storage, "--address", dashboard, "--max-total-trials", 4, "--detach", timeout=180
    )
    assert more.returncode == 0 or "it has tried all 3 configurations" in more.stderr, more.stderr
    refused = raydrive("resume", run.id, "--storage", storage, "--address", dashboard)
    assert refused.returncode == 2


def test_what_the_cluster_refuses_is_said_here(dashboard: str, config: Path, tmp_path: Path) -> None:
    storage = str(tmp_path / "shared")
    large = raydrive(
        "submit", config, "--address", dashboard, "--storage", storage, "--set", "raydrive.resources.cpus=64",
        timeout=180,
    )  # fmt: skip
    assert large.returncode == 5
    assert "64 CPU" in large.stderr
    assert "Traceback" not in large.stderr
    assert not list(Path(tmp_path).glob("shared/sweep/*"))

    relative = raydrive("submit", config, "--address", dashboard, "--storage", "runs")
    assert relative.returncode == 2
    assert "'runs', a path of this machine" in relative.stderr


FUNCTION = """
import sys
import time
from raydrive import Experiment, HyperDriveConfig, RandomParameterSampling, Run, Verdict, Workspace, uniform

class Second:
    def judge(self, trial, interval, curves):
        return Verdict(trial == 1, "second: 1")

def train(params):
    Run.get_context().log("score", params["x"])
    time.sleep(60 * Run.get_context().number)

config = HyperDriveConfig(
    RandomParameterSampling({"x": uniform(0, 1)}), "score", "maximize", 2, policy=Second(), run_config=train, seed=1
)
run = Experiment(Workspace(sys.argv[1], sys.argv[2]), "function").submit(config)
run.wait_for_completion()
print(run.get_status(), len(run.sweep.trials), run.sweep.trials[1].why)
"""
TRACING = """
import os, sys
from pathlib import Path
from raydrive import Experiment, HyperDriveConfig, RandomParameterSampling, Run, Workspace, uniform

traces = Path(sys.argv[1], "traces")
traces.mkdir()
LOADED = f"import os; os.mkdir('{traces}/' + str(os.getpid()))"

class Tracer:
    def __reduce__(self):
        return exec, (LOADED,)  # whoever unpickles it, leaves a folder

tracer = Tracer()

def train(params):
    Run.get_context().log("pid", os.getpid())
    Run.get_context().log("score", params["x"] if tracer is None else 0.0)

config = HyperDriveConfig(
    RandomParameterSampling({"x": uniform(0, 1)}), "score", "maximize", 3, run_config=train, seed=1
)
run = Experiment(Workspace(sys.argv[1], sys.argv[2]), "function").submit(config)
run.wait_for_completion()
trained = sorted(int(metrics["pid"]) for metrics in run.get_metrics().values())
print(run.get_status(), len(trained), trained == sorted(int(path.name) for path in traces.iterdir()))
"""
JOB = """
import sys
from pathlib import Path
from raydrive.core.errors import ClusterError
from raydrive.runtime.ray_cluster.dashboard_jobs import run_job

try:
    run_job(sys.argv[1], sys.argv[2], Path(sys.argv[3]), timeout_s=float(sys.argv[4]))
except ClusterError as error:
    print(error)
"""


def python(code: str, *arguments: object) -> str:
    """What a program of its own prints: whether Ray asks for tokens is decided once in a process."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_python_function_goes_too(dashboard: str, tmp_path: Path) -> None:
    """With a policy of the script's own class."""
    assert python(FUNCTION, tmp_path, dashboard) == "Completed 2 second: 1\n"


def test_a_function_is_loaded_in_trial_processes_only(dashboard: str, tmp_path: Path) -> None:
    """Not here, not in the job on the head and not in the driver: nothing but training processes unpickles it."""
    assert python(TRACING, tmp_path, dashboard) == "Completed 3 True\n"


def test_a_source_directory_is_stored_as_it_was_packed_here(dashboard: str, config: Path, tmp_path: Path) -> None:
    storage = str(tmp_path / "shared")
    done = raydrive("submit", config, "--address", dashboard, "--storage", storage, timeout=180)
    assert done.returncode == 0, done.stderr
    run = HyperDriveRun.open(storage + "/sweep/" + done.stderr.split("Run ")[1].split(" ")[0])
    with snapshot(tmp_path / "code") as here:
        assert run.config.trial.code_sha256 == here.sha256
        assert run.layout.code.read_bytes(f"{here.sha256}.zip") == here.path.read_bytes()


def test_an_address_without_a_dashboard(config: Path, tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{heads.free_port()}"
    done = raydrive("submit", config, "--address", nobody, "--storage", tmp_path / "shared")
    assert done.returncode == 5
    assert f"no Ray dashboard that accepts jobs answers at {nobody}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_job_that_fails_says_why(dashboard: str, tmp_path: Path) -> None:
    said = python(JOB, dashboard, "python -m raydrive_of_another_name", tmp_path, 60)
    assert re.search(r"(?s)failed:.*No module named '?raydrive_of_another_name.*pip install", said)
    assert "did not end within 1 s" in python(JOB, dashboard, "sleep 60", tmp_path, 1)


def test_storage_of_this_machine_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    config = HyperDriveConfig(
        RandomParameterSampling({"x": uniform(0, 1)}), "score", "maximize", 2, run_config=train, seed=1
    )
    with pytest.raises(ConfigError, match="all nodes of the cluster share"):
        Experiment(Workspace("~/runs", "http://127.0.0.1:1"), "function").submit(config)
