"""The training script of a component."""

import argparse
from pathlib import Path

import mlflow

parser = argparse.ArgumentParser()
parser.add_argument("--data", type=str)
parser.add_argument("--max_epochs", type=int)
parser.add_argument("--learning_rate", type=float)
parser.add_argument("--kernel", type=str)
parser.add_argument("--model_output", type=str)
args = parser.parse_args()

rows = sum(len(path.read_text().splitlines()) for path in Path(args.data).glob("*.csv"))
for epoch in range(1, args.max_epochs + 1):
    mlflow.log_metric("training_f1_score", 1 - abs(args.learning_rate - 0.05) - 0.3 / epoch, step=epoch)
Path(args.model_output, "model.txt").write_text(f"{args.kernel} of {rows} rows\n")
