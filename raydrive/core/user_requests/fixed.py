"""What of a run cannot change while it continues: why, and what to do instead."""

from __future__ import annotations

from raydrive.core.errors import Problem, did_you_mean

INSTEAD = "Start a new run that learns from this one: raydrive.warm_start in its sweep file names it."
CHANGEABLE = (
    "limits, early_termination, sampling_algorithm, search_space, and of raydrive: resources, max_attempts, "
    "max_losses, first_failures, strict, grace_s, keep_checkpoints, log_limit, lease_s, storage_patience_s, "
    "finish_when, on_oom, repeats, notify.on"
)
"""In the words of a sweep file."""
_KEYS = (
    *("limits.max_total_trials", "limits.max_concurrent_trials", "limits.timeout", "limits.trial_timeout"),
    *("early_termination", "early_termination.type", "sampling_algorithm", "sampling_algorithm.type", "search_space"),
    *(f"raydrive.{name}" for name in ("resources", "max_attempts", "max_losses", "first_failures", "strict")),
    *(f"raydrive.{name}" for name in ("grace_s", "keep_checkpoints", "log_limit", "lease_s", "storage_patience_s")),
    *("raydrive.finish_when", "raydrive.on_oom", "raydrive.repeats.max", "raydrive.repeats.race", "raydrive.notify.on"),
)
"""What is meant by a key that is written almost so."""
LIMITS = (
    *("max_total_runs", "max_concurrent_runs", "max_duration_s", "trial_timeout_s", "max_attempts", "max_losses"),
    *("first_failures", "strict"),
)
"""Fields of ``Limits`` that an edit may change."""
TRIAL = ("resources", "grace_s", "keep_checkpoints", "log_limit", "lease_s", "storage_patience_s", "flags")
"""Fields of ``TrialSpec`` that an edit may change; ``flags`` follow from the search space."""
RULES = ("finish_when", "on_oom", "repeats", "notify")
"""Rules of ``RunRules`` that an edit may change."""
_WHY = (
    ("objective", "its trials were ranked and stopped by the metric, goal and value that it started with"),
    ("metric", "its trials were ranked and stopped by the metric, goal and value that it started with"),
    ("trial", "its trials would not be comparable: those before ran other code"),
    ("code", "its trials would not be comparable: those before ran other code"),
    ("inputs", "its trials would not be comparable: those before read other data"),
    ("outputs", "its trials would not be comparable: those before wrote other files"),
    ("raydrive.seed", "what it draws next follows from its seed and from the numbers of its trials"),
    ("raydrive.warm_start", "what earlier runs brought was copied into it before its first trial"),
    ("raydrive.resume_child_runs", "trials of earlier runs that continue were its first ones"),
    (
        "raydrive.notify",
        "a command or an address may hold a secret, and all readers see an edit in the journal",
    ),
    ("raydrive.repeats", "each of its trials has, or lacks, a value of the parameter by which repeats differ"),
    ("raydrive.population", "its members have trained, and were exchanged, by the rules that it started with"),
    ("raydrive.track", "its trackers were told of it from its first trial on, by processes that started with it"),
    ("experiment_name", "its folder is named by it"),
)
"""Beginnings of keys of a sweep file that are fixed, and why."""


def refusal(key: str, found: str) -> Problem:
    """Returns the problem with an edit of a key that cannot change.

    Args:
        key: Of a sweep file, with dots.
        found: What it was to be.
    """
    if key.startswith("raydrive.points"):
        return Problem(key, found, "no change while a run is active", "raydrive add RUN has configurations tried next.")
    for begin, why in _WHY:
        if key == begin or key.startswith(f"{begin}."):
            return Problem(key, found, f"no change while a run is active: {why}", INSTEAD)
    return Problem(key, found, f"a change of {CHANGEABLE}", did_you_mean(key, _KEYS) or INSTEAD)
