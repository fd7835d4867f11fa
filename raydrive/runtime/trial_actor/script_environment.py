"""What a training process finds beside its own environment, so that scripts written for Azure ML run as they are.

``raydrive/shims`` is a folder of modules for *their* Python: an ``azureml`` for scripts that import it, a plugin
that MLflow discovers, and ``raydrive.context`` for a Python without raydrive. It is put on PYTHONPATH; nothing is
installed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from raydrive.package_path import PACKAGE

FOLDER = str(Path(PACKAGE, "shims"))
"""The folder; it belongs to no package, and nothing of raydrive imports from it."""
TRACKING_URI = "raydrive://trial"
"""Where MLflow logs to, unless the user says otherwise."""


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
