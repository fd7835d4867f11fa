"""Early termination: HyperDrive's policies, evaluated when a trial logs its primary metric.

A policy evaluates a trial when it logs its k-th value, k a multiple of ``evaluation_interval`` and at least
``delay_evaluation``. It then compares the trial's best over intervals 1..k with what all trials, running, finished and
stopped, had in the same intervals 1..k. With delay 0 and interval 1 that is at 1, 2, 3, ...; (interval 1, delay 5):
5, 6, 7, ...; (2, 5): 6, 8, ...; (100, 200): 200, 300, ...

Values that are not finite numbers (NaN, inf, -inf) are never a best and count as the worst there can be; see
``curves.py``.

Two numbers that differ by less than 1e-12 of their size are a tie, and a tie never stops a trial: with a slack amount
of 0.2 and a best of 0.8 a trial at 0.6 continues, although 0.8 - 0.2 is 0.6000000000000001 to a computer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from functools import partial
from numbers import Integral
from typing import Any, ClassVar, Protocol

from raydrive.core.early_stopping.auto_policy import AutoPolicy
from raydrive.core.early_stopping.curves import Curves
from raydrive.core.early_stopping.halving_policy import SuccessiveHalvingPolicy
from raydrive.core.early_stopping.policy_problems import interval_problems, is_whole, refuse, slack_problems
from raydrive.core.early_stopping.retention import PolicyNeeds
from raydrive.core.early_stopping.verdict import Verdict, bandit_why, median_why, truncation_why
from raydrive.core.errors import ConfigError, Problem, did_you_mean, show
from raydrive.core.numbers import is_real
from raydrive.core.user_classes import meant_class

ROUNDING = 1e-12
"""Relative difference below which two computed numbers are equal."""


class Policy(Protocol):
    """Decides whether a trial that just logged a value continues. It has no state and no side effects.

    One that also has ``needs() -> Needs`` (``core/early_stopping/retention.py``) says what it asks of trials that have
    ended, and the driver need not keep their values. Without it, it may ask for anything.

    ``core/user_classes.py`` says how one of another class than those below is recorded and built again.
    """

    def judge(self, trial: int, interval: int, curves: Curves) -> Verdict | None:
        """Judges a trial.

        Args:
            trial: Number of the trial.
            interval: k, from 1, at most ``curves.length(trial)``.
            curves: All trials' values, that of this interval included.

        Returns:
            The verdict, or None when the policy does not look at this interval.
        """
        ...


@dataclass(frozen=True, slots=True)
class BanditPolicy:
    """Stops a trial whose best is not within a slack of the best of all trials.

    With ``best`` the best value over intervals 1..k of all trials, the trial is stopped when its own best over 1..k
    is::

        maximise, factor f:  below  best - |best|*f/(1+f)      for best >= 0 that is best/(1+f), as documented
        maximise, amount a:  below  best - a
        minimise, factor f:  above  best + |best|*f            for best >= 0 that is best*(1+f)
        minimise, amount a:  above  best + a

    so the slack is on the right side for negative metrics too, and the trial that has the best is never stopped. A
    factor gives no slack when the best is 0; give an amount where that can happen. A trial without a finite value is
    stopped as soon as another trial has one in intervals 1..k; while no trial has one, nothing is stopped.

    Raises:
        ConfigError: If neither or both of ``slack_factor`` and ``slack_amount`` are given.
        ConfigError: If the one given is not a finite number of 0 (no slack) or more.
        ConfigError: If ``evaluation_interval`` is not a whole number of 1 or more.
        ConfigError: If ``delay_evaluation`` is not a whole number of 0 or more.
    """

    evaluation_interval: int = 1
    """Number of intervals between two evaluations, 1 or more."""
    slack_factor: float | None = None
    """Slack as a ratio to the best, 0 or more: 0.1 lets a trial be at 1/1.1 = 91 % of it."""
    slack_amount: float | None = None
    """Slack as a distance from the best, 0 or more, in units of the metric."""
    delay_evaluation: int = 0
    """First interval at which the policy is evaluated, 0 or more."""
    TYPE: ClassVar[str] = "bandit"

    def __post_init__(self) -> None:
        refuse([*slack_problems(self.slack_factor, self.slack_amount), *interval_problems(self)])

    def judge(self, trial: int, interval: int, curves: Curves) -> Verdict | None:
        """Compares the trial's best with the best of all; see ``Policy.judge``."""
        if interval % self.evaluation_interval or interval < self.delay_evaluation:
            return None
        own = curves.best_until(trial, interval)
        incumbent = curves.incumbent(interval)
        if incumbent is None:
            return Verdict(False, f"bandit: no trial has a finite value up to interval {interval}")
        best, by = incumbent
        cut = self.cut(best, curves.maximize)
        stop = own is None or _worse(own, cut, abs(best), curves.maximize)
        slack = ("factor", self.slack_factor or 0.0) if self.slack_amount is None else ("amount", self.slack_amount)
        setter = "this trial" if by == trial else curves.name(by)
        why = partial(bandit_why, own, interval, best, cut, slack, setter, stop, curves.maximize)
        return Verdict(stop, why)

    def cut(self, best: float, maximize: bool) -> float:
        """Returns the value beyond which a trial is stopped, given the best of all trials."""
        if self.slack_amount is not None:
            return best - self.slack_amount if maximize else best + self.slack_amount
        factor = self.slack_factor or 0.0
        if maximize:
            return best / (1 + factor) if best >= 0 else best - abs(best) * (factor / (1 + factor))
        return best * (1 + factor) if best >= 0 else best + abs(best) * factor

    def needs(self) -> PolicyNeeds:
        """Returns what it asks of trials that have ended: nothing but the edge."""
        return PolicyNeeds()

    def to_json(self) -> dict[str, Any]:
        """Returns the v2 form."""
        return _to_json(self)


