"""What the callbacks have in common: which values, under which names, from which process."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from raydrive.integrations.trial_report import Metrics, TrialReport

VALUES: dict[str, Any] = {"loss": 0.5, "auc": np.float32(0.75), "text": "no number", "table": np.zeros(3), "epoch": 2}


@pytest.mark.parametrize(
    ("metrics", "logged"),
    [
        (None, {"loss": 0.5, "auc": 0.75, "epoch": 2}),
        (["auc"], {"auc": 0.75}),
        ({"area": "auc", "lost": "loss", "later": "val_loss"}, {"area": 0.75, "lost": 0.5}),
    ],
    ids=["all", "names", "mapping"],
)
def test_values_are_chosen_and_renamed(metrics: Metrics, logged: dict[str, float]) -> None:
    assert TrialReport(metrics).chosen(VALUES) == logged


def test_a_metric_that_is_not_there_is_named() -> None:
    with pytest.raises(KeyError, match="found 'loss', 'auc', 'epoch'; expected 'val_loss'"):
        TrialReport(["val_loss"]).chosen(VALUES)


def test_only_rank_0_logs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        TrialReport(["loss"]).report(VALUES, step=1)
    assert capsys.readouterr().out.splitlines() == ["loss = 0.5 (step 1)"]


def test_every_n_and_no_checkpoint_outside_a_trial() -> None:
    trial = TrialReport(every_n=3)
    assert [trial.due() for _ in range(6)] == [False, False, True, False, False, True]
    assert not trial.saves
    assert trial.saved("model") is None
