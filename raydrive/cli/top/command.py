"""``top``: the command; all that needs textual is imported when it is called."""

from __future__ import annotations

import importlib.util
import sys
from typing import Annotated

import typer

from raydrive.cli.completion import run_ids
from raydrive.cli.console import AddressOption, StorageOption, command, say
from raydrive.cli.runs import open_run, workspace
from raydrive.cli.user_requests.answers import dashboard

MISSING = "raydrive top needs textual, which is not installed: pip install 'raydrive[top]'"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    command(app, top)


def top(
    run_name: Annotated[
        str | None,
        typer.Argument(metavar="RUN", help="The run to show; default: the list of runs.", autocompletion=run_ids),
    ] = None,
    storage: StorageOption = None,
    address: AddressOption = None,
) -> int:
    """Show runs, trials, curves and logs in the terminal, live; keys change what runs."""
    if importlib.util.find_spec("textual") is None:
        say(MISSING)
        return 2
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        say("raydrive top needs a terminal. In a script, use raydrive status or raydrive trials with -o json")
        return 2
    from raydrive.cli.top.app import TopApp  # lazy: textual, 0.3 s

    run = None if run_name is None else open_run(run_name, storage)
    TopApp(workspace(storage), run, dashboard(address)).run()
    return 0
