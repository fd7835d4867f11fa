"""A training script as HyperDrive's documentation teaches it; it knows nothing of raydrive."""

import argparse
import os

from azureml.core.run import Run

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--learning_rate", type=float, default=0.01)
parser.add_argument("--keep_probability", type=float, default=0.1)
parser.add_argument("--batch_size", type=int, default=32)
args = parser.parse_args()

run_logger = Run.get_context()
for epoch in range(1, args.epochs + 1):
    gap = abs(args.learning_rate - 0.075) + abs(args.keep_probability - 0.08) + args.batch_size / 10000
    val_accuracy = 1 - gap * 2 - 0.5 / epoch
    run_logger.log("accuracy", float(val_accuracy))

os.makedirs("outputs", exist_ok=True)
with open("outputs/model.txt", "w") as file:
    file.write(f"{args}\n")
