"""What the arguments of the SDK's classes may be, where an annotation does not say it."""

from __future__ import annotations

from raydrive.core.argument_checks import NOTHING, PATH, TEXT, kind, lazy, list_of, mapping_of
from raydrive.core.config.trial_spec import DISTRIBUTIONS

WORKSPACE = lazy("raydrive.compat.azureml.core.workspace", "Workspace", "a Workspace")
EXPERIMENT = lazy("raydrive.compat.azureml.core.experiment", "Experiment", "an Experiment")
ENVIRONMENT = lazy("raydrive.compat.azureml.core.environment", "Environment", "an Environment")
RUN_CONFIGURATION = lazy("raydrive.compat.azureml.core.runconfig", "RunConfiguration", "a RunConfiguration")
LAUNCHER = kind("a configuration of processes, such as MpiConfiguration()", lambda value: _starts_processes(value))
TAGS = mapping_of(TEXT, "texts") | NOTHING
NAME = kind("text that can be a folder's name", lambda v: not TEXT.problems(v, "") and _is_name(v))
PLACE = kind("(datastore, path) or data", lambda v: _is_place(v))
DATA = PATH | PLACE | list_of(PATH | PLACE, "paths")


def _starts_processes(value: object) -> bool:
    return not isinstance(value, type) and getattr(value, "kind", "") in DISTRIBUTIONS


def _is_name(text: str) -> bool:
    return 0 < len(text) <= 128 and not set(text) & set("/\\") and text not in (".", "..")


def _is_place(value: object) -> bool:
    if isinstance(value, tuple):
        return len(value) == 2 and hasattr(value[0], "uri") and not PATH.problems(value[1], "")
    return hasattr(value, "where") or hasattr(value, "path_on_datastore")
