"""Rules of a run in addition to its limits: what ends it, trials out of memory, notices, repeats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from raydrive.core.config import given_points
from raydrive.core.config.given_points import GivenPoints, given_points_of
from raydrive.core.config.resource_dict import amounts_of
from raydrive.core.config.trial_spec import Resources
from raydrive.core.errors import ConfigError, Problem
from raydrive.core.finish import rules as finish_rules
from raydrive.core.finish.budgets import misfits
from raydrive.core.finish.rules import FinishWhen, finish_when_of
from raydrive.core.notices import rules as notify_rules
from raydrive.core.notices.rules import Notify, notify_of
from raydrive.core.out_of_memory import rules as oom_rules
from raydrive.core.out_of_memory.rules import OnOom, on_oom_of
from raydrive.core.population import rules as population_rules
from raydrive.core.population.rules import Population, population_of
from raydrive.core.repeats import rules as repeats_rules
from raydrive.core.repeats.rules import Repeats, repeats_of
from raydrive.core.search.protocol import SamplingSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRules:
    """Rules of a run, each None where it is not given."""

    finish_when: FinishWhen | None = None
    """What ends the run before its trials are used up."""
    on_oom: OnOom | None = None
    """What becomes of a trial that runs out of memory; None = it has failed, as for any other reason."""
    points: GivenPoints | None = None
    """Configurations that are tried first."""
    notify: Notify | None = None
    """Whom the run tells of its end and of new bests."""
    repeats: Repeats | None = None
    """How often a configuration is tried; None = once."""
    population: Population | None = None
    """How trials take over each other's training; None = each trains with what it began with."""

    def __bool__(self) -> bool:
        return any(getattr(self, name) is not None for name in PARTS)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Parameters that trials get beside those of the search space."""
        return () if self.repeats is None else (self.repeats.parameter,)

    def to_json(self) -> dict[str, Any]:
        """Returns the rules that are given, as a sweep file has them below ``raydrive``."""
        return {name: part.to_json() for name in PARTS if (part := getattr(self, name)) is not None}

    @classmethod
    def of(cls, given: Mapping[str, Any], where: str = "") -> RunRules:
        """Returns the rules that mappings stand for.

        Args:
            given: Mappings or objects by name; those that are None are left out.
            where: Path before the names, for errors.

        Raises:
            ConfigError: If something of them cannot be used; all problems at once.
        """
        parts, problems = dict[str, Any](), list[Problem]()
        for name, read in PARTS.items():
            try:
                parts[name] = read(given.get(name), f"{where}{name}")
            except ConfigError as error:
                problems += error.problems
        if problems:
            raise ConfigError(problems)
        return cls(**parts)

    def with_edits(self, patch: Mapping[str, Any]) -> RunRules:
        """Returns the rules with some of them replaced.

        Args:
            patch: By name: the whole rule, or None to take it away; of ``notify`` what changes of it.

        Raises:
            ConfigError: If something of them cannot be used; all problems at once.
        """
        given = dict(patch)
        if given.get("notify") is not None and self.notify is not None:
            given["notify"] = {**self.notify.to_json(), **given["notify"]}
        read = RunRules.of(given)
        return replace(self, **{name: getattr(read, name) for name in given})

    def parts(self, patch: Mapping[str, Any]) -> dict[str, Any]:
        """Returns what the rules have in the places that a patch changes, in the form of one."""
        found: dict[str, Any] = {}
        for name in patch:
            rule = getattr(self, name)
            found[name] = None if rule is None else rule.to_json()
        if found.get("notify") is not None:
            found["notify"] = {key: found["notify"].get(key) for key in patch["notify"] or ()}
        return found


PARTS: Mapping[str, Any] = {
    "finish_when": finish_when_of,
    "on_oom": on_oom_of,
    "notify": notify_of,
    "repeats": repeats_of,
    "points": given_points_of,
    "population": population_of,
}
"""Each rule with what reads it."""
SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "finish_when": finish_rules.SCHEMA,
    "on_oom": oom_rules.SCHEMA,
    "notify": notify_rules.SCHEMA,
    "repeats": repeats_rules.SCHEMA,
    "points": given_points.SCHEMA,
    "population": population_rules.SCHEMA,
}
"""Each rule as JSON Schema."""
NO_RULES = RunRules()


def shared_rules(rules: RunRules) -> dict[str, Any]:
    """Returns the rules as they may be shown: without what may hold a secret."""
    raw = rules.to_json()
    return {**raw, **({"notify": notify_rules.shared(raw["notify"])} if "notify" in raw else {})}


def rule_problems(given: RunRules, sampling: SamplingSpec, resources: Resources, most: int) -> list[Problem]:
    """Returns what of the rules does not fit the rest of a configuration.

    Args:
        given: The rules.
        sampling: How the run samples.
        resources: What one trial reserves.
        most: New trials in total.
    """
    problems = []
    if given.finish_when is not None:
        kind = " ".join(filter(None, (sampling.name or type(sampling).__name__, getattr(sampling, "algorithm", ""))))
        problems += misfits(given.finish_when, amounts_of(resources), kind)
    if given.on_oom is not None:
        problems += oom_rules.misfits(given.on_oom, resources.memory)
    if given.points is not None:
        problems += given_points.misfits(given.points, sampling.space, most)
    if given.repeats is not None:
        problems += repeats_rules.misfits(given.repeats, sampling.space.expressions)
    return problems
