"""Rows of a terminal and their states, whatever the pieces that output arrives in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from raydrive.core.reports.terminal_lines import Screen

TOKENS = [
    b"a", "é".encode(), b"\n", b"\r", b"\b", b"\x1b[1A", b"\x1b[2B", b"\x1b[2K", b"\x1b[31m", b"\x1b[?25l",
    b"\x1b[?25h", b"\x1b]0;title\x07", b"\x1b(B", b"\x1b",
]  # fmt: skip


def rows(data: bytes, cuts: list[int] | None = None) -> list[tuple[int, bytes]]:
    """The last text of each row, in the order in which rows became final."""
    screen, texts, out, start = Screen(1_000), {}, [], 0
    ends = [*sorted(min(cut, len(data)) for cut in cuts or []), len(data)]
    events = []
    for end in ends:
        events += screen.feed(data[start:end])
        start = end
    events += screen.feed(b"", last=True)
    for row, text, final in events:
        if text:
            texts[row] = text
        if final and row in texts:
            out.append((row, texts.pop(row)))
    assert not texts  # in the end every row is final
    return out


def test_lines_are_rows() -> None:
    assert rows(b"one\n\ntwo\nthree") == [(0, b"one"), (2, b"two"), (3, b"three")]


def test_a_row_that_is_gone_back_to_is_not_final() -> None:
    assert rows(b"\x1b[?25la=1\nb=1\r\x1b[1Aa=2\nb=2\r\x1b[1Aa=3\nb=3\n\x1b[?25hend") == [
        (0, b"a=3"), (1, b"b=3"), (2, b"end"),
    ]  # fmt: skip


@given(st.lists(st.sampled_from(TOKENS), max_size=30), st.lists(st.integers(0, 60), max_size=6))
def test_pieces_do_not_matter_to_what_stays(tokens: list[bytes], cuts: list[int]) -> None:
    data = b"".join(tokens)
    whole = {}
    for row, text in rows(data):
        whole[row] = text
    cut = {}
    for row, text in rows(data, cuts):
        cut[row] = text
    assert cut == whole
