"""The surroundings of a training script without a cluster: a channel that is read, and the environment of a trial."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from raydrive import wire
from raydrive.runtime.trial_actor.script_environment import with_training_folder


@dataclass
class Done:
    """A script that has run, and what arrived of it."""

    code: int
    output: str
    messages: list[dict[str, Any]]
    files: Path
    metrics: dict[str, list[Any]] = field(init=False)
    tags: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.metrics, self.tags = {}, {}
        for message in self.messages:
            for name, value in message.get("m", {}).items():
                self.metrics.setdefault(name, []).append(value)
            self.tags.update(message.get("tags", {}))

    def names(self) -> list[str]:
        """The files that are kept, below the trial's."""
        return sorted(str(path.relative_to(self.files)) for path in self.files.rglob("*") if path.is_file())


RunScript = Callable[..., Done]


@pytest.fixture
def run_script(tmp_path: Path) -> Iterator[RunScript]:
    """Runs a script, given as text or as a path, as a trial would."""
    with tempfile.TemporaryDirectory(prefix="raydrive-test-", dir="/tmp") as short:  # socket paths are short
        yield lambda script, *arguments, **options: _run(tmp_path, Path(short), script, arguments, **options)


def _run(
    folder: Path,
    short: Path,
    script: str | Path,
    arguments: tuple[str, ...],
    *,
    python: str = sys.executable,
    inputs: Mapping[str, str] | None = None,
    env: Mapping[str, str] | None = None,
    params: Mapping[str, Any] | None = None,
    code: int = 0,
) -> Done:
    files, cwd = folder / "files", folder / "cwd"
    for path in (files / "outputs", files / "logs", cwd):
        path.mkdir(parents=True, exist_ok=True)
    if not (cwd / "outputs").exists():
        (cwd / "outputs").symlink_to(files / "outputs")
    if isinstance(script, str):
        (cwd / "train.py").write_text(script)
        script = cwd / "train.py"
    channel = _Channel(short / f"c{len(list(short.iterdir()))}")
    trial = wire.trial_environment(
        channel=str(channel.path),
        run_id="iris-1",
        trial=7,
        attempt=1,
        experiment="iris",
        params=dict(params or {"lr": 0.1}),
        files_dir=str(files),
        inputs=inputs,
    )
    foreign = {name: text for name, text in os.environ.items() if not name.startswith(("RAY", "PYTHON", "MLFLOW"))}
    environment = with_training_folder({**foreign, "PYTHONWARNINGS": "ignore", **(env or {}), **trial})
    try:
        done = subprocess.run(
            [python, str(script), *arguments], cwd=cwd, env=environment, text=True, capture_output=True, timeout=200
        )
    finally:
        messages = channel.read()  # also ends its threads, which would keep pytest from ending
    output = done.stdout + done.stderr
    assert done.returncode == code, output
    return Done(done.returncode, output, messages, files)


class _Channel:
    """Reads what a script logs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._messages: list[dict[str, Any]] = []
        self._readers: list[threading.Thread] = []
        self._accepter = threading.Thread(target=self._accept)
        self._accepter.start()

    def read(self) -> list[dict[str, Any]]:
        """What was logged, in order; nobody logs any more."""
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(str(self.path))
            last.sendall(b'"last"\n')
        self._accepter.join(20)
        self._listener.close()
        for reader in self._readers:
            reader.join(20)
        return self._messages

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            first = connection.makefile("rb")
            line = first.readline()
            if line == b'"last"\n':
                connection.close()
                return
            reader = threading.Thread(target=self._lines, args=(connection, line, first))
            reader.start()
            self._readers.append(reader)

    def _lines(self, connection: socket.socket, line: bytes, rest: Any) -> None:
        with connection, rest:
            while line:
                self._messages.append(json.loads(line))
                line = rest.readline()
