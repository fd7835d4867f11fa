"""Ways of sampling from their JSON form, by the name of their type."""

from __future__ import annotations

from typing import Any

import pytest

from raydrive.core.errors import ConfigError
from raydrive.core.search import registry
from raydrive.core.search.grid_search import GridParameterSampling
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.search.registry import sampling_from_json
from raydrive.core.space.search_space import (
    choice,
    uniform,
)


def test_what_json_holds() -> None:
    sampling = RandomParameterSampling({"a": uniform(0, 1)}, rule="sobol")
    assert sampling.to_json() == {
        "type": "random",
        "rule": "sobol",
        "seed": None,
        "space": {"a": {"type": "uniform", "min_value": 0, "max_value": 1}},
    }
    assert GridParameterSampling({"a": choice(1)}).to_json() == {
        "type": "grid",
        "space": {"a": {"type": "choice", "values": [1]}},
    }
    assert hash(sampling) == hash(sampling_from_json(sampling.to_json()))
    assert sampling != RandomParameterSampling({"a": uniform(0, 1)})
    assert sampling != 3


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ({"type": "radnom", "space": {}}, "Did you mean 'random'?"),
        ({"type": "sobol"}, '{"type": "random", "rule": "sobol"}'),
        ({"space": {}}, "sampling.type: found None; allowed: one of random, grid"),
        (None, "sampling.type: found None"),
        ({"type": "random"}, "search_space: found None"),
        ({"type": "random", "space": {"a": {"type": "uniform", "min_value": 2, "max_value": 1}}}, "Swap the bounds"),
    ],
)
def test_broken_json_is_refused(raw: Any, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        sampling_from_json(raw)
    assert text in str(caught.value)


def test_other_types_are_found_when_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "SAMPLINGS", dict(registry.SAMPLINGS))
    registry.register_sampling("mine", f"{__name__}:GridParameterSampling")
    registry.register_sampling("gone", "raydrive.core.no_such_module:Thing")
    raw = GridParameterSampling({"a": choice(1)}).to_json()
    assert sampling_from_json({**raw, "type": "Mine"}) == GridParameterSampling({"a": choice(1)})
    with pytest.raises(ConfigError) as caught:
        sampling_from_json({**raw, "type": "gone"})
    assert "mine" in caught.value.problems[0].allowed
    assert "gone" not in caught.value.problems[0].allowed


def test_a_module_that_misses_a_library_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "SAMPLINGS", {"random": "no_such_library.deep:Thing"})
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        sampling_from_json({"type": "random"})
