"""``history`` and ``diff``: what was changed of a run, and how two runs' configurations differ."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from raydrive.cli.completion import run_ids
from raydrive.cli.console import Format, OutputOption, RunArgument, StorageOption, emit, emit_json, say
from raydrive.cli.runs import open_run


def history(run_name: RunArgument, storage: StorageOption = None, output: OutputOption = Format.TABLE) -> int:
    """List the changes that users made to a run, and their notes."""
    from raydrive.core.user_requests.history import steps  # lazy: raydrive.core.user_requests.history, 0.02 s

    run = open_run(run_name, storage)
    found = steps(run.sweep)
    if output is Format.JSON:
        emit_json({"run": run.id, "revision": run.revision, "history": [one.to_json() for one in found]})
        return 0
    if output is Format.TABLE and not found:
        say(f"Nothing has changed in run {run.id} since it was submitted.")
        return 0
    rows = [
        {
            "at": one.at if output is Format.CSV else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one.at)),
            "by": one.by,
            "what": one.what,
            "trial": one.trial,
            "revision": one.revision,
            "details": one.text,
        }
        for one in found
    ]
    emit(rows, output, name="history", columns=("at", "by", "what", "trial", "revision", "details"))
    return 0


OtherRunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="The other run.", autocompletion=run_ids, show_default=False)
]


def diff(
    run_name: RunArgument, other: OtherRunArgument, storage: StorageOption = None, output: OutputOption = Format.TABLE
) -> int:
    """Show how the configurations of two runs differ, edits included."""
    from raydrive.studio.data.comparison import compare  # lazy: raydrive.studio.data.comparison, 0.05 s

    first, second = open_run(run_name, storage), open_run(other, storage)
    found = compare([first.reader, second.reader])
    if output is Format.JSON:
        pairs = [{"key": key, "values": list(values)} for key, values in found.differences.items()]
        emit_json({"runs": [first.id, second.id], "differences": pairs})
        return 0
    if not found.differences and output is Format.TABLE:
        say("The configurations are the same.")
        return 0
    names = [first.id, second.id] if first.id != second.id else [f"{first.id} (1)", f"{second.id} (2)"]
    rows: list[dict[str, Any]] = [
        {"key": key, **dict(zip(names, values, strict=True))} for key, values in found.differences.items()
    ]
    emit(rows, output, name="differences")
    return 0
