"""What a trial reserves, written as a dict: as in a sweep file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from raydrive.core.byte_amounts import ALLOWED, bytes_of
from raydrive.core.config.trial_spec import Resources
from raydrive.core.errors import ConfigError, Problem, did_you_mean, show

KEYS = tuple(spec.name for spec in fields(Resources))


def resources_of(given: Resources | Mapping[Any, Any] | None, where: str = "resources") -> Resources:
    """Returns what a trial reserves.

    Args:
        given: ``Resources``, or ``{"cpus": 2, "memory": "4GB"}``; None = one CPU.
        where: Path of it, for errors.

    Raises:
        ConfigError: If a name is unknown or an amount cannot be used; all problems at once.
    """
    if given is None:
        return Resources()
    if isinstance(given, Resources):
        return given
    values = {key: value for key, value in given.items() if key in KEYS and value is not None}
    problems = [_unknown(key, where) for key in given if key not in KEYS]
    for name in ("memory", "gpu_memory"):
        if (memory := values.pop(name, None)) is not None:
            values[name] = bytes_of(memory)
            if values[name] is None:
                problems.append(Problem(f"{where}.{name}", show(memory), ALLOWED))
    try:
        made = Resources(**values)
    except ConfigError as error:
        problems += [replace(one, where=where + one.where.removeprefix("resources")) for one in error.problems]
    if problems:
        raise ConfigError(problems)
    return made


def _unknown(key: object, where: str) -> Problem:
    fix = did_you_mean(str(key), KEYS)
    if not fix:
        fix = f"A custom resource belongs under custom: {{'custom': {{{str(key)!r}: 1}}}}."
    return Problem(f"{where}.{key}", "an unknown key", ", ".join(KEYS), fix)


def amounts_of(resources: Resources) -> dict[str, float]:
    """Returns what one trial reserves on all of its nodes, by the names that prices of ``finish_when`` have."""
    nodes = resources.nodes
    amounts = {"cpu": resources.cpus * nodes, "gpu": resources.gpus * nodes}
    if resources.accelerator_type and resources.gpus:
        amounts[f"accelerator:{resources.accelerator_type}"] = resources.gpus * nodes
    if resources.memory:
        amounts["memory_gib"] = resources.memory / 2**30 * nodes
    return {**{name: amount * nodes for name, amount in resources.custom.items() if name not in amounts}, **amounts}
