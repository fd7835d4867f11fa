"""Other names of arguments: HyperDrive's runs and Azure ML v2's trials, and the words of a sweep file."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from raydrive.core.errors import ConfigError, Problem, did_you_mean, show

Spellings = Mapping[str, tuple[str, ...]]
"""Other names of arguments, by the name in the signature."""
F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type)

LIMITS: Spellings = {
    "max_total_runs": ("max_total_trials", "total_runs", "total_trials"),
    "max_concurrent_runs": ("max_concurrent_trials", "concurrent_runs", "concurrent_trials"),
}
"""Of the limits of a run."""
OF_TUNING: Spellings = {
    **LIMITS,
    "hyperparameter_sampling": ("sampling", "sampling_algorithm"),
    "primary_metric_name": ("metric", "primary_metric"),
    "primary_metric_goal": ("goal",),
    "primary_metric_value": ("value",),
    "policy": ("early_termination", "early_termination_policy"),
    "space": ("search_space", "parameter_space"),
    "resume_from": ("warm_start",),
}
"""Of ``HyperDriveConfig``."""
OF_CALL: Spellings = {
    **LIMITS,
    "train": ("run_config",),
    "sampling": ("hyperparameter_sampling", "sampling_algorithm"),
    "metric": ("primary_metric_name", "primary_metric"),
    "goal": ("primary_metric_goal",),
    "value": ("primary_metric_value",),
    "policy": ("early_termination", "early_termination_policy"),
    "space": ("search_space", "parameter_space"),
}
"""Of ``tune``."""
OF_SCRIPT: Spellings = {
    "source_directory": ("code",),
    "max_run_duration_seconds": ("trial_timeout",),
}
"""Of ``ScriptRunConfig``."""


def spelled(spellings: Spellings, options_of: Callable[..., Any] | None = None) -> Callable[[F], F]:
    """Returns a decorator that takes arguments under their other names, and refuses unknown ones with the nearest.

    Args:
        spellings: Other names by name.
        options_of: The callable that gets the function's ``**options``.

    Raises:
        ConfigError: From the decorated function: if an argument is unknown or given under two names.
    """
    names = {other: name for name, others in spellings.items() for other in others}

    def decorate(function: F) -> F:
        own, skipped = _keywords(function), int("self" in inspect.signature(function).parameters)
        allowed = [*own, *(name for name in (_keywords(options_of) if options_of else ()) if name not in own)]

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            given, used = _canonical(kwargs, names, allowed)
            try:
                return function(*args, **given)
            except ConfigError as error:
                there = {*given, *own[: max(len(args) - skipped, 0)]}
                told = tuple(_as_written(problem, names, used, there) for problem in error.problems)
                if told == error.problems:
                    raise
                raise ConfigError(told) from error

        return call  # type: ignore[return-value]

    return decorate


def spells(spellings: Spellings) -> Callable[[C], C]:
    """Returns a class decorator: the constructor takes its arguments under their other names."""

    def decorate(cls: C) -> C:
        cls.__init__ = spelled(spellings)(cls.__init__)  # type: ignore[misc]
        return cls

    return decorate


def _keywords(function: Callable[..., Any]) -> list[str]:
    hidden = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(function).parameters.values()
    return [one.name for one in parameters if one.name != "self" and one.kind not in hidden]


def _canonical(
    kwargs: dict[str, Any], names: Mapping[str, str], allowed: list[str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Keyword arguments under the names of the signature, and what each was called that had another one."""
    found, used, problems = dict[str, Any](), dict[str, str](), list[Problem]()
    for key, value in kwargs.items():
        name = names.get(key, key) if key not in allowed else key
        if name not in allowed:
            fix = did_you_mean(key, [*allowed, *names])
            problems.append(Problem(key, "an unknown argument", ", ".join(allowed), fix))
        elif name in found:
            first = used.get(name, name)
            problems.append(Problem(key, f"{show(value)}, and {first} too", "one of the two: they are the same"))
        else:
            found[name] = value
            if key != name:
                used[name] = key
    if problems:
        raise ConfigError(problems)
    return found, used


def _as_written(problem: Problem, names: Mapping[str, str], used: Mapping[str, str], there: Collection[str]) -> Problem:
    """A problem under the name that the user has written; an inner call may have told it under another one."""
    first, dot, rest = problem.where.partition(".")
    name = names.get(first, first)
    if name not in there:  # it is part of another argument: the space of a sampling object
        return problem
    return replace(problem, where=f"{used.get(name, name)}{dot}{rest}")
