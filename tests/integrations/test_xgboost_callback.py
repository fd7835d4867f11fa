"""XGBoost's callback in a real trial."""

from __future__ import annotations

from typing import Any

from callback_contract import EPOCHS, CallbackContract, after_interval, needs
from sklearn.datasets import make_classification

pytestmark = needs("xgboost")
SAMPLES = make_classification(300, random_state=0)


def train(params: dict[str, Any]) -> None:
    import xgboost

    from raydrive.integrations.xgboost import RaydriveCallback

    class Pause(xgboost.callback.TrainingCallback):  # type: ignore[misc]
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            after_interval(params, model.num_boosted_rounds())
            return False

    X, y = SAMPLES
    callback = RaydriveCallback()
    xgboost.train(
        {"objective": "binary:logistic", "eval_metric": ["auc", "logloss"], "nthread": 1, "seed": 0},
        xgboost.DMatrix(X[:200], y[:200]),
        callback.rounds(EPOCHS),
        evals=[(xgboost.DMatrix(X[200:], y[200:]), "valid")],
        xgb_model=callback.model,
        callbacks=[callback, Pause()],
        verbose_eval=False,
    )


class TestXGBoost(CallbackContract):
    train = staticmethod(train)
    metric = "valid-logloss"
    goal = "minimize"
    others = ("valid-auc",)
    tolerance = 1e-6  # sums of 32 bits
