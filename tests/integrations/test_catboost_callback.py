"""CatBoost's callback in a real trial."""

from __future__ import annotations

from typing import Any

from callback_contract import EPOCHS, CallbackContract, after_interval, needs
from sklearn.datasets import make_classification

pytestmark = needs("catboost")
SAMPLES = make_classification(300, random_state=0)


def train(params: dict[str, Any]) -> None:
    import catboost

    from raydrive.integrations.catboost import RaydriveCallback

    class Pause:
        def after_iteration(self, info: Any) -> bool:
            after_interval(params, info.iteration)
            return True

    X, y = SAMPLES
    callback = RaydriveCallback()
    model = catboost.CatBoostClassifier(
        iterations=EPOCHS, eval_metric="Logloss", thread_count=1, random_seed=0, verbose=False, **callback.snapshot
    )
    model.fit(X[:200], y[:200], eval_set=(X[200:], y[200:]), callbacks=[callback, Pause()])


class TestCatBoost(CallbackContract):
    train = staticmethod(train)
    metric = "validation-Logloss"
    goal = "minimize"
    others = ("learn-Logloss",)