@dataclass(frozen=True, slots=True)
class MedianStoppingPolicy:
    """Stops a trial whose best is worse than the median of all trials' running means.

    At interval k, over the n trials with k intervals or more, the trial itself included: the median of the means of
    their values 1..k. The trial is stopped when its best over 1..k is strictly worse. (After Golovin et al., Google
    Vizier, KDD 2017, section 3.2, which averages over finished trials only; HyperDrive counts all of them.)

    A mean over intervals with a value that is not a finite number is the worst there can be: as if it were a number
    beyond all others. While the median is of that kind, no trial with a finite value is stopped. A trial without one is
    stopped as soon as the median, or for even n the better of the two means it is taken from, is finite.

    Raises:
        ConfigError: If ``evaluation_interval`` is not a whole number of 1 or more.
        ConfigError: If ``delay_evaluation`` is not a whole number of 0 or more.
    """

    evaluation_interval: int = 1
    """Number of intervals between two evaluations, 1 or more."""
    delay_evaluation: int = 0
    """Looks at no interval before this one, 0 or more; 5 is HyperDrive's advice."""
    TYPE: ClassVar[str] = "median_stopping"

    def __post_init__(self) -> None:
        refuse(interval_problems(self))

    def judge(self, trial: int, interval: int, curves: Curves) -> Verdict | None:
        """Compares the trial's best with the median of the running means; see ``Policy.judge``."""
        if interval % self.evaluation_interval or interval < self.delay_evaluation:
            return None
        own = curves.best_until(trial, interval)
        median = curves.median_of_means(interval)
        if median is None or not math.isfinite(median.better if own is None else median.value):
            n = median.n if median else 0
            return Verdict(False, f"median: no finite median of the running means of {n} trials at interval {interval}")
        stop = own is None or _worse(own, median.value, abs(own), curves.maximize)
        return Verdict(stop, partial(median_why, own, interval, median.value, median.n, stop, curves.maximize))

    def needs(self) -> PolicyNeeds:
        """Returns what it asks of trials that have ended: medians."""
        return PolicyNeeds(means=True, every=self.evaluation_interval, first=self.delay_evaluation)

    def to_json(self) -> dict[str, Any]:
        """Returns the v2 form."""
        return _to_json(self)


