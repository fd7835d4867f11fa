"""Lines on a terminal: broken between words, never inside a path or a command that is to be copied."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from rich.cells import cell_len

_COMMAND = re.compile(r"(?<=: )raydrive .*$")
"""A command at the end of a sentence: ``Go on with it: raydrive resume RUN``."""
_HINT = re.compile(r"^(\s*)(\S.*?)\s+# (.*)$")
"""A command with what it is good for."""


def fitted(line: str, width: int) -> list[str]:
    """Returns a line as lines that fit; what has no blank stays whole, the terminal may break it.

    Args:
        line: One line; blanks in front indent those that follow it, too.
        width: Columns of the terminal.
    """
    if cell_len(line) <= width:
        return [line]
    if hint := _HINT.match(line):
        indent, command, why = hint.groups()
        if cell_len(beside := f"{indent}{command}  # {why}") <= width:
            return [beside]
        return [*fitted(f"{indent}# {why}", width), f"{indent}{command}"]
    indent = line[: len(line) - len(line.lstrip())]
    lines, rest = [indent], False
    for word in map(_from_home, _words(line.strip())):
        joined = f"{lines[-1]} {word}" if rest else lines[-1] + word
        if rest and cell_len(joined) > width:
            joined = indent + word
            lines.append(joined)
        lines[-1], rest = joined, True
    return lines


def fitted_pair(name: str, value: str, width: int) -> list[str]:
    """Returns a name and a value beside it as lines that fit.

    Args:
        name: With the blanks up to where values begin.
        value: One line. A command continues behind backslashes, so that it can be pasted.
        width: Columns of the terminal.
    """
    if cell_len(name + value) <= width:
        return [name + value]
    room, command = width - cell_len(name), name.startswith("command ")
    if command and re.search(r"['\"\\]", value):
        return [name.rstrip(), value]  # no place between words is known
    lines = fitted(value, room - 2 * command)
    if any(cell_len(line) > room for line in lines):
        return [name.rstrip(), *(f"  {line}" if cell_len(line) <= width - 2 else line for line in lines)]
    first, *others = [f"{line} \\" for line in lines[:-1]] + lines[-1:] if command else lines
    return [name + first, *(" " * cell_len(name) + line for line in others)]


def _from_home(word: str) -> str:
    """Returns a path below the home folder as a shell takes it, too: that is what fits more often."""
    home = os.path.expanduser("~")
    return f"~{word[len(home) :]}" if len(home) > 1 and word.startswith(f"{home}/") else word


def _words(text: str) -> Iterator[str]:
    command = _COMMAND.search(text)
    yield from text[: command.start()].split() if command else text.split()
    if command:
        yield command[0]
