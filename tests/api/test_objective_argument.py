from __future__ import annotations

from typing import Any

import pytest

import raydrive
from raydrive import HyperDriveConfig, RandomParameterSampling, uniform
from raydrive.core.errors import ConfigError

SPACE: dict[str, Any] = {"x": uniform(0, 1)}


def train(params: dict[str, Any]) -> None:
    """Logs nothing: it is never called here."""


def made(**options: Any) -> HyperDriveConfig:
    return HyperDriveConfig(RandomParameterSampling(SPACE), "score", "maximize", 4, run_config=train, **options)


@pytest.mark.parametrize("value", ["best", "last", "min", "max", "mean_last_1", "mean_last_25"])
def test_what_of_a_curve_counts(value: str) -> None:
    assert made(primary_metric_value=value).config.metric.value == value
    assert made().config.metric.value == "best"


@pytest.mark.parametrize("value", ["mean_last_0", "lst", None, 3])
def test_anything_else_is_refused_before_a_run_begins(value: Any) -> None:
    allowed = "value: found .*allowed: best, last, min, max, or mean_last_N such as mean_last_5"
    with pytest.raises(ConfigError, match=allowed):
        made(primary_metric_value=value)
    with pytest.raises(ConfigError, match=allowed):
        raydrive.tune(train, SPACE, metric="score", value=value)
