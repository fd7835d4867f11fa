"""From a job of the SDK to a run of raydrive, and back."""

from __future__ import annotations

import copy
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from raydrive.api.submit.submission import Submission
from raydrive.compat.azure_ai_ml._nodes import Command, Node, Sweep, component_of, read_mapping
from raydrive.compat.azure_ai_ml._sweep_parts import Choice, Objective, SweepJobLimits
from raydrive.compat.azure_ai_ml.dsl import PipelineJob
from raydrive.compat.azure_notices import NotHereError, note
from raydrive.compat.single_run import with_end
from raydrive.core.errors import ConfigError, Problem, show
from raydrive.settings.nearest import nearest_settings
from raydrive.storage.folder.current import current_folder
from raydrive.storage.run_layout import usable_name
from raydrive.sweepfile.loader import load_sweep

ENDED = "command_succeeded"
"""The metric of a command alone: 1 once it has succeeded."""


class SweepFile(Sweep):
    """A sweep of a YAML file; its parts may be changed before it is submitted.

    Args:
        mapping: The file.
        base: Folder that its paths start from.
    """

    def __init__(self, mapping: dict[str, Any], base: Path) -> None:
        self._rest = {key: value for key, value in mapping.items() if key not in _PARTS}
        parts = {key: mapping[key] for key in _PARTS if mapping.get(key) is not None}
        for key, kind in (("limits", SweepJobLimits), ("objective", Objective)):
            if isinstance(parts.get(key), dict):
                parts[key] = _object(kind, parts[key])
        super().__init__(base=base, **parts)

    def to_mapping(self) -> dict[str, Any]:
        """Returns the sweep file that means the same."""
        return {**self._rest, **super().to_mapping()}


def _object(kind: Any, given: dict[str, Any]) -> Any:
    try:
        return kind(**given)
    except TypeError:  # its mistakes are reported with those of the rest, when the job is submitted
        return given


_PARTS = (
    "trial", "search_space", "objective", "sampling_algorithm", "limits", "early_termination", "inputs", "outputs",
    "compute", "name", "description", "tags", "properties", "display_name", "experiment_name",
)  # fmt: skip


def load_job(source: str | os.PathLike[str], **kwargs: Any) -> Node:
    """Returns the job of a YAML file.

    Args:
        source: The file; a sweep, or a command.
        **kwargs: Not looked at.

    Raises:
        NotHereError: If it is a pipeline.
        ConfigError: If it cannot be read.
    """
    mapping, base = read_mapping(source, "the file of a job")
    kind = str(mapping.get("type", "command")).casefold()
    if kind == "sweep":
        return SweepFile(mapping, base)
    if kind == "pipeline":
        raise NotHereError(f"a pipeline's sweep is run from its file: raydrive submit {os.fspath(source)}")
    return component_of(mapping, base)


def submission_of(job: Any, experiment: str | None = None) -> Submission:
    """Returns what to run for a job.

    Args:
        job: A sweep, a command, or a pipeline with a sweep.
        experiment: Its experiment; None = as the job says, or the name of the current folder, as in Azure.

    Raises:
        ConfigError: With everything that is wrong.
    """
    if isinstance(job, PipelineJob):
        sweep = job.the_sweep()
        others = ", ".join(job.others())
        if others:
            note(f"only step {sweep.step_name} of the pipeline is run; not {others}")
        job = sweep
    if isinstance(job, Command):
        job = _single(job)
    if not isinstance(job, Sweep):
        raise ConfigError(Problem("job", show(job), "a sweep, a command, or a pipeline with a sweep"))
    mapping = job.to_mapping()
    if experiment:
        mapping["experiment_name"] = experiment
    named = mapping.get("experiment_name")
    if isinstance(named, str) and usable_name(named) not in ("", named):
        mapping["experiment_name"] = usable_name(named)
        note(f"experiment {named!r} is {usable_name(named)!r} here: its name is that of a folder")
    stem = usable_name(current_folder().name) or "sweep"
    try:
        loaded = load_sweep(job.base / stem, text=json.dumps(mapping, indent=1), defaults=nearest_settings())
    except ConfigError as error:  # its places are those of a file that is nowhere
        raise ConfigError([replace(problem, place="") for problem in error.problems]) from None
    warnings = tuple(warning.split(": ", 1)[-1] for warning in loaded.submission.warnings)
    return replace(loaded.submission, warnings=warnings)


def _single(job: Command) -> Sweep:
    """A command alone as a run of one trial, which logs a value of its own when the command has succeeded."""
    whole = copy.copy(job)
    whole.command = with_end(job.command, ENDED, f"${{{{search_space.{ENDED}}}}}") if job.command else None
    described = {name: getattr(job, name) for name in ("description", "tags", "display_name", "experiment_name")}
    return Sweep(
        trial=whole,
        inputs=job.inputs,
        outputs=job.declared_outputs,
        search_space={ENDED: Choice([1])},
        objective=Objective("maximize", ENDED),
        limits=SweepJobLimits(max_total_trials=1, trial_timeout=job.limits.timeout),
        base=job.base,
        **described,
    )
