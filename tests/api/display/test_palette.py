"""One palette: that of charts and notebooks is the one of the studio's light page."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from raydrive.api.display import palette
from raydrive.core.records import FAILED, QUEUED

STYLE = resources.files("raydrive.studio").joinpath("static", "style.css").read_text(encoding="utf-8")
LIGHT = dict(re.findall(r"--([a-z-]+):\s*([^;]+);", STYLE.partition("}")[0]))


def luminance(colour: str) -> float:
    """Of ``#rrggbb``, from 0 to 1, as WCAG 2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The ratio of two colours, from 1 to 21."""
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def test_states_have_the_colours_of_the_page() -> None:
    assert {state.lower(): LIGHT[state.lower()] for state in palette.STATE_COLOURS} == {
        state.lower(): colour for state, colour in palette.STATE_COLOURS.items()
    }


def test_words_of_states_too() -> None:
    assert {state.lower(): LIGHT[f"{state.lower()}-text"] for state in palette.STATE_TEXT_COLOURS} == {
        state.lower(): colour for state, colour in palette.STATE_TEXT_COLOURS.items()
    }


@pytest.mark.parametrize("state", palette.STATE_COLOURS)
def test_states_are_told_apart_from_white(state: str) -> None:
    assert contrast(palette.STATE_COLOURS[state], "#ffffff") >= 3.0, "lines and areas, WCAG 1.4.11"
    assert contrast(palette.STATE_TEXT_COLOURS[state], "#ffffff") >= 4.5, "words, WCAG 1.4.3"


@pytest.mark.parametrize("colour", [palette.BEST, palette.ACCENT, palette.FAINT])
def test_other_words_are_readable_on_card_and_page(colour: str) -> None:
    assert min(contrast(colour, LIGHT["card"]), contrast(colour, LIGHT["page"])) >= 4.5


@pytest.mark.parametrize("name", ["best", "accent", "band", "faint"])
def test_the_other_colours_too(name: str) -> None:
    assert getattr(palette, name.upper()) == LIGHT[name]


@pytest.mark.parametrize("state", ["NotResponding", "Damaged"])
def test_a_run_that_stands_still_by_an_error_looks_like_a_failed_one(state: str) -> None:
    assert palette.state_colour(state) == palette.STATE_COLOURS[FAILED]
    assert palette.state_text_colour(state) == palette.STATE_TEXT_COLOURS[FAILED]
    assert re.search(rf"\.state\.{state.lower()}\b[^{{]*{{ --s: var\(--failed\); --ink: var\(--failed-text\)", STYLE)


def test_an_unknown_state_has_a_colour() -> None:
    assert palette.state_colour("Elsewhere") == palette.STATE_COLOURS[QUEUED]
