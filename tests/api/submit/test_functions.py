"""What a training function brings along."""

from __future__ import annotations

import functools
import pickle
import warnings
from typing import Any

import numpy as np
import pytest

from raydrive.api.submit.packaging import pickle_function

TABLE = np.zeros(2_000_000)
"""16 MB."""
SMALL = np.zeros(100)


def uses_a_global(params: dict[str, Any]) -> float:
    return float(helper() + SMALL[0])


def helper() -> float:
    return float(TABLE[0])


def uses_a_default(params: dict[str, Any], data: Any = TABLE) -> Any:
    return data


class Trainer:
    def __init__(self, data: Any) -> None:
        self.data = data

    def train(self, params: dict[str, Any]) -> Any:
        return self.data

    __call__ = train


def uses_a_closure() -> Any:
    images, labels = np.zeros(2_000_000), np.zeros(200_000)

    def train(params: dict[str, Any]) -> Any:
        def inner() -> Any:
            return images[0], labels

        return inner()

    return train


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (uses_a_global, r"uses_a_global carries 16 MB of data with it: TABLE \(16 MB\)"),
        (uses_a_closure(), r"train carries 18 MB of data with it: images \(16 MB\), labels \(1.6 MB\)"),
        (uses_a_default, r"a default of uses_a_default \(16 MB\)"),
        (Trainer(TABLE).train, r"self.data \(16 MB\)"),
        (Trainer(TABLE), r"self.data \(16 MB\)"),
        (functools.partial(uses_a_default, data=TABLE.copy()), r"data \(16 MB\)"),
        (functools.partial(helper, TABLE), r"argument 1 of partial \(16 MB\)"),
    ],
)
def test_a_large_function_is_warned_about_with_the_names_of_what_is_large(function: Any, names: str) -> None:
    with pytest.warns(UserWarning, match=names) as caught:
        data = pickle_function(function)
    assert "Write raydrive.with_data(" in str(caught[0].message)
    assert len(data) > 16_000_000
    assert pickle.loads(data) is not None


def test_a_small_function_is_not() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(pickle_function(lambda params: SMALL)) < 5_000
