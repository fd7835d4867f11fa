"""The frozen configuration of a run, complete and checked at birth.

Whoever reads a file or takes arguments (the command line, the Python API, a resumed run) builds one of these and
nothing else; no later layer fills in a default again. ``to_json`` is what ``config.json`` of a run holds.
"""

from __future__ import annotations

import enum
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from raydrive.core.errors import ConfigError, Problem, did_you_mean
from raydrive.core.lineage import Lineage
from raydrive.core.policies import NoTerminationPolicy, Policy, policy_from_json
from raydrive.core.printed import PrintedMetrics
from raydrive.core.samplers import Sampling, sampling_from_json

FORMAT = 1
"""Version of ``config.json``; raised when an older raydrive could misread it."""
FORMAT_WITH_LINEAGE = 2
"""Version of the ``config.json`` of a run with parents: an older raydrive would go on with it as if it had none."""
DAY_S = 86_400.0


def _is_number(value: object) -> bool:
    # NaN compares as false; unlike isfinite(), this may be asked of a whole number beyond the floats.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


class PrimaryMetricGoal(enum.Enum):
    """Whether the primary metric is to grow or to shrink."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"

    @classmethod
    def from_str(cls, text: str) -> PrimaryMetricGoal:
        """Returns the goal named ``maximize`` or ``minimize`` in any case.

        Raises:
            ConfigError: If the text is neither.
        """
        try:
            return cls(text.strip().casefold())
        except (ValueError, AttributeError):
            fix = did_you_mean(str(text), ["maximize", "minimize"])
            raise ConfigError(Problem("primary_metric_goal", repr(text), "maximize or minimize", fix)) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What a run optimises."""

    name: str
    goal: PrimaryMetricGoal

    @property
    def maximize(self) -> bool:
        """True when larger values are better."""
        return self.goal is PrimaryMetricGoal.MAXIMIZE


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Budgets of a run."""

    max_total_runs: int
    """Trials in all, 1 or more; whatever was sampled counts."""
    max_concurrent_runs: int
    """Trials at a time, 1 or more."""
    max_duration_s: float | None = 7 * DAY_S
    """Length of the whole run in seconds; None = no limit. HyperDrive's default is 10080 minutes."""
    trial_timeout_s: float | None = None
    """Length of one attempt in seconds; None = no limit."""
    max_attempts: int = 1
    """Starts of a trial that fails by itself; losing a node never counts."""
    max_losses: int | None = None
    """So often a trial may be lost with its actor or node and start again; None = no limit."""
    first_failures: int = 3
    """So many failed trials at the start, with none that succeeded, end the run; 0 = never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What one trial reserves on the cluster."""

    cpus: float = 1
    """CPU cores, 0 or more; fractions below 1 share a core."""
    gpus: float = 0
    """GPUs: a fraction below 1 shares one, above 1 whole numbers only."""
    memory: float | None = None
    """Bytes of memory Ray sets aside; None = not counted."""
    custom: Mapping[str, float] = field(default_factory=dict)
    """Custom resources by name, as given to ``ray start --resources``."""
    accelerator_type: str | None = None
    """Such as ``A100``; None = any."""

    def __post_init__(self) -> None:
        problems = [
            Problem(f"resources.{where}", repr(amount), "a number of 0 or more")
            for where, amount in (
                ("cpus", self.cpus),
                ("gpus", self.gpus),
                ("memory", 0 if self.memory is None else self.memory),
                *((f"custom.{name}", amount) for name, amount in self.custom.items()),
            )
            if not _is_number(amount) or amount < 0
        ]
        for where, amount in (("cpus", self.cpus), ("gpus", self.gpus)):
            if _is_number(amount) and amount > 1 and amount != int(amount):
                problems.append(Problem(f"resources.{where}", repr(amount), "a fraction below 1, or a whole number"))
        if problems:
            raise ConfigError(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSpec:
    """What a trial runs, and how."""

    kind: str
    """``command``: a shell line with ``${{search_space.x}}``; ``script``: a Python script with v1 arguments;
    ``function``: a pickled Python function."""
    command: str = ""
    """The shell line of a ``command``."""
    script: str = ""
    """Path of a ``script`` below the code snapshot; the name of a ``function``."""
    arguments: tuple[str, ...] = ()
    """Fixed arguments of a ``script``; the hyperparameters follow them, sorted by name."""
    code_sha256: str = ""
    """Name of the code snapshot or pickled function in the run's ``code`` folder; empty = none."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Values of ``${{inputs.x}}``."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    """Folders of ``${{outputs.x}}``, below the trial's outputs."""
    fetched: Mapping[str, str] = field(default_factory=dict)
    """Inputs whose value is a URI that trials are to find on their node, with ``file`` or ``folder`` for each."""
    output_files: tuple[str, ...] = ()
    """Names among ``outputs`` that stand for files: the trial makes them, not we."""
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    python: str = ""
    """Interpreter of scripts; empty = the one raydrive runs in."""
    preload: tuple[str, ...] = ()
    """Modules imported once per trial actor, before trials are forked from it."""
    resources: Resources = Resources()
    grace_s: float = 5.0
    """Seconds between SIGTERM and SIGKILL when a trial is stopped."""
    reuse_actors: bool = True
    """Whether the next trial may use the actor of the one before (each has a process of its own anyway)."""
    lease_s: float = 180.0
    """Seconds a trial goes on without hearing from a driver: more than a driver needs to come back from a lost node."""
    storage_patience_s: float = 600.0
    """Seconds a trial trains on while nothing it logs can be recorded; then it is paused until something can."""
    keep_checkpoints: int = 1
    """How many of a trial's newest checkpoints are kept, 1 or more; the one with the best value is kept too."""
    resume_argument: bool = False
    """Whether a resumed script gets ``--resume-from DIR``."""
    metrics: PrintedMetrics | None = None
    """How metrics are found in what the script prints; None = it logs them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """Everything that determines a run."""

    experiment: str
    metric: Metric
    sampling: Sampling
    policy: Policy = field(default_factory=NoTerminationPolicy)
    limits: Limits
    trial: TrialSpec
    seed: int
    """Non-negative; trial n draws from ``default_rng((seed, n))``."""
    display_name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    lineage: Lineage = field(default_factory=Lineage)
    """Earlier runs that this one learns from, and trials of theirs that go on here."""

    def __post_init__(self) -> None:
        problems = [*_check_limits(self.limits), *_check_names(self)]
        if problems:
            raise ConfigError(problems)

    def to_json(self) -> dict[str, Any]:
        """Returns the configuration as a JSON object; ``from_json`` gives back an equal one."""
        return {
            "format": FORMAT_WITH_LINEAGE if self.lineage else FORMAT,
            "experiment": self.experiment,
            "display_name": self.display_name,
            "tags": dict(self.tags),
            "versions": dict(self.versions),
            "seed": self.seed,
            "metric": {"name": self.metric.name, "goal": self.metric.goal.value},
            "sampling": self.sampling.to_json(),
            "policy": self.policy.to_json(),
            "limits": _plain(self.limits),
            "trial": _plain(self.trial),
            **({"lineage": self.lineage.to_json()} if self.lineage else {}),
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> RunConfig:
        """Returns the configuration that ``to_json`` wrote.

        Raises:
            ConfigError: If a newer raydrive wrote it, or it was edited into something invalid.
        """
        if raw.get("format") not in (FORMAT, FORMAT_WITH_LINEAGE):
            allowed = f"{FORMAT} or {FORMAT_WITH_LINEAGE}"
            raise ConfigError(
                Problem("format", repr(raw.get("format")), allowed, "Use the raydrive that wrote the run.")
            )
        trial = dict(raw["trial"])
        trial["resources"] = Resources(**trial["resources"])
        for name in ("arguments", "preload", "output_files"):
            trial[name] = tuple(trial.get(name, ()))
        if trial.get("metrics") is not None:
            trial["metrics"] = PrintedMetrics.from_json(trial["metrics"])
        return cls(
            experiment=raw["experiment"],
            display_name=raw.get("display_name", ""),
            tags=raw.get("tags", {}),
            versions=raw.get("versions", {}),
            seed=raw["seed"],
            metric=Metric(name=raw["metric"]["name"], goal=PrimaryMetricGoal(raw["metric"]["goal"])),
            sampling=sampling_from_json(raw["sampling"]),
            policy=policy_from_json(raw["policy"]),
            limits=Limits(**raw["limits"]),
            trial=TrialSpec(**trial),
            lineage=Lineage.from_json(raw.get("lineage", {})),
        )


def _plain(value: Any) -> Any:
    """A dataclass as JSON values, without the deep copies of ``dataclasses.asdict``."""
    if hasattr(value, "__dataclass_fields__"):
        return {spec.name: _plain(getattr(value, spec.name)) for spec in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _check_limits(limits: Limits) -> list[Problem]:
    problems = []
    for name, least in (("max_total_runs", 1), ("max_concurrent_runs", 1), ("max_attempts", 1), ("first_failures", 0)):
        value = getattr(limits, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            problems.append(Problem(name, repr(value), f"a whole number of {least} or more"))
    losses = limits.max_losses
    if losses is not None and (not isinstance(losses, int) or isinstance(losses, bool) or losses < 0):
        problems.append(Problem("max_losses", repr(losses), "a whole number of 0 or more, or None for no limit"))
    for name in ("max_duration_s", "trial_timeout_s"):
        value = getattr(limits, name)
        if value is not None and (not _is_number(value) or value <= 0):
            problems.append(Problem(name, repr(value), "a number of seconds above 0, or None for no limit"))
    return problems


def _check_names(config: RunConfig) -> list[Problem]:
    problems = []
    if not isinstance(config.metric.name, str) or not config.metric.name:
        problems.append(Problem("primary_metric_name", repr(config.metric.name), "the name of a logged metric"))
    bad = set(config.experiment) & set("/\\\0")
    if not config.experiment or bad or config.experiment.startswith("."):
        allowed = "a name without '/' or '\\' that does not begin with '.'"
        problems.append(Problem("experiment", repr(config.experiment), allowed))
    if not isinstance(config.seed, int) or isinstance(config.seed, bool) or config.seed < 0:
        problems.append(Problem("seed", repr(config.seed), "a whole number of 0 or more"))
    keep = config.trial.keep_checkpoints
    if not isinstance(keep, int) or isinstance(keep, bool) or keep < 1:
        problems.append(Problem("keep_checkpoints", repr(keep), "a whole number of 1 or more"))
    if not _is_number(config.trial.lease_s) or config.trial.lease_s <= 0:
        problems.append(Problem("lease_s", repr(config.trial.lease_s), "a number of seconds above 0"))
    if not _is_number(config.trial.storage_patience_s) or config.trial.storage_patience_s <= 0:
        found = repr(config.trial.storage_patience_s)
        problems.append(Problem("storage_patience_s", found, "a number of seconds above 0"))
    if not _is_number(config.trial.grace_s) or config.trial.grace_s < 0:
        problems.append(Problem("grace_s", repr(config.trial.grace_s), "a number of seconds of 0 or more"))
    return problems
