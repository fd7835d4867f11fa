"""What is below and above a path or URI, whose options stay at its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from raydrive.api.display.command_text import storage_option
from raydrive.storage.folder.uris import above, split_options, within
from raydrive.storage.run_layout import RunLayout


@pytest.mark.parametrize(
    ("place", "base", "options"),
    [
        ("s3://bucket/runs?region=eu-west-1&scheme=http", "s3://bucket/runs", "?region=eu-west-1&scheme=http"),
        ("s3://bucket/runs", "s3://bucket/runs", ""),
        ("/runs/why?", "/runs/why?", ""),
        ("/", "/", ""),
    ],
)
def test_options_are_those_of_a_store(place: str, base: str, options: str) -> None:
    assert split_options(place) == (base, options)


def test_what_is_below_has_the_options_too() -> None:
    assert within("s3://bucket/runs/?region=a", "x/y") == "s3://bucket/runs/x/y?region=a"
    assert within("/why?/runs", "x") == "/why?/runs/x"
    assert within("/", "x") == "/x"


@pytest.mark.parametrize("place", ["s3://bucket/runs?region=a", "/why?/runs", "gs://bucket"])
def test_above_is_where_it_was_below(place: str) -> None:
    assert above(within(place, "digits/last"), 2) == place


def test_a_question_mark_in_a_folder_s_name_is_no_option(tmp_path: Path) -> None:
    run = RunLayout.open(str(tmp_path / "why?" / "digits" / "digits-1"))
    assert run.sibling("moons", "moons-2").uri == str(tmp_path / "why?" / "moons" / "moons-2")
    assert storage_option(run) == f" --storage '{tmp_path}/why?'"
