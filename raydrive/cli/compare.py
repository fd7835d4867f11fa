"""``compare``: runs side by side, from storage alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raydrive.api.display.text import clock, number, params_text
from raydrive.cli.completion import run_ids
from raydrive.cli.console import Format, OutputOption, StorageOption, command, emit, emit_json, say, shown
from raydrive.cli.runs import open_run
from raydrive.cli.wrapped import columns_of_terminal, wrapped_table
from raydrive.core.json_values import json_of
from raydrive.core.space.shown import yaml_text

if TYPE_CHECKING:
    from raydrive.studio.data.comparison import ComparedRun, Comparison

_COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
"""Trials after which the best values are compared."""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    command(app, compare)


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN RUN...",
            help="Two or more runs: ids, unique prefixes of ids, folders, last.",
            autocompletion=run_ids,
        ),
    ],
    storage: StorageOption = None,
    output: OutputOption = Format.TABLE,
) -> int:
    """Compare runs: best values over time, trials, durations, and differences of the configurations."""
    from raydrive.studio.data.comparison import compare as compared  # lazy: raydrive.studio.data.comparison, 0.05 s

    found = compared([open_run(name, storage).reader for name in runs])
    if output is Format.JSON:
        emit_json(found.to_json())
        return 0
    rows = [*_rows(found, output)]
    if output is Format.TABLE:
        cells = [[shown(value) for value in row.values()] for row in rows]
        print("\n".join(wrapped_table(list(rows[0]), cells, columns_of_terminal())))
    else:
        emit(rows, output, name="comparison")
    for note in found.notes:
        say(f"Note: {note}")
    if output is Format.TABLE and not found.differences:
        say("The configurations are the same.")
    return 0


def _rows(found: Comparison, output: Format) -> Iterator[dict[str, Any]]:
    """Lines with a column for each run: facts, the best value after this many trials, then what differs."""
    people, runs = output is Format.TABLE, found.runs
    yield _row(runs, "status", [run.status for run in runs])
    yield _row(runs, f"best {runs[0].metric}", [number(run.best) if people else run.best for run in runs])
    yield _row(runs, "best trial", [run.best_trial for run in runs])
    for count in _counts(runs):
        after = [_after(run, count) for run in runs]
        yield _row(runs, f"best after {count} trial{'s' * (count != 1)}", list(map(number, after)) if people else after)
    yield _row(runs, "trials", [run.trials_text if people else run.ended for run in runs])
    for state in ("completed", "canceled", "failed"):
        yield _row(runs, f"  {state}" if people else state, [run.counts[state] for run in runs])
    yield _row(runs, "elapsed", [clock(run.elapsed_s) if people else run.elapsed_s for run in runs])
    yield _row(runs, "training time", [clock(run.trained_s) if people else run.trained_s for run in runs])
    best = [dict(run.params) for run in runs]
    yield _row(runs, "best parameters", list(map(params_text, best)) if people else list(map(json_of, best)))
    for key, values in found.differences.items():
        yield _row(runs, key, [yaml_text(one) if people and isinstance(one, dict) else one for one in values])


def _row(runs: Sequence[ComparedRun], what: str, values: Sequence[Any]) -> dict[str, Any]:
    names = [run.run for run in runs]
    if len(set(names)) < len(names):  # copies of a run in other places
        names = [f"{name} ({place})" for place, name in enumerate(names, 1)]
    return {"run": what, **dict(zip(names, values, strict=True))}


def _counts(runs: Sequence[ComparedRun]) -> list[int]:
    """Numbers of trials that at least one run has, the last one of each run included."""
    most = max(run.ended for run in runs)
    return sorted({count for count in _COUNTS if count <= most} | {run.ended for run in runs if run.ended})


def _after(run: ComparedRun, count: int) -> float | None:
    """The best value when this many trials had ended; None before there was one, and for a run with fewer."""
    reached = [point.value for point in run.curve if point.trials <= count]
    return reached[-1] if reached and run.ended >= count else None
