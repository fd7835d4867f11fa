"""Logs the square of x under the metric "score", in the way that is asked for."""

import subprocess
import sys

x, how = float(sys.argv[1]), sys.argv[2]
score = -((x - 0.3) ** 2)
if how == "raydrive":
    from raydrive import Run

    Run.get_context().log("score", score)
elif how == "azureml":
    from azureml.core import Run

    Run.get_context().log("score", score)
elif how == "mlflow":
    import mlflow

    mlflow.log_metric("score", score)
elif how == "command":
    subprocess.run(["raydrive", "log", f"score={score}"], check=True)