@dataclass(frozen=True, slots=True)
class TruncationSelectionPolicy:
    """Stops a percentage of the trials, the worst ones.

    At interval k the n trials with k intervals or more are ranked by their best over 1..k; equal ones share the better
    rank. The trial is stopped when it is among the worst floor(n*X/100): when its rank is beyond n - floor(n*X/100). So
    with 20 % nothing is stopped before 5 trials have k intervals, and trials that are all equal are never stopped.

    Trials without a finite value rank last, equal to each other.

    Raises:
        ConfigError: If ``truncation_percentage`` is not a whole number in 1..99.
        ConfigError: If ``evaluation_interval`` is not a whole number of 1 or more.
        ConfigError: If ``delay_evaluation`` is not a whole number of 0 or more.
    """

    truncation_percentage: int
    """X: per cent of the trials to stop at each interval looked at, 1..99."""
    evaluation_interval: int = 1
    """Number of intervals between two evaluations, 1 or more."""
    delay_evaluation: int = 0
    """First interval at which the policy is evaluated, 0 or more."""
    TYPE: ClassVar[str] = "truncation_selection"

    def __post_init__(self) -> None:
        problems = interval_problems(self)
        if not is_whole(self.truncation_percentage) or not 1 <= self.truncation_percentage <= 99:
            found = show(self.truncation_percentage)
            problems.insert(0, Problem("policy.truncation_percentage", found, "a whole number from 1 to 99"))
        refuse(problems)

    def judge(self, trial: int, interval: int, curves: Curves) -> Verdict | None:
        """Ranks the trial's best among all; see ``Policy.judge``."""
        if interval % self.evaluation_interval or interval < self.delay_evaluation:
            return None
        own = curves.best_until(trial, interval)
        n, worse, equal = curves.rank(trial, interval)
        rank = n - worse - equal + 1
        worst = n * self.truncation_percentage // 100
        stop = rank > n - worst
        return Verdict(stop, partial(truncation_why, own, interval, rank, n, worst, self.truncation_percentage, stop))

    def needs(self) -> PolicyNeeds:
        """Returns what it asks of trials that have ended: where a trial is among them."""
        return PolicyNeeds(bests=True, every=self.evaluation_interval, first=self.delay_evaluation)

    def to_json(self) -> dict[str, Any]:
        """Returns the v2 form."""
        return _to_json(self)


@dataclass(frozen=True, slots=True)
class NoTerminationPolicy:
    """Lets every trial run to its end."""

    TYPE: ClassVar[str] = "none"

    def judge(self, trial: int, interval: int, curves: Curves) -> Verdict | None:
        """Looks at no interval."""
        return None

    def needs(self) -> PolicyNeeds:
        """Returns what it asks of trials that have ended: nothing."""
        return PolicyNeeds()

    def to_json(self) -> dict[str, Any]:
        """Returns ``{"type": "none"}``."""
        return _to_json(self)


_Hyperdrives = BanditPolicy | MedianStoppingPolicy | TruncationSelectionPolicy | NoTerminationPolicy
_Known = _Hyperdrives | SuccessiveHalvingPolicy | AutoPolicy
_KINDS = (
    *(BanditPolicy, MedianStoppingPolicy, TruncationSelectionPolicy),
    *(SuccessiveHalvingPolicy, AutoPolicy, NoTerminationPolicy),
)
_TYPES: dict[str, type[_Known]] = {kind.TYPE: kind for kind in _KINDS}
# Without case and underscores: MedianStopping and median_stopping are the same; "Default" is HyperDrive's "none".
_ALIASES = {**{name.replace("_", ""): name for name in _TYPES}, "default": "none", "notermination": "none"}


