"""``repeats``: how often a configuration is tried, as its user wrote it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from raydrive.core.errors import ConfigError, Problem, show, unknown_keys
from raydrive.core.numbers import is_whole

KEYS = ("max", "parameter", "race")
MOST = 1000
SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "Tries each configuration with several seeds and compares the means.",
    "additionalProperties": False,
    "required": ["max"],
    "properties": {
        "max": {"type": "integer", "minimum": 2, "maximum": MOST},
        "parameter": {"type": "string", "pattern": "\\S"},
        "race": {"type": "boolean"},
    },
}
"""As JSON Schema, for editors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeats:
    """How often a configuration is tried."""

    max: int
    """Trials of one configuration at most, 2 or more."""
    parameter: str = "seed"
    """The parameter by which they differ: 0 in the first one, then 1, 2, ...; the same for each configuration."""
    race: bool = True
    """Whether only configurations that may still be best are tried again; else each is, ``max`` times."""

    def to_json(self) -> dict[str, Any]:
        """Returns it as a sweep file has it; ``repeats_of`` gives back an equal object."""
        return {"max": self.max, "parameter": self.parameter, "race": self.race}


def repeats_of(given: Repeats | Mapping[str, Any] | None, where: str = "repeats") -> Repeats | None:
    """Returns the rule that a mapping stands for; None and an object of the class are returned as they are.

    Args:
        given: Such as ``{"max": 5, "parameter": "seed", "race": True}``.
        where: Path of it, for errors.

    Raises:
        ConfigError: If a key is unknown or a value cannot be used; all problems at once.
    """
    if given is None or isinstance(given, Repeats):
        return given
    if not isinstance(given, Mapping):
        raise ConfigError(Problem(where, show(given), "a mapping such as {max: 5, parameter: seed, race: true}"))
    problems = unknown_keys(given, KEYS, where)
    most, parameter, race = given.get("max"), given.get("parameter", "seed"), given.get("race", True)
    if not is_whole(most, 2) or most > MOST:
        found = "nothing" if most is None else show(most)
        problems.append(Problem(f"{where}.max", found, f"a whole number from 2 to {MOST:,}"))
    if not isinstance(parameter, str) or not parameter.strip():
        problems.append(Problem(f"{where}.parameter", show(parameter), "the name of a parameter, such as seed"))
    if not isinstance(race, bool):
        problems.append(Problem(f"{where}.race", show(race), "true or false"))
    if problems:
        raise ConfigError(problems)
    return Repeats(max=most or 0, parameter=parameter, race=race)


def misfits(rule: Repeats, names: Collection[str]) -> list[Problem]:
    """Returns what of the rule does not fit the search space.

    Args:
        rule: The rule.
        names: Names of the space's parameters.
    """
    if rule.parameter not in names:
        return []
    fix = f"Remove {rule.parameter} from the search space: repeats set its values."
    found = f"{rule.parameter}, which is also in the search space"
    return [Problem("repeats.parameter", found, "a parameter that is not in the search space", fix)]
