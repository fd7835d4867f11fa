"""Runs the blocks of a documentation page, in a folder of its own, and compares what is printed with what it shows.

A block of code whose first line is a comment with a file's name is written as that file. A ``console`` block is run:
each line that begins with ``$`` is a command of ``sh``, the lines behind it are what it prints. Lines are compared
without their numbers, ids and times, which change from run to run; a line ``...`` stands for any number of lines.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
FENCE = re.compile(r"(?ms)^(?P<fence>`{3,})(?P<language>[\w-]*)[^\n]*\n(?P<body>.*?)^(?P=fence)[ \t]*$")
FILE = re.compile(r"#+ (?P<name>[\w./-]+\.\w+)\n")
LONGEST_S = 280


@dataclass(frozen=True)
class Block:
    """One block of a page."""

    language: str
    body: str
    line: int


@dataclass(frozen=True)
class Step:
    """A command of a page with what it printed."""

    command: str
    shown: list[str]
    printed: list[str]


def blocks(page: Path) -> list[Block]:
    """Returns the fenced blocks of a page."""
    text = page.read_text()
    return [
        Block(found["language"], found["body"], text.count("\n", 0, found.start()) + 1)
        for found in FENCE.finditer(text)
    ]


def shape(line: str) -> str:
    """Returns a line without what differs between runs: ids, numbers, times, folders, and blanks of tables."""
    line = re.sub(r"\b[\w-]+-\d{8}-\d{6}-[0-9a-f]{4}", "RUN", line)
    line = re.sub(r"(?:/[\w.-]+){2,}|~/[\w./-]+", "PATH", line)
    line = re.sub(r"-?\b\d[\d:.,]*(?:e[-+]?\d+)?(?:ms|[smhd%])?(?!\w)", "N", line)
    line = re.sub(r" · N canceled(?: \(N by the policy\))?", "", line)  # what trials at once are compared with differs
    return re.sub(r"\s+", " ", line).strip()


def run_page(page: Path, folder: Path, replaced: Mapping[str, str] | None = None) -> list[Step]:
    """Writes the files of a page and runs its console blocks, one after the other.

    Args:
        page: The page.
        folder: An empty folder.
        replaced: Texts of commands, and what they are in the test.
    """
    scripts, folder = folder.resolve() / "bin", folder.resolve() / "work"
    folder.mkdir()

    scripts.mkdir()
    for name, code in {
        "raydrive": 'from raydrive.cli import main; main()" "$@',
        "ray": 'from ray.scripts.scripts import main; main()" "$@',
    }.items():
        (scripts / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{code}"\n')
        (scripts / name).chmod(0o755)
    (scripts / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (scripts / "python").chmod(0o755)
    environment = {
        **{key: value for key, value in os.environ.items() if key not in ("RAY_ADDRESS", "PYTHONDONTWRITEBYTECODE")},
        "PATH": f"{scripts}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "RAYDRIVE_STORAGE": str(folder.parent / "runs"),
    }
    steps: list[Step] = []
    for block in blocks(page):
        named = FILE.match(block.body)
        if named is not None and block.language != "console":
            file = folder / named["name"]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.body)
        elif block.language == "console":
            for part in re.split(r"(?m)^\$ ", block.body)[1:]:
                steps.append(_step(part, folder, environment, replaced or {}))
    return steps


def _step(part: str, folder: Path, environment: dict[str, str], replaced: Mapping[str, str]) -> Step:
    lines = part.splitlines()
    command = lines.pop(0)
    while command.endswith("\\"):
        command = f"{command[:-1].rstrip()} {lines.pop(0).strip()}"
    for old, new in replaced.items():
        command = command.replace(old, new)
    if export := re.fullmatch(r"export (\w+)=(\S+)", command):
        environment[export[1]] = os.path.expandvars(export[2])
        return Step(command, [], [])
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        timeout=LONGEST_S,
    )
    expected = re.search(r"# exit code (\d+)$", command)
    assert done.returncode == int(expected[1] if expected else 0), f"{command}: {done.returncode}\n{done.stdout}"
    return Step(command, [line for line in lines if line.strip()], done.stdout.splitlines())


def not_printed(step: Step) -> list[str]:
    """Returns the lines that a page shows and that its command did not print in this form."""
    printed = {shape(line) for line in step.printed}
    return [line for line in step.shown if line.strip() != "..." and shape(line) not in printed]


if __name__ == "__main__":  # prints what the commands of a page print: to be copied into it
    import tempfile

    with tempfile.TemporaryDirectory() as folder_name:
        for one in run_page(Path(sys.argv[1]).resolve(), Path(folder_name)):
            print(f"$ {one.command}", *one.printed, sep="\n")
            print("-- not printed so:", not_printed(one))
