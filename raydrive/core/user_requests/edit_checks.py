"""Whether an edit can be made of a run as it stands, what it changes there, and when that takes effect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from raydrive.core.config.argument_values import flag_parameters, unflattenable, unpassable
from raydrive.core.config.command_line import OF_PARAMETERS, check_references
from raydrive.core.config.run_config import RunConfig
from raydrive.core.early_stopping.policy_record import policy_record
from raydrive.core.errors import ConfigError, Problem, show
from raydrive.core.search.sampling_record import sampling_record
from raydrive.core.sweep.edits import edited, parts_of
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.sweep.warm_start_data import misfit
from raydrive.core.user_classes import is_reference
from raydrive.core.user_facts import Edited
from raydrive.core.user_requests.changes import Change, changes
from raydrive.core.user_requests.fixed import INSTEAD, LIMITS, RULES, TRIAL, refusal

_FIXED_RESOURCES = ("nodes", "processes_per_node", "strategy")
"""Of what processes a trial consists, and where: code of all of its trials relies on it."""


@dataclass(frozen=True, slots=True)
class PlannedEdit:
    """An edit that can be made."""

    fact: Edited
    changes: tuple[Change, ...]
    effect: str
    notes: tuple[str, ...]


def effective(sweep: Sweep) -> RunConfig:
    """Returns the configuration of a run with the limits that it has now."""
    return replace(sweep.config, limits=sweep.limits)


def planned_edit(sweep: Sweep, request: Mapping[str, Any], at: float) -> PlannedEdit:
    """Returns an edit, checked.

    Args:
        sweep: The run as it stands.
        request: ``patch``, and where given ``expect_revision``, ``rejudge`` and ``by``.
        at: The time, seconds since the epoch.

    Raises:
        ConfigError: If the run has been edited since, the patch changes nothing, or what cannot change; all problems.
    """
    expected, revision = request.get("expect_revision"), sweep.steering.revision
    if expected is not None and expected != revision:
        raise ConfigError(_stale(sweep, expected))
    before = effective(sweep)
    patch, problems = _allowed(before, request.get("patch") or {})
    if problems:
        raise ConfigError(problems)
    after = edited(before, patch)
    if "sampling" in patch:
        patch, after = _with_space(sweep, before, after, patch)
    patch = _only_changes(before, after, patch)
    if not patch:
        nothing = "an edit that changes nothing"
        raise ConfigError(
            Problem("edit", nothing, "a value that differs from the run's", "raydrive history RUN shows edits.")
        )
    rejudge = bool(request.get("rejudge"))
    fact = Edited(at, revision + 1, patch, request.get("by", ""), rejudge)
    found = changes(parts_of(before, patch), parts_of(after, patch))
    return PlannedEdit(fact, tuple(found), effect_of(patch, rejudge), tuple(_notes(sweep, after, patch)))


def _stale(sweep: Sweep, expected: Any) -> Problem:
    since = [one.fact for one in sweep.steering.log if isinstance(one.fact, Edited) and one.fact.revision > expected]
    who = f", the last one by {since[-1].by}" if since and since[-1].by else ""
    found = f"{expected}, but the run has revision {sweep.steering.revision}"
    allowed = f"the present revision: {len(since)} edits were made since{who}" if since else "the present revision"
    return Problem("--expect-revision", found, allowed, "See raydrive history RUN, then edit again.")


def _allowed(before: RunConfig, patch: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """The parts of a patch, and what of it cannot change."""
    kept: dict[str, Any] = {}
    problems = []
    for part, value in patch.items():
        known = {"limits": LIMITS, "trial": TRIAL}.get(part)
        if known is not None and isinstance(value, Mapping):
            begin = "raydrive" if part == "trial" else "limits"
            problems += [refusal(f"{begin}.{key}", show(value[key])) for key in value if key not in known]
            kept[part] = dict(value)
        elif part in ("policy", "sampling") and isinstance(value, Mapping):
            kept[part] = dict(value)
            problems += _foreign_class(before, part, value)
        elif part == "rules" and isinstance(value, Mapping):
            kept[part] = dict(value)
            problems += _fixed_rules(before, value)
        else:
            problems.append(refusal(part, show(value)))
    problems += _fixed_resources(before, kept.get("trial", {}).get("resources"))
    return kept, problems


def _foreign_class(before: RunConfig, part: str, record: Mapping[str, Any]) -> list[Problem]:
    """A class of the user's travels with a run when it is submitted; another one is not there."""
    present = policy_record(before.policy) if part == "policy" else sampling_record(before.sampling)
    kind = record.get("type")
    if not is_reference(kind) or kind == present.get("type"):
        return []
    where = "early_termination.type" if part == "policy" else "sampling_algorithm.type"
    allowed = (
        "a type of raydrive's own, or the class that the run was submitted with, because its code is part of the run"
    )
    return [Problem(where, show(kind), allowed, INSTEAD)]


def _fixed_rules(before: RunConfig, wanted: Mapping[str, Any]) -> list[Problem]:
    """Rules that cannot change, and what cannot of others."""
    problems = [refusal(f"raydrive.{name}", show(wanted[name])) for name in wanted if name not in RULES]
    repeats, notify = before.rules.repeats, before.rules.notify
    given = wanted.get("repeats")
    if "repeats" in wanted and (repeats is None or given is None):
        problems.append(refusal("raydrive.repeats", "nothing" if given is None else f"{show(given)} in a run without"))
    elif isinstance(given, Mapping) and repeats is not None and given.get("parameter", "seed") != repeats.parameter:
        problems.append(refusal("raydrive.repeats.parameter", show(given.get("parameter", "seed"))))
    if "notify" in wanted:
        told = wanted["notify"]
        if notify is None or not isinstance(told, Mapping):
            problems.append(refusal("raydrive.notify", "nothing" if told is None else "a rule in a run without"))
        else:
            problems += [refusal(f"raydrive.notify.{key}", "another one") for key in told if key != "on"]
    return problems


