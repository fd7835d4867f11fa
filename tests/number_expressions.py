"""Numeric expressions at random, for tests of search spaces."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from hypothesis import assume
from hypothesis import strategies as st

from raydrive.core.errors import ConfigError
from raydrive.core.space.search_space import (
    Expression,
    RandInt,
    lognormal,
    loguniform,
    normal,
    qlognormal,
    qloguniform,
    qnormal,
    quniform,
    uniform,
)

KINDS = ["randint", "uniform", "quniform", "loguniform", "qloguniform", "normal", "qnormal", "lognormal", "qlognormal"]

finite_float = st.floats(-1e6, 1e6, allow_nan=False)
exponent = st.floats(-20, 20)
step = st.sampled_from([0.001, 0.05, 0.1, 0.25, 0.3, 1, 2, 2.0, 7, 16, 100.0])


def _ordered(numbers: st.SearchStrategy[float]) -> st.SearchStrategy[tuple[float, float]]:
    return st.tuples(numbers, numbers).filter(lambda pair: pair[1] - pair[0] > 1e-3).map(tuple)


def _quantised(cls: Callable[..., Expression], *arguments: float) -> Expression | None:
    try:
        return cls(*arguments)
    except ConfigError:  # a step that leaves one value
        return None


@st.composite
def numbers(draw: st.DrawFn) -> Expression:
    """Any numeric expression that can be made."""
    kind = draw(st.sampled_from(KINDS))
    if kind == "randint":
        return RandInt(draw(st.integers(1, 10**6)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if "uniform" in kind:
            bounds = draw(_ordered(exponent if "log" in kind else finite_float))
        else:
            spread = st.floats(0.01, 2 if "log" in kind else 1e3)
            bounds = (draw(st.floats(-5, 5) if "log" in kind else finite_float), draw(spread))
        made = {
            "uniform": uniform, "loguniform": loguniform, "normal": normal, "lognormal": lognormal,
            "quniform": quniform, "qloguniform": qloguniform, "qnormal": qnormal, "qlognormal": qlognormal,
        }[kind]  # fmt: skip
        if kind[0] != "q":
            return made(*bounds)
        found = _quantised(made, *bounds, draw(step))
        assume(found is not None)
        return found  # type: ignore[return-value]
