"""Tables whose cells continue in the next line: as wide as the terminal, or as 80 columns where there is none."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence

GAP = "  "
NARROWEST = 20
"""Columns that a cell needs at least; with less, values are listed below each other."""


def columns_of_terminal() -> int:
    """Returns the width that output should have: the terminal's, else that of ``COLUMNS``, else 80."""
    return shutil.get_terminal_size().columns


def wrapped_table(head: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Returns the lines of a table: a name in the first column, its values in the others.

    Args:
        head: The names of the columns.
        rows: The cells of each row, as many as there are names.
        width: The longest line, in columns.
    """
    names = [row[0] for row in rows]
    first = min(max(map(len, [head[0], *names])), max(width // 3, NARROWEST))
    others = len(head) - 1
    natural = [max(len(row[place]) for row in [head, *rows]) for place in range(1, others + 1)]
    room = (width - first - len(GAP) * others) // max(others, 1)
    if sum(natural) + first + len(GAP) * others <= width:
        widths = natural
    elif room >= NARROWEST:
        widths = _shared(natural, width - first - len(GAP) * others)
    else:
        return _listed(head, rows, width)
    return [line for row in [head, *rows] for line in _row(row, [first, *widths])]


def _shared(natural: Sequence[int], room: int) -> list[int]:
    """Widths of columns that share a room: none gets more than it needs, the others what is left, in equal parts."""
    widths, open_places = [0] * len(natural), sorted(range(len(natural)), key=lambda place: natural[place])
    while open_places:
        place = open_places.pop(0)
        widths[place] = min(natural[place], room // (len(open_places) + 1))
        room -= widths[place]
    return widths


def _row(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    name, *values = cells
    columns = [_lines(value, width) for value, width in zip(values, widths[1:], strict=True)]
    above = [name] if len(name) > widths[0] else []
    columns.insert(0, [] if above else [name])
    lines = []
    for number in range(max(map(len, columns))):
        parts = [column[number] if number < len(column) else "" for column in columns]
        lines.append(GAP.join(f"{part:<{size}}" for part, size in zip(parts, widths, strict=True)).rstrip())
    return [*above, *lines]


def _listed(head: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """The table with values below their names; the columns have letters, which the first lines explain."""
    letters = [chr(ord("A") + place % 26) * (place // 26 + 1) for place in range(len(head) - 1)]
    lines = []
    for name, *values in [head, *rows]:
        lines.append(name)
        if len(set(values)) == 1 and len(values) > 1:
            lines += _below("all", values[0], width)
        else:
            for letter, value in zip(letters, values, strict=True):
                lines += _below(letter, value, width)
    return lines


def _below(letter: str, value: str, width: int) -> list[str]:
    start = f"{GAP}{letter}{GAP}"
    return [
        (start if not number else " " * len(start)) + line
        for number, line in enumerate(_lines(value, width - len(start)))
    ]


def _lines(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=True) or [""]
