"""raydrive as its users have it: a wheel in an environment of its own, and a folder to work in outside the checkout."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uv

ROOT = Path(__file__).parent.parent.parent
TAIL_LINES = 12
"""Lines of a failed command's output that are shown."""


class Failure(Exception):
    """A check that failed; its text says what was done and what came of it."""


@dataclass(frozen=True)
class Installed:
    """An environment with raydrive, and the folder that commands run in."""

    environment: Path
    """The virtual environment."""
    folder: Path
    """The current folder of every command, and its home."""

    @property
    def python(self) -> str:
        """The interpreter of the environment."""
        return str(self.environment / "bin" / "python")

    def variables(self, **changes: str) -> dict[str, str]:
        """The variables of a new user's shell: nothing of ours, of Ray, of Python or of a cloud is set."""
        drop = ("RAY", "PYTHON", "AWS_", "MLFLOW_", "AZUREML_", "VIRTUAL_ENV", "PIP_", "CI", "NO_COLOR", "COLUMNS")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(drop)}
        path = f"{self.environment / 'bin'}{os.pathsep}{kept.get('PATH', os.defpath)}"
        return {**kept, "PATH": path, "HOME": str(self.folder), "TERM": "dumb", **changes}

    def run(self, *command: object, code: int = 0, timeout_s: float = 240.0, **variables: str) -> str:
        """Runs a command of the environment to its end and returns what it wrote to stdout.

        Raises:
            Failure: If it ends with another exit code, or not in time.
        """
        words = [str(word) for word in command]
        try:
            done = subprocess.run(
                [str(self.environment / "bin" / words[0]), *words[1:]],
                cwd=self.folder,
                env=self.variables(**variables),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout_s,
            )
        except subprocess.TimeoutExpired:
            raise Failure(f"{shlex.join(words)} did not end within {timeout_s:g} s") from None
        except OSError as error:
            raise Failure(f"{shlex.join(words)} could not be started: {error}") from None
        if done.returncode != code:
            raise Failure(f"{shlex.join(words)} ended with {done.returncode}, not {code}:\n{tail(done.stderr)}")
        return done.stdout

    def ask(self, *command: object, **variables: str) -> dict[str, Any]:
        """Runs a raydrive command and returns its JSON."""
        answer: dict[str, Any] = json.loads(self.run("raydrive", *command, "-o", "json", **variables))
        return answer

    def start(self, *command: object, log: str, **variables: str) -> subprocess.Popen[bytes]:
        """Starts a command in a session of its own; it writes to a file of the folder."""
        words = [str(word) for word in command]
        with open(self.folder / log, "wb") as file:
            return subprocess.Popen(
                [str(self.environment / "bin" / words[0]), *words[1:]],
                cwd=self.folder,
                env=self.variables(**variables),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def read(self, log: str) -> str:
        """Returns what a command that was started has written so far."""
        return (self.folder / log).read_text(errors="replace")


def end(process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGINT, *, whole_group: bool = True) -> int:
    """Ends a command that was started, and returns its exit code.

    Args:
        process: What was started.
        how: The signal.
        whole_group: Whether all processes of its group get it, as from a terminal.

    Raises:
        Failure: If it does not end within a minute; then it is killed.
    """
    if process.poll() is None:
        (os.killpg if whole_group else os.kill)(process.pid, how)
    try:
        return process.wait(60.0)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise Failure(f"it did not end within a minute after {how.name}") from None


def outcome(check: Callable[[], str]) -> tuple[bool, str]:
    """Does a check; returns whether it passed, and what it saw or what was wrong."""
    try:
        return True, check()
    except Failure as failure:
        return False, str(failure)
    except Exception as error:  # what raydrive answered is not even of the form that the check looks into
        return False, f"{type(error).__name__}: {error}"


def wait_until(condition: Callable[[], Any], what: str, timeout_s: float = 120.0) -> Any:
    """Waits for something to become true and returns it.

    Raises:
        Failure: If it does not happen in time.
    """
    last = time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() > last:
            raise Failure(f"{what} did not happen within {timeout_s:g} s")
        time.sleep(0.05)
    return value


def tail(text: str) -> str:
    """Returns the last lines of a text, indented."""
    lines = [line for line in text.splitlines() if line.strip()]
    return "\n".join(f"      {line[:300]}" for line in lines[-TAIL_LINES:])


def build(folder: Path) -> tuple[Path, Path]:
    """Builds the source distribution, and the wheel from it; returns the wheel and the source distribution."""
    _uv("build", "--out-dir", str(folder), str(ROOT))
    return next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))


def make_environment(place: Path, python: str) -> None:
    """Makes an empty virtual environment."""
    _uv("venv", "--python", python, str(place))


def install(environment: Path, *requirements: str) -> None:
    """Installs what is wanted, and options of ``uv pip install``, into an environment."""
    python = str(environment / "bin" / "python")
    # Ray compiles its own modules in every process where nobody has done it before.
    _uv("pip", "install", "--compile-bytecode", "--python", python, *requirements)


def versions(environment: Path) -> dict[str, str]:
    """Returns the versions of what is installed, by name."""
    python = str(environment / "bin" / "python")
    listed = json.loads(_uv("pip", "list", "--format", "json", "--python", python))
    return {one["name"]: one["version"] for one in listed}


def _uv(*arguments: str) -> str:
    done = subprocess.run(
        [uv.find_uv_bin(), "--no-progress", *arguments],
        env={**os.environ, **_index()},
        capture_output=True,
        text=True,
        timeout=900,
    )
    if done.returncode:
        raise Failure(f"uv {shlex.join(arguments)} ended with {done.returncode}:\n{tail(done.stderr)}")
    return done.stdout


def _index() -> dict[str, str]:
    """The package index that pip is set to use on this machine: uv does not read pip's settings."""
    if "UV_DEFAULT_INDEX" in os.environ:
        return {}
    asked = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    url = os.environ.get("PIP_INDEX_URL") or subprocess.run(asked, capture_output=True, text=True).stdout.strip()
    return {"UV_DEFAULT_INDEX": url} if url else {}
