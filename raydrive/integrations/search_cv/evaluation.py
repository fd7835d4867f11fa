"""Candidates as the trials of a run: on a Ray cluster, or one after the other in this process."""

from __future__ import annotations

import dataclasses
import os
import pickle
import sys
import tempfile
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raydrive.api.config import HyperDriveConfig
from raydrive.api.run import HyperDriveRun
from raydrive.api.submit.packaging import by_value, is_installed
from raydrive.api.workspace import Experiment, Workspace
from raydrive.core import records
from raydrive.core.config.resource_dict import resources_of
from raydrive.core.config.trial_spec import Resources
from raydrive.core.early_stopping.policies import Policy
from raydrive.core.errors import RaydriveError
from raydrive.core.records import Reported
from raydrive.core.search.protocol import SamplingSpec
from raydrive.core.sweep.sweep import Sweep
from raydrive.integrations.search_cv.candidate import ERROR_FILE, CandidateTrial
from raydrive.integrations.search_cv.shared_data import SharedData, stored
from raydrive.runtime.inline import run_inline
from raydrive.storage.trial_files import copy_file

INLINE = "inline"
"""Address that means this very process."""
EXPERIMENT = "search-cv"
"""Name that groups the runs of searches."""
_CANDIDATE = "raydrive.integrations.search_cv.candidate"


@dataclass(frozen=True, kw_only=True)
class Search:
    """The candidates of a search, and how they are run."""

    trial: CandidateTrial
    sampling: SamplingSpec
    n_trials: int
    seed: int
    policy: Policy | str | Mapping[str, Any] | None
    resources: Resources | Mapping[str, Any] | None
    max_concurrent_runs: int | None
    """Candidates at a time; None = as many as this machine has CPUs for."""
    timeout_s: float | None = None
    """How long the search may take, in seconds; None = no limit."""

    @property
    def raises(self) -> bool:
        """Whether an error of a candidate ends the search."""
        return isinstance(self.trial.error_score, str)

    def config(self, trial: CandidateTrial) -> HyperDriveConfig:
        """Returns the configuration of the run.

        Args:
            trial: The training function, which has the place of its data.

        Raises:
            ConfigError: If policy, resources or space cannot be used.
        """
        return HyperDriveConfig(
            self.sampling,
            trial.metric,
            "maximize",
            self.n_trials,
            min(self.max_concurrent_runs or _abreast(self.resources), self.n_trials),
            None if self.timeout_s is None else self.timeout_s / 60,
            self.policy,
            run_config=trial,
            resources=self.resources,
            reuse_processes=True,  # as joblib's workers: the data and all imports are there already
            seed=self.seed,
            first_failures=1 if self.raises else 0,
            primary_metric_value="last",
            preload=_preloaded(trial),
        )


def evaluate_on_ray(search: Search, data: SharedData, workspace: Workspace, *, show_output: bool) -> HyperDriveRun:
    """Runs the candidates as trials and waits; returns the run.

    Args:
        search: The candidates.
        data: What they are fitted on.
        workspace: Where the run is kept and executed.
        show_output: Whether the live table is shown.

    Raises:
        RaydriveError: If the run has no driver any more, or cannot be started.
        Exception: What a candidate raised, where that ends the search.
    """
    with stored(data, workspace.storage) as place:
        trial = dataclasses.replace(search.trial, data=place.uri if place.local else "")
        submission = search.config(trial).to_submission(EXPERIMENT)
        spec = dataclasses.replace(submission.config.trial, inputs=place.inputs, fetched=place.fetched)
        submission = dataclasses.replace(submission, config=dataclasses.replace(submission.config, trial=spec))
        with by_value(_local_modules(search.trial)):
            run = Experiment(workspace, EXPERIMENT).submit(submission)
        run.wait_for_completion(show_output=show_output, raise_on_error=False)
    if run.sweep.finished is None:
        raise RaydriveError(f"run {run.id} is {run.get_status()}: its candidates were not all evaluated")
    if search.raises:
        with tempfile.TemporaryDirectory() as folder:
            for number, why in _failed(run.sweep):
                _raise_kept(_downloaded(run, number, folder), why)
    return run


