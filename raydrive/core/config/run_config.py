"""The frozen configuration of a run, complete and checked at construction.

What reads a file or takes arguments (the command line, the Python API, a resumed run) builds one of these and
nothing else; no later layer fills in a default again. ``to_json`` is what ``config.json`` of a run holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from raydrive.core.config.lineage import Lineage
from raydrive.core.config.option_words import FORMS
from raydrive.core.config.run_rules import NO_RULES, RunRules, rule_problems
from raydrive.core.config.trial_spec import DISTRIBUTIONS, LEAST_LOG_LIMIT, RAY_IN_TRIALS, Metric, TrialSpec
from raydrive.core.dataclass_checks import wrong_types
from raydrive.core.early_stopping.policies import NoTerminationPolicy, Policy
from raydrive.core.early_stopping.policy_record import policy_record, recorded_policy
from raydrive.core.errors import ConfigError, Problem, did_you_mean, show
from raydrive.core.json_values import json_of
from raydrive.core.numbers import is_number, is_whole
from raydrive.core.objective import ALLOWED, BEST, NAMES, is_objective
from raydrive.core.population.rules import misfits as population_misfits
from raydrive.core.search.protocol import SamplingSpec
from raydrive.core.search.sampling_record import recorded_sampling, sampling_record
from raydrive.core.space.expressions import has_tuple

FORMAT = 1
"""Version of ``config.json``; raised when an older raydrive could misread it."""
FORMAT_WITH_LINEAGE = 2
"""Version of the ``config.json`` of a run with parents: an older raydrive would continue it as if it had none."""
FORMAT_WITH_OBJECTIVE = 3
"""Version of the ``config.json`` of a run whose objective is not the best point, or with tuples in its search space: an
older raydrive would take the one for the best point and the others for dicts."""
FORMAT_WITH_RULES = 4
"""Version of the ``config.json`` of a run with ``rules``: an older raydrive would continue it as if it had none."""
LONGEST_BYTES = 131_071
"""Most bytes of an environment variable with its name on Linux."""
MOST_VARIABLES_BYTES = 1_500_000
"""Most bytes of a run's environment variables together: Linux takes 2 MiB of variables and arguments."""
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Budgets of a run."""

    max_total_runs: int
    """Trials in total, 1 or more; whatever was sampled counts."""
    max_concurrent_runs: int
    """Trials at a time, 1 or more."""
    max_duration_s: float | None = 7 * DAY_S
    """Length of the whole run in seconds; None = no limit. HyperDrive's default is 10080 minutes."""
    trial_timeout_s: float | None = None
    """Length of one attempt in seconds; None = no limit."""
    max_attempts: int = 1
    """Starts of a trial that fails by itself; losing a node never counts."""
    max_losses: int | None = None
    """Losses of a trial, with its actor or node, after which it starts again; None = no limit."""
    first_failures: int = 3
    """Failed trials at the start, with none that succeeded, that end the run; 0 = never."""
    strict: int = 0
    """Number of reports of a trial, none with the primary metric, after which the next one that brings no new name ends
    the run, as does a trial that ends well without it; 1 or more. 0 = never. Counts until a trial has logged it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """Everything that determines a run."""

    experiment: str
    metric: Metric
    sampling: SamplingSpec
    policy: Policy = field(default_factory=NoTerminationPolicy)
    limits: Limits
    trial: TrialSpec
    seed: int
    """Non-negative; trial n draws from ``default_rng((seed, n))``."""
    display_name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    lineage: Lineage = field(default_factory=Lineage)
    """Earlier runs that this one learns from, and trials of theirs that continue here."""
    classes_sha256: str = ""
    """Checksum of the classes of policy and sampling that travel by value, ``code/<sha256>.pkl``; empty without any."""

    rules: RunRules = NO_RULES
    """What ends the run early, and the like."""

    def __post_init__(self) -> None:
        variables = _check_variables(self.trial.environment_variables)
        problems = [*_check_limits(self.limits), *_check_names(self), *variables]
        total = self.limits.max_total_runs
        most = total - len(self.lineage.continued) if isinstance(total, int) else 1
        problems += rule_problems(self.rules, self.sampling, self.trial.resources, most)
        if self._continues and hasattr(self.policy, "promote"):
            fix = "Remove the policy, or fidelity from the sampling."
            problems.append(
                Problem(
                    "policy", type(self.policy).__name__, "only one of them: both decide which trials continue", fix
                )
            )
        problems += population_misfits(
            self.rules.population,
            self.sampling.space,
            total,
            stops=not isinstance(self.policy, NoTerminationPolicy),
            chooses=bool(getattr(self.sampling, "continues", False)),
            repeats=self.rules.repeats is not None,
        )
        if problems:
            raise ConfigError(problems)

    def to_json(self) -> dict[str, Any]:
        """Returns the configuration as a JSON object; ``from_json`` gives back an equal one."""
        metric = {"name": self.metric.name, "goal": self.metric.goal.value}
        if self.metric.value != BEST:
            metric["value"] = self.metric.value
        return {
            "format": self._format(),
            "experiment": self.experiment,
            "display_name": self.display_name,
            "tags": dict(self.tags),
            "versions": dict(self.versions),
            "seed": self.seed,
            "metric": metric,
            "sampling": sampling_record(self.sampling),
            "policy": policy_record(self.policy),
            "limits": _without_defaults(json_of(self.limits)),
            "trial": json_of(self.trial),
            **({"lineage": self.lineage.to_json()} if self.lineage else {}),
            **({"classes_sha256": self.classes_sha256} if self.classes_sha256 else {}),
            **({"rules": self.rules.to_json()} if self.rules else {}),
        }

    @property
    def _continues(self) -> bool:
        """Whether the sampler chooses when a paused trial continues."""
        return bool(getattr(self.sampling, "continues", False))

    def _format(self) -> int:
        if self.rules or self._continues:
            return FORMAT_WITH_RULES
        if self.metric.value != BEST or any(map(has_tuple, self.sampling.space.expressions.values())):
            return FORMAT_WITH_OBJECTIVE
        return FORMAT_WITH_LINEAGE if self.lineage else FORMAT

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> RunConfig:
        """Returns the configuration that ``to_json`` wrote; nothing of other people's is imported.

        A policy or sampling that is not raydrive's own is there as its record: see ``user_classes``.

        Raises:
            ConfigError: If a newer raydrive wrote it, or it was edited into something invalid.
        """
        if raw.get("format") not in (FORMAT, FORMAT_WITH_LINEAGE, FORMAT_WITH_OBJECTIVE, FORMAT_WITH_RULES):
            allowed = f"{FORMAT}, {FORMAT_WITH_LINEAGE}, {FORMAT_WITH_OBJECTIVE} or {FORMAT_WITH_RULES}"
            raise ConfigError(
                Problem("format", show(raw.get("format")), allowed, "Use the raydrive that wrote the run.")
            )
        config = cls(
            experiment=raw["experiment"],
            display_name=raw.get("display_name", ""),
            tags=raw.get("tags", {}),
            versions=raw.get("versions", {}),
            seed=raw["seed"],
            metric=Metric.from_json(raw["metric"]),
            sampling=recorded_sampling(raw["sampling"]),
            policy=recorded_policy(raw["policy"]),
            limits=Limits(**raw["limits"]),
            trial=TrialSpec.from_json(raw["trial"]),
            lineage=Lineage.from_json(raw.get("lineage", {})),
            classes_sha256=raw.get("classes_sha256", ""),
            rules=RunRules.of(raw.get("rules", {})),
        )
        if problems := wrong_types(config):
            raise ConfigError(problems)
        return config


def _without_defaults(limits: dict[str, Any]) -> dict[str, Any]:
    """Leaves out what older versions do not know, where it changes nothing: they read the run then."""
    return {name: value for name, value in limits.items() if name != "strict" or value}


def _check_limits(limits: Limits) -> list[Problem]:
    problems = []
    for name, least in (
        ("max_total_runs", 1),
        ("max_concurrent_runs", 1),
        ("max_attempts", 1),
        ("first_failures", 0),
        ("strict", 0),
    ):
        value = getattr(limits, name)
        if not is_whole(value, least):
            problems.append(Problem(name, show(value), f"a whole number of {least} or more"))
    losses = limits.max_losses
    if losses is not None and not is_whole(losses, 0):
        problems.append(Problem("max_losses", show(losses), "a whole number of 0 or more, or None for no limit"))
    for name in ("max_duration_s", "trial_timeout_s"):
        value = getattr(limits, name)
        if value is not None and (not is_number(value) or value <= 0):
            problems.append(Problem(name, show(value), "a number of seconds above 0, or None for no limit"))
    return problems


def _check_variables(variables: Mapping[str, str]) -> list[Problem]:
    """Linux starts no program with longer variables, or more of them; nodes have some of their own."""
    fix = "Write it to a file and pass its path."
    allowed = f"at most {LONGEST_BYTES:,}"
    sizes = {name: len(f"{name}={text}".encode("utf-8", "replace")) for name, text in variables.items()}
    problems = [
        Problem(f"environment_variables.{name}", f"{size:,} bytes with its name", allowed, fix)
        for name, size in sizes.items()
        if size > LONGEST_BYTES
    ]
    total = sum(sizes.values())
    if total > MOST_VARIABLES_BYTES and not problems:
        allowed = f"at most {MOST_VARIABLES_BYTES:,}"
        problems.append(Problem("environment_variables", f"{total:,} bytes in all", allowed, fix))
    return problems


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_above_0(value: Any) -> bool:
    return bool(is_number(value) and value > 0)


def _is_folder_name(value: str) -> bool:
    return bool(value) and not set(value) & set("/\\\0") and not value.startswith(".")


_Rule = tuple[str, Callable[[RunConfig], Any], Callable[[Any], bool], str]
_RULES: tuple[_Rule, ...] = (
    ("primary_metric_name", lambda c: c.metric.name, _is_text, "the name of a logged metric"),
    ("primary_metric_value", lambda c: c.metric.value, is_objective, ALLOWED),
    ("experiment", lambda c: c.experiment, _is_folder_name, "a name without '/' or '\\' that does not begin with '.'"),
    ("seed", lambda c: c.seed, lambda v: is_whole(v, 0), "a whole number of 0 or more"),
    ("keep_checkpoints", lambda c: c.trial.keep_checkpoints, lambda v: is_whole(v, 1), "a whole number of 1 or more"),
    ("lease_s", lambda c: c.trial.lease_s, _is_above_0, "a number of seconds above 0"),
    ("storage_patience_s", lambda c: c.trial.storage_patience_s, _is_above_0, "a number of seconds above 0"),
    (
        "log_limit",
        lambda c: c.trial.log_limit,
        lambda v: is_whole(v, 0) and (v == 0 or v >= LEAST_LOG_LIMIT),
        f"bytes, {LEAST_LOG_LIMIT:,} or more, or 0 for no limit",
    ),
    (
        "distribution",
        lambda c: c.trial.distribution,
        lambda v: v in ("", *DISTRIBUTIONS),
        f"one of {', '.join(DISTRIBUTIONS)}",
    ),
    (
        "ray_in_trials",
        lambda c: c.trial.ray_in_trials,
        lambda v: v in RAY_IN_TRIALS,
        f"one of {', '.join(RAY_IN_TRIALS)}",
    ),
    ("style", lambda c: c.trial.style, lambda v: v in ("", *FORMS), f"one of {', '.join(FORMS)}"),
    ("grace_s", lambda c: c.trial.grace_s, lambda v: is_number(v) and v >= 0, "a number of seconds of 0 or more"),
)
"""Name of an argument, where its value is, what holds for it, and what is allowed, in words."""


def _check_names(config: RunConfig) -> list[Problem]:
    problems = []
    for name, value_of, holds, allowed in _RULES:
        value = value_of(config)
        if not holds(value):
            fix = did_you_mean(value, NAMES) if name == "primary_metric_value" and isinstance(value, str) else ""
            problems.append(Problem(name, show(value), allowed, fix))
    if config.trial.distribution == "mpi" and config.trial.kind == "function":
        allowed = "mpi where trials are a command or script, which mpirun starts"
        fix = "Let raydrive start the processes: distribution pytorch, and processes_per_node in the resources."
        problems.append(Problem("distribution", "mpi for a function", allowed, fix))
    if config.trial.style == "hydra" and (config.trial.flag_style or config.trial.flatten):
        name = "flags" if config.trial.flag_style else "flatten"
        fix = "Hydra's overrides are nesterov=true and optimizer=adam optimizer.beta1=0.9 by themselves."
        problems.append(Problem(name, "given with style hydra", "flags and flatten with style argparse or absl", fix))
    problems += _check_ray(config.trial)
    if config.trial.reuse_processes and config.trial.resources.processes_per_node > 1:
        allowed = "True where a node has one process of a trial"
        problems.append(Problem("reuse_processes", "True with several processes per node", allowed))
    if config.trial.reuse_processes and config.trial.kind != "function":
        fix = "Use preload: name the modules that every start imports."
        problems.append(Problem("reuse_processes", "True for a script", "True where trials are a function", fix))
    elif config.trial.reuse_processes and not config.trial.reuse_actors:
        problems.append(Problem("reuse_processes", "True with reuse_actors=False", "True where actors are reused"))
    return problems


def _check_ray(trial: TrialSpec) -> list[Problem]:
    """What goes wrong with a trial that hands its reservation on to Ray's tasks and actors."""
    if trial.distribution != "ray":
        return []
    problems = []
    if trial.ray_in_trials == "none":
        problems.append(Problem("ray_in_trials", "'none' with distribution 'ray'", "join where trials use Ray"))
    if trial.resources.processes_per_node > 1:
        found = f"{show(trial.resources.processes_per_node)} with distribution 'ray'"
        fix = "Ray's tasks and actors are started by the trial itself."
        problems.append(Problem("resources.processes_per_node", found, "1 where trials use Ray", fix))
    return problems
