"""Trials that log other metrics than the primary one: the notices about them, and when they end the run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from raydrive.core.config.run_config import RunConfig
from raydrive.core.early_stopping.curves import Curves
from raydrive.core.rank_names import is_of_rank, own_names
from raydrive.core.records import Reported, Stop
from raydrive.core.sweep.state import State, Trial, stop_all
from raydrive.ranks import ALL_RANKS

NEAR = 0.6
"""Likeness of two names, 0 to 1, from which one is suggested for the other."""
MOST_COMPARED = 200
"""Number of characters of a name from which on it is compared with no other: that costs the product of the lengths."""
BY_STRICT = "ended early by strict: "
"""Beginning of the reason of a run that ended because its trials log other metrics than the primary one."""
_WORD = re.compile(r"[a-z0-9]+")


def likeness(left: str, right: str) -> float:
    """Returns how alike two names of metrics are, 0 to 1; an abbreviated word counts too: ``acc``, ``accuracy``."""
    left, right = left.casefold(), right.casefold()
    if max(len(left), len(right)) > MOST_COMPARED:
        return 0.0
    found = SequenceMatcher(None, left, right).ratio()
    words, others = _WORD.findall(left), _WORD.findall(right)
    short = any(len(a) >= 2 and len(b) >= 2 and (a.startswith(b) or b.startswith(a)) for a in words for b in others)
    return max(found, NEAR + 0.3 * found) if short else found


def nearest_name(name: str, logged: Sequence[str]) -> str:
    """Returns the name among ``logged`` that is most like ``name``; of equal ones the first; empty without any."""
    return max(logged, key=lambda other: likeness(name, other), default="")


def missing_text(name: str, logged: Sequence[str]) -> str:
    """Returns why a trial failed that ended well but never logged the primary metric ``name`` as a number.

    Args:
        name: The primary metric.
        logged: Names of what the trial did log.
    """
    if name in logged:
        return f"logged the primary metric {name!r} but never as a number; log one number at a time"
    by_others = [other for other in logged if is_of_rank(other)]
    if name in [other.partition("/")[2] for other in by_others]:
        return (
            f"ended without logging the primary metric {name!r} on rank 0; it logged {', '.join(map(repr, by_others))}."
            f" Log it on rank 0; if another rank is the one that counts, set the environment variable {ALL_RANKS}=1"
        )
    logged = own_names(logged)
    if not logged:
        return f"ended without logging the primary metric {name!r}, or any other"
    names = ", ".join(map(repr, logged))
    return f"ended without logging the primary metric {name!r}; it logged {names}. {_suggestion(name, logged)}".rstrip()


def line_to_change(config: RunConfig, name: str) -> str:
    """Returns what to write so that a run goes by the metric ``name``, in the form in which the run was configured."""
    if config.trial.kind == "command":
        return f"primary_metric: {name}"
    return f'primary_metric_name="{name}" (metric="{name}" in tune())'


def notice(config: RunConfig, trial: Trial, over: bool) -> tuple[str, str]:
    """Returns what to tell of a run in which no trial has logged the primary metric, and what to do about it.

    Args:
        config: The run's.
        trial: One of its trials, which has logged something else.
        over: Whether nothing more can come.
    """
    name, logged = config.metric.name, own_names(trial.logged)
    if name in logged:
        return f"trial {trial.number} logs the primary metric {name!r}, but not as a number", "Log one number at a time"
    names = ", ".join(map(repr, logged[:8])) + (f" and {len(logged) - 8} more" if len(logged) > 8 else "")
    told = (
        f"no trial has logged the primary metric {name!r}{'' if over else ' so far'}; trial {trial.number} logs {names}"
    )
    near = nearest_name(name, logged)
    return told, f"Write {line_to_change(config, near)} to tune for {near!r}"


def ends_run(strict: int, fact: Reported, trial: Trial, state: State, curves: Curves) -> bool:
    """Returns whether a report without the primary metric ends the run.

    Args:
        strict: ``Limits.strict``.
        fact: The report, not folded yet.
        trial: Whose it is.
        state: The sweep's.
        curves: The sweep's.
    """
    if not strict or fact.interval or trial.stop_by or state.ending or fact.seq <= strict:
        return False
    names, logged = own_names(fact.metrics), own_names(trial.logged)
    # A script may log its metrics one by one: only when a name comes again has the primary metric been left out.
    if not names or not any(name in logged for name in names):
        return False
    return not any_logged(state, curves)


def any_logged(state: State, curves: Curves) -> bool:
    """Returns whether some trial has logged the primary metric."""
    return any(curves.length(trial.number) for trial in state.trials)


def stops(config: RunConfig, trial: Trial, state: State) -> tuple[Stop, ...]:
    """Returns the decisions that end a run whose trial ``trial`` logs other metrics than the primary one."""
    why = BY_STRICT + ". ".join(notice(config, trial, over=True))
    return stop_all(state, why)


def _suggestion(name: str, logged: Sequence[str]) -> str:
    near = nearest_name(name, logged)
    return f"Did you mean {near!r}?" if likeness(name, near) >= NEAR else ""
