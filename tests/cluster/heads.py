"""A Ray cluster of other processes, as ``ray start --head`` leaves it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
from terminal import environment


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def head(*options: str, num_cpus: int = 4, **variables: str) -> Iterator[tuple[str, str]]:
    """Starts a head node and ends all of its processes; gives its address and its folder.

    Args:
        options: Further ones of ``ray start``.
        num_cpus: Logical cores.
        variables: Of its environment; ``{folder}`` in them is its folder.
    """
    port = free_port()
    folder = tempfile.mkdtemp(prefix="rd-", dir="/tmp")  # Ray's socket paths must stay short
    start = ["start", "--head", f"--port={port}", f"--num-cpus={num_cpus}", "--disable-usage-stats"]
    start += [f"--temp-dir={folder}", "--node-ip-address=127.0.0.1", *options]
    try:
        subprocess.run(
            [str(Path(sys.executable).parent / "ray"), *start],
            env=environment(**{name: text.format(folder=folder) for name, text in variables.items()}),
            check=True,
            capture_output=True,
            timeout=120,
        )
        yield f"127.0.0.1:{port}", folder
    finally:
        _end(_processes_in(folder))
        shutil.rmtree(folder, ignore_errors=True)


def _processes_in(folder: str) -> list[psutil.Process]:
    found: set[psutil.Process] = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(folder in word for word in process.cmdline()):
                found.update({process, *process.children(recursive=True)})
    return [process for process in found if process.pid != os.getpid()]


def _end(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    for process in psutil.wait_procs(processes, timeout=5)[1]:
        with contextlib.suppress(psutil.Error):
            process.kill()
