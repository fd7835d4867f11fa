"""Copies of JSON values, and dataclasses as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from raydrive.core.json_values import copied, json_of


@dataclass(frozen=True)
class Point:
    place: tuple[int, ...]
    more: object = None


def test_a_copy_shares_no_container() -> None:
    value = {"layers": [{"width": [64, 32]}], "pair": (1, [2])}
    copy = copied(value)
    assert copy == value
    assert isinstance(copy["pair"], tuple)
    copy["layers"][0]["width"].append(16)
    copy["pair"][1].append(3)
    assert value == {"layers": [{"width": [64, 32]}], "pair": (1, [2])}


def test_a_copy_of_a_read_only_mapping_may_be_changed() -> None:
    copy = copied(MappingProxyType({"x": 1}))
    copy["x"] = 2
    assert copy == {"x": 2}


def test_dataclasses_and_tuples_become_json() -> None:
    found = json_of((Point((1, 2), Point((), {"inner": (3,)})), "text", None))
    assert found == [{"place": [1, 2], "more": {"place": [], "more": {"inner": [3]}}}, "text", None]
