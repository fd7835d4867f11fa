"""What an edit changes, in the words of a sweep file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from raydrive.core.errors import ConfigError, show
from raydrive.core.space.search_space import space_from_json
from raydrive.core.space.shown import as_call

_LIMITS = {
    "max_total_runs": "limits.max_total_trials",
    "max_concurrent_runs": "limits.max_concurrent_trials",
    "max_duration_s": "limits.timeout",
    "trial_timeout_s": "limits.trial_timeout",
}
"""Limits that a sweep file has under ``limits``; the others are under ``raydrive``."""
_DERIVED = ("flags",)
"""Fields of a trial that follow from its search space."""


@dataclass(frozen=True, slots=True)
class Change:
    """One key of a sweep file before and after an edit."""

    key: str
    before: str | None
    """As text; None where there was nothing."""
    after: str | None
    """As text; None where there is nothing any more."""

    @property
    def text(self) -> str:
        """``limits.max_concurrent_trials: 2 -> 4``."""
        before = "nothing" if self.before is None else self.before
        return f"{self.key}: {before} -> {'nothing' if self.after is None else self.after}"

    def to_json(self) -> dict[str, Any]:
        """Returns it as a JSON object."""
        return {"key": self.key, "before": self.before, "after": self.after}


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Returns where two patches of the same parts differ.

    Args:
        before: ``limits``, ``policy``, ``sampling``, ``trial`` and ``rules`` as ``config.json`` has them, or some.
        after: The same parts.
    """
    before, after, whole = dict(before), dict(after), []
    for name, section in (("policy", "early_termination"), ("sampling", "sampling_algorithm")):
        kinds = [part[name].get("type") for part in (before, after) if name in part]
        if len(kinds) == 2 and kinds[0] != kinds[1]:  # of another type all other keys are other ones
            whole.append(Change(section, _type_text(before[name]), _type_text(after[name])))
            before[name], after[name] = ({"space": part[name].get("space")} for part in (before, after))
    old, new = dict(_flat(before)), dict(_flat(after))
    keys = dict.fromkeys([*old, *new])
    return [*whole, *(Change(key, old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key))]


def _type_text(record: Mapping[str, Any]) -> str:
    """A policy or sampling on one line: its type, and what it was given."""
    given = {name: value for name, value in record.items() if name not in ("type", "space") and value not in (None, [])}
    options = ", ".join(f"{name}={_text(value)}" for name, value in given.items())
    return f"{record.get('type')} ({options})" if options else str(record.get("type"))


def _flat(patch: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in patch.get("limits", {}).items():
        yield _LIMITS.get(name, f"raydrive.{name}"), _text(value)
    for name, value in patch.get("policy", {}).items():
        if name == "space":
            continue
        yield f"early_termination.{name}", _text(value)
    for name, value in patch.get("sampling", {}).items():
        if name != "space" and value is not None:
            yield f"sampling_algorithm.{name}", _text(value)
    yield from _space(patch.get("sampling", {}).get("space"))
    for name, rule in patch.get("rules", {}).items():
        for key, value in (rule or {}).items():
            yield f"raydrive.{name}.{key}", _text(value)
    for name, value in patch.get("trial", {}).items():
        if name == "resources":
            for key, amount in value.items():
                yield f"raydrive.resources.{key}", _text(amount)
        elif name not in _DERIVED:
            yield f"raydrive.{name}", _text(value)


def _space(raw: Any) -> Iterator[tuple[str, str]]:
    if raw is None:
        return
    try:
        for name, expression in space_from_json(raw).expressions.items():
            yield f"search_space.{name}", as_call(expression)
    except ConfigError:  # one that only an edited record has
        yield "search_space", show(raw)


def _text(value: Any) -> str:
    if value is None:
        return "none"
    return str(value) if isinstance(value, str | int | float) else show(value)