def policy_from_json(raw: object, where: str = "early_termination") -> Policy:
    """Returns the policy that ``to_json`` wrote, or that is in a v2 sweep job.

    Args:
        raw: ``{"type": "bandit", "slack_factor": 0.1, ...}``, a bare type, or None for no policy. Types in any case,
            also ``MedianStopping``. Numbers may be strings, as in v2. An ``evaluation_interval`` of 0 is v2's default
            and means 1; a slack of 0 beside the other one is v2's default and means not given.
        where: Path of the object in its file, for error messages.

    Raises:
        ConfigError: If the type or a key is unknown, ``truncation_percentage`` is missing, or a value is out of range.
    """
    if raw is None:
        return NoTerminationPolicy()
    if isinstance(raw, str):
        raw = {"type": raw}
    if not isinstance(raw, Mapping):
        allowed = "an object such as {type: bandit, slack_factor: 0.1}, or null for no early termination"
        raise ConfigError(Problem(where, show(raw), allowed))
    kind, problems = _type_of(raw, where)
    known = _keys(kind) if kind else sorted({key for each in _TYPES.values() for key in _keys(each)})
    values: dict[str, Any] = {}
    for key, value in raw.items():
        if key in known:
            values[key] = _from_text(value)
        elif key != "type" and not meant_class(raw.get("type")):
            problems.append(_unknown_key(key, kind, known, where))
    if kind is None:
        raise ConfigError(problems)
    _forgive_v2_defaults(values)
    required = [spec.name for spec in fields(kind) if spec.default is MISSING and spec.name not in values]
    problems += [Problem(f"{where}.{key}", "nothing", f"a value: {kind.TYPE} needs {key}") for key in required]
    try:
        policy = kind(**{**dict.fromkeys(required, 1), **values})
    except ConfigError as error:
        problems += [replace(one, where=where + one.where.removeprefix("policy")) for one in error.problems]
    if problems:
        raise ConfigError(problems)
    return policy


def _type_of(raw: Mapping[Any, Any], where: str) -> tuple[type[_Known] | None, list[Problem]]:
    name = raw.get("type")
    folded = str(name).strip().casefold().replace("_", "").replace("-", "").removesuffix("policy")
    if isinstance(name, str) and folded in _ALIASES:
        return _TYPES[_ALIASES[folded]], []
    found = show(name) if "type" in raw else "nothing"
    fix = meant_class(name) or (did_you_mean(name, list(_TYPES)) if isinstance(name, str) else "")
    return None, [Problem(f"{where}.type", found, f"{', '.join(_TYPES)}, or module:Class, a class of yours", fix)]


def _unknown_key(key: object, kind: type[_Known] | None, known: Sequence[str], where: str) -> Problem:
    fix = did_you_mean(str(key), known)
    owners = [each.TYPE for each in _TYPES.values() if key in _keys(each)]
    if key == "exclude_finished_jobs":
        fix = "Remove it: finished trials always count, as in HyperDrive."
    elif owners and kind is not None:
        fix = f"{key} belongs to {' and '.join(owners)}, not to {kind.TYPE}."
    return Problem(f"{where}.{key}", "an unknown key", ", ".join(["type", *known]), fix)


def _forgive_v2_defaults(values: dict[str, Any]) -> None:
    if is_real(values.get("evaluation_interval")) and values["evaluation_interval"] == 0:
        values["evaluation_interval"] = 1
    slacks = {name: values[name] for name in ("slack_factor", "slack_amount") if values.get(name) is not None}
    if len(slacks) == 2 and any(slacks.values()):
        for name, slack in slacks.items():
            if is_real(slack) and slack == 0:
                del values[name]


def _from_text(value: object) -> object:
    """Returns the number in ``"0.1"`` or ``"5"``, a whole one for 5.0, and anything else as it is, to be refused."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _keys(kind: type[_Known]) -> list[str]:
    return [spec.name for spec in fields(kind)]


def policy_keys() -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Returns the settings of each type of policy by its name, and those among them that have no default."""
    return {
        name: (tuple(_keys(kind)), tuple(spec.name for spec in fields(kind) if spec.default is MISSING))
        for name, kind in _TYPES.items()
    }


def _to_json(policy: _Known) -> dict[str, Any]:
    out: dict[str, Any] = {"type": policy.TYPE}
    for name in _keys(type(policy)):
        value = getattr(policy, name)
        if value is not None:
            out[name] = int(value) if isinstance(value, Integral) else float(value)  # numpy's numbers are not JSON
    return out


def _worse(own: float, cut: float, scale: float, maximize: bool) -> bool:
    """Whether a value is beyond the cut by more than rounding."""
    margin = ROUNDING * max(scale, abs(cut)) if math.isfinite(cut) else 0.0
    return own < cut - margin if maximize else own > cut + margin
