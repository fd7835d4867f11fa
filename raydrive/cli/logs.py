"""``logs``: what a trial wrote, from the storage; of several processes that train together, by time."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from raydrive.cli.console import RunArgument, StorageOption, TrialArgument
from raydrive.cli.runs import open_run

if TYPE_CHECKING:
    from raydrive.api.run import HyperDriveRun

POLL_S = 0.3
"""Seconds between two looks at a log that is followed."""


def logs(
    run_name: RunArgument,
    trial: TrialArgument,
    storage: StorageOption = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Follow the log until the trial ends.")] = False,
    attempt: Annotated[
        int | None, typer.Option(help="Number of an earlier attempt, counted from 1.", min=1, show_default=False)
    ] = None,
    rank: Annotated[
        int | None,
        typer.Option(
            help="One of several processes that train together. Default: all of them, in order of time.",
            min=0,
            show_default=False,
        ),
    ] = None,
) -> int:
    """Print what a trial wrote to stdout and stderr."""
    from raydrive.storage.rank_logs import check_rank, ranks_of  # lazy: raydrive.storage.rank_logs, 0.009 s

    run = open_run(run_name, storage)
    run.get_child(trial)
    ranks = {*range(run.config.trial.resources.world_size), *ranks_of(run.layout, trial, _attempt(run, trial, attempt))}
    if rank is not None:
        check_rank(ranks, rank, trial)
    several = rank is None and len(ranks) > 1
    found = _all_logs(run, trial, attempt, follow) if several else _one_log(run, trial, attempt, follow, rank or 0)
    for data in found:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    return 0


def _attempt(run: HyperDriveRun, trial: int, attempt: int | None) -> int:
    return attempt or max(1, run.sweep.trials[trial].attempt)


def _is_over(run: HyperDriveRun, trial: int) -> bool:
    return run.sweep.finished is not None or not run.sweep.trials[trial].open


def _one_log(run: HyperDriveRun, trial: int, attempt: int | None, follow: bool, rank: int) -> Iterator[bytes]:
    """Yields the log of one process, to the size that it has when this begins or to the trial's end."""
    from raydrive.storage.trial_files import log_size, read_log  # lazy: raydrive.storage.trial_files, 0.009 s

    start, end = 0, log_size(run.layout, trial, _attempt(run, trial, attempt), rank)
    while True:
        over = _is_over(run, trial)
        chosen = _attempt(run, trial, attempt)
        data, start = read_log(run.layout, trial, chosen, start, rank=rank)
        yield data
        if data and (follow or start < end):
            continue
        if not follow or over:
            return
        time.sleep(POLL_S)
        run.refresh()
        if _attempt(run, trial, attempt) != chosen:
            start = 0  # a new attempt has a log of its own


def _all_logs(run: HyperDriveRun, trial: int, attempt: int | None, follow: bool) -> Iterator[bytes]:
    """Yields the logs of all processes by time, each line with its rank, likewise."""
    from raydrive.storage.rank_logs import RankLogs, with_rank  # lazy: raydrive.storage.rank_logs, 0.009 s

    logs, chosen = None, 0
    while True:
        over, latest = _is_over(run, trial), _attempt(run, trial, attempt)
        last = over or not follow or (logs is not None and latest != chosen)
        if logs is None:
            logs, chosen = RankLogs(run.layout, trial, latest, run.config.trial.log_limit), latest
        for piece in logs.read(final=last):
            yield with_rank(*piece).encode()
        if latest != chosen:
            logs = None  # a new attempt has logs of its own
            continue
        if last:
            return
        time.sleep(POLL_S)
        run.refresh()
