"""A training script as the documentation of Azure ML's v2 jobs teaches it: an input file, and ``mlflow.log_metric``."""

import argparse

import joblib
import mlflow
import numpy as np
import pandas as pd
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split


def main(args):
    """Trains epoch by epoch and logs each one."""
    mlflow.log_params({"learning_rate": args.learning_rate, "penalty": args.penalty})
    mlflow.set_tag("dataset", "iris")

    frame = pd.read_csv(args.iris_csv)
    x, y = frame.drop(columns=["species"]).to_numpy(), frame["species"].to_numpy()
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.3, random_state=0)

    model = SGDClassifier(
        loss="log_loss", penalty=args.penalty, learning_rate="constant", eta0=args.learning_rate, random_state=0
    )
    for epoch in range(args.epochs):
        model.partial_fit(x_train, y_train, classes=np.unique(y))
        mlflow.log_metric("train accuracy", model.score(x_train, y_train), step=epoch)
        mlflow.log_metric("val-accuracy", model.score(x_test, y_test), step=epoch)

    joblib.dump(model, "model.joblib")
    mlflow.log_artifact("model.joblib", artifact_path="model")


def parse_args():
    """Returns the arguments of the job."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--iris_csv", type=str)
    parser.add_argument("--learning_rate", type=float, default=0.1)
    parser.add_argument("--penalty", type=str, default="l2")
    parser.add_argument("--epochs", type=int, default=8)
    return parser.parse_args()


if __name__ == "__main__":
    main(parse_args())
