"""How commands print: data to stdout as table, JSON or CSV; messages to stderr."""

from __future__ import annotations

import contextlib
import csv
import enum
import functools
import json
import os
import shutil
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO, cast

import typer

from raydrive.api.display.text import one_line
from raydrive.api.display.unbroken_stream import Unbroken
from raydrive.cli.completion import run_ids, trial_numbers
from raydrive.cli.help.command_groups import group_of
from raydrive.core.errors import brief
from raydrive.core.views.json_output import SCHEMA_VERSION, finite

if TYPE_CHECKING:
    from rich.console import Console

EXIT_INTERRUPTED = 130
PARAMS = "params"
"""Key of a row's hyperparameters: one object in JSON, a column ``param_NAME`` for each in a table and in CSV."""


class Format(str, enum.Enum):
    """What ``-o`` takes."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


OutputOption = Annotated[Format, typer.Option("--output", "-o", help="Output format.")]
StorageOption = Annotated[
    str | None,
    typer.Option(
        "--storage",
        help="Folder or URI where runs are stored. Default: RAYDRIVE_STORAGE, raydrive.toml, or ~/raydrive.",
        show_default=False,
    ),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        help="Ray cluster: auto, HOST:PORT, http://HOST:8265, or local. Default: RAY_ADDRESS, raydrive.toml, or local.",
        show_default=False,
    ),
]
TrialArgument = Annotated[
    int, typer.Argument(metavar="TRIAL", help="Number of a trial.", min=0, autocompletion=trial_numbers)
]
RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="A run: its id, a unique prefix of the id, its folder, or last.", autocompletion=run_ids
    ),
]


def command(
    app: typer.Typer, function: Callable[..., int], name: str | None = None, *, outlives_reader: bool = False
) -> None:
    """Adds a command whose return value is the exit code.

    Args:
        app: Where to.
        function: The command; its docstring is its help.
        name: Its name; None = the function's.
        outlives_reader: Whether it continues, with the same exit code, when its output is no longer read.
    """

    @functools.wraps(function)
    def run(*arguments: Any, **options: Any) -> None:
        try:
            with unbroken() if outlives_reader else contextlib.nullcontext():
                code = function(*arguments, **options)
        except KeyboardInterrupt:
            say("Interrupted.")
            code = EXIT_INTERRUPTED
        raise typer.Exit(code)

    app.command(name, rich_help_panel=group_of(name or function.__name__))(run)


def say(text: str) -> None:
    """Prints talk: on a terminal broken between words, elsewhere in whole lines."""
    for line in text.split("\n"):
        print("\n".join(_fitted(line, sys.stderr)), file=sys.stderr, flush=True)


def tell(text: str) -> None:
    """Prints a line of data: on a terminal broken between words, elsewhere whole."""
    print("\n".join(_fitted(text, sys.stdout)))


def _fitted(line: str, stream: TextIO) -> list[str]:
    """Returns a line as it is printed on a stream."""
    if not stream.isatty() or len(line) <= MOST_NARROW:
        return [line]
    from raydrive.api.display.fitted_lines import fitted  # lazy: rich, 0.02 s

    return fitted(line, shutil.get_terminal_size().columns)


@contextlib.contextmanager
def unbroken() -> Iterator[None]:
    """Drops output that is no longer read instead of failing at it (``raydrive submit x.yml 2>&1 | head -1``)."""
    streams = sys.stdout, sys.stderr
    ours = Unbroken(sys.stdout), Unbroken(sys.stderr)
    sys.stdout, sys.stderr = cast("TextIO", ours[0]), cast("TextIO", ours[1])
    try:
        yield
    finally:
        for one in ours:
            one.flush()
        sys.stdout, sys.stderr = streams
        silence(*(stream for stream, one in zip(streams, ours, strict=True) if one.broken))


def silence(*streams: TextIO) -> None:
    """Sends what this process still prints to streams nowhere: their reader has gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


