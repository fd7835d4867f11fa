"""What users did to a run, in words: for ``raydrive history``, for the timeline, and for notices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raydrive.core.sweep.sweep import Sweep
from raydrive.core.sweep.user_changes import Logged, stop_text
from raydrive.core.user_facts import Added, Annotated, Edited, Retried, RunPaused, RunUnpaused, StopAsked, UserFact
from raydrive.core.user_requests.changes import Change, changes

_WORDS: Mapping[type, str] = {
    Edited: "edit",
    Added: "add",
    Retried: "retry",
    RunPaused: "pause",
    RunUnpaused: "unpause",
    StopAsked: "stop",
    Annotated: "note",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a user did."""

    at: float
    """Seconds since the epoch."""
    by: str
    what: str
    """``edit``, ``add``, ``retry``, ``pause``, ``unpause``, ``stop``, ``note``: as the commands are called."""
    text: str
    trial: int | None = None
    """The trial that it is about; None = the run."""
    revision: int | None = None
    """Of an edit: the revision that it made."""
    changes: tuple[Change, ...] = ()
    tags: Mapping[str, str] | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns it as a JSON object."""
        return {
            "at": self.at,
            "by": self.by,
            "what": self.what,
            "trial": self.trial,
            "text": self.text,
            "revision": self.revision,
            "changes": [change.to_json() for change in self.changes],
            "tags": dict(self.tags or {}),
        }


def steps(sweep: Sweep) -> list[Step]:
    """Returns what users did to a run, oldest first."""
    return [_step(one) for one in sweep.steering.log]


def _step(one: Logged) -> Step:
    fact = one.fact
    what = _WORDS[type(fact)]
    if isinstance(fact, Edited):
        found = tuple(changes(one.before, fact.patch))
        text = "; ".join(change.text for change in found)
        text += "; the policy judged all running trials" if fact.rejudge else ""
        return Step(fact.at, fact.by, what, text, revision=fact.revision, changes=found)
    if isinstance(fact, Annotated):
        tags = " ".join(f"{key}={value}" for key, value in fact.tags.items())
        return Step(fact.at, fact.by, what, " ".join(filter(None, [fact.text, tags])), fact.trial, tags=fact.tags)
    trial = fact.trial if isinstance(fact, Retried | StopAsked) else None
    return Step(fact.at, fact.by, what, _text(fact), trial)


def _text(fact: UserFact) -> str:
    match fact:
        case Added():
            params = ", ".join(f"{name}={value}" for name, value in fact.params.items())
            return f"{params}{_origin(fact.details)}"
        case Retried():
            return "from its start" if fact.fresh else "from its last checkpoint, or its start without one"
        case RunPaused():
            scope = "running trials also paused" if fact.now else "running trials continued"
            return f"{fact.why}; {scope}" if fact.why else scope
        case StopAsked():
            return stop_text(fact)
    return "the run continued"


def _origin(details: Mapping[str, Any]) -> str:
    if "run" in details:
        return f" (trial {details.get('trial')} of {details['run']})"
    if "file" in details:
        return f" ({details['file']}, line {details.get('line')})"
    return f" (the rest as in trial {details['like']})" if "like" in details else ""


def paused_text(sweep: Sweep) -> str:
    """Returns that a run pauses, who asked for it and why; empty where it does not."""
    paused = sweep.steering.paused
    if paused is None or sweep.finished is not None:
        return ""
    by = f" by {paused.by}" if paused.by else ""
    why = f" ({paused.why})" if paused.why else ""
    return f"paused{by}{why}: no further trial is started until raydrive unpause"


def notices(sweep: Sweep) -> list[str]:
    """Returns what else of this a user who looks at the run should know now: what is in line."""
    steering, found = sweep.steering, list[str]()
    waiting = len(steering.given)
    if waiting and sweep.finished is None:
        found.append(f"{waiting} given configuration{'s' * (waiting > 1)} in line")
    if steering.retries:
        numbers = ", ".join(map(str, sorted(steering.retries)))
        found.append(f"to be tried again: trial{'s' * (len(steering.retries) > 1)} {numbers}")
    if sweep.finished is not None and steering.reopens:
        found.append("what was changed since its end takes effect when the run is resumed: raydrive resume")
    return found
