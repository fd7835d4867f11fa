"""What everything that chooses hyperparameters for a member has to keep, whatever it is told of others."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydrive.core.population.protocol import Begun, Block, Explorer, Taken
from raydrive.core.population.rules import Population, population_of
from raydrive.core.records import Params
from raydrive.core.space.search_space import (
    Space,
    choice,
    int_range,
    loguniform,
    normal,
    parse_space,
    quniform,
    uniform,
)
from raydrive.core.sweep.population.members import explorer_of

SPACE = parse_space(
    {
        "lr": loguniform(-9.0, -2.0),
        "momentum": uniform(0.0, 0.99),
        "depth": int_range(1, 8),
        "units": quniform(16, 512, 16),
        "weight": normal(0.0, 1.0),
        "name": choice("relu", "tanh"),
        "model": choice({"kind": "tree", "depth": int_range(1, 20)}, {"kind": "net", "rate": loguniform(-5.0, -1.0)}),
    }
)
PLANE = Space({"x": uniform(0, 1), "y": uniform(0, 1)})


def made(*names: str, model: bool) -> Explorer:
    """An explorer by what its user writes."""
    part: Any = {"parameters": list(names)} if names else {}
    rules = {"model": {"type": "pb2", **part}} if model else {"perturb": {"resample": 0.3, **part}}
    found = population_of({"every": 5, **rules})
    assert isinstance(found, Population)
    return explorer_of(found)


def taken(
    params: Params,
    space: Space,
    blocks: list[Block],
    begun: list[Begun] | None = None,
    *,
    interval: int = 20,
    value: float = 0.5,
) -> Taken:
    return Taken(params, space, interval, value, 5, lambda: blocks, lambda: begun or [])


NUMBERS = st.floats(-1e6, 1e6) | st.sampled_from([math.nan, math.inf, -math.inf, 0.0])


@st.composite
def situations(draw: Any) -> Taken:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    count = draw(st.integers(0, 30))
    gains = draw(st.lists(NUMBERS, min_size=count, max_size=count))
    blocks = [Block(5 * (n // 4), SPACE.sample(rng), float(rng.normal()), gain) for n, gain in enumerate(gains)]
    begun = [Begun(20, SPACE.sample(rng), draw(NUMBERS)) for _ in range(draw(st.integers(0, 3)))]
    return taken(SPACE.sample(rng), SPACE, blocks, begun, value=draw(NUMBERS))


@pytest.mark.parametrize("model", [False, True])
@given(situation=situations(), seed=st.integers(0, 2**32), names=st.sets(st.sampled_from(sorted(SPACE.expressions))))
def test_values_are_of_the_space_and_the_same_for_the_same(
    model: bool, situation: Taken, seed: int, names: set[str]
) -> None:
    explorer = made(*names, model=model)
    first, again = (explorer.explored(situation, np.random.default_rng(seed)) for _ in range(2))
    assert first == again
    assert SPACE.contains(first.params), first.params
    kept = names and set(SPACE.expressions) - names
    assert {name: first.params[name] for name in kept} == {name: situation.params[name] for name in kept}


@pytest.mark.parametrize("model", [False, True])
def test_a_value_that_the_space_does_not_have_is_taken_over(model: bool) -> None:
    blocks = [Block(0, {"x": n / 10, "y": 0.5}, 0.0, n / 10) for n in range(10)]
    for params in ({"x": 7.0, "y": 0.5}, {"x": 0.5, "y": 0.5, "z": "of another run"}):
        found = made(model=model).explored(taken(params, PLANE, blocks), np.random.default_rng(0)).params
        assert found.keys() == params.keys()
        assert all(found[name] == value for name, value in params.items() if value in (7.0, "of another run"))


def gains_of(gain: Callable[[float, float], float], times: int = 6) -> list[Block]:
    rng = np.random.default_rng(0)
    rows = [(5 * time, *rng.random(2)) for time in range(times) for _ in range(8)]
    return [Block(int(t), {"x": x, "y": y}, 0.5, gain(x, y)) for t, x, y in rows]


def chosen(blocks: list[Block], begun: list[Begun] | None = None, seed: int = 0, **more: Any) -> Params:
    situation = taken({"x": 0.5, "y": 0.5}, PLANE, blocks, begun, interval=30, **more)
    return made(model=True).explored(situation, np.random.default_rng(seed)).params


def test_the_model_goes_where_most_was_gained() -> None:
    found = chosen(gains_of(lambda x, y: -((x - 0.8) ** 2) - (y - 0.3) ** 2))
    assert (found["x"], found["y"]) == (pytest.approx(0.8, abs=0.12), pytest.approx(0.3, abs=0.12))


def test_what_was_gained_long_ago_counts_less() -> None:
    early, late = gains_of(lambda x, y: -((x - 0.1) ** 2)), gains_of(lambda x, y: -((x - 0.9) ** 2))
    moved = early + [Block(one.interval + 30, one.params, one.before, one.change) for one in late]
    situation = taken({"x": 0.1, "y": 0.5}, PLANE, moved, interval=60)
    assert made(model=True).explored(situation, np.random.default_rng(0)).params["x"] > 0.7


def test_members_do_not_choose_the_same() -> None:
    """What others train now is less worth trying, as its gain will be known: of two equal corners the other one."""
    blocks = gains_of(lambda x, y: (x - 0.5) ** 2)
    alone = chosen(blocks)
    begun = [Begun(30, alone, 0.5) for _ in range(5)]
    found = chosen(blocks, begun)
    assert {round(alone["x"]), round(found["x"])} == {0, 1}


def test_without_enough_to_learn_from_it_perturbs() -> None:
    for blocks in ([], gains_of(lambda x, y: 1.0)[:3], gains_of(lambda x, y: 1.0)):
        situation = taken({"x": 0.5, "y": 0.5}, PLANE, blocks)
        found = made(model=True).explored(situation, np.random.default_rng(3))
        assert found.note == ""
        assert found.params != situation.params


def test_only_the_newest_blocks_are_looked_at() -> None:
    many = gains_of(lambda x, y: x, times=100)
    assert chosen(many) == chosen(many[-150:])
