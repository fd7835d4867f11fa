"""Models that a training script registers: kept with the trial, noted in ``outputs/registered_models.json``."""

from __future__ import annotations

import json
import os
import shutil
from typing import Any, Mapping  # noqa: UP035  (Python 3.8)

from raydrive import context
from raydrive_azureml.absent import NotInATrial

RECORD = "registered_models.json"
"""Name of the record below the trial's outputs: a list of models with name, version, path and what was said."""


class Model:
    """A model that was registered."""

    def __init__(self, workspace: Any = None, name: str = "", version: int = 1, path: str = "", **details: Any) -> None:
        self.name = name
        self.version = version
        self.path = path
        """Where it is, below the trial's files."""
        self.tags = details.get("tags") or {}
        self.properties = details.get("properties") or {}
        self.description = details.get("description")

    @property
    def id(self) -> str:
        """``NAME:VERSION``."""
        return f"{self.name}:{self.version}"

    @classmethod
    def register(
        cls,
        workspace: Any = None,
        model_path: str = "",
        model_name: str = "",
        tags: Mapping[str, Any] | None = None,
        properties: Mapping[str, Any] | None = None,
        description: str | None = None,
        **details: Any,
    ) -> Model:
        """Registers a model; see ``register``.

        Raises:
            FileNotFoundError: There is no such file.
        """
        noted = {"tags": dict(tags or {}), "properties": dict(properties or {}), "description": description, **details}
        return register(context.Run.get_context().id, model_name, model_path, noted)

    @staticmethod
    def get_model_path(model_name: str, version: int | None = None, _workspace: Any = None) -> str:
        """Returns the path of a model: an input of the run of that name, or one this trial has registered.

        Raises:
            NotInATrial: There is neither.
        """
        from raydrive_azureml import data  # lazy: raydrive_azureml.data, 0.002 s

        if model_name in data.inputs():
            return str(data.Inputs()[model_name])
        for model in reversed(_recorded(_outputs())):
            if model["name"] == model_name and version in (None, model["version"]):
                return os.path.join(os.path.dirname(_outputs()), model["path"])
        raise NotInATrial(
            f"Model.get_model_path({model_name!r}): no such model; give it as an input of the sweep: "
            f"inputs: {{{model_name}: {{path: ...}}}}"
        )


def register(trial: str, name: str, path: str, details: Mapping[str, Any]) -> Model:
    """Keeps a model with the trial and notes its name.

    Args:
        trial: Id of the trial.
        name: Name of the model; registered again it becomes the next version.
        path: File or folder. What already lies in the trial's outputs is noted where it is, all else is copied there.
        details: What else to note.

    Raises:
        FileNotFoundError: There is no such file.
    """
    outputs = _outputs()
    found = next((p for p in (path, os.path.join(os.path.dirname(outputs), path)) if os.path.exists(p)), None)
    if found is None:
        raise FileNotFoundError(f"register_model({name!r}): no such file or folder: {path!r}")
    version = 1 + sum(model["name"] == name for model in _recorded(outputs))
    inside = os.path.relpath(os.path.realpath(found), os.path.realpath(outputs))
    if inside.split(os.sep)[0] == os.pardir:
        inside = os.path.join("models", name, str(version), os.path.basename(os.path.normpath(found)))
        target = os.path.join(outputs, inside)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        (shutil.copytree if os.path.isdir(found) else shutil.copyfile)(found, target)
    kept = os.path.normpath(os.path.join("outputs", inside))
    note(name, version, kept, {**details, "trial": trial})
    return Model(None, name, version, kept, **details)


def note(name: str, version: int, path: str, details: Mapping[str, Any]) -> None:
    """Adds a model to the record.

    Args:
        name: Its name.
        version: Its version, from 1.
        path: Where it is, below the trial's files.
        details: What else to note; what is None is left out, what has no JSON form is noted as text.
    """
    outputs = _outputs()
    said = {key: _plain(value) for key, value in details.items() if value is not None}
    models = [*_recorded(outputs), {"name": name, "version": version, "path": path, **said}]
    os.makedirs(outputs, exist_ok=True)
    partial = os.path.join(outputs, f".{RECORD}.{os.getpid()}")
    with open(partial, "w") as file:
        json.dump(models, file, indent=1)
    os.replace(partial, os.path.join(outputs, RECORD))


def _plain(value: Any) -> Any:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return str(value)
    return value


def _outputs() -> str:
    return os.environ.get("RAYDRIVE_OUTPUT_DIR") or os.path.abspath("outputs")


def _recorded(outputs: str) -> list[Any]:
    try:
        with open(os.path.join(outputs, RECORD)) as file:
            models: list[Any] = json.load(file)
    except FileNotFoundError:
        return []
    return models
