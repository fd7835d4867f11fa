"""LightGBM's callback in a real trial."""

from __future__ import annotations

from typing import Any

import pytest
from callback_contract import EPOCHS, CallbackContract, after_interval
from sklearn.datasets import make_classification

SAMPLES = make_classification(300, random_state=0)


def train(params: dict[str, Any]) -> None:
    import lightgbm

    from raydrive.integrations.lightgbm import RaydriveCallback

    X, y = SAMPLES
    callback = RaydriveCallback()

    def pause(env: Any) -> None:
        after_interval(params, env.iteration + 1)

    pause.order = 26  # type: ignore[attr-defined]
    lightgbm.train(
        {"objective": "binary", "metric": ["auc", "binary_logloss"], "verbosity": -1, "num_threads": 1, "seed": 0},
        lightgbm.Dataset(X[:200], y[:200]),
        callback.rounds(EPOCHS),
        valid_sets=[lightgbm.Dataset(X[200:], y[200:])],
        valid_names=["valid"],
        init_model=callback.model,
        callbacks=[callback, pause],
    )


class TestLightGBM(CallbackContract):
    train = staticmethod(train)
    metric = "valid-binary_logloss"
    goal = "minimize"
    others = ("valid-auc",)
    tolerance = 1e-6  # it writes trees as decimal text


def test_outside_a_trial_it_prints(capsys: pytest.CaptureFixture[str]) -> None:
    train({})
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("valid-auc = ")]
    assert len(lines) == EPOCHS
    assert lines[-1].endswith(f"(step {EPOCHS})")


def test_scikit_learns_kind_of_class(capsys: pytest.CaptureFixture[str]) -> None:
    from lightgbm import LGBMClassifier

    from raydrive.integrations.lightgbm import RaydriveCallback

    X, y = SAMPLES
    callback = RaydriveCallback(metrics={"loss": "valid_0-binary_logloss"}, every_n=2)
    LGBMClassifier(n_estimators=callback.rounds(4), verbosity=-1, n_jobs=1).fit(
        X[:200], y[:200], eval_X=X[200:], eval_y=y[200:], init_model=callback.model, callbacks=[callback]
    )
    logged = [line.split(" = ")[0] + line[line.index(" (") :] for line in capsys.readouterr().out.splitlines()]
    assert logged == ["loss (step 2)", "loss (step 4)"]


def test_a_metric_that_is_not_there_is_named_with_those_that_are() -> None:
    from raydrive.integrations.lightgbm import RaydriveCallback

    class Env:
        evaluation_result_list = (("valid", "auc", 0.5, True),)
        iteration, model = 0, None

    with pytest.raises(KeyError, match="found 'valid-auc'; expected 'accuracy'"):
        RaydriveCallback(metrics=["accuracy"])(Env())
    with pytest.raises(ValueError, match="every_n: found 0"):
        RaydriveCallback(every_n=0)
