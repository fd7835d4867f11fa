"""What users change about a run that is under way: facts like all others, which ``records.py`` reads and writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Params = Mapping[str, Any]
"""As in ``records.py``."""


@dataclass(frozen=True, slots=True)
class Edited:
    """A user changed the configuration of the run."""

    at: float
    revision: int
    """1 for the first edit of a run, one more for each that followed."""
    patch: Mapping[str, Any]
    """What changed, in the form of ``config.json``: of ``limits`` and ``trial`` single fields, of ``policy`` and
    ``sampling`` all of it, of ``rules`` whole rules by name (None = none any more; of ``notify`` ``on`` alone)."""
    by: str = ""
    """Who it was, as far as is known: ``ada@laptop``."""
    rejudge: bool = False
    """Whether the policy judges all running trials now, and not only at their next reports."""


@dataclass(frozen=True, slots=True)
class Added:
    """A user gave a configuration that is to be tried next."""

    at: float
    params: Params
    by: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Where it comes from: ``run`` and ``trial`` of another run, the ``file`` of a list."""


@dataclass(frozen=True, slots=True)
class Retried:
    """A user opened a trial again that had ended."""

    at: float
    trial: int
    by: str = ""
    fresh: bool = False
    """Whether it begins at the start, and not at its last checkpoint."""


@dataclass(frozen=True, slots=True)
class RunPaused:
    """A user asked that nothing further be started."""

    at: float
    by: str = ""
    now: bool = False
    """Whether running trials pause, too, and do not continue to their end."""
    why: str = ""


@dataclass(frozen=True, slots=True)
class RunUnpaused:
    """A user asked that the run continue."""

    at: float
    by: str = ""


@dataclass(frozen=True, slots=True)
class StopAsked:
    """A user stopped a trial as a policy does: it is not a failure, and its curve counts."""

    at: float
    trial: int
    why: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class Annotated:
    """A user noted something about the run, or about one trial."""

    at: float
    trial: int | None
    text: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    by: str = ""


UserFact = Edited | Added | Retried | RunPaused | RunUnpaused | StopAsked | Annotated
USER_FACTS = (Edited, Added, Retried, RunPaused, RunUnpaused, StopAsked, Annotated)
"""Their classes."""
