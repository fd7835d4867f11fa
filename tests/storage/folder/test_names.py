"""Names that stores do not take, and what stands there instead."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydrive.storage.folder.names import is_temporary, legible, portable, storable, temporary

# What a file system can hold: any bytes but NUL, in parts.
PART = st.binary(min_size=1, max_size=60).filter(lambda part: b"/" not in part and b"\0" not in part)
NAME = st.lists(PART, min_size=1, max_size=4).map(lambda parts: os.fsdecode(b"/".join(parts)))


@given(NAME)
def test_whatever_a_file_is_called_can_be_stored_printed_and_told_apart(name: str) -> None:
    for found in (storable(name), portable(name)):
        found.encode()
        assert found.isprintable() or storable(found) == found
        assert len(found.split("/")) == len(name.split("/")) or found.startswith("long-")
        assert all(part and not part.endswith(".") and not is_temporary(part) for part in storable(name).split("/"))
    assert storable(storable(name)) == storable(name)
    assert legible(name).isprintable()
    assert portable(name).isascii()
    assert len(portable(name, 100)) <= 100


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("model.bin", "model.bin"),
        ("żółw 100% #1?.txt", "żółw 100% #1?.txt"),
        (os.fsdecode(b"caf\xe9.txt"), "caf%E9.txt"),
        ("two\nlines 100%", "two%0Alines 100%25"),
        ("a\\b", "a%5Cb"),
        ("end./x.", "end%2E/x%2E"),
        (".hidden.tmp", ".hidden.tmp"),
        (".x.4711-0a1b2c3d.tmp", "%2Ex"),  # as a write that has not ended is called
    ],
)
def test_a_name_is_escaped_only_where_it_must_be(name: str, stored: str) -> None:
    assert storable(name).startswith(stored)


def test_a_name_like_that_of_a_write_under_way_is_escaped() -> None:
    assert storable(temporary("x")).startswith("%2Ex")


def test_escaped_names_are_as_different_as_the_files_are() -> None:
    names = [os.fsdecode(b"a\xe9\n"), "a%E9\n", "a%25E9\n", "aé\n"]
    assert len({storable(name) for name in names}) == len(names)


def test_long_names_become_short_ones_that_differ() -> None:
    long = "/".join(["x" * 250] * 4)
    assert len(portable(long)) <= 480
    assert portable(long) != portable(long + "y")
    assert portable("a" * 200) == "a" * 200


def test_a_temporary_name_fits_a_file_system_and_hides_nobody_elses_file() -> None:
    for name in ("x", "ż" * 120, "\U0001f600" * 60, os.fsdecode(b"\xe9" * 255)):
        assert len(os.fsencode(temporary(name))) < 255
        assert is_temporary(temporary(name))
    assert not any(map(is_temporary, (".cache.tmp", ".x.backup.tmp", "x.1-a.tmp", ".tmp")))