def _fixed_resources(before: RunConfig, wanted: Mapping[str, Any] | None) -> list[Problem]:
    if not isinstance(wanted, Mapping):
        return []
    why = "no change while a run is active: its code relies on the number and place of a trial's processes"
    return [
        Problem(f"raydrive.resources.{name}", show(wanted[name]), why, INSTEAD)
        for name in _FIXED_RESOURCES
        if name in wanted and wanted[name] != getattr(before.trial.resources, name)
    ]


def _with_space(
    sweep: Sweep, before: RunConfig, after: RunConfig, patch: dict[str, Any]
) -> tuple[dict[str, Any], RunConfig]:
    """What follows from an edit of the search space: options of command lines, and how long a grid is.

    Raises:
        ConfigError: If trials could not be given what the space holds.
    """
    space, trial = after.sampling.space, before.trial
    problems = _space_problems(after)
    if problems:
        raise ConfigError(problems)
    more: dict[str, Any] = {}
    flags = flag_parameters(space)
    if trial.kind == "command" and flags != trial.flags:
        more["trial"] = {**patch.get("trial", {}), "flags": list(flags)}
    total = grid_total(sweep, before, after)
    if total is not None and "max_total_runs" not in patch.get("limits", {}):
        more["limits"] = {**patch.get("limits", {}), "max_total_runs": total}
    patch = {**patch, **more}
    return patch, edited(before, patch)


def _space_problems(after: RunConfig) -> list[Problem]:
    space, trial = after.sampling.space, after.trial
    problems = unpassable(space) if trial.kind != "function" else []
    if trial.kind == "command":
        known = dict.fromkeys(trial.inputs), dict.fromkeys(trial.outputs)
        found = check_references(
            trial.command, search_space=space.expressions, inputs=known[0], outputs=known[1], where="search_space"
        )
        for reference, _ in found:
            if reference.scope in OF_PARAMETERS:
                where, text = f"search_space.{reference.name}", f"trial.command passes {reference.text}"
                problems.append(Problem(where, "nothing", f"an expression: {text}", "choice(value) fixes it."))
        problems += unflattenable(space, trial.command, flatten=trial.flatten)
    return problems


def grid_total(sweep: Sweep, before: RunConfig, after: RunConfig) -> int | None:
    """Returns the limit of trials for a grid that ran whole and continues with another product; None for others.

    Args:
        sweep: The run.
        before: Its configuration.
        after: The same with another search space.
    """
    old, new = before.sampling.space.size, after.sampling.space.size
    grid = before.sampling.name == after.sampling.name == "grid"
    whole = old is not None and before.limits.max_total_runs >= old
    if not grid or not whole or new is None:
        return None
    space = after.sampling.space
    inside = {space.key(trial.params) for trial in sweep.trials if not misfit(space, trial.params)}
    waiting = {space.key(one.params) for one in sweep.steering.given if not misfit(space, one.params)} - inside
    left = new - len(inside) - len(waiting)
    return max(1, len(sweep.trials) + len(sweep.steering.given) + left)


def _only_changes(before: RunConfig, after: RunConfig, patch: Mapping[str, Any]) -> dict[str, Any]:
    old, new = parts_of(before, patch), parts_of(after, patch)
    kept: dict[str, Any] = {}
    for part, value in new.items():
        if part in ("limits", "trial", "rules"):
            fields = {key: one for key, one in value.items() if one != old[part][key]}
            if fields:
                kept[part] = fields
        elif value != old[part]:
            kept[part] = value
    return kept


def effect_of(patch: Mapping[str, Any], rejudge: bool) -> str:
    """Returns when the parts of an edit take effect, in a run with a driver."""
    parts = []
    if "limits" in patch:
        parts.append("limits now")
    if "policy" in patch:
        parts.append("the policy now, for all running trials" if rejudge else "the policy from the next report on")
    if "sampling" in patch:
        parts.append("the search space and sampling from the next trial on")
    if patch.get("trial", {}).keys() - {"flags"}:
        parts.append("the settings of trials from their next attempt on; running attempts keep theirs")
    parts += [_RULES_FROM[name] for name in RULES if name in patch.get("rules", {})]
    return "; ".join(parts) or "now"


_RULES_FROM = {
    "finish_when": "what ends the run now",
    "on_oom": "out of memory from the next attempt that ends",
    "repeats": "repeats from the next trial on",
    "notify": "notices from the next one on",
}
"""When a rule takes effect."""


def _notes(sweep: Sweep, after: RunConfig, patch: Mapping[str, Any]) -> Iterator[str]:
    total, running = after.limits.max_total_runs, len(sweep.open_trials)
    if "limits" in patch:
        if total <= len(sweep.trials) and sweep.finished is None:
            yield f"the run has {len(sweep.trials)} trials already: it ends when the open ones have ended"
        if after.limits.max_concurrent_runs < running:
            most = after.limits.max_concurrent_runs
            yield f"{running} trials are open and continue; new ones wait until fewer than {most} are open"
    if "sampling" in patch:
        space = after.sampling.space
        outside = sum(bool(misfit(space, trial.params)) for trial in sweep.trials)
        if outside:
            yield f"{outside} of {len(sweep.trials)} trials are outside the new space: its sampling ignores them"
