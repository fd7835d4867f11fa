"""What a shell completes: ids of runs, numbers of trials, names of experiments. Nothing is printed where it fails."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from raydrive.core.errors import RaydriveError

if TYPE_CHECKING:
    from raydrive.storage.run_layout import RunInfo

MOST = 50
"""Runs that are offered, the newest first."""


def run_ids(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Returns ids of runs that begin with a text, each with its experiment and when it began; and ``last``."""
    runs = [run for run in _runs(context) if run.run_id.startswith(incomplete)]
    found = [(run.run_id, f"{run.experiment}, {_begun(run.created)}") for run in runs[:MOST]]
    return found + [("last", "the newest run")] * "last".startswith(incomplete)


def experiments(context: typer.Context, incomplete: str) -> list[str]:
    """Returns names of experiments that begin with a text."""
    return sorted({run.experiment for run in _runs(context) if run.experiment.startswith(incomplete)})


def trial_numbers(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Returns numbers of trials of the run that is before, each with its state."""
    from raydrive.api.run import HyperDriveRun  # lazy: raydrive.api.run, 0.06 s
    from raydrive.storage.run_layout import find_run  # lazy: raydrive.storage.run_layout, 0.009 s

    try:
        run = HyperDriveRun.open(find_run(_storage(context), str(context.params.get("run_name") or "last")).uri)
    except (RaydriveError, OSError):
        return []
    numbers = ((str(trial.number), trial.state) for trial in run.sweep.trials)
    return [(number, state) for number, state in numbers if number.startswith(incomplete)]


def export_kinds(incomplete: str) -> list[str]:
    """Returns what a run can be exported to."""
    from raydrive.studio.export.export import KINDS  # lazy: raydrive.studio.export.export, 0.05 s

    return [kind for kind in KINDS if kind.startswith(incomplete)]


def _storage(context: typer.Context) -> str:
    from raydrive.settings.nearest import usual_storage  # lazy: raydrive.settings.nearest, 0.001 s

    return str(context.params.get("storage") or usual_storage())


def _runs(context: typer.Context) -> Iterator[RunInfo]:
    from raydrive.storage.run_layout import list_runs  # lazy: raydrive.storage.run_layout, 0.009 s

    with contextlib.suppress(RaydriveError, OSError):
        yield from reversed(list_runs(_storage(context)))


def _begun(created: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(created))


def sweep_keys(incomplete: str) -> list[str]:
    """Returns keys of a sweep file."""
    from raydrive.sweepfile.reference.key_reference import key_reference  # lazy: raydrive.sweepfile, 0.1 s

    return [key for key in key_reference() if key.startswith(incomplete)]
