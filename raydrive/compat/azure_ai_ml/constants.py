"""``azure.ai.ml.constants``."""

from __future__ import annotations

from typing import Any

from raydrive.compat.azure_ai_ml import _names


class AssetTypes:
    """Types of data and models."""

    URI_FILE = "uri_file"
    URI_FOLDER = "uri_folder"
    MLTABLE = "mltable"
    MLFLOW_MODEL = "mlflow_model"
    TRITON_MODEL = "triton_model"
    CUSTOM_MODEL = "custom_model"


class InputTypes:
    """Types of inputs that are values."""

    INTEGER = "integer"
    NUMBER = "number"
    STRING = "string"
    BOOLEAN = "boolean"


class InputOutputModes:
    """How data comes to a node and back."""

    MOUNT = "mount"
    DOWNLOAD = "download"
    UPLOAD = "upload"
    RO_MOUNT = "ro_mount"
    RW_MOUNT = "rw_mount"
    EVAL_MOUNT = "eval_mount"
    EVAL_DOWNLOAD = "eval_download"
    DIRECT = "direct"


class _Lowered(type):
    """Gives a constant its name in lower case, as most of the SDK's have it."""

    def __getattr__(cls, name: str) -> str:
        if name.startswith("_"):
            raise AttributeError(name)
        return name.casefold()


def __getattr__(name: str) -> Any:
    """Returns any other group of constants."""
    if name not in _names.names_of("azure.ai.ml.constants"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _Lowered(name, (), {"__doc__": f"``{name}``."})
