"""Problems to show first: that trials fail, time out, or log another metric."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from raydrive.core.rank_names import own_names
from raydrive.core.records import FAILED
from raydrive.core.sweep.missing_metric import notice
from raydrive.core.sweep.state import Trial, duration_text
from raydrive.core.sweep.sweep import Sweep


@dataclass(frozen=True, slots=True)
class Trouble:
    """Trials of a run that failed or ran out of time."""

    bad: int
    """How many of them failed or ran out of time."""
    over: int
    """How many trials have ended."""
    text: str
    """One sentence: how many did what, and why one of them did."""
    count_text: str
    """The first part of it: how many did what."""
    trial: int
    """Number of a trial to look at: the last one of those that ended for the most frequent reason."""
    attempt: int
    """Its last attempt."""
    why: str
    """Why it ended."""

    @property
    def mostly(self) -> bool:
        """Whether at least half of the trials that have ended failed or ran out of time."""
        return 2 * self.bad >= self.over


def trouble_of(sweep: Sweep) -> Trouble | None:
    """Returns what is to be reported of trials that failed or ran out of time; None where none did."""
    if not sweep.count[FAILED] and sweep.limits.trial_timeout_s is None:
        return None  # nearly always: the trials need not be looked at
    bad = [trial for trial in sweep.trials if trial.state == FAILED or _is_late(trial)]
    if not bad:
        return None
    late = sum(map(_is_late, bad))
    over = sum(sweep.count.values())
    count_text = _count_text(len(bad) - late, late, over, sweep.limits.trial_timeout_s)
    common = Counter(trial.why for trial in reversed(bad)).most_common(1)[0][0]
    example = next(trial for trial in reversed(bad) if trial.why == common)
    what = "timed out" if _is_late(example) else "failed"
    text = f"{count_text}. Trial {example.number} {what}: {example.why.removeprefix('timeout: ')}"
    return Trouble(len(bad), over, text, count_text, example.number, max(1, example.attempt), example.why)


def metric_notice(sweep: Sweep) -> str:
    """Returns the parts of ``metric_notices`` as one text."""
    return ". ".join(metric_notices(sweep))


def metric_notices(sweep: Sweep) -> tuple[str, ...]:
    """Returns that no trial has logged the primary metric though some have logged others; empty where that is not so.

    Returns:
        A metric that was logged and the primary metric; and the line to change.
    """
    if any(sweep.curves.length(trial.number) for trial in sweep.trials):
        return ()
    trial = next((trial for trial in sweep.trials if own_names(trial.logged)), None)
    return () if trial is None else notice(sweep.config, trial, over=sweep.finished is not None)


def any_good(sweep: Sweep) -> bool:
    """Returns whether some trial has a value of the primary metric and has not failed."""
    return any(t.state != FAILED and sweep.curves.objective(t.number) is not None for t in sweep.trials)


def _is_late(trial: Trial) -> bool:
    return not trial.open and trial.stop_by == "timeout"


def _count_text(failed: int, late: int, over: int, limit_s: float | None) -> str:
    bad = failed + late
    if over == 1:
        which = "the only trial that has ended"
    else:
        which = f"all {over} trials" if bad == over else f"{bad} of {over} trials"
    limit = "" if limit_s is None else f" after {duration_text(limit_s)} (trial_timeout)"
    if failed and late:
        return f"{which} failed or timed out: {failed} failed, {late} timed out{limit}"
    return f"{which} failed" if failed else f"{which} timed out{limit}"
