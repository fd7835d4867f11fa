"""What a script tunes as a run of raydrive, whose trials the script gets: ``run-script``, ``run-notebook``."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from raydrive.api.run import HyperDriveRun, Run
from raydrive.api.workspace import Experiment, Workspace
from raydrive.compat.azureml._runs import Experiment as Submitted
from raydrive.compat.tuners.sweep_parts import sweep_of
from raydrive.compat.tuners.tuner_calls import Finished, Tuning
from raydrive.core.errors import RaydriveError
from raydrive.core.records import COMPLETED, FAILED
from raydrive.settings.nearest import nearest_settings
from raydrive.storage.folder.current import current_folder
from raydrive.storage.trial_files import copy_file, copy_files
from raydrive.sweepfile.loader import load_sweep

_LEARNING = ("tpe", "bayesian")
DETAILS = "outputs/tuner.json"
"""What a trial leaves for its tuner's own records."""


class Submitter:
    """Starts a run for each call of a tuner, and waits for it.

    Args:
        script: The script or notebook.
        arguments: Its arguments.
    """

    def __init__(self, script: Path, arguments: Sequence[str]) -> None:
        self._script, self._arguments = script.absolute(), list(arguments)
        self._calls: list[list[Finished]] = []
        self._runs: dict[str, list[str]] = {}
        """Of what several calls go on with, the runs so far."""

    def tuned(self, tuning: Tuning) -> list[Finished]:
        """Runs the trials and returns them.

        Raises:
            ConfigError: If the search space or the limits cannot be used.
            RaydriveError: If the run failed.
        """
        base = current_folder()
        before = self._runs.get(tuning.continues, []) if tuning.sampling["type"] in _LEARNING else []
        if before:
            tuning.own["warm_start"] = list(before)
        sweep, report = sweep_of(tuning, self._script, self._arguments, base, len(self._calls), self._calls)
        for line in report:
            print(f"- {line}", file=sys.stderr)
        text = json.dumps(sweep, indent=1)
        loaded = load_sweep(base / f"{self._script.stem}.json", text=text, defaults=nearest_settings())
        submission = loaded.submission
        run = Experiment(Workspace.from_config(), submission.config.experiment).submit(submission)
        Submitted.submitted.append(run)  # type: ignore[arg-type]  # waited for where the script ends first
        print(f"Run {run.id} in {run.uri}", file=sys.stderr, flush=True)
        run.wait_for_completion(show_output=True, raise_on_error=False)
        if run.get_status() == FAILED and not any(child.get_status() == COMPLETED for child in run.get_children()):
            finished = run.sweep.finished
            raise RaydriveError(f"run {run.id} failed: {finished.why if finished else 'it has no end'}")
        if tuning.continues:
            self._runs.setdefault(tuning.continues, []).append(run.id)
        found = [_finished(run, child) for child in run.get_children()]
        self._calls.append(found)
        return found


def _finished(run: HyperDriveRun, child: Run) -> Finished:
    details: dict[str, Any] = {}
    if DETAILS in child.get_file_names():
        with tempfile.TemporaryDirectory() as folder:
            target = f"{folder}/tuner.json"
            copy_file(child.parent.layout, child.number, DETAILS, target)
            with contextlib.suppress(ValueError):  # half of a file, of a trial that was ended
                details = json.loads(Path(target).read_text())
    metrics = {
        name: value if isinstance(value, list) else [value]
        for name, value in child.get_metrics().items()
        if not isinstance(value, dict)
    }
    return Finished(
        number=child.number,
        params=child.params,
        state=child.get_status(),
        why=child.why,
        metrics=metrics,
        folder=child.uri,
        details=details,
        checkpoint=lambda: _checkpoint(child),
    )


def _checkpoint(child: Run) -> str | None:
    """A local copy of the trial's latest checkpoint."""
    names = sorted({name.split("/")[1] for name in child.get_file_names() if name.startswith("checkpoints/")})
    if not names:
        return None
    folder = tempfile.mkdtemp(prefix="raydrive-checkpoint-")
    copy_files(child.parent.layout, child.number, f"checkpoints/{names[-1]}", folder)
    inner = Path(folder, "checkpoints", names[-1])
    return str(inner if inner.is_dir() else folder)
