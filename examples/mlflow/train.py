"""A script that logs with MLflow and knows nothing of raydrive: each value of the metric is an interval."""

import argparse

import mlflow
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

parser = argparse.ArgumentParser()
parser.add_argument("--alpha", type=float, default=1e-4)
parser.add_argument("--epochs", type=int, default=15)
arguments = parser.parse_args()
X, X_valid, y, y_valid = train_test_split(*load_digits(return_X_y=True), random_state=0)
model = SGDClassifier(alpha=arguments.alpha, random_state=0)
with mlflow.start_run():
    mlflow.log_param("epochs", arguments.epochs)
    for epoch in range(1, arguments.epochs + 1):
        model.partial_fit(X / 16, y, classes=np.unique(y))
        mlflow.log_metric("accuracy", model.score(X_valid / 16, y_valid), step=epoch)
