"""Policies and samplings that are named, or written as a sweep file has them, instead of made as objects.

Classes of users are not imported here: a submission is checked as a whole by building them in a separate process
(``api/submit/user_classes.py``).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from raydrive.api.spellings import OF_TUNING
from raydrive.core.config.distribution import distributed
from raydrive.core.config.resource_dict import resources_of
from raydrive.core.config.run_config import Limits
from raydrive.core.config.run_rules import PARTS, RunRules
from raydrive.core.config.tracker_settings import tracking_of
from raydrive.core.config.trial_spec import Resources
from raydrive.core.early_stopping.policies import NoTerminationPolicy, Policy, policy_from_json, policy_keys
from raydrive.core.early_stopping.policy_record import RecordedPolicy
from raydrive.core.errors import ConfigError, Problem, show
from raydrive.core.search.protocol import RESERVED, SamplingSpec
from raydrive.core.search.registry import is_registered
from raydrive.core.search.sampling_names import NAMES, sampling_of, split_name
from raydrive.core.search.sampling_record import RecordedSampling
from raydrive.core.space.search_space import Space, parse_space
from raydrive.core.user_classes import is_reference, recorded_parameters
from raydrive.runtime.entry_points import POLICIES, SAMPLINGS, installed
from raydrive.settings.schedule_file import with_schedule
from raydrive.trackers.places import with_absolute_paths

_SPACES = ("space", *OF_TUNING["space"])


def user_policy(raw: object) -> RecordedPolicy | None:
    """Returns ``early_termination`` as a record, where its type is none of raydrive's own."""
    kind = type_of(raw)
    if not kind:
        return None
    if not is_reference(kind):
        known = {re.sub("[_-]", "", name) for name in policy_keys()}
        folded = re.sub("[_-]", "", kind.casefold())
        if folded in known or kind.casefold() not in installed(POLICIES):
            return None
    return RecordedPolicy({**(raw if isinstance(raw, Mapping) else {}), "type": kind})


def is_user_sampling(raw: object) -> bool:
    """Whether the type of ``sampling_algorithm`` is none of raydrive's own."""
    kind = type_of(raw)
    name = kind.casefold()
    own = name == "" or is_registered(name) or split_name(kind) is not None
    return is_reference(kind) or (not own and name in installed(SAMPLINGS))


def user_sampling(raw: object, space: Space) -> RecordedSampling:
    """Returns ``sampling_algorithm`` as a record.

    Raises:
        ConfigError: If the search space cannot be recorded.
    """
    given = raw if isinstance(raw, Mapping) else {}
    parameters = recorded_parameters(given, RESERVED)
    return RecordedSampling({"type": type_of(raw), **parameters, "seed": None, "space": space.to_json()})


def type_of(raw: object) -> str:
    """Returns the type that a name or a mapping has, an empty text without one."""
    kind = raw.get("type") if isinstance(raw, Mapping) else raw
    return kind.strip() if isinstance(kind, str) else ""


def named_policy(given: Policy | str | Mapping[str, Any] | None, where: str = "policy") -> Policy:
    """Returns the policy that an argument stands for: an object, ``"median_stopping"``, ``{"type": "bandit", ...}``.

    Raises:
        ConfigError: If the type or a key is unknown, or a value is out of range.
    """
    if given is None:
        return NoTerminationPolicy()
    if isinstance(given, str | Mapping):
        return user_policy(given) or policy_from_json(given, where)
    return given


