"""What a user asks of a run, as facts for its judge: checked against the run as it stands.

A request is a JSON object, as it travels to a driver: ``{"do": "edit", "patch": {...}, "by": "ada@laptop"}``. The same
function serves the driver of a live run, and a client that records a request for a run without a driver.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from raydrive.core.config.given_points import point_problems
from raydrive.core.errors import ConfigError, Problem, did_you_mean, show
from raydrive.core.records import BY_PAUSE, CANCELED, COMPLETED, FAILED, Cancelled, Fact
from raydrive.core.sweep.pauses import goes_on_by_itself
from raydrive.core.sweep.state import Trial
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.user_facts import Added, Annotated, Retried, RunPaused, RunUnpaused, StopAsked
from raydrive.core.user_requests.edit_checks import planned_edit

_MISSING = "Set it, or take it from a trial: --like TRIAL, or --like best."
_OUTSIDE = "To try it, widen the space first: raydrive edit RUN --set search_space.{}=..."
Request = Mapping[str, Any]
"""``do`` names what is asked for, ``by`` who asks; the rest depends on ``do``."""


@dataclass(frozen=True, slots=True)
class Planned:
    """The facts of a request, and what its user is answered."""

    facts: tuple[Fact, ...]
    """None where there is nothing left to do; ``notes`` then tell why."""
    recorded: tuple[str, ...]
    """What is recorded, a line each."""
    effect: str
    """When it takes effect, in a run with a driver."""
    notes: tuple[str, ...] = field(default=())
    """What else its user should know."""


def plan(sweep: Sweep, request: Request, at: float) -> Planned:
    """Returns what is to be recorded for a request.

    Args:
        sweep: The run as it stands.
        request: What is asked for.
        at: The time, seconds since the epoch.

    Raises:
        ConfigError: If it cannot be done, with what can; all problems at once.
    """
    do = request.get("do")
    if do not in _PLANS:
        raise ConfigError(Problem("do", show(do), ", ".join(_PLANS), did_you_mean(str(do), list(_PLANS))))
    if sweep.ending is not None and sweep.finished is None and do not in _AT_THE_END:
        found = f"a run that is ending: {sweep.ending.why}"
        raise ConfigError(
            Problem("RUN", found, "a run that has not ended", "Wait for its end, then use raydrive resume.")
        )
    return _PLANS[do](sweep, request, at)


def _edit(sweep: Sweep, request: Request, at: float) -> Planned:
    edit = planned_edit(sweep, request, at)
    return Planned((edit.fact,), tuple(change.text for change in edit.changes), edit.effect, edit.notes)


def _pause(sweep: Sweep, request: Request, at: float) -> Planned:
    now = bool(request.get("now"))
    paused = sweep.steering.paused
    if sweep.finished is not None:
        raise ConfigError(Problem("RUN", f"a run that has ended ({sweep.finished.state})", "a run that has not ended"))
    if paused is not None and (paused.now or not now):
        raise ConfigError(
            Problem("RUN", "a run that is already paused", "a run that is not paused", "raydrive unpause RUN")
        )
    fact = RunPaused(at, request.get("by", ""), now, request.get("why", ""))
    if not now:
        return Planned(
            (fact,), ("the run pauses: no further trial is started",), "now; running trials continue to their end"
        )
    lines = [f"trial {one.number} pauses, {_saved(one)}" for one in sweep.open_trials if not one.stop_by]
    grace_s = sweep.config.trial.grace_s
    effect = f"now; each trial has {grace_s:g} s after SIGTERM to save a checkpoint, and continues with unpause"
    return Planned((fact,), ("the run pauses: no further trial is started", *lines), effect)


def _saved(trial: Trial) -> str:
    """Where a paused trial will continue, unless it saves another checkpoint until then."""
    if trial.checkpoint is None:
        return "with no checkpoint so far: it will restart from the beginning"
    return f"with a checkpoint of interval {trial.checkpoint_interval}"


def _unpause(sweep: Sweep, request: Request, at: float) -> Planned:
    if sweep.steering.paused is None:
        raise ConfigError(Problem("RUN", "a run that is not paused", "a run paused with raydrive pause"))
    again = [one.number for one in sweep.paused_trials if goes_on_by_itself(one)]
    lines = [f"the paused trials continue: {', '.join(map(str, again))}"] if again else []
    return Planned((RunUnpaused(at, request.get("by", "")),), ("the run continues", *lines), "now")


def _add(sweep: Sweep, request: Request, at: float) -> Planned:
    points = request.get("points") or ()
    if not points:
        raise ConfigError(Problem("points", "nothing", "one configuration or more, such as --set lr=0.003"))
    space, problems = sweep.config.sampling.space, []
    for place, point in enumerate(points):
        where = f"points[{place}]" if len(points) > 1 else "point"
        problems += point_problems(space, point["params"], where, missing=_MISSING, outside=_OUTSIDE)
    left = sweep.limits.max_total_runs - len(sweep.trials) - len(sweep.steering.given)
    if len(points) > left:
        fix = f"raydrive edit RUN --set limits.max_total_trials={sweep.limits.max_total_runs + len(points) - left}"
        allowed = f"at most {left}, the rest of {sweep.limits.max_total_runs} trials: given configurations count"
        count = "1 configuration" if len(points) == 1 else f"{len(points)} configurations"
        problems.append(Problem("points", count, allowed, fix))
    if problems:
        raise ConfigError(problems)
    facts = tuple(
        Added(at, dict(space.own(point["params"])), request.get("by", ""), point.get("details", {})) for point in points
    )
    first = len(sweep.trials) + len(sweep.steering.given)
    lines = [f"trial {first + place}: {_params_text(fact.params)}" for place, fact in enumerate(facts)]
    effect = "as soon as a slot is free, before what the sampling proposes"
    return Planned(facts, tuple(lines), effect, tuple(_end_notes(sweep)))


def _retry(sweep: Sweep, request: Request, at: float) -> Planned:
    wanted = list(dict.fromkeys(request.get("trials") or ()))
    failed = [one.number for one in sweep.trials if one.state == FAILED]
    if request.get("failed"):
        if not failed and not wanted:
            raise ConfigError(Problem("--failed", "no failed trial", "a run with failed trials"))
        wanted = list(dict.fromkeys([*wanted, *failed]))
    if not wanted:
        found = f"nothing; failed trials: {', '.join(map(str, failed)) or 'none'}"
        raise ConfigError(Problem("TRIAL", found, "numbers of trials that have ended, or --failed"))
    problems = [problem for number in wanted for problem in _retry_problems(sweep, number)]
    if problems:
        raise ConfigError(problems)
    fresh, by = bool(request.get("fresh")), request.get("by", "")
    facts = tuple(Retried(at, number, by, fresh) for number in wanted)
    lines = [f"trial {number} is tried again, {_whence(sweep, number, fresh)}" for number in wanted]
    effect = "as soon as a slot is free, before any new trial; its limits of failures and losses count from here"
    return Planned(facts, tuple(lines), effect, tuple(_end_notes(sweep)))


def _retry_problems(sweep: Sweep, number: Any) -> list[Problem]:
    if not isinstance(number, int) or not 0 <= number < len(sweep.trials):
        return [Problem("TRIAL", show(number), _numbers(sweep))]
    state = sweep.trials[number].state
    if state in (FAILED, CANCELED, COMPLETED):
        return []
    return [Problem("TRIAL", f"{number}, which is {state}", "a trial that has ended: Failed, Canceled or Completed")]


def _whence(sweep: Sweep, number: int, fresh: bool) -> str:
    trial = sweep.trials[number]
    if fresh or not trial.checkpoint:
        return "from its start"
    return f"from its checkpoint of interval {trial.checkpoint_interval}"


def _stop(sweep: Sweep, request: Request, at: float) -> Planned:
    number, why = request.get("trial"), str(request.get("why") or "").strip()
    problems = []
    if not isinstance(number, int) or not 0 <= number < len(sweep.trials):
        problems.append(Problem("TRIAL", show(number), _numbers(sweep)))
    elif not sweep.trials[number].open or sweep.trials[number].stop_by not in ("", BY_PAUSE):
        trial = sweep.trials[number]
        found = f"{number}, which is {'being stopped' if trial.open else trial.state}"
        problems.append(Problem("TRIAL", found, "a trial that is queued, running or paused"))
    if not why:
        problems.append(Problem("--reason", "nothing", "the reason, which is recorded and shown with the trial"))
    if problems:
        raise ConfigError(problems)
    fact = StopAsked(at, int(number or 0), why, request.get("by", ""))
    recorded = f"trial {number} is stopped as by a policy: it is Canceled, not Failed, and its curve is still compared"
    return Planned((fact,), (recorded,), "now")


def _cancel(sweep: Sweep, request: Request, at: float) -> Planned:
    number, by = request.get("trial"), request.get("by", "")
    if number is not None and (not isinstance(number, int) or not 0 <= number < len(sweep.trials)):
        raise ConfigError(Problem("TRIAL", show(number), _numbers(sweep)))
    why = str(request.get("why") or "").strip() or f"canceled by {by or 'the user'}"
    fact, what = Cancelled(at, number, why), "the run" if number is None else f"trial {number}"
    if sweep.accepts(fact):
        return Planned((fact,), (f"{what} is being canceled",), "now")
    over = sweep.finished
    found = f": {over.state}, {over.why}" if over is not None and number is None else ""
    return Planned((), (), "now", (f"{what} had already ended{found}",))


def _note(sweep: Sweep, request: Request, at: float) -> Planned:
    number, text, tags = request.get("trial"), str(request.get("text") or ""), request.get("tags") or {}
    problems = []
    if number is not None and (not isinstance(number, int) or not 0 <= number < len(sweep.trials)):
        problems.append(Problem("TRIAL", show(number), _numbers(sweep)))
    if not text and not tags:
        problems.append(Problem("text", "nothing", "text, or --tag key=value"))
    problems += [
        Problem(f"tags.{key}", show(value), "strings by name")
        for key, value in tags.items()
        if not isinstance(key, str) or not key or not isinstance(value, str)
    ]
    if problems:
        raise ConfigError(problems)
    about = "the run" if number is None else f"trial {number}"
    what = " and ".join(filter(None, ["a note" if text else "", f"tags {_params_text(tags)}" if tags else ""]))
    return Planned((Annotated(at, number, text, dict(tags), request.get("by", "")),), (f"{what} about {about}",), "now")


def _numbers(sweep: Sweep) -> str:
    count = len(sweep.trials)
    return f"the number of a trial: 0 to {count - 1}" if count else "the number of a trial; the run has none yet"


def _params_text(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in params.items())


def _end_notes(sweep: Sweep) -> list[str]:
    """What keeps a run that has ended from continuing."""
    over, limit_s = sweep.finished, sweep.limits.max_duration_s
    if over is None or limit_s is None or sweep.elapsed_s(sweep.last_at) < limit_s:
        return []
    return [f"the run has used its time of {limit_s:g} s: also raise limits.timeout, or it ends again at once"]


_PLANS: dict[Any, Callable[[Sweep, Request, float], Planned]] = {
    "edit": _edit,
    "pause": _pause,
    "unpause": _unpause,
    "add": _add,
    "retry": _retry,
    "stop": _stop,
    "note": _note,
    "cancel": _cancel,
}
_AT_THE_END = ("note", "cancel")
"""What may be asked of a run that is ending."""
