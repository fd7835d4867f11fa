"""``track``: sends trackers what they have not received of a run."""

from __future__ import annotations

import functools
import hashlib
import json
import threading
from typing import Annotated, Any

import typer

from raydrive.cli.console import Format, OutputOption, RunArgument, StorageOption, command, emit, say
from raydrive.cli.runs import EXIT_UNREADABLE, open_run


def register(app: typer.Typer) -> None:
    """Adds the command."""
    command(app, track)


def track(
    run_name: RunArgument,
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to",
            metavar="NAME=PLACE",
            help="A tracker: mlflow=URI, wandb=PROJECT or tensorboard=DIR. Default: the trackers of the run.",
            show_default=False,
        ),
    ] = None,
    storage: StorageOption = None,
    output: OutputOption = Format.TABLE,
) -> int:
    """Send MLflow, W&B or TensorBoard what they have not received of a run; follows a run that is active."""
    from raydrive.core.config.tracker_settings import (
        tracking_of,  # lazy: raydrive.core.config.tracker_settings, 0.001 s
    )
    from raydrive.trackers.follower import Follower, about_of, tracker_of  # lazy: raydrive.trackers.follower, 0.03 s
    from raydrive.trackers.places import with_absolute_paths  # lazy: raydrive.trackers.places, 0.001 s

    run = open_run(run_name, storage)
    given = dict(_pair(text) for text in to or ())
    trackers = with_absolute_paths(tracking_of(given, "--to")) if given else dict(run.config.trial.track)
    if not trackers:
        say(f"Run {run.id} has no trackers (raydrive.track, track=). Name one: --to mlflow=http://localhost:5000")
        return 2
    rows: list[dict[str, Any]] = []
    for name, settings in trackers.items():
        stop = threading.Event()
        if run.sweep.finished is not None or run.get_status() != "Running":
            stop.set()
        make = functools.partial(tracker_of, name, settings, about_of(run.layout))
        # Another place than that of the run was told nothing yet.
        own = settings == run.config.trial.track.get(name)
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        record = name if own else f"{name}-{digest[:8]}"
        done = Follower(run.layout, name, make, _say_trouble, record).follow(stop)
        rows.append({"tracker": name, "delivered": done.delivered, "trouble": done.trouble})
    emit(rows, output, name="trackers")
    return EXIT_UNREADABLE if any(row["trouble"] for row in rows) else 0


def _say_trouble(text: str) -> None:
    if text:
        say(f"Note: {text}")


def _pair(text: str) -> tuple[str, Any]:
    """``mlflow=URI``, or ``wandb={"project": "p"}``, as key and value."""
    name, _, place = text.partition("=")
    if place.lstrip().startswith("{"):
        try:
            return name.strip(), json.loads(place)
        except ValueError:
            pass
    return name.strip(), place
