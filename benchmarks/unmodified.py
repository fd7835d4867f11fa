"""What a trial of an unmodified script costs over the same script that prints: the folder on its path, azureml, MLflow.

    python benchmarks/unmodified.py

Each script is run as a trial would be, with a channel that somebody reads. What is compared is CPU time of the process,
so that a busy machine says the same as a quiet one. A script with MLflow is compared with itself, logging to files of
MLflow's own without raydrive: what MLflow takes to import and to begin a run is not ours.
"""

from __future__ import annotations

import argparse
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from _common import Figure, Say, benchmark

from raydrive import wire
from raydrive.runtime.trial_actor.script_environment import with_training_folder

PLAIN = "import argparse, json\nfor k in range(10): print(k)\n"
MLFLOW = "import argparse, mlflow\nfor k in range(10): mlflow.log_metric('accuracy', k, step=k)\n"
RUNS = {
    "raydrive.context": (
        PLAIN,
        "import argparse, json\nfrom raydrive.context import Run\nrun = Run.get_context()\n"
        "for k in range(10): run.log('accuracy', k)\n",
    ),
    "azureml": (
        PLAIN,
        "import argparse, json\nfrom azureml.core.run import Run\nrun = Run.get_context()\n"
        "for k in range(10): run.log('accuracy', k)\n",
    ),
    "mlflow": (MLFLOW, MLFLOW),
}


def measure(options: argparse.Namespace, say: Say) -> None:
    """Measures and says."""
    times = 3 if options.quick else max(5, 5 * options.rounds)
    with tempfile.TemporaryDirectory(prefix="raydrive-bench-", dir="/tmp") as folder:
        channel = os.path.join(folder, "channel")
        _read(channel)
        foreign = {name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "MLFLOW"))}
        alone = {
            **foreign,
            "MLFLOW_TRACKING_URI": f"file:{folder}/mlruns",
            "MLFLOW_ALLOW_FILE_STORE": "true",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        trial = wire.trial_environment(
            channel=channel, run_id="bench", trial=0, attempt=1, experiment="bench", params={}, files_dir=folder
        )
        within = with_training_folder({**foreign, **trial})
        _cpu_s(PLAIN, within, folder)
        base = statistics.median(_cpu_s(PLAIN, alone, folder) for _ in range(times))
        extra = [1000 * (_cpu_s(PLAIN, within, folder) - base) for _ in range(times)]
        say(Figure("unmodified.path", "the folder on PYTHONPATH alone", extra, "ms", reach="<= 50"))
        for name, (plain, logs) in RUNS.items():
            _cpu_s(logs, within, folder)
            base = statistics.median(_cpu_s(plain, alone, folder) for _ in range(times))
            extra = [1000 * (_cpu_s(logs, within, folder) - base) for _ in range(times)]
            say(Figure(f"unmodified.{name}", f"{name}, 10 values logged", extra, "ms", reach="<= 50"))


def _cpu_s(text: str, env: dict[str, str], folder: str) -> float:
    """CPU seconds of a Python script; ends this one when it fails."""
    script = Path(folder, "train.py")
    script.write_text(text)
    before = _children_s()
    done = subprocess.run(
        [sys.executable, str(script)], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr[-800:])
    return _children_s() - before


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _read(path: str) -> None:
    """Reads whatever is sent to a socket, as a trial actor does."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()

    def read(connection: socket.socket) -> None:
        with connection:
            while connection.recv(1 << 16):
                pass

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=read, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


if __name__ == "__main__":
    benchmark(str(__doc__), measure)
