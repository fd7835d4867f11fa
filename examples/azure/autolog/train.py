"""A training script that logs nothing itself: MLflow's autologging of scikit-learn does."""

import argparse

import mlflow
import mlflow.sklearn
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier

parser = argparse.ArgumentParser()
parser.add_argument("--max-depth", type=int, default=4)
parser.add_argument("--n-estimators", type=int, default=10)
args = parser.parse_args()

mlflow.sklearn.autolog(log_models=False)

X, y = load_breast_cancer(return_X_y=True)
model = RandomForestClassifier(max_depth=args.max_depth, n_estimators=args.n_estimators, random_state=0)
model.fit(X[:400], y[:400])
print("held-out accuracy", model.score(X[400:], y[400:]))
