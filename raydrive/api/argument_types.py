"""What the arguments of the public classes may be, where an annotation does not say it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from raydrive.core.argument_checks import (
    ANYTHING,
    FLAG,
    NOTHING,
    NUMBER,
    TEXT,
    TEXT_LIST,
    TEXTS,
    ArgumentRule,
    above,
    instance,
    kind,
    lazy,
    list_of,
    mapping_of,
    named,
    whole,
)
from raydrive.core.config.confidential import ALLOWED, source_problems
from raydrive.core.config.option_words import FORMS
from raydrive.core.config.stdout_metrics import PrintedMetrics
from raydrive.core.config.tracker_settings import tracking_of
from raydrive.core.config.trial_spec import PrimaryMetricGoal, Resources
from raydrive.core.errors import HIDDEN, ConfigError, Problem, show
from raydrive.core.objective import ALLOWED as ALLOWED_OBJECTIVE
from raydrive.core.objective import is_objective

MOST_LEVELS = 32
"""Levels of nesting of a fixed argument."""
RUN = TEXT | lazy("raydrive.api.run", "HyperDriveRun", "a HyperDriveRun")
CHILD = TEXT | lazy("raydrive.api.run", "Run", "a Run")
WORKSPACE = lazy("raydrive.api.workspace", "Workspace", "a Workspace")
EXPERIMENT = lazy("raydrive.api.workspace", "Experiment", "an Experiment")
_CONFIG = lazy("raydrive.api.config", "HyperDriveConfig", "a HyperDriveConfig") | lazy(
    "raydrive.api.submit.submission", "Submission", "a Submission"
)


def _submitted(value: Any, where: str) -> list[Problem]:
    """What can be submitted; for what is often tried instead, how to make a configuration of it."""
    fix = ""
    if isinstance(value, str | Path):
        fix = f"A sweep file is submitted from a shell: raydrive submit {value}"
    elif isinstance(value, Mapping):
        fix = "Write HyperDriveConfig(**config), with its arguments as keys."
    elif callable(value) or hasattr(value, "source_directory"):
        fix = "Write HyperDriveConfig(..., run_config=config)."
    return [replace(problem, fix=fix) for problem in _CONFIG.problems(value, where)]


CONFIG = ArgumentRule(_CONFIG.allowed, _submitted)
LAYOUT = lazy("raydrive.storage.run_layout", "RunLayout", "a RunLayout, as HyperDriveRun.open makes it")
CHILD_OBJECT = lazy("raydrive.api.run", "Run", "a Run")
RUN_OBJECT = lazy("raydrive.api.run", "HyperDriveRun", "a HyperDriveRun")
SAMPLING = kind(
    "a sampling such as RandomParameterSampling({'lr': uniform(0, 1)})",
    lambda value: hasattr(value, "space") and hasattr(value, "build") and not isinstance(value, type),
)
POLICY = kind(
    "a policy such as BanditPolicy(slack_factor=0.1)",
    lambda value: callable(getattr(value, "judge", None)) and not isinstance(value, type),
)
GOAL = TEXT | instance(PrimaryMetricGoal, "a PrimaryMetricGoal")
RESOURCES = instance(Resources, "Resources(cpus=..., gpus=...)")
SAMPLING_DICT = kind(
    "a dict such as {'type': 'bayesian', 'initial_points': 5}", lambda value: isinstance(value, Mapping)
)
POLICY_DICT = kind("a dict such as {'type': 'bandit', 'slack_factor': 0.1}", lambda value: isinstance(value, Mapping))
RESOURCES_DICT = kind("a dict such as {'cpus': 2}", lambda value: isinstance(value, Mapping))
DISTRIBUTION = kind("a name: pytorch, tensorflow, mpi, ray", lambda value: isinstance(value, str))
DISTRIBUTION_DICT = kind(
    "a dict such as {'type': 'pytorch', 'process_count_per_instance': 4}", lambda value: isinstance(value, Mapping)
)
SPACE_DICT = kind("a dict of parameter expressions by name", lambda value: isinstance(value, Mapping))
SAMPLING_NAME = kind("a name: random, sobol, grid, bayesian, tpe", lambda value: isinstance(value, str))
POLICIES = "auto, bandit, median_stopping, truncation_selection, successive_halving"
POLICY_NAME = kind(f"a name: {POLICIES}", lambda value: isinstance(value, str))
SEED = whole(0)
OBJECTIVE = kind(ALLOWED_OBJECTIVE, is_objective)
METRICS = TEXT | TEXT_LIST | instance((PrintedMetrics, Mapping), "{'pattern': ...} or {'format': 'json'}")


def _argument(value: Any, where: str) -> list[Problem]:
    """An argument of a script: text, a number, or what JSON has; objects with a text of their own (paths) too."""
    left: list[tuple[Any, int]] = [(value, 0)]
    while left:
        item, depth = left.pop()
        if depth > MOST_LEVELS:
            return [Problem(where, "values nested too deeply", f"at most {MOST_LEVELS} levels")]
        if isinstance(item, str):
            if wrong := TEXT.problems(item, where):
                return wrong
        elif isinstance(item, Mapping):
            left += [(each, depth + 1) for pair in item.items() for each in pair]
        elif isinstance(item, list | tuple):
            left += [(each, depth + 1) for each in item]
        elif isinstance(item, int) and item.bit_length() > 3_330:
            return [Problem(where, named(item), "a number of at most 1,000 digits")]
        elif not (item is None or isinstance(item, bool | int | float)):
            text = _text_of(item)
            if text is None or isinstance(item, bytes | set | frozenset | type) or type(item) is object:
                return [Problem(where, named(item), "text, a number, a path, or lists and mappings of them")]
            if wrong := TEXT.problems(text, where):
                return wrong
    return []


def _text_of(value: Any) -> str | None:
    try:
        return os.fspath(value) if hasattr(type(value), "__fspath__") else str(value)
    except Exception:  # the value's own code
        return None


ARGUMENT = ArgumentRule("text, a number, a path, or lists and mappings of them", _argument)
ARGUMENTS = list_of(ARGUMENT, "arguments")


def _variables(value: Any, where: str) -> list[Problem]:
    problems = mapping_of(TEXT, "texts").problems(value, where)
    if problems or not isinstance(value, Mapping):
        return problems
    allowed = "names without '=' that are not empty"
    return [Problem(where, f"the name {named(name)}", allowed) for name in value if not name or "=" in name]


VARIABLES = ArgumentRule("a mapping of names to strings", _variables)


def _secrets(value: Any, where: str) -> list[Problem]:
    if not isinstance(value, Mapping):
        return [Problem(where, HIDDEN if isinstance(value, str) else named(value), f"a mapping of names to {ALLOWED}")]
    return [
        one for name, source in value.items() for one in source_problems(name, source, f"{where}.{show(name)[1:-1]}")
    ]


SECRETS = ArgumentRule(f"a mapping of names to {ALLOWED}", _secrets)
SCRIPT: dict[str, ArgumentRule] = {
    "arguments": ARGUMENTS | NOTHING,
    "command": TEXT | ARGUMENTS | NOTHING,
    "environment_variables": VARIABLES | NOTHING,
    "max_run_duration_seconds": above(0, "a number of seconds above 0") | NOTHING,
    "preload": TEXT_LIST,
    "metrics": METRICS | NOTHING,
    "secrets": SECRETS | NOTHING,
    "resources": RESOURCES,
    "flags": FLAG | kind("'both'", lambda value: value == "both"),
    "style": kind(f"one of {', '.join(FORMS)}", lambda value: value in FORMS),
    "unused_ok": TEXT_LIST,
}
"""Of ``ScriptRunConfig``."""


def _tracking(value: Any, where: str) -> list[Problem]:
    try:
        tracking_of(value, where)
    except ConfigError as error:
        return list(error.problems)
    return []


TUNING: dict[str, ArgumentRule] = {
    "track": ArgumentRule("a mapping of mlflow, wandb or tensorboard to their places", _tracking) | NOTHING,
    "hyperparameter_sampling": SAMPLING | SAMPLING_NAME | SAMPLING_DICT,
    "primary_metric_goal": GOAL,
    "primary_metric_value": OBJECTIVE,
    "max_total_runs": whole(1),
    "max_concurrent_runs": whole(1) | NOTHING,
    "max_duration_minutes": above(0, "a number of minutes above 0") | kind("None for no limit", lambda v: v is None),
    "policy": POLICY | POLICY_NAME | POLICY_DICT | NOTHING,
    "run_config": ANYTHING,  # a function is looked at on its own
    "resources": RESOURCES | RESOURCES_DICT | NOTHING,
    "distribution": DISTRIBUTION | DISTRIBUTION_DICT | NOTHING,
    "seed": SEED | NOTHING,
    "grace_s": kind("a number of seconds of 0 or more", lambda v: not NUMBER.problems(v, "") and v >= 0),
    "max_attempts": whole(1),
    "max_losses": whole(0) | kind("None for no limit", lambda v: v is None),
    "first_failures": whole(0),
    "strict": FLAG | whole(0),
    "storage_patience_s": above(0, "a number of seconds above 0"),
    "keep_checkpoints": whole(1),
    "resume_from": RUN | list_of(RUN, "runs") | NOTHING,
    "resume_child_runs": CHILD | list_of(CHILD, "trials") | NOTHING,
    "preload": TEXT_LIST,
    "tags": TEXTS | NOTHING,
    "space": SPACE_DICT | NOTHING,
    **dict.fromkeys(
        ("finish_when", "on_oom", "notify", "repeats", "points", "population"), ANYTHING
    ),  # looked at by run_rules, as those of a sweep file
}
"""Of ``HyperDriveConfig``."""
CALL: dict[str, ArgumentRule] = {
    "value": ANYTHING,  # as primary_metric_value
    "train": ANYTHING,
    "space": ANYTHING,
    "goal": GOAL,
    "sampling": TUNING["hyperparameter_sampling"],
    "show_output": FLAG,
    **{name: TUNING[name] for name in ("policy", "max_total_runs", "max_duration_minutes", "resources", "seed")},
    "max_concurrent_runs": whole(1),
}
"""Of ``tune``."""