@contextlib.contextmanager
def only_data() -> Iterator[None]:
    """Keeps stdout clean while a command is connected to Ray, which prints warnings of its raylets there.

    What matters of them is in the journal: why a trial waits, and why it ended.
    """
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def emit(rows: Sequence[Mapping[str, Any]], form: Format, *, name: str, columns: Sequence[str] = ()) -> None:
    """Prints rows.

    Args:
        rows: The data.
        form: Table, JSON or CSV.
        name: What the rows are, the key of the JSON object.
        columns: Their order in a table or CSV; empty = as they come. ``params`` stands for those of hyperparameters.
    """
    if form is Format.JSON:
        emit_json({name: list(rows)})
        return
    params = list(dict.fromkeys(key for row in rows for key in param_columns(row.get(PARAMS, {}))))
    rows = [flat(row) for row in rows]
    names = list(dict.fromkeys(key for row in rows for key in row))
    if columns:
        names = [key for column in columns for key in (params if column == PARAMS else [column])]
    if form is Format.CSV:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        for row in rows:
            writer.writerow([_plain(row.get(key)) for key in names])
        return
    _table(rows, names)


def emit_one(row: Mapping[str, Any], form: Format) -> None:
    """Prints one object: a line per field as a table, else as JSON or CSV."""
    if form is Format.JSON:
        emit_json(row)
    elif form is Format.CSV:
        emit([row], form, name="rows")
    else:
        lines = flat(row)
        width = max((len(key) for key in lines), default=0)
        for key, value in lines.items():
            _print_pair(f"{key:<{width}}  ", shown(value))


def _print_pair(name: str, value: str) -> None:
    if sys.stdout.isatty() and len(name + value) > MOST_NARROW:
        from raydrive.api.display.fitted_lines import fitted_pair  # lazy: rich, 0.02 s

        print("\n".join(fitted_pair(name, value, shutil.get_terminal_size().columns)))
    else:
        print(name + value)


def emit_json(value: Mapping[str, Any]) -> None:
    """Prints a JSON object; numbers JSON does not know (NaN, infinities) become null."""
    print(json.dumps({"schema_version": SCHEMA_VERSION, **finite(dict(value))}, indent=2, default=str))


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a row with a column for each hyperparameter, where it has its hyperparameters in one object."""
    return {
        key: value
        for name, item in row.items()
        for key, value in (param_columns(item) if name == PARAMS else {name: item}).items()
    }


def param_columns(params: Mapping[str, Any]) -> dict[str, Any]:
    """Returns hyperparameters by their columns: ``param_lr`` for ``lr`` and for v1's ``--lr``."""
    return {f"param_{name.lstrip('-')}": value for name, value in params.items()}


def _plain(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list | tuple) else "" if value is None else value


def shown(value: Any, digits: int = 6) -> str:
    """Returns a value as a cell of a table shows it.

    Args:
        value: The value.
        digits: Significant digits of a number with a fraction.
    """
    if value is None or value == "":
        return "-"
    if isinstance(value, float):
        return f"{value:.{digits}g}"
    return json.dumps(value) if isinstance(value, dict | list | tuple) else one_line(str(value))


MOST_NARROW = 40
"""Columns that every terminal has."""
WIDE = 100_000
"""Columns enough for any line."""
GAP = 2
"""Blanks between columns."""
DETAILS = "details"
PROSE = {"why", "advice", "found", "policy", DETAILS}
"""Columns whose words may continue in the next line."""
PROSE_WIDTH = 16
"""What such a column needs at least."""


