"""Expressions in the words of other tools, and an option whose parameters are not below its name."""

from __future__ import annotations

from typing import Any

import pytest

from raydrive.core.errors import ConfigError
from raydrive.core.space.other_names import in_our_words
from raydrive.core.space.parsing import Reader


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"type": "lograndint", "lower": 8, "upper": 128}, "{type: log_int, min_value: 8, max_value: 128}"),
        ({"type": "int", "low": 8, "high": 128, "log": True}, "{type: log_int, min_value: 8, max_value: 128}"),
        ({"type": "int", "low": 8, "high": 128}, "{type: int_range, min_value: 8, max_value: 128}"),
        (
            {"type": "float", "low": 1e-3, "high": 0.1, "log": True},
            "{type: log_range, min_value: 0.001, max_value: 0.1}",
        ),
        ({"type": "double", "min": 0, "max": 2}, "{type: uniform, min_value: 0, max_value: 2}"),
        ({"distribution": "log_uniform_values", "min": 1, "max": 9}, "{type: log_range, min_value: 1, max_value: 9}"),
        ({"type": "float", "scale": "log"}, "{type: log_range, min_value: ..., max_value: ...}"),
        ({"type": "categorical", "choices": ["a", "b"]}, "{type: choice, values: [a, b]}"),
        ({"type": "grid_search", "values": list(range(11))}, "{type: choice, values: [...]}"),
        ({"type": "unifrom", "min_value": 0, "max_value": 1}, ""),
        ({"type": 3}, ""),
        ({}, ""),
    ],
)
def test_what_they_mean(theirs: dict[str, Any], ours: str) -> None:
    assert in_our_words(theirs) == ours


def test_an_error_has_the_line_to_write() -> None:
    reader = Reader()
    assert reader.expression({"type": "lograndint", "lower": 8, "upper": 128}, "units") is None
    assert reader.expression({"type": "unifrom", "min_value": 0, "max_value": 1}, "rate") is None
    with pytest.raises(ConfigError) as error:
        reader.finish()
    assert [problem.fix for problem in error.value.problems] == [
        "Write: {type: log_int, min_value: 8, max_value: 128}",
        "Did you mean 'uniform'?",
    ]


def test_an_option_beside_its_parameters_has_a_note() -> None:
    momentum = {"type": "uniform", "min_value": 0, "max_value": 1}

    def notes(*options: Any) -> list[str]:
        reader = Reader()
        assert reader.expression({"type": "choice", "values": list(options)}, "optimizer") is not None
        return reader.notes

    (note,) = notes({"sgd": None, "momentum": momentum}, {"adam": {}})
    assert note.startswith("optimizer.values[0]: 'sgd' has no value and stands beside momentum.")
    assert note.endswith("indent its parameters below it: {sgd: {momentum: ...}}")
    assert notes({"sgd": {"momentum": momentum}}, {"adam": None}, {"a": None, "b": 3}, {}) == []
    recorded = Reader(recorded=True)
    recorded.expression({"type": "choice", "values": [{"sgd": None, "momentum": momentum}]}, "optimizer")
    assert recorded.notes == []
