"""Lines with checksums: what is torn, what is damaged, and that no flipped bit passes for what was written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydrive.storage.checksums import lines_of, verified, with_checksums, written

entries = st.binary(min_size=1, max_size=40).map(lambda text: b"[" + text.replace(b"\n", b"") + b"]")
appends = st.lists(st.lists(entries, min_size=1, max_size=3), min_size=1, max_size=4)


def journal(groups: list[list[bytes]], seed: int = 7) -> bytes:
    data = b""
    for group in groups:
        piece, seed = with_checksums(group, seed)
        data += piece
    return data


def read(data: bytes, seed: int = 7) -> tuple[list[bytes], bool]:
    """The entries up to the first damaged line, and whether there was one."""
    found = []
    for line in lines_of(data[: written(data, checked=True)]):
        entry = verified(line, seed)
        if entry is None:
            return found, True
        found.append(entry[0])
        seed = entry[1]
    return found, False


@given(appends, st.integers(0, 2**32 - 1))
def test_what_was_written_is_read(groups: list[list[bytes]], seed: int) -> None:
    data = journal(groups, seed)
    assert written(data, checked=True) == len(data)
    assert read(data, seed) == ([line for group in groups for line in group], False)


@given(appends, st.data())
def test_a_flipped_bit_is_seen_and_all_before_it_is_read(groups: list[list[bytes]], data: st.DataObject) -> None:
    whole = bytearray(journal(groups))
    place, bit = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 7))
    line = whole.count(b"\n", 0, place)
    whole[place] ^= 1 << bit
    expected = [entry for group in groups for entry in group]
    assert read(bytes(whole)) == (expected[:line], True)


@given(appends, st.data())
def test_a_write_that_was_cut_short_is_no_damage(groups: list[list[bytes]], data: st.DataObject) -> None:
    whole = journal(groups)
    cut = data.draw(st.integers(0, len(whole)))
    expected = [entry for group in groups for entry in group]
    assert read(whole[:cut]) == (expected[: whole.count(b"\n", 0, cut)], False)


@given(appends, st.data())
def test_lines_cannot_be_left_out_or_exchanged(groups: list[list[bytes]], data: st.DataObject) -> None:
    lines = lines_of(journal(groups))
    gone = data.draw(st.integers(0, len(lines) - 1))
    rest = b"".join(line + b"\n" for line in lines[:gone] + lines[gone + 1 :])
    found, damaged = read(rest)
    assert len(found) == gone
    assert damaged == (gone < len(lines) - 1)  # without the last line it is a journal of one entry less


HOLE = b"\0" * 60


def test_zeros_in_the_last_append_are_what_a_power_cut_left() -> None:
    first, last = [b"[1]"], [b'[{"kind":"A"}]', b"[" + b"x" * 80 + b"]", b'[{"kind":"B"}]']
    whole = journal([first, last])
    start = whole.index(b"xxx")
    torn = whole[:start] + HOLE + whole[start + len(HOLE) :]
    assert read(torn) == ([b"[1]", b'[{"kind":"A"}]'], False)


def test_zeros_before_a_later_append_stand_where_something_was_acknowledged() -> None:
    whole = journal([[b"[1]"], [b"[" + b"x" * 80 + b"]"], [b'[{"kind":"B"}]']])
    start = whole.index(b"xxx")
    assert read(whole[:start] + HOLE + whole[start + len(HOLE) :]) == ([b"[1]"], True)


def test_a_single_zero_is_damage() -> None:
    whole = journal([[b"[1]"], [b'[" "]']])
    assert read(whole.replace(b" ", b"\0")) == ([b"[1]"], True)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 0),
        (b"ab", 0),
        (b"a\nb", 2),
        (b"a\n" + HOLE + b"\nb\n", 2),
        (b"a\n" + HOLE + b'\n[{"kind":"Ticked","at":1.0}]\n', 92),
    ],
)
def test_lines_of_the_first_release_have_no_checksums(data: bytes, expected: int) -> None:
    assert written(data, checked=False) == expected
