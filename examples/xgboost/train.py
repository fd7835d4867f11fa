"""XGBoost: each boosting round is an interval; policies stop bad ones, a lost trial goes on from its last round."""

import xgboost
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

import raydrive
from raydrive.integrations.xgboost import RaydriveCallback


def train(params):
    X, y = load_breast_cancer(return_X_y=True)
    X, X_valid, y, y_valid = train_test_split(X, y, test_size=0.3, random_state=0)
    callback = RaydriveCallback(metrics={"loss": "valid-logloss"})
    xgboost.train(
        {"objective": "binary:logistic", "eval_metric": "logloss", "nthread": 1, **params},
        xgboost.DMatrix(X, y),
        callback.rounds(60),
        evals=[(xgboost.DMatrix(X_valid, y_valid), "valid")],
        xgb_model=callback.model,
        callbacks=[callback],
        verbose_eval=False,
    )


if __name__ == "__main__":
    run = raydrive.tune(
        train,
        {"eta": raydrive.log_range(0.01, 0.5), "max_depth": raydrive.int_range(2, 8)},
        metric="loss",
        goal="minimize",
        policy={"type": "median_stopping", "delay_evaluation": 20},
        max_total_runs=12,
    )
    best = run.get_best_run_by_primary_metric()
    print(f"best loss {best.best_value:.4f} with {best.params}")
