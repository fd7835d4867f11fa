"""How numbers, durations and sizes are written."""

from __future__ import annotations

import pytest

from raydrive.api.display.text import clock, number, size


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (2048, "2 kB"),
        (9_949, "9.9 kB"),
        (9_990, "10 kB"),
        (999_400, "999 kB"),
        (999_600, "1 MB"),
        (16_000_000, "16 MB"),
        (1_234_000_000, "1.2 GB"),
        (5_000_000_000_000_000, "5000 TB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


def test_nothing_is_a_dash() -> None:
    assert (number(None), clock(None)) == ("-", "-")
