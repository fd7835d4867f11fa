"""Adds the commands that steer a run."""

from __future__ import annotations

import typer

from raydrive.cli.console import command
from raydrive.cli.user_requests.edit import edit
from raydrive.cli.user_requests.past import diff, history
from raydrive.cli.user_requests.trials import add, cancel, note, pause, retry, stop, unpause


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for function in (pause, unpause, edit, add, retry, stop, cancel, note, history, diff):
        command(app, function)