def named_sampling(
    given: SamplingSpec | str | Mapping[str, Any], space: Mapping[str, Any] | Space | None, where: str = "sampling"
) -> SamplingSpec:
    """Returns the sampling that an argument stands for: an object, ``"tpe"``, ``{"type": "bayesian", ...}``.

    Args:
        given: The argument. A mapping may hold the search space, too.
        space: The search space; an object has its own.
        where: The argument's name, for errors.

    Raises:
        ConfigError: If the type or an option is unknown, or there is no space or one that cannot be used.
    """
    if not isinstance(given, str | Mapping):
        return given
    options: dict[str, Any] = dict(given) if isinstance(given, Mapping) else {"type": given}
    inside = [options.pop(name) for name in _SPACES if name in options]
    spaces: list[Any] = [*inside, *([] if space is None else [space])]
    if len(spaces) != 1:
        example = "space={'lr': uniform(0.001, 0.1)}"
        found = f"{show(given)} and {'no' if not spaces else 'more than one'} search space"
        allowed = f"a name ({', '.join(NAMES)}) or a mapping, with one search space"
        raise ConfigError(Problem(where, found, allowed, f"Add {example}." if not spaces else "Remove one of them."))
    if is_user_sampling(options):
        seed = options.pop("seed", None)
        record = user_sampling(options, parse_space(spaces[0])).raw
        return RecordedSampling({**record, "seed": seed})
    return sampling_of(options if isinstance(given, Mapping) else given, spaces[0], where)


def made_parts(
    sampling: SamplingSpec | str | Mapping[str, Any],
    space: Mapping[str, Any] | None,
    policy: Policy | str | Mapping[str, Any] | None,
    reserved: tuple[Resources | Mapping[str, Any] | None, str | Mapping[str, Any] | None],
) -> tuple[SamplingSpec, Policy, tuple[Resources, str]]:
    """Returns sampling, policy, and resources with their distribution as objects, whatever they were given as.

    Args:
        sampling: How the run samples; with ``space`` a name, or a mapping as in a sweep file.
        space: The search space, where the sampling has none.
        policy: Early termination; None = none.
        reserved: What a trial reserves, and how its processes find each other.

    Raises:
        ConfigError: With everything that is wrong with the three.
    """
    made, problems = list[Any](), list[Problem]()
    parts: tuple[Callable[[], Any], ...] = (
        lambda: named_sampling(sampling, space, "hyperparameter_sampling"),
        lambda: named_policy(policy),
        lambda: distributed(resources_of(reserved[0]), reserved[1]),
    )
    if space is not None and not isinstance(sampling, str | Mapping):
        allowed = "none: the sampling has its own search space"
        problems.append(Problem("space", "a search space", allowed, "Remove it."))
    for part in parts:
        try:
            made.append(part())
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return made[0], made[1], made[2]


_OF_TRIALS = (
    *("grace_s", "reuse_actors", "reuse_processes", "ray_in_trials", "log_limit", "keep_checkpoints"),
    "storage_patience_s",
)


def of_trials(given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields of ``TrialSpec`` among the arguments of a configuration, by name."""
    return {**{name: given[name] for name in _OF_TRIALS}, "track": with_absolute_paths(tracking_of(given["track"]))}


def limits_of(given: Mapping[str, Any], target: object) -> Limits:
    """Returns the limits among the arguments of a configuration.

    Args:
        given: The arguments by name.
        target: What a trial runs, which may have a limit of its own.
    """
    minutes = given["max_duration_minutes"]
    return Limits(
        max_total_runs=given["max_total_runs"],
        max_concurrent_runs=given["max_concurrent_runs"] or given["max_total_runs"],
        max_duration_s=None if minutes is None else minutes * 60.0,
        trial_timeout_s=getattr(target, "max_run_duration_seconds", None),
        strict=int(given["strict"]),
        **{name: given[name] for name in ("max_attempts", "max_losses", "first_failures")},
    )


def of_run(given: Mapping[str, Any], sampling: SamplingSpec) -> dict[str, Any]:
    """Returns name, seed, tags and rules of a run among the arguments of a configuration.

    Args:
        given: The arguments by name.
        sampling: How the run samples; it may have a seed of its own.

    Raises:
        ConfigError: If something of the rules cannot be used.
    """
    rules = {**{name: given[name] for name in PARTS}, "population": with_schedule(given["population"])}
    seed = given["seed"] if given["seed"] is not None else getattr(sampling, "seed", None)
    return {
        "experiment": "default",
        "seed": secrets.randbits(31) if seed is None else seed,
        "tags": dict(given["tags"] or {}),
        "rules": RunRules.of(rules),
    }
