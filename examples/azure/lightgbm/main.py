"""LightGBM on the iris flowers, as Azure ML's v2 documentation teaches it: MLflow logs each iteration by itself."""

import argparse

import lightgbm as lgb
import mlflow
import mlflow.lightgbm
import pandas as pd
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import LabelEncoder


def main(args):
    """Trains with the swept parameters."""
    mlflow.lightgbm.autolog(log_models=False)

    frame = pd.read_csv(args.iris_csv)
    x, y = frame.drop(columns=["species"]), LabelEncoder().fit_transform(frame["species"])
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, random_state=42)
    train, test = lgb.Dataset(x_train, label=y_train), lgb.Dataset(x_test, label=y_test)

    parameters = {
        "objective": "multiclass",
        "num_class": 3,
        "boosting": args.boosting,
        "num_leaves": args.num_leaves,
        "learning_rate": args.learning_rate,
        "metric": "multi_logloss",
        "verbose": -1,
        "num_threads": 1,
    }
    lgb.train(parameters, train, args.num_iterations, valid_sets=[test], valid_names=["test"])


def parse_args():
    """Returns the arguments of the job."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--iris_csv", type=str)
    parser.add_argument("--num_iterations", type=int, default=10)
    parser.add_argument("--boosting", type=str, default="gbdt")
    parser.add_argument("--num_leaves", type=int, default=31)
    parser.add_argument("--learning_rate", type=float, default=0.1)
    return parser.parse_args()


if __name__ == "__main__":
    main(parse_args())
