"""``validate``: what is wrong with a sweep file, and what it would run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from raydrive.cli.console import (
    AddressOption,
    Format,
    OutputOption,
    StorageOption,
    command,
    emit,
    emit_json,
    emit_one,
    only_data,
    say,
)
from raydrive.cli.submit import ConfigArgument, NodeOption, SetOption, WithOption, checked, load, place_of, reserved
from raydrive.core.errors import ConfigError, Problem

if TYPE_CHECKING:
    from raydrive.core.config.trial_spec import Resources
    from raydrive.sweepfile.loader import Loaded


def register(app: typer.Typer) -> None:
    """Adds the command."""
    command(app, validate)


def validate(
    config: ConfigArgument,
    storage: StorageOption = None,
    address: AddressOption = None,
    changes: SetOption = None,
    site: WithOption = None,
    node: NodeOption = "",
    output: OutputOption = Format.TABLE,
) -> int:
    """Check a sweep file: every problem with its line, and what it would run."""
    try:
        loaded = load(config, changes or (), site or (), node)
        where, target = place_of(loaded, storage, address)
        checked(loaded, where, target)
    except ConfigError as error:
        if output is Format.TABLE:
            raise
        _emit_problems(str(config), error, output)
        return error.exit_code
    _look_at_cluster(loaded, target)
    found = _summary(str(config), loaded)
    if output is Format.JSON:
        emit_json(found)
    elif output is Format.CSV:
        emit_one(
            {
                **found,
                "parameters": ", ".join(found["parameters"]),
                "reserves": reserved(loaded.submission.config),
                "problems": None,
                "warnings": "; ".join(loaded.warnings),
            },
            output,
        )
    else:
        say(f"{config}: valid. {_counts(found)}.")
        say(reserved(loaded.submission.config))
    return 0


def _summary(config: str, loaded: Loaded) -> dict[str, Any]:
    plan = loaded.submission.config
    return {
        "config": config,
        "valid": True,
        "experiment": plan.experiment,
        "metric": plan.metric.name,
        "goal": plan.metric.goal.value,
        "objective": plan.metric.value,
        "parameters": list(plan.sampling.space.expressions),
        "configurations": plan.sampling.space.size,
        "max_total_trials": plan.limits.max_total_runs,
        "max_concurrent_trials": plan.limits.max_concurrent_runs,
        "reserves": _reserves(plan.trial.resources),
        "problems": [],
        "warnings": list(loaded.warnings),
    }


def _reserves(resources: Resources) -> dict[str, Any]:
    counts = {name: getattr(resources, name) for name in ("nodes", "processes_per_node", "strategy")}
    return {"cpus": resources.cpus, "gpus": resources.gpus, **counts}


def _counts(found: dict[str, Any]) -> str:
    size = "any number of" if found["configurations"] is None else str(found["configurations"])
    many, total = len(found["parameters"]), found["max_total_trials"]
    counts = f"{many} parameter{'s' * (many != 1)}, {size} configuration{'s' * (size != '1')}, "
    return counts + f"up to {total} trial{'s' * (total != 1)}"


def _emit_problems(config: str, error: ConfigError, output: Format) -> None:
    rows = [_row(problem) for problem in error.problems]
    if output is Format.JSON:
        emit_json({"config": config, "valid": False, "problems": rows})
    else:
        emit(rows, output, name="problems")


def _row(problem: Problem) -> dict[str, str]:
    """A problem as data; a confidential value is not shown here either."""
    shown = problem.shown()
    return {
        "place": shown.place,
        "where": shown.where,
        "found": shown.found,
        "allowed": shown.allowed,
        "fix": shown.fix,
    }


def _look_at_cluster(loaded: Loaded, address: str | None) -> None:
    """Compares what a trial reserves with the cluster that the run would go to, where it answers.

    Raises:
        ClusterError: If no node of it could ever hold a trial.
    """
    if address in (None, "local"):
        return  # this machine: compared already
    from raydrive.api.submit.machine import cluster_note  # lazy: raydrive.api.submit.machine, 0.02 s

    with only_data():
        note = cluster_note(loaded.submission.config.trial.resources, str(address), loaded.settings.plain_ray)
    if note:
        say(f"Note: {note}")
