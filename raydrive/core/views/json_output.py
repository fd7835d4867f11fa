"""What the JSON that raydrive prints and exports has in common; ``docs/json.md`` describes it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raydrive.core.views.summary import Summary

SCHEMA_VERSION = 2
"""Version of the JSON that raydrive prints and exports; raised when a key goes away or changes its meaning."""


def counts_json(summary: Summary) -> dict[str, int]:
    """Returns a run's trials as every command counts them.

    Args:
        summary: The run's.

    Returns:
        ``trials`` so far, ``trials_ended`` of them, ``max_total_trials``, and the number of trials in each state.
    """
    return {
        "trials": summary.total,
        "trials_ended": summary.done,
        "max_total_trials": summary.max_total_runs,
        **{state.lower(): count for state, count in summary.counts.items()},
    }


def finite(value: Any) -> Any:
    """Returns a value in JSON types; numbers JSON does not know (NaN, infinities) become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
