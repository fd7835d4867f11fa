"""Where a run comes from: earlier runs it learns from, and trials of theirs that it continues with.

Small and for people to read; it is in the run's configuration. The curves themselves are its ``WarmStartData``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from raydrive.core.json_values import decoded, encoded, json_of
from raydrive.core.records import Params


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """A run that this one was warm-started from, and what it brought when this one was submitted."""

    run: str
    """Its id."""
    experiment: str
    uri: str = ""
    """Its folder; empty = in the same storage as this run."""
    state: str = ""
    """How it stood."""
    trials: int = 0
    compared: int = 0
    """Trials whose curves take part in the policy's comparisons."""
    learned: int | None = None
    """Trials that the sampler learns from; None = this sampler does not learn."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """How many trials the sampler does not learn from, by reason."""
    ignored: tuple[str, ...] = ()
    """Its hyperparameters that this search space does not have."""
    best: float | None = None
    """Its best value then."""
    best_trial: int | None = None

    @property
    def text(self) -> str:
        """What it brought, on one line."""
        parts = [f"curves of {self.compared} of its {self.trials} trials are used in comparisons"]
        if self.learned is None:
            parts.append("this sampler does not learn from trials")
        else:
            parts.append(f"the sampler learns from {self.learned}")
            if self.left_out:
                reasons = ", ".join(f"{count}: {why}" for why, count in self.left_out.items())
                parts.append(f"{sum(self.left_out.values())} ignored ({reasons})")
            if self.ignored:
                parts.append(f"not in this search space: {', '.join(self.ignored)}")
        return f"warm start from {self.run}: {'; '.join(parts)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Continued:
    """A trial of an earlier run that continues as a trial of this one."""

    run: str
    """Id of the earlier run."""
    experiment: str
    trial: int
    """Its number there; its number here is its place in ``Lineage.continued``."""
    params: Params
    uri: str = ""
    """Folder of the earlier run; empty = in the same storage as this run."""
    source: str = ""
    """What it continues from: ``checkpoint 4``, ``outputs``, or nothing at all. This run has a copy."""
    interval: int = 0
    """Intervals it had there when that was saved; its next one here is this plus 1."""
    note: str = ""
    """What was passed over, and why."""

    @property
    def child_id(self) -> str:
        """Id of the earlier trial."""
        return f"{self.run}_{self.trial}"

    @property
    def text(self) -> str:
        """What it continues from, in a few words."""
        if not self.source:
            return f"{self.child_id}: from the beginning, because it left neither a checkpoint nor outputs"
        return f"{self.child_id}: from its {self.source}, after {self.interval} intervals"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """What a run got from earlier ones. Nothing in it needs them to be there still."""

    parents: tuple[Parent, ...] = ()
    continued: tuple[Continued, ...] = ()
    """Trial n of this run continues with number n of these."""
    notes: tuple[str, ...] = ()
    """What else a user should know."""

    def __bool__(self) -> bool:
        return bool(self.parents or self.continued)

    def lines(self) -> Iterator[str]:
        """Yields what was brought, for people: a line for each parent and each trial that continues."""
        for parent in self.parents:
            yield parent.text
        for number, continued in enumerate(self.continued):
            yield f"trial {number} continues {continued.text}"
            if continued.note:
                yield f"trial {number}: {continued.note}"
        yield from self.notes

    def to_json(self) -> dict[str, Any]:
        """Returns the lineage as a JSON object."""
        continued = [{**json_of(one), "params": encoded(one.params)} for one in self.continued]
        return {"parents": json_of(self.parents), "continued": continued, "notes": list(self.notes)}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Lineage:
        """Returns what ``to_json`` wrote."""
        parents = (Parent(**{**one, "ignored": tuple(one.get("ignored", ()))}) for one in raw.get("parents", ()))
        continued = (Continued(**{**one, "params": decoded(one["params"])}) for one in raw.get("continued", ()))
        return cls(parents=tuple(parents), continued=tuple(continued), notes=tuple(raw.get("notes", ())))
