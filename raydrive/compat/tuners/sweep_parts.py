"""The sweep file of what a script tunes: its trials run the script again, up to that call."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from raydrive.compat.tuners.tuner_calls import ENDED, Finished, Tuning

LAUNCHER = "raydrive.compat.tuners.in_trial"
"""Runs a script in a trial."""
EARLIER = "RAYDRIVE_EARLIER_CALLS"
"""What the calls before this one have found, as JSON, for trials that run the script again."""
ONLY_PARAMETER = "sample"
"""What is counted where a script tunes nothing."""
MOST_BYTES = 100_000
"""Of the variable with earlier calls; the system allows 128 kB."""


def sweep_of(
    tuning: Tuning,
    script: Path,
    arguments: Sequence[str],
    base: Path,
    call: int = 0,
    earlier: Sequence[Sequence[Finished]] = (),
) -> tuple[dict[str, Any], list[str]]:
    """Returns a sweep file, and sentences about what does not carry over.

    Args:
        tuning: What is tuned.
        script: The script or notebook.
        arguments: Its arguments.
        base: Folder that the sweep file will be in.
        call: Which call of a tuner in the script this is, from 0.
        earlier: The trials of the calls before.
    """
    folder = os.path.relpath(script.parent, base)
    words = ["python", "-m", LAUNCHER, str(call), script.name, *arguments]
    trial: dict[str, Any] = {
        "code": folder if folder.startswith(".") else f"./{folder}",
        "command": " ".join(shlex.quote(word) for word in words),
    }
    if earlier:
        trial["environment_variables"] = {EARLIER: _told(earlier)}
    space, limits, sampling = dict(tuning.space), dict(tuning.limits), dict(tuning.sampling)
    report = list(tuning.report)
    if not space:
        count = limits.get("max_total_trials") or 1
        space, sampling = {ONLY_PARAMETER: {"type": "choice", "values": list(range(count))}}, {"type": "grid"}
        report.append(f"Nothing is tuned: {ONLY_PARAMETER} counts the trials.")
    objective = {"goal": tuning.goal, "primary_metric": tuning.metric}
    if not tuning.metric:
        objective = {"goal": "maximize", "primary_metric": ENDED}
        report.append(
            f"No metric is named, so trials are not compared: objective.primary_metric is {ENDED!r}, which each trial "
            "logs when it has ended well; name one there to have a best trial."
        )
    elif tuning.value != "best":
        objective["value"] = tuning.value
    parts = {
        "type": "sweep",
        "experiment_name": _name(tuning.name or script.stem),
        "trial": trial,
        "sampling_algorithm": sampling,
        "search_space": space,
        "objective": objective,
        "early_termination": tuning.policy if tuning.metric else {},
        "limits": limits,
        "raydrive": {**tuning.own, "unused_ok": sorted(space)},
    }
    report.append(f"A trial runs {script.name} again up to this call of {tuning.tool}, and does one trial of it.")
    return {key: part for key, part in parts.items() if part}, report


def _name(text: str) -> str:
    return re.sub(r"[^\w-]+", "-", text).strip("-_")[:60] or "tuning"


def _told(earlier: Sequence[Sequence[Finished]]) -> str:
    text = json.dumps([[one.to_json() for one in call] for call in earlier], default=str)
    if len(text) <= MOST_BYTES:
        return text
    short = [[{**one.to_json(), "details": {}} for one in call[-50:]] for call in earlier]
    return json.dumps(short, default=str)