def _table(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    """Prints rows as wide as they are; where the terminal is narrower, with hyperparameters and prose in one column."""
    from rich.console import Console  # lazy: rich, 0.02 s

    # Piped output is not squeezed into 80 columns: lines stay whole for grep and awk.
    width = None if sys.stdout.isatty() else WIDE
    console = Console(highlight=False, width=width, no_color=bool(os.environ.get("NO_COLOR")))
    cells = {key.removeprefix("param_"): [shown(row.get(key)) for row in rows] for key in names}
    numeric = [key for key in names if all(isinstance(row.get(key), int | float | None) for row in rows)]
    if _needs(cells, WIDE) > console.width:
        narrow = _narrow(rows, names)
        stacked = _stacked(narrow, console.width) if len(narrow) > 2 else []
        if _needs(narrow, PROSE_WIDTH) <= console.width:
            cells = narrow
        elif stacked:
            print("\n".join(stacked))
            return
        else:
            console.width = WIDE  # the terminal breaks the lines: no cell is cut
    _print_columns(console, cells, {key.removeprefix("param_") for key in numeric})


def _narrow(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, list[str]]:
    """Returns headers and cells for a narrow terminal."""
    folded = [key for key in names if key.startswith("param_")]
    folded += [key for key in names if folded and key in PROSE]
    cells = {_broken(key): [shown(row.get(key), 4) for row in rows] for key in names if key not in folded}
    if folded:
        cells[DETAILS] = ["\n".join(_details(row, folded)) for row in rows]
    return cells


def _broken(header: str) -> str:
    return header if header in PROSE else header.replace(" ", "\n")


def _details(row: Mapping[str, Any], keys: Sequence[str]) -> Iterator[str]:
    params = [key for key in keys if key.startswith("param_") and row.get(key) is not None]
    yield " ".join(f"{key.removeprefix('param_')}={shown(row[key], 4)}" for key in params)
    yield from (shown(row.get(key)) for key in keys if key in PROSE and row.get(key))


def _widest(header: str, cells: Sequence[str]) -> int:
    from rich.cells import cell_len  # lazy: rich, 0.001 s

    return max(cell_len(line) for text in (header, *cells) for line in text.split("\n"))


def _needs(columns: Mapping[str, Sequence[str]], prose_width: int) -> int:
    """How wide a table is whose columns of prose are no wider than that."""
    widths = [min(_widest(key, cells), prose_width if key in PROSE else WIDE) for key, cells in columns.items()]
    return sum(widths) + GAP * max(0, len(widths) - 1)


def _stacked(columns: Mapping[str, Sequence[str]], width: int) -> list[str]:
    """Returns the lines of a table whose first column is above the others; none where those do not fit either."""
    (first, names), *others = columns.items()
    titles, cells = [header.split("\n") for header, _ in others], [list(texts) for _, texts in others]
    sizes = [_widest(header, texts) for header, texts in others]
    if sum(sizes) + GAP * len(sizes) > width:
        widest = sizes.index(max(sizes))  # of numbers and words: "843.9 and 1420.3"
        cells[widest] = [text.replace(" and ", " and\n") for text in cells[widest]]
        sizes[widest] = _widest(others[widest][0], cells[widest])
    if sum(sizes) + GAP * len(sizes) > width:
        return []
    right = [all(not text.strip("-")[:1].isalpha() for text in texts) for texts in cells]
    lines = [first]
    rows = zip(*cells, strict=True)
    for name, row in [("", tuple("\n".join(title) for title in titles)), *zip(names, rows, strict=True)]:
        lines += [name] if name else []
        parts = [text.split("\n") for text in row]
        for i in range(max(map(len, parts))):
            texts = [part[i] if i < len(part) else "" for part in parts]
            lines.append((" " * GAP + _padded(texts, sizes, right)).rstrip())
    return lines


def _padded(texts: Sequence[str], sizes: Sequence[int], right: Sequence[bool]) -> str:
    from rich.cells import cell_len  # lazy: rich, 0.001 s

    blanks = [" " * (size - cell_len(text)) for text, size in zip(texts, sizes, strict=True)]
    filled = (gap + text if end else text + gap for text, gap, end in zip(texts, blanks, right, strict=True))
    return (" " * GAP).join(filled)


def _print_columns(console: Console, columns: Mapping[str, Sequence[str]], right: Collection[str]) -> None:
    from rich.table import Table  # lazy: rich, 0.02 s
    from rich.text import Text  # lazy: rich, 0.01 s

    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for key in columns:
        justify: Literal["left", "right"] = "right" if key.replace("\n", " ") in right else "left"
        table.add_column(Text(key), justify=justify, overflow="fold", no_wrap=key not in PROSE)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*map(Text, row))
    console.print(table)


def resolve(flag: str | None, variable: str, what: str, *fallbacks: str | None) -> str | None:
    """Returns a setting: the flag, else the environment, else the first fallback that is set.

    Args:
        flag: Value of the flag; None = not given.
        variable: Name of the environment variable.
        what: The flag's name, for the line that is said when both are given and differ.
        *fallbacks: Further sources, the strongest first.
    """
    told = os.environ.get(variable) or None
    if flag is not None:
        if told is not None and told != flag:
            say(f"{what} {brief(flag, 400)} is used; {variable}={brief(told, 400)} is not.")
        return flag
    return told or next((value for value in fallbacks if value), None)
