"""Trackers as users write them."""

from __future__ import annotations

from typing import Any

import pytest

from raydrive.core.config.tracker_settings import tracking_of
from raydrive.core.errors import ConfigError


def test_a_text_is_the_first_setting() -> None:
    raw = {"mlflow": "http://h:5000", "wandb": {"project": "p", "mode": "offline"}, "tensorboard": "boards"}
    assert tracking_of(raw) == {
        "mlflow": {"uri": "http://h:5000"},
        "wandb": {"project": "p", "mode": "offline"},
        "tensorboard": {"dir": "boards"},
    }
    assert tracking_of(None) == {}


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ("mlflow", "track: found 'mlflow'; allowed: a mapping such as"),
        (
            {"wandbb": "p"},
            "track.wandbb: found an unknown key; allowed: mlflow, wandb, tensorboard. Did you mean 'wandb'?",
        ),
        ({"wandb": {"projct": "p"}}, "track.wandb.projct: found an unknown key"),
        ({"wandb": {"entity": "e"}}, "track.wandb: found no project"),
        ({"wandb": {"project": "p", "mode": "off"}}, "track.wandb.mode: found 'off'; allowed: online or offline"),
        ({"mlflow": "http://me:pw@h:5000"}, "Pass MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD as secrets"),
        ({"tensorboard": 3}, "track.tensorboard: found 3"),
        ({"mlflow": ""}, "track.mlflow.uri: found ''; allowed: text that is not empty"),
    ],
)
def test_what_is_wrong_is_told(raw: Any, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        tracking_of(raw)
    assert told in str(caught.value)
    assert "pw" not in str(caught.value)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        tracking_of({"a": 1, "mlflow": {}, "tensorboard": {"dir": "", "x": 1}})
    assert len(caught.value.problems) == 4
