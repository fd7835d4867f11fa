"""The charts of a page that is open in a browser."""

from __future__ import annotations

from typing import Any

CHARTS = ("chart-metrics", "chart-best", "chart-parallel", "chart-scatter2", "chart-scatter3", "chart-timeline")
"""Their elements, but for those that only Bayesian runs have."""


def traces(page: Any, chart: str, what: str) -> Any:
    """What a JavaScript expression gives for each trace ``t`` of a chart."""
    return page.evaluate(f"document.getElementById('{chart}').data.map(t => {what})")
