"""Hydra's sweeps as a search space, and back to overrides."""

from __future__ import annotations

from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from raydrive import choice, int_range, log_int, log_range, uniform
from raydrive.core.errors import ConfigError
from raydrive.integrations.hydra.overrides import override_of, sweeps_of


def parsed(*words: str) -> Any:
    return OverridesParser.create().parse_overrides(list(words))


@pytest.mark.parametrize(
    ("word", "expression"),
    [
        ("x=a,b", choice("a", "b")),
        ("x=1,2.0,null,true,'a b',[1,c]", choice([1, 2.0, None, True, "a b", [1, "c"]])),
        ("x=interval(0,1)", uniform(0, 1)),
        ("x=tag(log,interval(1e-5,1e-1))", log_range(1e-5, 1e-1)),
        ("x=int(interval(1,8))", int_range(1, 8)),
        ("x=tag(log,int(interval(1,64)))", log_int(1, 64)),
        ("x=range(1,5)", int_range(1, 4)),
        ("x=tag(log,range(1,65))", log_int(1, 64)),
        ("x=range(1,9,3)", choice(1, 4, 7)),
        ("x=range(0,1,0.5)", choice(0.0, 0.5)),
        ("x=range(3,1,-1)", choice(3, 2)),
        ("x=sort(3,1,2)", choice(1, 2, 3)),
    ],
)
def test_each_sweep_has_its_expression(word: str, expression: Any) -> None:
    assert sweeps_of(parsed(word), grid=False).space == {"x": expression}


def test_a_grid_has_whole_numbers_as_a_choice() -> None:
    found = sweeps_of(parsed("x=range(1,4)", "+g@net=a,b"), grid=True)
    assert found.space == {"x": choice(1, 2, 3), "+g@net": choice("a", "b")}
    assert found.discrete


def test_overrides_without_a_sweep_are_kept_as_they_are_and_the_last_of_a_key_counts() -> None:
    found = sweeps_of(parsed("a=1,2", "b='x y'", "~c", "++d={k: 1}", "a=3", "e=1", "e=interval(0,1)"), grid=False)
    assert found.fixed == ("a=3", "b='x y'", "~c", "++d={k: 1}")
    assert found.space == {"e": uniform(0, 1)}
    assert not found.discrete


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        sweeps_of(parsed("a={k:1},{k:2}", "b=interval(2,1)", "c=tag(log,interval(0,1))"), grid=False)
    text = str(caught.value)
    assert "a mapping is not an option here" in text
    assert "b=interval(2,1)" in text
    assert "c=tag(log,interval(0,1))" in text


@pytest.mark.parametrize(
    "value", [1, 2.0, 1e-05, -1e-7, True, None, "a", "a b", "it's", "1e-5", "${x}", ["a", 1], "/p"]
)
def test_an_override_has_the_value_that_it_was_made_of(value: Any) -> None:
    (found,) = parsed(override_of("opt.x", value))
    assert (found.key_or_group, found.value()) == ("opt.x", value)
    assert type(found.value()) is type(value)
