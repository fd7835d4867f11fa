"""One palette: that of charts and notebooks is the one of the studio's light page."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from raydrive.api.display import palette
from raydrive.core.records import FAILED, QUEUED

STYLE = resources.files("raydrive.studio").joinpath("static", "style.css").read_text(encoding="utf-8")
LIGHT = dict(re.findall(r"--([a-z-]+):\s*([^;]+);", STYLE.partition("}")[0]))


def test_states_have_the_colours_of_the_page() -> None:
    assert {state.lower(): LIGHT[state.lower()] for state in palette.STATE_COLOURS} == {
        state.lower(): colour for state, colour in palette.STATE_COLOURS.items()
    }


@pytest.mark.parametrize("name", ["best", "accent", "band", "faint"])
def test_the_other_colours_too(name: str) -> None:
    assert getattr(palette, name.upper()) == LIGHT[name]


@pytest.mark.parametrize("state", ["NotResponding", "Damaged"])
def test_a_run_that_stands_still_by_an_error_looks_like_a_failed_one(state: str) -> None:
    assert palette.state_colour(state) == palette.STATE_COLOURS[FAILED]
    assert re.search(rf"\.state\.{state.lower()}\b[^{{]*{{ --s: var\(--failed\)", STYLE)


def test_an_unknown_state_has_a_colour() -> None:
    assert palette.state_colour("Elsewhere") == palette.STATE_COLOURS[QUEUED]
