"""How many trials of several nodes fit, against a search of all placements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import combinations, combinations_with_replacement

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydrive.core.config.trial_spec import STRATEGIES
from raydrive.runtime.gang.placement import bundles_that_fit, gangs_that_fit, nodes_with_room

Amounts = Mapping[str, float]
NODE = {"CPU": 16.0, "GPU": 4.0}
SPREAD, SOFT, PACK, STRICT_PACK = STRATEGIES


@pytest.mark.parametrize(
    ("bundle", "count", "strategy", "nodes", "expected"),
    [
        ({"GPU": 4.0}, 2, SPREAD, [NODE] * 4, 2),
        ({"GPU": 4.0}, 2, SPREAD, [NODE] * 3, 1),
        ({"GPU": 2.0}, 2, SPREAD, [NODE] * 3, 3),
        ({"GPU": 2.0}, 2, SPREAD, [NODE], 0),
        ({"GPU": 2.0}, 2, PACK, [NODE], 1),
        ({"GPU": 2.0}, 2, SOFT, [NODE], 1),
        ({"GPU": 3.0}, 2, STRICT_PACK, [NODE] * 2, 0),
        ({"GPU": 2.0}, 2, STRICT_PACK, [NODE] * 2, 2),
        ({"CPU": 1.0}, 2, SPREAD, [{"CPU": 8.0}, {"CPU": 1.0}, {"CPU": 1.0}], 2),
        ({"GPU": 0.6}, 1, PACK, [{"GPU": 2.0}], 2),
        ({"GPU": 0.5}, 1, PACK, [{"GPU": 1.5}], 3),
        ({"CPU": 0.1}, 10, STRICT_PACK, [{"CPU": 1.0}], 1),
        ({"TPU": 1.0}, 1, PACK, [NODE], 0),
        ({}, 2, SPREAD, [NODE], 0),
        ({"CPU": 1.0}, 1, PACK, [], 0),
    ],
)
def test_examples(bundle: Amounts, count: int, strategy: str, nodes: Sequence[Amounts], expected: int) -> None:
    assert gangs_that_fit(bundle, count, strategy, nodes) == expected


def test_room_is_counted_by_node() -> None:
    assert nodes_with_room({"GPU": 4.0}, [NODE, {"CPU": 16.0, "GPU": 3.0}, {"CPU": 16.0}, NODE]) == 2


def most(count: int, strategy: str, room: Sequence[int]) -> int:
    """How many trials fit, by trying every placement of one trial after the other."""

    @cache
    def search(left: tuple[int, ...]) -> int:
        best = 0
        for taken in placements(left):
            after = list(left)
            for node in taken:
                after[node] -= 1
            if min(after) >= 0:
                best = max(best, 1 + search(tuple(sorted(after))))
        return best

    def placements(left: tuple[int, ...]) -> Sequence[tuple[int, ...]]:
        names = range(len(left))
        if strategy == SPREAD:
            return list(combinations(names, count))
        if strategy == STRICT_PACK:
            return [(node,) * count for node in names]
        return list(combinations_with_replacement(names, count))

    return search(tuple(sorted(room)))


@given(
    room=st.lists(st.integers(0, 4), min_size=1, max_size=4),
    count=st.integers(1, 3),
    strategy=st.sampled_from(STRATEGIES),
    size=st.sampled_from([1.0, 2.0, 0.25]),
)
def test_as_many_as_a_search_of_all_placements(room: list[int], count: int, strategy: str, size: float) -> None:
    nodes = [{"CPU": each * size} for each in room]
    assert gangs_that_fit({"CPU": size}, count, strategy, nodes) == most(count, strategy, room)


def dealt(amount: float, devices: int) -> int:
    """How often a share fits on devices, one after the other."""
    free, fits = [1.0] * devices, 0
    for device in range(devices):
        while free[device] + 1e-9 >= amount:
            free[device], fits = free[device] - amount, fits + 1
    return fits


@given(amount=st.integers(1, 100), devices=st.integers(0, 8))
def test_a_share_of_a_gpu_lies_on_one_gpu(amount: int, devices: int) -> None:
    assert bundles_that_fit({"GPU": amount / 100}, {"GPU": float(devices)}) == dealt(amount / 100, devices)


@given(
    bundle=st.dictionaries(st.sampled_from(["CPU", "GPU", "a"]), st.integers(0, 4).map(float), max_size=3),
    nodes=st.lists(
        st.dictionaries(st.sampled_from(["CPU", "GPU", "a"]), st.integers(0, 9).map(float), max_size=3), max_size=4
    ),
    count=st.integers(1, 3),
)
def test_stricter_strategies_hold_no_more(bundle: dict[str, float], nodes: list[dict[str, float]], count: int) -> None:
    fits = {strategy: gangs_that_fit(bundle, count, strategy, nodes) for strategy in STRATEGIES}
    assert fits[SOFT] == fits[PACK] >= max(fits[SPREAD], fits[STRICT_PACK])
    assert all(each == fits[PACK] for each in fits.values()) or count > 1
    assert (fits[SPREAD] > 0) == (nodes_with_room(bundle, nodes) >= count)
    for strategy in STRATEGIES:
        assert gangs_that_fit(bundle, count, strategy, [*nodes, {"CPU": 9.0}]) >= fits[strategy]
