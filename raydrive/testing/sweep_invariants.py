"""What must hold of a sweep at any moment, and of every journal: to check a run with, whoever ran it.

    check(sweep)                       # after a test that drove one
    check_journal(config, lines)       # a run that a TrialRunner of yours produced

Both raise ``AssertionError`` with everything they found, not the first. Needs nothing but raydrive's core.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from raydrive.core import records
from raydrive.core.config.run_config import RunConfig
from raydrive.core.records import (
    BY_PAUSE,
    CANCELED,
    COMPLETED,
    FAILED,
    PAUSED,
    RUNNING,
    TERMINAL,
    Checkpointed,
    Close,
    Decision,
    Ended,
    Fact,
    Finish,
    Launch,
    Lost,
    Pause,
    Reported,
    Resumed,
    Stop,
    Suggested,
)
from raydrive.core.sweep.state import Trial
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.sweep.warm_start_data import EMPTY, WarmStartData
from raydrive.core.user_facts import Edited, Retried, RunPaused, StopAsked

SENDERS = frozenset({"policy", "timeout", "user", "run", BY_PAUSE})


def check(sweep: Sweep) -> None:
    """Checks that what a sweep says of itself agrees.

    Raises:
        AssertionError: If something does not; the message lists all of it.
    """
    wrong = [*_wrong_with_run(sweep), *_wrong_with_best(sweep)]
    for number, trial in enumerate(sweep.trials):
        wrong += [f"trial {number}: {text}" for text in _wrong_with_trial(sweep, number, trial)]
    _refuse(wrong)


def picture(sweep: Sweep) -> dict[str, Any]:
    """Returns the whole state of a sweep, to be compared with ``==``: NaN equals NaN, 0.0 is not -0.0."""
    return {
        "trials": [{spec.name: _plain(getattr(trial, spec.name)) for spec in fields(trial)} for trial in sweep.trials],
        "open": [trial.number for trial in sweep.open_trials],
        "paused": [trial.number for trial in sweep.paused_trials],
        "curves": {number: [repr(value) for value in sweep.curves.values(number)] for number in sweep.curves.trials},
        "bests": {number: repr(sweep.curves.best(number)) for number in sweep.curves.trials},
        "objectives": {number: repr(sweep.curves.objective(number)) for number in sweep.curves.trials},
        "best": repr(sweep.best),
        "count": sweep.count,
        "without_metric": sweep.without_metric,
        "metric_missing": sweep.metric_missing,
        "limits": repr(sweep.limits),
        "ending": repr(sweep.ending),
        "finished": repr(sweep.finished),
        "progress": repr(sweep.progress),
        "exhausted": sweep.exhausted,
        "epoch": sweep.epoch,
        "reports": sweep.reports,
        "steering": repr(sweep.steering),
        "config": repr(sweep.config.to_json()),
        "wanted": (sweep.free_slots, sweep.may_continue),
        "due_at": sweep.due_at,
        "changes": _plain(sweep.changes),
        "clock": (sweep.started_at, sweep.last_at, sweep.elapsed_s(sweep.last_at + 1000.0)),
    }


def check_journal(config: RunConfig, lines: Iterable[str | bytes], warm_start: WarmStartData = EMPTY) -> Sweep:
    """Checks every entry of a journal, and returns the run it tells of.

    Each line has to be what ``records.dump`` writes, its fact one that the judge accepts at that point, and its
    decisions those that the judge takes: a policy and a sweep are pure, so that judging again decides again.

    Args:
        config: The configuration of the run.
        lines: The journal, from its beginning; it may end anywhere.
        warm_start: What the run got from earlier ones.

    Raises:
        JournalError: If a line is not an entry.
        AssertionError: If an entry is not as it must be; the message lists all that is wrong with the first such.
    """
    live, replayed = Sweep(config, warm_start), Sweep(config, warm_start)
    for index, line in enumerate(lines):
        fact, decisions = records.load(line)
        text = line.decode() if isinstance(line, bytes) else line
        where = f"entry {index} ({text.strip()[:200]})"
        wrong = [] if records.dump(fact, decisions).strip() == text.strip() else ["dump(load(line)) is another line"]
        if not live.accepts(fact):
            _refuse([f"{where}: the judge does not accept this fact here"])
        wrong += _wrong_with_decisions(live, fact, decisions)
        again = live.handle(fact)
        replayed.apply(fact, decisions)
        if repr(again) != repr(decisions):
            wrong.append(f"judged again, it is {again}")
        wrong += [*_wrong_with_run(replayed), *_wrong_with_best(replayed)]
        _refuse([f"{where}: {one}" for one in wrong])
    check(live)
    check(replayed)
    _refuse([] if picture(live) == picture(replayed) else ["the replayed run differs from the live one"])
    return replayed


def _wrong_with_run(sweep: Sweep) -> list[str]:
    numbers = [trial.number for trial in sweep.open_trials]
    steering = sweep.steering
    edited = steering.revision > 0  # limits may have been lowered below what there is
    limits, total, paused = sweep.limits, len(sweep.trials), len(sweep.paused_trials)
    rules = {
        f"{len(numbers)} trials are open, {limits.max_concurrent_runs} are allowed": (
            edited or len(numbers) <= max(limits.max_concurrent_runs, sweep.config.limits.max_concurrent_runs)
        ),
        f"{total} trials, {limits.max_total_runs} are allowed": (
            edited or total <= max(limits.max_total_runs, sweep.config.limits.max_total_runs)
        ),
        f"open trials are out of order: {numbers}": numbers == sorted(numbers),
        f"{sweep.count} closed, {len(numbers)} open and {paused} paused trials are not {total}": (
            sum(sweep.count.values()) + len(numbers) + paused == total
        ),
        "over, with open trials": not (sweep.finished and numbers),
        "ending or over, with paused trials": not (paused > len(steering.retries) and (sweep.finished or sweep.ending)),
        "a trial is to be tried again, and is not paused": {*steering.retries}
        <= {t.number for t in sweep.paused_trials},
        "over in a state that is none": sweep.finished is None or sweep.finished.state in TERMINAL,
        "over without a reason": sweep.finished is None or bool(sweep.finished.why),
        "ending without a reason": sweep.ending is None or bool(sweep.ending.why),
        "ending, and an open trial was not stopped": not sweep.ending or all(t.stop_by for t in sweep.open_trials),
        "wants trials it must not launch": 0 <= sweep.free_slots <= max(0, limits.max_concurrent_runs - len(numbers)),
        "wants trials though it ends": not (sweep.free_slots and (sweep.ending or sweep.finished)),
        "wants trials of a space without any": not (sweep.free_slots and sweep.exhausted and not steering.given),
        "wants trials though it pauses": not (sweep.free_slots and steering.paused),
        "neither over, nor anything open, nor anything wanted": bool(
            not sweep.epoch or sweep.finished or numbers or sweep.free_slots or sweep.may_continue or steering.paused
        ),
    }
    return [text for text, holds in rules.items() if not holds]


def _wrong_with_best(sweep: Sweep) -> list[str]:
    sign = 1.0 if sweep.config.metric.maximize else -1.0
    objective = sweep.config.metric.objective
    found = {t.number: objective.find(sweep.curves.values(t.number), t.start) for t in sweep.trials}
    finite = [sign * value for value, _ in found.values() if value is not None]
    best = sweep.best
    if best is None:
        return ["no best trial, though values are finite"] if finite else []
    rules = {
        f"the best is not finite: {best}": math.isfinite(best.value),
        f"a trial is better than the best {best}": bool(finite) and sign * best.value == max(finite),
        f"the best trial has no {best}": found[best.trial] == (best.value, best.interval),
        "trials have other objective values than their curves": all(
            (sweep.curves.objective(n), sweep.curves.objective_interval(n)) == one for n, one in found.items()
        ),
    }
    return [text for text, holds in rules.items() if not holds]


def _wrong_with_trial(sweep: Sweep, number: int, trial: Trial) -> list[str]:
    is_open = any(other is trial for other in (*sweep.open_trials, *sweep.paused_trials))
    again = any(isinstance(one.fact, Retried) and one.fact.trial == number for one in sweep.steering.log)
    waits = number in sweep.steering.retries
    ends = trial.failures + trial.losses + trial.ooms + trial.pauses
    between = trial.state in TERMINAL or trial.state == PAUSED
    rules = {
        f"is called {trial.number}": trial.number == number,
        f"is {trial.state}, but listed as {'open' if is_open else 'closed'}": trial.open == is_open,
        f"is in the unknown state {trial.state}": trial.state in TERMINAL | {RUNNING, PAUSED, records.QUEUED},
        "is paused without a reason, or an attempt of it is under way": trial.state != PAUSED
        or (trial.why != "" and (waits or trial.pause is not None) and not trial.stop_by and trial.launch is None),
        f"is {trial.state}, but listed otherwise": (trial.state == PAUSED)
        == any(other is trial for other in sweep.paused_trials),
        f"failed {trial.failures}, was lost {trial.losses} and paused {trial.pauses} times, attempt {trial.attempt}": (
            ends <= trial.attempt if again or between else ends == trial.attempt - 1
        ),
        "is closed without a time or a reason": trial.open or (trial.ended_at is not None and trial.why != ""),
        "is open with an end": not trial.open or trial.ended_at is None,
        "is running, but never began": (trial.state == RUNNING) == (trial.began_at is not None),
        f"has trained for {trial.trained_s} s": trial.trained_s >= 0 and math.isfinite(trial.trained_s),
        f"is stopped by {trial.stop_by!r}": trial.stop_by in SENDERS | {""},
        "is stopped without a reason": not trial.stop_by or trial.why != "",
        "was stopped, yet is not Canceled": trial.open or not trial.stop_by or trial.state == CANCELED,
        "is completed without the primary metric": trial.state != COMPLETED or sweep.curves.length(number) > 0,
    }
    return [text for text, holds in rules.items() if not holds]


def _wrong_with_decisions(sweep: Sweep, fact: Fact, decisions: tuple[Decision, ...]) -> list[str]:
    """What is wrong with decisions, given the sweep before their fact."""
    wrong = []
    reopens = isinstance(fact, records.Started) and (fact.limits or sweep.steering.reopens)
    ending = sweep.ending is not None and not reopens
    closed = set()
    for place, decision in enumerate(decisions):
        match decision:
            case Launch():
                known = sweep.trials[decision.trial] if decision.trial < len(sweep.trials) else None
                first = isinstance(fact, Suggested) and decision.attempt == 1 and known is None
                again = isinstance(fact, Ended | Lost) and known is not None and decision.attempt == known.attempt + 1
                chosen = isinstance(fact, Resumed) and decision.trial == fact.trial
                pauses = known is not None and (known.state == PAUSED or known.stop_by == BY_PAUSE)
                pauses = pauses or (isinstance(fact, Retried) and decision.trial == fact.trial)
                promoted = pauses and bool(decision.why)
                if not (first or again or chosen or promoted):
                    wrong.append(f"{decision} does not follow from a suggestion or the end of an attempt")
                is_over = known is not None and known.open and known.stop_by not in ("", BY_PAUSE)
                if ending or is_over:
                    wrong.append(f"{decision} while the run or the trial is ending")
            case Stop():
                known = sweep.trials[decision.trial]
                by_user = decision.by == "policy" and isinstance(fact, StopAsked)
                ends_again = known.stop_by == BY_PAUSE and (by_user or decision.by in ("user", "run"))
                stopped = bool(known.stop_by and not ends_again)
                if not known.open or stopped or known.attempt != decision.attempt or not decision.why:
                    wrong.append(f"{decision} of a trial that is over or stopped already, or without a reason")
                if decision.by == BY_PAUSE and not isinstance(fact, Reported | Checkpointed | RunPaused | Edited):
                    wrong.append(f"{decision} does not follow from a report or a checkpoint")
            case Pause():
                known = sweep.trials[decision.trial]
                if known.pause or known.stop_by or known.attempt != decision.attempt or not decision.why:
                    wrong.append(f"{decision} of a trial that pauses or is stopped already, or without a reason")
            case Close():
                known = sweep.trials[decision.trial]
                ended = isinstance(fact, Ended | Lost) and fact.trial == decision.trial
                paused = known.state == PAUSED or known.stop_by == BY_PAUSE
                if not (ended or (paused and decision.by)) or decision.trial in closed or not known.open:
                    wrong.append(f"{decision} is not the one end of its trial")
                closed.add(decision.trial)
                if decision.state not in (COMPLETED, CANCELED, FAILED):
                    wrong.append(f"{decision}: no such end")
            case Finish():
                if place != len(decisions) - 1:
                    wrong.append(f"{decision} is not the last decision")
    return wrong


def _plain(value: Any) -> Any:
    """Something that compares by what it says, mappings whatever their type."""
    return repr(_sorted(value))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list | tuple) else value


def _refuse(wrong: Iterable[str]) -> None:
    texts = list(wrong)
    if texts:
        raise AssertionError("\n".join(texts))
