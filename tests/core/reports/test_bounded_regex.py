"""Users' patterns mean what they mean to ``re``, and end in time."""

from __future__ import annotations

import re

import pytest

from raydrive.core.reports.bounded_regex import Pattern, TooLong


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (r"{'loss': (?P<loss>[0-9.]+)", "{'loss': 0.5}"),
        (r"x{e<=1}=(\d)", "xx=1 y=2 x{e<=1}=3"),
        (r"a{,2}b{2}c{1,}(\d)", "aabbc7"),
        (r"[[:alpha:]]=(\d)", "a]=1 z]=2"),
        (r"[]{][^]}](\d)", "]x1 {y2"),
        (r"\{\d{2}\}[\]\[](?P<v>\d)", "{12}]3"),
        (r"(?i)\N{LATIN SMALL LETTER A}CC=(\S+)", "Acc=1"),
        (r"(?<!\w)acc=(?P<v>[+-]?\d+)(?=\s|$)", "vacc=1 acc=-2 acc=3"),
        (r"(?P<n>\w+)=(?P=n)(\d?)", "a=a1 b=c"),
        (r"(?s:.)(\d*)", "x1\u2028y2"),
        (r"x{}(\d)", "x{}4"),
    ],
)
def test_it_finds_what_re_finds(pattern: str, line: str) -> None:
    found = [(match.span(), match.groups(), match.groupdict()) for match in Pattern(pattern).matches(line)]
    assert found == [(match.span(), match.groups(), match.groupdict()) for match in re.finditer(pattern, line)]


def test_it_gives_up_a_line_in_time_and_itself_after_many() -> None:
    pattern = Pattern(r"(a|aa)+$")
    for _ in range(100):
        assert not pattern.given_up
        with pytest.raises(TooLong):
            pattern.matches("a" * 60 + "b")
    assert pattern.given_up
    assert [match[0] for match in pattern.matches("aaa")] == ["aaa"]
