"""How commands print: data to stdout as table, JSON or CSV; talk to stderr."""

from __future__ import annotations

import contextlib
import csv
import enum
import functools
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

from raydrive.api.wording import one_line

EXIT_INTERRUPTED = 130
SCHEMA_VERSION = 1
"""Version of the JSON that ``-o json`` prints; raised when a field changes its meaning."""


class Format(str, enum.Enum):
    """What ``-o`` takes."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


OutputOption = Annotated[Format, typer.Option("--output", "-o", help="How to print.")]
StorageOption = Annotated[
    str | None, typer.Option("--storage", help="Folder or URI below which runs are kept.", show_default=False)
]
AddressOption = Annotated[
    str | None,
    typer.Option("--address", help="Ray cluster: auto, HOST:PORT, or local.", show_default=False),
]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, a unique prefix of it, or 'last'.")]


def command(app: typer.Typer, function: Callable[..., int], name: str | None = None) -> None:
    """Adds a command whose return value is the exit code.

    Args:
        app: Where to.
        function: The command; its docstring is its help.
        name: Its name; None = the function's.
    """

    @functools.wraps(function)
    def run(*arguments: Any, **options: Any) -> None:
        try:
            code = function(*arguments, **options)
        except KeyboardInterrupt:
            say("Interrupted.")
            code = EXIT_INTERRUPTED
        raise typer.Exit(code)

    app.command(name)(run)


def say(text: str) -> None:
    """Prints talk."""
    print(text, file=sys.stderr, flush=True)


def silence() -> None:
    """Sends what this process still prints nowhere: whoever read it has gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
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
        columns: Their order in a table or CSV; empty = as they come.
    """
    if form is Format.JSON:
        emit_json({name: list(rows)})
        return
    names = list(columns) or list(dict.fromkeys(key for row in rows for key in row))
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
        width = max((len(key) for key in row), default=0)
        for key, value in row.items():
            print(f"{key:<{width}}  {_shown(value)}")


def emit_json(value: Mapping[str, Any]) -> None:
    """Prints a JSON object; numbers JSON does not know (NaN, infinities) become null."""
    print(json.dumps({"schema_version": SCHEMA_VERSION, **_finite(dict(value))}, indent=2, default=str))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if value - value == 0.0 else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def _plain(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else "" if value is None else value


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    return json.dumps(value) if isinstance(value, dict | list) else one_line(str(value))


def _table(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    numeric = {key for key in names if all(isinstance(row.get(key), int | float | None) for row in rows)}
    for key in names:
        table.add_column(key.removeprefix("param_"), justify="right" if key in numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_shown(row.get(key))) for key in names))
    # Piped output is not squeezed into 80 columns: lines stay whole for grep and awk.
    width = None if sys.stdout.isatty() else 100_000
    Console(highlight=False, width=width, no_color=bool(os.environ.get("NO_COLOR"))).print(table)


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
            say(f"{what} {flag} is used; {variable}={told} is not.")
        return flag
    return told or next((value for value in fallbacks if value), None)
