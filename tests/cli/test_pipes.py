"""Commands whose reader goes away, or that have no streams: they end quietly."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from raydrive.core.config.run_config import RunConfig
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import uniform
from raydrive.runtime.simulated import simulate
from raydrive.storage.journal.writer import JournalWriter
from raydrive.storage.run_layout import RunLayout
from raydrive.testing.runners import function_config

RUN = "study-20261119-120000-00ab"
COMMANDS = [
    *(["list"], ["list", "-o", "json"], ["list", "-o", "csv"], ["status"], ["status", "-o", "json"]),
    *(["trials"], ["trials", "-o", "json"], ["trials", "-o", "csv"], ["best"], ["best", "-o", "csv"]),
    *(["logs", RUN, "0"], ["logs", RUN, "0", "-f"], ["whatif"], ["whatif", "-o", "json"]),
]
"""Those that read; all of them print more than one line, and some more than a pipe holds."""


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    storage = tmp_path_factory.mktemp("pipes") / "storage"
    config: RunConfig = function_config()
    config = dataclasses.replace(
        config,
        experiment="study",
        sampling=RandomParameterSampling({f"a_parameter_with_a_long_name_{n}": uniform(0, 1) for n in range(20)}),
        limits=dataclasses.replace(config.limits, max_total_runs=200, max_concurrent_runs=4),
    )

    class Lines(list[str]):
        append = list.extend  # type: ignore[assignment]

    lines = Lines()
    simulate(config, lambda number, params: [(1.0, float(number))] * 2, writer=lines)  # type: ignore[arg-type]
    layout = RunLayout.create(storage, "study", RUN)
    layout.write_config(json.dumps(config.to_json()).encode())
    with JournalWriter.open(layout.journal) as writer:
        writer.append(lines)
    layout.attempt(0, 1).write_whole("log.txt", b"a line of a log\n" * 100_000, durable=False)
    return storage


def shell(command: list[str], storage: Path, way: str, tmp_path: Path) -> tuple[str, str]:
    """What a command ended with, and what it said on stderr."""
    line = shlex.join([f"{os.path.dirname(sys.executable)}/raydrive", *command, "--storage", str(storage)])
    code, said = tmp_path / "code", tmp_path / "said"
    text = way.replace("COMMAND", f"{{ {line}; echo $? >{code}; }} 2>{said}").replace("LINE", line)
    subprocess.run(["bash", "-c", text.replace("CODE", str(code)).replace("SAID", str(said))], timeout=120, check=False)
    return code.read_text().strip(), said.read_text()


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_reader_that_has_had_enough_is_no_failure(storage: Path, tmp_path: Path, command: list[str]) -> None:
    for way in ("COMMAND | true", "COMMAND | head -1 >/dev/null"):
        assert shell(command, storage, way, tmp_path) == ("0", ""), way


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_streams_that_are_not_there_are_no_failure(storage: Path, tmp_path: Path, command: list[str]) -> None:
    for way in (
        "LINE >&- 2>SAID; echo $? >CODE",
        "LINE <&- >&- 2>&-; echo $? >CODE; touch SAID",
    ):
        assert shell(command, storage, way, tmp_path) == ("0", ""), way


@pytest.mark.parametrize("command", COMMANDS[4:6], ids=" ".join)
def test_a_full_disk_is_a_sentence(storage: Path, tmp_path: Path, command: list[str]) -> None:
    code, said = shell(command, storage, "LINE >/dev/full 2>SAID; echo $? >CODE", tmp_path)
    assert code == "1"
    assert "No space left on device" in said
    assert "Traceback (most" not in said
    assert "Exception ignored" not in said
