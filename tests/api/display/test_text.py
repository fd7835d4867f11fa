"""What is said of what early termination saved."""

from __future__ import annotations

import pytest

from raydrive.api.display.text import saving_text, span_text
from raydrive.core.views.savings import NOT_COMPLETED, NOT_TIMED, Saving, Span
from raydrive.core.views.summary import Summary


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (Span(130.0, 90.0, 170.0), "about 2:10, between 1:30 and 2:50"),
        (Span(52.2, 40.3, 67.4), "about 52s, between 40s and 1:07"),
        (Span(59.7, 9.97, 3700.0), "about 1:00, between 10s and 1:01:40"),
        (Span(3.14, 2.0, 4.0), "about 3.1s, between 2.0s and 4.0s"),
        (Span(0.0, 0.0, 0.0), "about 0.0s"),
    ],
)
def test_an_estimate_comes_with_its_bound(span: Span, text: str) -> None:
    assert span_text(span) == text


@pytest.mark.parametrize(
    ("saving", "text"),
    [
        (Saving(0, 0, Span(0.0, 0.0, 0.0), 0.0), ""),
        (
            Saving(10, 250, Span(130.0, 90.0, 170.0), 0.42),
            "Early termination stopped 10 of 20 trials and saved about 250 intervals (42% of all). Training time "
            "saved: about 2:10, between 1:30 and 2:50.",
        ),
        (
            Saving(3, None, None, 0.0, NOT_COMPLETED),
            "Early termination stopped 3 of 20 trials; what that saved cannot be estimated: no trial has completed.",
        ),
        (
            Saving(3, 12, None, 0.1, NOT_TIMED),
            "Early termination stopped 3 of 20 trials; what that saved cannot be estimated: no completed trial has "
            "logged the metric twice in one attempt.",
        ),
        (
            Saving(1, 0, Span(0.0, 0.0, 0.0), 0.0),
            "Early termination stopped 1 of 20 trials, and none that were shorter than the completed ones: nothing was "
            "saved.",
        ),
    ],
)
def test_what_was_saved_or_why_nothing_tells(saving: Saving, text: str) -> None:
    counts = dict.fromkeys(("Queued", "Running", "Interrupted", "Completed", "Canceled", "Failed"), 0)
    summary = Summary("Completed", "", counts, 20, 20, None, 0, 1.0, saving, False)
    assert saving_text(summary) == text
