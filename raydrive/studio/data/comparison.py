"""Several runs side by side: status, best trial, best value over time, differences of configurations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from raydrive.core.config.run_config import RunConfig
from raydrive.core.errors import ConfigError, Problem, show
from raydrive.core.space.shown import in_a_sweep_file
from raydrive.core.views.json_output import counts_json
from raydrive.core.views.summary import seconds_of
from raydrive.storage.run_reader import RunReader
from raydrive.studio.data.page_data import shared_config

_UNTOLD = ("format", "experiment", "lineage", "versions.raydrive", "trial.submit_dir")
"""Keys of a recorded configuration in which runs differ anyway, or that are shown elsewhere."""
_IN_A_FILE = (
    ("limits.max_total_runs", "limits.max_total_trials"),
    ("limits.max_concurrent_runs", "limits.max_concurrent_trials"),
    ("limits.max_duration_s", "limits.timeout"),
    ("limits.trial_timeout_s", "limits.trial_timeout"),
    ("limits.", "raydrive."),
    ("metric.name", "objective.primary_metric"),
    ("metric.", "objective."),
    ("sampling.space.", "search_space."),
    ("sampling.", "sampling_algorithm."),
    ("policy.", "early_termination."),
    ("trial.command", "trial.command"),
    ("trial.script", "trial.script"),
    ("trial.arguments", "trial.arguments"),
    ("trial.code_sha256", "code"),
    ("trial.inputs", "inputs"),
    ("trial.outputs", "outputs"),
    ("trial.kind", "trial.kind"),
    ("trial.metrics.", "metrics."),
    ("rules.", "raydrive."),
    ("trial.", "raydrive."),
    ("classes_sha256", "code of policy and sampling"),
    ("seed", "raydrive.seed"),
)
"""Beginnings of keys as recorded, and in the words of a sweep file; the first that fits counts."""


@dataclass(frozen=True, slots=True)
class BestAfter:
    """The best objective value at the end of a trial."""

    trials: int
    """Trials that were over then."""
    elapsed_s: float
    """Seconds since the run began."""
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRun:
    """One of the runs."""

    run: str
    experiment: str
    status: str
    metric: str
    goal: str
    objective: str
    best: float | None
    best_trial: int | None
    params: Mapping[str, Any]
    """Hyperparameters of the best trial; empty without one."""
    counts: Mapping[str, int]
    """Its trials, as every command counts them."""
    elapsed_s: float
    trained_s: float
    """Training time of all trials, summed."""
    curve: tuple[BestAfter, ...]

    @property
    def ended(self) -> int:
        """Number of its trials that have ended."""
        return self.counts["trials_ended"]

    @property
    def trials_text(self) -> str:
        """Trials that have ended, of all that there may be."""
        return f"{self.counts['trials_ended']} of {self.counts['max_total_trials']}"

    def to_json(self) -> dict[str, Any]:
        """Returns the run as a JSON object, with its counts beside the rest."""
        found = asdict(self)
        counts = found.pop("counts")
        curve = found.pop("curve")
        return {**found, **counts, "curve": curve}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Runs side by side."""

    runs: tuple[ComparedRun, ...]
    differences: Mapping[str, tuple[Any, ...]]
    """Values of each run by key, for keys in which they differ; None where a run has no such key."""
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Returns the comparison as a JSON object."""
        return {
            "runs": [run.to_json() for run in self.runs],
            "differences": {key: list(values) for key, values in self.differences.items()},
            "notes": list(self.notes),
        }


def compare(runs: Sequence[RunReader]) -> Comparison:
    """Returns runs side by side, in the order given.

    Args:
        runs: Two or more, read to their ends.

    Raises:
        ConfigError: If there are fewer than two, or one is there twice.
    """
    ids = [run.uri for run in runs]
    if len(ids) < 2 or len(set(ids)) < len(ids):
        found = show([run.id for run in runs]) if ids else "nothing"
        raise ConfigError(Problem("RUN", found, "two or more different runs", "raydrive list shows them."))
    configs = [_in_words(replace(run.sweep.config, limits=run.sweep.limits)) for run in runs]
    keys = dict.fromkeys(key for config in configs for key in config)
    values = {key: tuple(config.get(key) for config in configs) for key in keys}
    differences = {key: found for key, found in values.items() if any(one != found[0] for one in found)}
    return Comparison(
        runs=tuple(map(_compared, runs)),
        differences=differences,
        notes=tuple(_notes([run.config for run in runs])),
    )


def _compared(run: RunReader) -> ComparedRun:
    stands = run.status()
    summary, metric, best = stands.summary, run.config.metric, run.sweep.best
    seconds = [seconds_of(trial, stands.now) or 0.0 for trial in run.sweep.trials]
    return ComparedRun(
        run=run.id,
        experiment=run.config.experiment,
        status=stands.state,
        metric=metric.name,
        goal=metric.goal.value,
        objective=metric.value,
        best=best.value if best else None,
        best_trial=best.trial if best else None,
        params=dict(run.sweep.trials[best.trial].params) if best else {},
        counts=counts_json(summary),
        elapsed_s=round(summary.elapsed_s, 1),
        trained_s=round(sum(seconds), 1),
        curve=tuple(_curve(run)),
    )


def _curve(run: RunReader) -> Iterator[BestAfter]:
    """Yields the best value after each trial that had ended, as soon as there is one."""
    sweep, best = run.sweep, None
    sign = 1.0 if run.config.metric.maximize else -1.0
    begun = sweep.started_at or 0.0
    over = sorted((trial for trial in sweep.trials if not trial.open), key=lambda trial: trial.ended_at or 0.0)
    for count, trial in enumerate(over, 1):
        value = sweep.curves.objective(trial.number)
        if value is not None and (best is None or sign * value > sign * best):
            best = value
        if best is not None:
            yield BestAfter(count, round((trial.ended_at or begun) - begun, 3), best)


def _notes(configs: Sequence[RunConfig]) -> Iterator[str]:
    metrics = {(one.metric.name, one.metric.value) for one in configs}
    if len(metrics) > 1:
        names = ", ".join(sorted(one.metric.label for one in configs))
        yield f"the runs rank trials by different values ({names}): their bests are not comparable"
    if len({one.metric.goal for one in configs}) > 1:
        yield "one run maximizes and another one minimizes: their bests are not comparable"


def _in_words(config: RunConfig) -> dict[str, Any]:
    """Returns a configuration as values by key, in a sweep file's words."""
    space = config.sampling.space.expressions.items()
    own = {f"search_space.{name}": in_a_sweep_file(expression) for name, expression in space}
    return {**dict(_flat(shared_config(config))), **own}


def _flat(value: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Yields a configuration as values by key, in a sweep file's words; an expression of the space as a whole."""
    if where and where in _UNTOLD:
        return
    whole = where.startswith("sampling.space.") or not isinstance(value, Mapping)
    if whole and where:
        yield _key(where), value[:12] if where.endswith("sha256") and isinstance(value, str) else value
        return
    for name, item in value.items():
        yield from _flat(item, f"{where}.{name}" if where else str(name))


def _key(where: str) -> str:
    for begin, ours in _IN_A_FILE:
        if where.startswith(begin):
            return ours + where[len(begin) :]
    return where
