"""A training script as Azure's v2 documentation teaches it: arguments in, MLflow metrics out."""

import argparse
import csv
from pathlib import Path

import mlflow

parser = argparse.ArgumentParser()
parser.add_argument("--iris-csv", type=str)
parser.add_argument("--learning-rate", type=float, default=0.1)
parser.add_argument("--boosting", type=str, default="gbdt")
parser.add_argument("--model", type=str)
args = parser.parse_args()

with open(args.iris_csv, newline="") as file:
    rows = list(csv.reader(file))
Path(args.model, "model.txt").write_text(f"{args.boosting} of {len(rows)} rows\n")

for epoch in range(1, 4):
    loss = abs(args.learning_rate - 0.3) + (0.1 if args.boosting == "dart" else 0.0) + 0.5 / epoch
    mlflow.log_metric("test-multi_logloss", loss, step=epoch)
