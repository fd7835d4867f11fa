"""``list``, ``status``, ``watch``, ``trials``, ``best``: these read storage only."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raydrive.api.display.text import best_interval_text, sentence
from raydrive.cli.completion import experiments, trial_numbers
from raydrive.cli.console import (
    EXIT_INTERRUPTED,
    PARAMS,
    Format,
    OutputOption,
    RunArgument,
    StorageOption,
    command,
    emit,
    emit_one,
    say,
)
from raydrive.cli.logs import logs
from raydrive.cli.runs import EXIT_UNREADABLE, exit_code, open_run, print_best, print_schedule, workspace
from raydrive.core.errors import ConfigError, Problem, did_you_mean
from raydrive.core.views.json_output import counts_json
from raydrive.storage.folder.base import redact

if TYPE_CHECKING:
    from raydrive.api.run import HyperDriveRun
    from raydrive.api.workspace import Workspace
    from raydrive.core.views.heartbeat import Heartbeat
    from raydrive.core.views.savings import Saving
    from raydrive.core.views.summary import Summary

STATES = ("queued", "running", "interrupted", "paused", "completed", "canceled", "failed")
"""Columns of ``list``: numbers of trials."""


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    command(app, list_runs, "list")
    for function in (status, watch, trials, logs, best):
        command(app, function)


def list_runs(
    storage: StorageOption = None,
    experiment: Annotated[
        str | None, typer.Option(help="Only this experiment.", show_default=False, autocompletion=experiments)
    ] = None,
    limit: Annotated[int, typer.Option(help="At most this many runs, newest first.", min=1)] = 50,
    output: OutputOption = Format.TABLE,
) -> int:
    """List the runs, newest first. The column of trials shows how many have ended, of the largest number allowed."""
    rows: list[dict[str, object]] = []
    space = workspace(storage)
    for run in space.runs(experiment, unreadable=lambda name, error: say(f"Note: {error}")):
        if len(rows) == limit:
            break
        stands = run.reader.status()
        summary = stands.summary
        rows.append(
            {
                "run": run.id,
                "experiment": run.experiment,
                "status": stands.state,
                **_counts(summary, output),
                "metric": run.config.metric.label if output is Format.TABLE else run.config.metric.name,
                "objective": run.config.metric.value,
                "best": summary.best.value if summary.best else None,
                "elapsed_s": round(summary.elapsed_s, 1),
            }
        )
    columns = ["run", "experiment", "status", "trials", "metric", "best", "elapsed_s"]
    if output is not Format.TABLE:
        columns += ["objective", "trials_ended", "max_total_trials", *STATES]
    if not rows:
        _check_there(space, storage)
    if not rows and (experiment is not None or output is Format.TABLE):
        say(_no_runs(space, experiment))
        if output is Format.TABLE:
            return 0
    emit(rows, output, name="runs", columns=columns)
    return 0


def _check_there(space: Workspace, flag: str | None) -> None:
    """Refuses a storage that was named and is not there: a wrong name must not look like a place without runs."""
    from raydrive.api.workspace import DEFAULT_STORAGE  # lazy: raydrive.api.workspace, 0.006 s
    from raydrive.storage.check_storage import is_there  # lazy: raydrive.storage.check_storage, 0.01 s

    if space.storage == DEFAULT_STORAGE or is_there(space.storage):
        return
    where = "RAYDRIVE_STORAGE" if os.environ.get("RAYDRIVE_STORAGE") else "raydrive.toml: storage"
    bucket = "://" in space.storage
    raise ConfigError(
        Problem(
            "--storage" if flag is not None else where,
            f"{redact(space.storage)!r}, which does not exist",
            "a bucket that exists" if bucket else "a folder that exists",
            "Check the name. raydrive submit creates a folder with its first run"
            + (", but no bucket." if bucket else "."),
        )
    )


def _no_runs(space: Workspace, experiment: str | None) -> str:
    """That there are no runs, or none of an experiment; then which experiments there are."""
    known = space.experiments() if experiment is not None else []
    if experiment is None or not known:
        return f"No runs in {space.storage}."
    near = did_you_mean(experiment, known)
    told = f"No runs of experiment {experiment!r} in {space.storage}; there are runs of: {', '.join(known)}."
    return f"{told} {near}".strip()


def status(run_name: RunArgument = "last", storage: StorageOption = None, output: OutputOption = Format.TABLE) -> int:
    """Show the state of a run."""
    run = open_run(run_name, storage)
    stands = run.reader.status()
    summary, beat = stands.summary, stands.beat or run.reader.last_heartbeat()
    emit_one(
        {
            "run": run.id,
            "experiment": run.experiment,
            "status": stands.state,
            "why": summary.why,
            "notice": "; ".join(_notices(run, stands.state, beat)),
            **_counts(summary, output),
            "metric": run.config.metric.name,
            "goal": run.config.metric.goal.value,
            "objective": run.config.metric.value,
            "best": summary.best.value if summary.best else None,
            "best_trial": summary.best.trial if summary.best else None,
            "reports": summary.reports,
            "elapsed_s": round(summary.elapsed_s, 1),
            **_saved(summary.saving),
            **_rules(run, stands.now, output),
            "waiting": "; ".join(sorted(set(stands.beat.waiting.values()))),
            "trouble": stands.beat.trouble,
            **_gpu_use(stands.beat, output),
            "storage": run.uri,
            **_lineage(run, output),
        },
        output,
    )
    return EXIT_UNREADABLE if run.damage else 0


def _gpu_use(beat: Heartbeat, output: Format) -> dict[str, object]:
    """What all trials together use of their GPUs now; nothing where that is not known."""
    rows = list(beat.gpu_use.values())
    percents, held = ([row[name] for row in rows if name in row] for name in ("gpu_percent", "gpu_memory_bytes"))
    mean, total = sum(percents) / len(percents) if percents else None, sum(held) if held else None
    if output is not Format.TABLE:
        return {"gpu_percent": mean, "gpu_memory_bytes": total}
    parts = [f"{mean:.0f} % on average"] if mean is not None else []
    parts += [f"{total / 1e9:.2f} GB together"] if total is not None else []
    return {"gpu_use": f"{', '.join(parts)} ({len(rows)} trial{'s' * (len(rows) != 1)})"} if parts else {}


def _counts(summary: Summary, output: Format) -> dict[str, object]:
    """The trials of a run as ``list`` and ``status`` count them; in a table, those that have ended of all."""
    counts: dict[str, object] = dict(counts_json(summary))
    if output is Format.TABLE:
        counts["trials"] = f"{counts.pop('trials_ended')}/{counts.pop('max_total_trials')}"
    return counts


def _notices(run: HyperDriveRun, state: str, beat: Heartbeat) -> list[str]:
    """What a user must not miss: of trials, of the journal, and of the driver."""
    from raydrive.core.user_requests import history  # lazy: raydrive.core.user_requests.history, 0.05 s
    from raydrive.core.views.summary import notices, trial_notices  # lazy: raydrive.core.views.summary, 0.05 s
    from raydrive.core.views.trouble import metric_notice, trouble_of  # lazy: raydrive.core.views.trouble, 0.05 s

    first, found = [metric_notice(run.sweep)], trouble_of(run.sweep)
    if found is not None:
        first.insert(0, f"{sentence(found.text)} Its log: raydrive logs {run.id} {found.trial}")
    of_record = run.reader.notices(state)
    if (repeated := _best_configuration(run)) is not None:
        first.append(repeated)
    changed = [history.paused_text(run.sweep), *history.notices(run.sweep)]
    last = [
        *changed,
        best_interval_text(run.reader),
        *notices(run.sweep),
        *trial_notices(run.sweep),
        *of_record,
        beat.notice,
    ]
    return [text for text in [*first, *last] if text]


def _best_configuration(run: HyperDriveRun) -> str | None:
    """What is known of the best configuration, where each is tried several times."""
    if run.config.rules.repeats is None:
        return None
    from raydrive.core.views.configurations import (  # lazy: raydrive.core.views.configurations, 0.06 s
        best_configuration,
        configuration_text,
    )

    found = best_configuration(run.sweep)
    return None if found is None else f"best configuration: {configuration_text(found)}"


def _saved(saving: Saving) -> dict[str, float | None]:
    """What early termination saved and the bound of that estimate; without figures where nothing tells."""
    if saving.span is None:
        return {"saved_s": None, "saved_low_s": None, "saved_high_s": None}
    span = saving.span
    return {
        "saved_s": round(span.seconds, 1),
        "saved_low_s": round(span.low_s, 1),
        "saved_high_s": round(span.high_s, 1),
    }


def _rules(run: HyperDriveRun, now: float, output: Format) -> dict[str, object]:
    """How far the run is by the rules that end it; as text for people, and only where there are some."""
    from raydrive.core.views.end_rules import rule_states  # lazy: raydrive.core.views.end_rules, 0.05 s

    states = rule_states(run.sweep, now)
    if output is Format.JSON:
        return {"finish_when": [state.to_json() for state in states]}
    return {"finish_when": " | ".join(state.text for state in states)} if states else {}


def _lineage(run: HyperDriveRun, output: Format) -> dict[str, object]:
    """What a run got from earlier ones: as it is in JSON, as text for people; nothing for a run without."""
    lineage = run.lineage
    if output is Format.JSON:
        return dict(lineage.to_json())
    texts = {
        "warm start": [parent.text.removeprefix("warm start from ") for parent in lineage.parents],
        "going on": [f"trial {number}: {one.text}" for number, one in enumerate(lineage.continued)],
        "notes": lineage.notes,
    }
    return {name: " | ".join(found) for name, found in texts.items() if found}


def watch(run_name: RunArgument = "last", storage: StorageOption = None) -> int:
    """Follow a run until it ends; Ctrl-C leaves it running."""
    from raydrive.api.display.console import follow  # lazy: rich, 0.05 s

    run = open_run(run_name, storage)
    try:
        follow(run.reader)
    except KeyboardInterrupt:
        say(f"\nThe run continues. To watch it again: raydrive watch {run.id}")
        return EXIT_INTERRUPTED
    return exit_code(run)


def trials(
    run_name: RunArgument = "last",
    only: Annotated[
        list[int] | None,
        typer.Argument(metavar="TRIAL", help="Only these trials.", autocompletion=trial_numbers, show_default=False),
    ] = None,
    storage: StorageOption = None,
    by: Annotated[str, typer.Option("--sort", help="best or number.")] = "best",
    top: Annotated[int, typer.Option(help="At most this many trials; 0 = all.", min=0)] = 0,
    output: OutputOption = Format.TABLE,
    grouped: Annotated[
        bool, typer.Option("--by-configuration", help="One row per configuration, if each is tried several times.")
    ] = False,
) -> int:
    """List the trials of a run: parameters, metric, and the reason why each ended.

    An interval is one value of the primary metric.
    """
    from raydrive.core.views.summary import ranked  # lazy: raydrive.core.views.summary, 0.05 s

    if by not in ("best", "number"):
        raise typer.BadParameter(f"found {by!r}; allowed: best, number", param_hint="--sort")
    run = open_run(run_name, storage)
    chosen = {run.get_child(each).number for each in only or ()}
    if grouped:
        return _configurations(run, by, top, output)
    rows: list[dict[str, Any]] = [
        {**{key: value for key, value in row.items() if not key.startswith("param_")}, PARAMS: dict(trial.params)}
        for row, trial in zip(run.rows(), run.sweep.trials, strict=True)
    ]
    if by == "best":
        rows = [rows[trial.number] for trial in ranked(run.sweep)]
    rows = [row for row in rows if not chosen or row["trial"] in chosen]
    rows = rows[:top] if top else rows
    ranking = run.config.metric.value
    columns = ["trial", "state", *dict.fromkeys((ranking, "best", "last")), "intervals", "seconds", PARAMS, "why"]
    usage = ["gpu_percent", "gpu_memory_bytes"]
    if output is not Format.TABLE:
        columns += ["attempt", "node", "gpus", "losses", *usage]
    elif any(row["gpu_memory_bytes"] is not None for row in rows):
        columns[-2:-2] = ["gpu %", "gpu GB"]
        for row in rows:
            percent, held = (row[name] for name in usage)
            row |= {"gpu %": None if percent is None else round(percent)}
            row |= {"gpu GB": None if held is None else round(held / 1e9, 2)}
    emit(rows, output, name="trials", columns=columns)
    return 0


def _configurations(run: HyperDriveRun, by: str, top: int, output: Format) -> int:
    """Lists configurations, each with what its trials say of it together."""
    from raydrive.core.views.configurations import configurations  # lazy: raydrive.core.views.configurations, 0.06 s

    if run.config.rules.repeats is None:
        raise typer.BadParameter(
            "this run tries each configuration once: its sweep file has no raydrive.repeats",
            param_hint="--by-configuration",
        )
    rows = [one.to_json() for one in configurations(run.sweep)]
    rows = rows if by == "best" else sorted(rows, key=lambda row: row["configuration"])
    rows = [{**row, PARAMS: row.pop("params")} for row in (rows[:top] if top else rows)]
    columns = ["configuration", "values", "mean", "standard_error", "running", "contends", PARAMS, "trials"]
    emit(rows, output, name="configurations", columns=columns)
    return 0


def best(
    run_name: RunArgument = "last",
    storage: StorageOption = None,
    schedule: Annotated[
        bool, typer.Option("--schedule", help="Print the hyperparameters of each interval of its training, as YAML.")
    ] = False,
    download: Annotated[
        str | None, typer.Option("--download", metavar="DIR", help="Copy its files to this folder.", show_default=False)
    ] = None,
    output: OutputOption = Format.TABLE,
) -> int:
    """Print the best trial: its parameters, metric, files and command."""
    run = open_run(run_name, storage)
    if schedule and run.sweep.best is not None:
        print_schedule(run, output)
        return 0
    child = run.get_best_run_by_primary_metric(include_resume_from_runs=False)
    if child is None:
        say(f"Run {run.id} has no best trial: none logged a finite value of {run.config.metric.label!r}.")
        print_best(run, output)
        return 3
    print_best(run, output)
    if download is not None:
        _download(run, child.number, download)
    return 0


def _download(run: HyperDriveRun, trial: int, folder: str) -> None:
    """Copies the outputs of a trial, and prints what was copied."""
    from raydrive.storage.trial_files import copy_files  # lazy: raydrive.storage.trial_files, 0.01 s

    copied, left_out = copy_files(run.layout, trial, "outputs/", folder)
    if copied:
        say(f"Copied {len(copied)} file{'s' * (len(copied) != 1)} of trial {trial}: {', '.join(copied[:20])}")
    else:
        say(f"Trial {trial} has no outputs to copy. What a trial writes to ./outputs is kept.")
    if left_out:
        say(f"Not copied: {', '.join(left_out[:20])}")