def evaluate_inline(search: Search, data: SharedData) -> tuple[Sweep, Iterable[Reported]]:
    """Evaluates the candidates in this process; returns the finished run and what was logged.

    Raises:
        Exception: What a candidate raised, where that ends the search.
    """
    journal = _Lines()
    with tempfile.TemporaryDirectory(prefix="raydrive-") as folder, stored(data, folder) as place:
        trial = dataclasses.replace(search.trial, data=place.uri)
        sweep = run_inline(search.config(trial).config, trial, journal, files=folder)
        if search.raises:
            for number, why in _failed(sweep):
                _raise_kept(Path(folder) / f"{number:05}" / ERROR_FILE, why)
    return sweep, journal.reports()


class _Lines:
    """A journal in memory."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def append(self, lines: Iterable[str]) -> None:
        """Keeps the lines."""
        self._lines.extend(lines)

    def reports(self) -> Iterator[Reported]:
        """Yields what the trials logged, in order."""
        return (one for line in self._lines for one in records.load(line) if isinstance(one, Reported))


def _abreast(resources: Resources | Mapping[str, Any] | None) -> int:
    """How many candidates this machine has CPUs for."""
    return max(1, int(len(os.sched_getaffinity(0)) / (resources_of(resources).cpus or 1)))


def _preloaded(trial: CandidateTrial) -> tuple[str, ...]:
    """Modules that candidates are forked with: those of installed packages that the estimator consists of."""
    modules = [module for module in _modules(trial) if hasattr(module, "__file__") and is_installed(module)]
    return (_CANDIDATE, *(module.__name__ for module in modules))


def _local_modules(trial: CandidateTrial) -> list[types.ModuleType]:
    """Modules that are not installed where the candidates run: their classes and functions travel along."""
    return [module for module in _modules(trial) if module.__name__ != "__main__" and not is_installed(module)]


def _modules(trial: CandidateTrial) -> list[types.ModuleType]:
    """The modules of the classes and functions that a search brings along."""
    estimators = [trial.estimator, *trial.space.objects()]
    parts = [part for one in estimators for part in (one, *_parameters(one))]
    scorers = getattr(trial.scorer, "_scorers", {"": trial.scorer}).values()
    parts += [getattr(one, "_score_func", one) for one in scorers]
    names = {getattr(part, "__module__", None) or type(part).__module__ for part in parts}
    return [module for name in sorted(map(str, names)) if (module := sys.modules.get(name)) is not None]


def _parameters(estimator: Any) -> list[Any]:
    """The values of an estimator's parameters, those of estimators in it too."""
    ask = getattr(estimator, "get_params", None)
    return [] if ask is None or isinstance(estimator, type) else list(ask(deep=True).values())


def _failed(sweep: Sweep) -> Iterator[tuple[int, str]]:
    """Yields number and reason of the candidates that failed."""
    return ((trial.number, trial.why) for trial in sweep.trials if trial.state == records.FAILED)


def _downloaded(run: HyperDriveRun, number: int, folder: str) -> Path:
    """The exception that a trial has kept, here; there is no such file where it kept none."""
    target = Path(folder) / str(number)
    try:
        return Path(copy_file(run.layout, number, ERROR_FILE, str(target)))
    except RaydriveError:
        return target


def _raise_kept(path: Path, why: str) -> None:
    """Raises what ended a candidate.

    Raises:
        Exception: What the candidate raised.
        RaydriveError: If that cannot be read: its process died, or its class is not here.
    """
    try:
        error: Exception = pickle.loads(path.read_bytes())
    except Exception:
        raise RaydriveError(f"a candidate failed: {why}") from None
    raise error
