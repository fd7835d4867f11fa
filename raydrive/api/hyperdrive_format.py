"""A run and its trials as the dicts in which HyperDrive describes them."""

from __future__ import annotations

import datetime
import json
import time
from typing import Any

from raydrive.core.config.command_line import trial_argv
from raydrive.core.config.lineage import Lineage
from raydrive.core.config.trial_spec import TrialSpec
from raydrive.core.errors import StorageError
from raydrive.core.records import Params
from raydrive.core.sweep.state import losses_text
from raydrive.core.views.summary import ranked, seconds_of, state_of
from raydrive.storage.run_reader import RunReader
from raydrive.storage.trial_files import is_log, list_files


def run_details(run: RunReader, status: str) -> dict[str, Any]:
    """Returns a run: runId, status, startTimeUtc, properties, ...

    Args:
        run: The run.
        status: Its state.
    """
    summary = run.summary()
    best = summary.best
    return {
        "runId": run.id,
        "target": "ray",
        "status": status,
        "startTimeUtc": utc(run.sweep.started_at),
        "endTimeUtc": utc(run.sweep.last_at) if run.sweep.finished else None,
        "properties": {
            "primary_metric_config": json.dumps(run.config.to_json()["metric"]),
            "runTemplate": "HyperDrive",
            "best_child_run_id": run.child_id(best.trial) if best else None,
            "score": best.value if best else None,
            "cancellation_reason": summary.why,
            **_ancestry(run.lineage),
        },
        "tags": dict(run.config.tags),
    }


def _ancestry(lineage: Lineage) -> dict[str, str]:
    """Earlier runs and trials, under HyperDrive's names."""
    given = {
        "resume_from": [parent.run for parent in lineage.parents],
        "resume_child_runs": [one.child_id for one in lineage.continued],
    }
    return {name: json.dumps(ids) for name, ids in given.items() if ids}


def trial_details(run: RunReader, number: int, status: str) -> dict[str, Any]:
    """Returns a trial; its arguments are under ``runDefinition``.

    Args:
        run: The run.
        number: One of its trials.
        status: Its state.
    """
    trial, spec, uri = run.sweep.trials[number], run.config.trial, run.layout.trial(number).uri
    return {
        "runId": run.child_id(number),
        "status": status,
        "startTimeUtc": utc(trial.created_at),
        "endTimeUtc": utc(trial.ended_at),
        "duration_s": seconds_of(trial, time.time()),
        "why": trial.why,
        "attempt": trial.attempt,
        "node": trial.node,
        "gpus": trial.gpus,
        "nodes": list(trial.nodes),
        "losses": trial.losses,
        "lost": losses_text(trial),
        "notes": list(trial.notes),
        "properties": {"origin": trial.origin, "details": json.dumps(trial.details)},
        "runDefinition": {
            "script": spec.script,
            "command": spec.command,
            "arguments": arguments_of(spec, trial.params),
            "hyperparameters": dict(trial.params),
        },
        "logFiles": {name: f"{uri}/{name}" for name in _file_names(run, number) if is_log(name)},
    }


def _file_names(run: RunReader, number: int) -> list[str]:
    """A trial's files; none where they cannot be listed, which does not keep the rest of its details back."""
    try:
        return list_files(run.layout, number)
    except StorageError:
        return []


def arguments_of(spec: TrialSpec, params: Params) -> list[str]:
    """Returns the command line after the interpreter and script, or the whole command of a ``command`` trial."""
    if spec.kind == "function":
        return []
    argv = list(trial_argv(spec, params, python=spec.python or "python"))
    return argv[2:] if spec.kind == "script" else argv


def sorted_children(
    run: RunReader, interrupted: bool, reverse: bool = False, discard_no_metric: bool = False
) -> list[dict[str, Any]]:
    """Returns the trials, best first, those without the metric last; hyperparameters as a JSON string.

    Args:
        run: The run.
        interrupted: Whether open trials count as interrupted.
        reverse: Worst first.
        discard_no_metric: Leave out trials without the metric.
    """
    found = [
        {
            "run_id": run.child_id(trial.number),
            "hyperparameters": json.dumps(trial.params),
            "best_primary_metric": run.sweep.curves.objective(trial.number),
            "status": state_of(trial, interrupted),
        }
        for trial in ranked(run.sweep)
    ]
    valued = [item for item in found if item["best_primary_metric"] is not None]
    bare = [item for item in found if item["best_primary_metric"] is None]
    return [*(reversed(valued) if reverse else valued), *([] if discard_no_metric else bare)]


def utc(seconds: float | None) -> str | None:
    """Returns a time as ISO 8601 in UTC, None for None."""
    if seconds is None:
        return None
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat(timespec="milliseconds")
