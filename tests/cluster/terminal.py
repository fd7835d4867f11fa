"""The installed ``raydrive`` as its users run it: in a process of its own, on a pipe or on a terminal."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
from waiting import wait_until

RAYDRIVE = str(Path(sys.executable).parent / "raydrive")
PLAIN = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_ON_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


def environment(**changes: str) -> dict[str, str]:
    """The environment of a shell in which nothing of Ray or raydrive is set."""
    drop = ("RAY_", "RAYDRIVE_", "PYTHONDONTWRITEBYTECODE", "CI", "NO_COLOR", "COLUMNS", "LINES")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(drop)}
    return {**kept, "TERM": "xterm-256color", **changes}


def raydrive(*arguments: object, timeout: float = 120.0, **changes: Any) -> subprocess.CompletedProcess[str]:
    """Runs one command to its end; ``cwd`` and environment variables by keyword."""
    cwd = changes.pop("cwd", None)
    return subprocess.run(
        [RAYDRIVE, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment(**changes),
        cwd=cwd,
    )


def write_config(path: Path, command: str, space: Mapping[str, Any], **sections: Any) -> Path:
    """Writes a sweep file (JSON is YAML) with a grid over ``space`` and sensible rest; returns its path."""
    own = {"cpus": 1, **sections.pop("resources", {})}
    limits = sections.pop("limits", {"max_total_trials": 4})
    trial = {"command": command, "code": str(path.parent / "code"), **sections.pop("trial", {})}
    raydrive_section = {"resources": own, **sections.pop("raydrive", {})}
    expressions = {name: {"type": "choice", "values": values} for name, values in space.items()}
    config = {
        "type": "sweep",
        "experiment_name": path.stem,
        "trial": trial,
        "search_space": expressions,
        "objective": {"goal": "maximize", "primary_metric": "score"},
        "sampling_algorithm": {"type": "grid"},
        "limits": {"max_concurrent_trials": 2, **limits},
        "raydrive": raydrive_section,
        **sections,
    }
    path.write_text(json.dumps(config, ensure_ascii=False, indent=1), encoding="utf-8")
    return path


def code(folder: Path, **files: str) -> None:
    """Writes the source directory beside a config: ``train_py="..."`` becomes ``code/train.py``."""
    (folder / "code").mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / "code" / name.replace("_", ".")).write_text(text, encoding="utf-8")


def processes_of(run_id: str) -> list[int]:
    """The training processes of a run on this machine, with whatever they started."""
    out = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get("RAYDRIVE_RUN_ID") == run_id:
                out.append(process.pid)
    return out


class Terminal:
    """A command in a terminal window of its own, with a person who reads and presses keys.

    Args:
        arguments: After ``raydrive``.
        width: Columns.
        height: Rows.
        **changes: Environment variables, and ``cwd``.
    """

    def __init__(self, *arguments: object, width: int = 100, height: int = 30, **changes: Any) -> None:
        cwd = changes.pop("cwd", None)
        self._screen, inside = os.openpty()
        fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.width = width
        self.process = subprocess.Popen(
            [sys.executable, "-c", _ON_TERMINAL, sys.executable, RAYDRIVE, *map(str, arguments)],
            stdin=inside,
            stdout=inside,
            stderr=inside,
            start_new_session=True,
            env=environment(**changes),
            cwd=cwd,
        )
        os.close(inside)
        self._seen = bytearray()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._screen, 65536)
            except OSError:  # the last process of the terminal has gone
                return
            if not data:
                return
            self._seen += data

    @property
    def raw(self) -> str:
        """All that was written, with its escape sequences."""
        return self._seen.decode("utf-8", "replace")

    @property
    def text(self) -> str:
        """All that was written, without them."""
        return PLAIN.sub("", self.raw)

    def wait_for(self, pattern: str, timeout: float = 90.0) -> re.Match[str]:
        """Waits until something is on the screen."""

        def look() -> re.Match[str] | None:
            if self.process.poll() is not None:
                self._reader.join(2.0)
                assert re.search(pattern, self.text), f"{pattern!r} never came:\n{self.text}"
            return re.search(pattern, self.text)

        found: re.Match[str] = wait_until(look, f"{pattern!r} on the screen", timeout, seen=lambda: self.text)
        return found

    def press(self, key: str) -> None:
        """Presses a key."""
        os.write(self._screen, key.encode())

    def wait(self, timeout: float = 90.0) -> int:
        """Waits for the end; returns the exit code."""
        code = self.process.wait(timeout)
        self._reader.join(2.0)
        return code

    def close(self) -> None:
        """Closes the window."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join(2.0)
        with contextlib.suppress(OSError):
            os.close(self._screen)


CTRL_C = "\x03"
