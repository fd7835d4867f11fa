"""Fits a line to a few points by gradient descent, and logs as scripts on Azure ML do: with MLflow."""

import argparse
import csv
import pathlib

import mlflow

parser = argparse.ArgumentParser()
parser.add_argument("--points", required=True)
parser.add_argument("--learning_rate", type=float, default=0.05)
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--model", required=True)
given = parser.parse_args()

with open(given.points, newline="") as file:
    points = [(float(row["x"]), float(row["y"])) for row in csv.DictReader(file)]

slope = intercept = 0.0
for epoch in range(given.epochs):
    errors = [slope * x + intercept - y for x, y in points]
    mlflow.log_metric("mean_squared_error", sum(error**2 for error in errors) / len(errors), step=epoch)
    gradient = 2 * sum((slope * x + intercept - y) * x for x, y in points) / len(points)
    slope -= given.learning_rate * gradient
    intercept -= given.learning_rate * 2 * sum(errors) / len(points)

pathlib.Path(given.model).mkdir(parents=True, exist_ok=True)
pathlib.Path(given.model, "line.txt").write_text(f"{slope} {intercept}\n")
