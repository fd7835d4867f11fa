"""What a training process finds in addition to its environment, so that scripts for Azure ML run unchanged.

``raydrive/shims`` is a folder of modules for *their* Python: an ``azureml`` for scripts that import it, a plugin
that MLflow discovers, and ``raydrive.context`` for a Python without raydrive. It is put on PYTHONPATH; nothing is
installed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from raydrive.core.config.tracker_settings import Tracking
from raydrive.package_path import PACKAGE

FOLDER = str(Path(PACKAGE, "shims"))
"""The folder; it belongs to no package, and nothing of raydrive imports from it."""
TRACKING_URI = "raydrive://trial"
"""Where MLflow logs to, unless the user says otherwise."""


def tracker_variables(env: Mapping[str, str], track: Tracking, run_id: str, trial: int, outputs: str) -> dict[str, str]:
    """Returns variables for scripts that log to W&B or to an MLflow server by themselves; those that are set stay.

    Args:
        env: What the training process inherits.
        track: Trackers of the run; W&B's project is that of the scripts, too.
        run_id: Name of the run.
        trial: Number of the trial.
        outputs: Folder of the trial's outputs, where W&B's files are kept with the trial.
    """
    found = {"WANDB_DIR": outputs, "WANDB_RUN_GROUP": run_id, "WANDB_NAME": f"{run_id}_{trial}"}
    ours = track.get("wandb", {})
    found |= {f"WANDB_{key.upper()}": ours[key] for key in ("project", "entity", "mode") if key in ours}
    if env.get("MLFLOW_TRACKING_URI", TRACKING_URI) != TRACKING_URI:  # a server of the user's
        found["MLFLOW_RUN_CONTEXT"] = json.dumps({"raydrive.run": run_id, "raydrive.trial": str(trial)})
        if experiment := track.get("mlflow", {}).get("experiment"):
            found["MLFLOW_EXPERIMENT_NAME"] = experiment
    return {name: value for name, value in found.items() if name not in env}


def with_training_folder(env: Mapping[str, str]) -> dict[str, str]:
    """Returns an environment in which training scripts find what they import, and MLflow finds the trial.

    Args:
        env: The environment; what it says itself about MLflow stays.
    """
    path = env.get("PYTHONPATH", "")
    return {
        "MLFLOW_TRACKING_URI": TRACKING_URI,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        **env,
        "PYTHONPATH": f"{FOLDER}{os.pathsep}{path}" if path else FOLDER,
    }
