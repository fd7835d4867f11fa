"""The early termination policy as a line over the metrics chart, from the policy and the curves it compares."""

from __future__ import annotations

import math
from typing import Any

from raydrive.core.early_stopping.curves import Curves
from raydrive.core.early_stopping.halving_policy import SuccessiveHalvingPolicy
from raydrive.core.early_stopping.policies import BanditPolicy, MedianStoppingPolicy, Policy, TruncationSelectionPolicy
from raydrive.core.early_stopping.policy_record import policy_record
from raydrive.core.user_classes import is_reference

MOST_POINTS = 200


def line_at(policy: Policy, interval: int, curves: Curves) -> float | None:
    """Returns the value a trial has to reach at an interval not to be stopped, None where there is no such value.

    Args:
        policy: The policy.
        interval: From 1.
        curves: All trials' values as they stand.
    """
    if isinstance(policy, BanditPolicy):
        incumbent = curves.incumbent(interval)
        return None if incumbent is None else policy.cut(incumbent[0], curves.maximize)
    if isinstance(policy, MedianStoppingPolicy):
        median = curves.median_of_means(interval)
        return median.value if median is not None and math.isfinite(median.value) else None
    if isinstance(policy, TruncationSelectionPolicy):
        return _truncation_line(policy, interval, curves)
    if isinstance(policy, SuccessiveHalvingPolicy) and interval in policy.rungs:
        ordered = _ordered_bests(curves, interval)
        best = policy.most(len(ordered))
        return ordered[-best] if best and math.isfinite(ordered[-best]) else None
    return None


def _truncation_line(policy: TruncationSelectionPolicy, interval: int, curves: Curves) -> float | None:
    """The best value among the worst floor(n*X/100): a trial that is no better than that is stopped (ties aside)."""
    ordered = _ordered_bests(curves, interval)
    worst = len(ordered) * policy.truncation_percentage // 100
    if not worst:
        return None
    line = ordered[worst - 1]
    return line if math.isfinite(line) else None


def _ordered_bests(curves: Curves, interval: int) -> list[float]:
    """The best value over intervals 1..k of each trial that has this many, the worst first."""
    tops = [curves.best_until(trial, interval) for trial in curves.trials if curves.length(trial) >= interval]
    bad = -math.inf if curves.maximize else math.inf
    return sorted((bad if top is None else top for top in tops), reverse=not curves.maximize)


def policy_line(policy: Policy, curves: Curves, longest: int) -> dict[str, Any]:
    """Returns the policy's line as the curves stand now.

    Args:
        policy: The policy.
        curves: All trials' values.
        longest: The longest curve, in intervals.

    Returns:
        ``label``, and ``k`` and ``v`` of equal length: the intervals the policy looks at (thinned to about 200).
    """
    every = getattr(policy, "evaluation_interval", 1)
    first = max(every, getattr(policy, "delay_evaluation", 0))
    looked_at = [k for k in range(every, longest + 1, every) if k >= first]
    if isinstance(policy, SuccessiveHalvingPolicy):
        looked_at = [k for k in policy.rungs if k <= longest]
    step = max(1, math.ceil(len(looked_at) / MOST_POINTS))
    points = [(k, line_at(policy, k, curves)) for k in looked_at[::step]]
    kept = [(k, value) for k, value in points if value is not None]
    return {"label": policy_text(policy), "k": [k for k, _ in kept], "v": [value for _, value in kept]}


def policy_text(policy: Policy) -> str:
    """Returns a policy in a few words: ``bandit, slack factor 0.1, from interval 5``."""
    raw = policy_record(policy)
    if is_reference(raw["type"]):  # recorded, and not loaded here
        given = {key: value for key, value in raw.items() if key != "type" and value is not None}
        return ", ".join([raw["type"], *(f"{key} {value}" for key, value in given.items())])
    names = {"none": "no early termination", "median_stopping": "median stopping", "auto": "automatic"}
    parts = [names.get(raw["type"], raw["type"].replace("_", " "))]
    if isinstance(policy, SuccessiveHalvingPolicy):
        rungs = ", ".join(map(str, policy.rungs[:4])) + (", ..." if len(policy.rungs) > 4 else "")
        brackets = f", {policy.brackets} brackets" if policy.brackets > 1 else ""
        parts.append(f"{policy.mode} 1 of {policy.reduction_factor} at {rungs}{brackets}")
    if "slack_factor" in raw:
        parts.append(f"slack factor {raw['slack_factor']:g}")
    if "slack_amount" in raw:
        parts.append(f"slack amount {raw['slack_amount']:g}")
    if "truncation_percentage" in raw:
        parts.append(f"worst {raw['truncation_percentage']} %")
    if raw.get("evaluation_interval", 1) > 1:
        parts.append(f"every {raw['evaluation_interval']} intervals")
    if raw.get("delay_evaluation", 0) > 1:
        parts.append(f"from interval {raw['delay_evaluation']}")
    return ", ".join(parts)
