"""What a command starts: checks that its program and script exist, before any trial fails."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from raydrive.core.config.command_line import references, split_plain
from raydrive.core.errors import Problem, nearest

_PYTHON = re.compile(r"(?:.*/)?i?python[0-9.]*\Z")
_SHELLS = ("bash", "sh", "zsh", "dash")
_LAUNCHERS = ("torchrun", "accelerate", "deepspeed", "mpirun", "mpiexec", "horovodrun", "srun", "nice", "time", "uv")
"""Programs that start another one: what they start is the first of their words that ends in .py."""
_WITH_VALUE = ("-W", "-X")
_UNKNOWN = "RAYDRIVE-VALUE"
"""Stands for a reference, whose value is not known yet."""


def script_problem(command: str, source: Path | None, where: str) -> Problem | None:
    """Returns what is wrong with the script that a command starts: it is not in the code, or lacks its interpreter.

    Args:
        command: The command, with references.
        source: The folder that trials get a copy of; None = none, they start in an empty one.
        where: Path of the command, for errors.
    """
    words = _first_command(command)
    if not words:
        return None
    program = words[0]
    if program.endswith((".py", ".sh")) and "/" not in program:
        return _bare_script(command, program, source, where)
    if "/" in program and not program.startswith(("/", "~")):
        return _own_program(command, program, source, where)
    script = _script_of(words)
    if not script or script.startswith(("/", "~")) or (source is not None and os.path.isfile(source / script)):
        return None
    return _missing(command, script, source, where)


def program_problem(command: str, where: str, python: str = "") -> Problem | None:
    """Returns a problem where this machine has no program of a command's name.

    Args:
        command: The command, with references.
        where: Path of the command, for errors.
        python: Interpreter of the trials, whose folder comes first on their PATH; empty = this one.
    """
    words = split_plain(_without_references(command))
    if not words or "/" in words[0] or _UNKNOWN in words[0] or _PYTHON.match(words[0]) or words[0] in ("pip", "pip3"):
        return None
    folders = [os.path.dirname(python or sys.executable), os.environ.get("PATH", os.defpath)]
    if shutil.which(words[0], path=os.pathsep.join(filter(None, folders))):
        return None
    found = f"{words[0]!r}, and this machine has no program of that name"
    fix = "Install it, or write its full path. If trials run on a cluster, name it with --address."
    return Problem(where, found, "a program on PATH, or its path", fix)


def _without_references(command: str) -> str:
    for reference in reversed(references(command)):
        end = reference.start + len(reference.text)
        command = command[: reference.start] + _UNKNOWN + command[end:]
    return command


def _first_command(command: str) -> list[str]:
    """The words of the first command of a line; none where it is the shell's own business what is started."""
    line = _without_references(command).strip()
    words = split_plain(line)
    if words is None:
        head = re.split(r"[|&;<>\n]", line, maxsplit=1)[0]
        try:
            words = shlex.split(head)
        except ValueError:
            return []
        while words and re.match(r"[A-Za-z_]\w*=", words[0]):
            words = words[1:]
    if not words or words[0] in ("cd", "pushd", "source", ".", "if", "for", "while") or re.search(r"[$`*?]", words[0]):
        return []
    return [] if _UNKNOWN in words[0] else words


def _script_of(words: Sequence[str]) -> str:
    """The script that an interpreter or a launcher is given; empty where there is none, or it is not known."""
    name = os.path.basename(words[0])
    if _PYTHON.match(name) or name in _SHELLS:
        return _first_operand(words[1:])
    if name in _LAUNCHERS:
        scripts = (word for word in words[1:] if word.endswith(".py") and not word.startswith("-"))
        return next((word for word in scripts if _UNKNOWN not in word), "")
    return ""


def _first_operand(words: Sequence[str]) -> str:
    left = iter(words)
    for word in left:
        if word in ("-m", "-c") or (word[:1] == "-" and word[1:2] != "-" and word[-1:] in "mc" and len(word) > 2):
            return ""
        if word in _WITH_VALUE:
            next(left, "")
        elif not word.startswith("-"):
            return "" if re.search(r"[$`*?]", word) or _UNKNOWN in word else word
    return ""


def _missing(command: str, script: str, source: Path | None, where: str, interpreter: str = "") -> Problem:
    """A script that is not there; ``interpreter`` is what the command lacks before it, too."""
    if source is None:
        found = f"{script!r}, but code is not set: trials start in an empty folder"
        return Problem(
            where, found, "a script in the trials' working directory", "Add the folder of the script: code: ."
        )
    there = list(_scripts_of(source))[:10]
    near = nearest(script, there)
    if not near:
        fix = "Paths in the command are relative to the code folder."
    elif interpreter:
        fix = f"Write: {_with_program(command, script, f'{interpreter} {near}')}"
    else:
        fix = f"Did you mean {near!r}? Write: {_with_program(command, script, near)}"
    found = f"{script!r}, and there is no such file in {source}"
    allowed = f"a script of that folder{': ' + ', '.join(there) if there else ''}"
    return Problem(where, found, allowed, fix)


def _scripts_of(source: Path) -> Iterator[str]:
    return (path.relative_to(source).as_posix() for path in sorted(source.glob("*.py")))


def _bare_script(command: str, program: str, source: Path | None, where: str) -> Problem | None:
    """A script as the program: a system looks for it on PATH only."""
    if shutil.which(program):
        return None
    interpreter = "python" if program.endswith(".py") else "bash"
    if source is None or not os.path.isfile(source / program):
        return _missing(command, program, source, where, interpreter)
    found = f"{program!r}, which is not a program on PATH but a script in the code folder"
    fix = f"Write: {_with_program(command, program, f'{interpreter} {program}')}"
    return Problem(where, found, "a program, or a script behind its interpreter", fix)


def _own_program(command: str, program: str, source: Path | None, where: str) -> Problem | None:
    """A program in the code, by its relative path."""
    if source is None or not os.path.isfile(source / program):
        return _missing(command, program, source, where)
    if os.access(source / program, os.X_OK):
        return None
    if program.endswith((".py", ".sh")):
        interpreter = "python" if program.endswith(".py") else "bash"
        fix = f"Write: {_with_program(command, program, f'{interpreter} {program}')}"
    else:
        fix = f"Run: chmod +x {shlex.quote(str(source / program))}"
    return Problem(where, f"{program!r}, which is not executable", "a program, or a script behind its interpreter", fix)


def _with_program(command: str, program: str, instead: str) -> str:
    return f"command: {command.strip().replace(program, instead, 1)}"
