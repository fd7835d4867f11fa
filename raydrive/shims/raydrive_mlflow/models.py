"""The model registry of ``raydrive://``: names and versions, noted in the trial's ``registered_models.json``."""

from __future__ import annotations

import threading
import time
from typing import Any
from urllib.parse import unquote, urlparse

from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, RESOURCE_DOES_NOT_EXIST
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.model_registry.abstract_store import AbstractStore
from raydrive_azureml.models import note

from raydrive_mlflow.store import artifacts, make


class _TrialModels(AbstractStore):  # type: ignore[misc,unused-ignore]
    """Models that this trial has registered; each trial has a registry of its own."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._models: dict[str, dict[str, Any]] = {}
        self._versions: dict[str, list[dict[str, Any]]] = {}

    # ------------------------------------------------------------------ names

    def create_registered_model(self, name: str, tags: Any = None, description: Any = None, *args: Any) -> Any:
        with self._lock:
            if name in self._models:
                raise MlflowException(f"Registered model {name!r} exists already", RESOURCE_ALREADY_EXISTS)
            now = int(time.time() * 1000)
            self._models[name] = {
                "name": name,
                "creation_timestamp": now,
                "last_updated_timestamp": now,
                "description": description,
                "tags": list(tags or ()),
            }
            self._versions[name] = []
            return self.get_registered_model(name)

    def get_registered_model(self, name: str) -> Any:
        if name not in self._models:
            raise MlflowException(f"This trial has registered no model {name!r}", RESOURCE_DOES_NOT_EXIST)
        latest = [make(ModelVersion, version) for version in self._versions[name][-1:]]
        return make(RegisteredModel, {**self._models[name], "latest_versions": latest})

    def update_registered_model(self, name: str, description: Any = None, *args: Any) -> Any:
        self.get_registered_model(name)
        self._models[name]["description"] = description
        return self.get_registered_model(name)

    def search_registered_models(self, *args: Any, **kwargs: Any) -> Any:
        return PagedList([self.get_registered_model(name) for name in self._models], None)

    list_registered_models = search_registered_models

    def set_registered_model_tag(self, name: str, tag: Any) -> None:
        self.get_registered_model(name)
        self._models[name]["tags"].append(tag)

    def get_latest_versions(self, name: str, stages: Any = None) -> Any:
        self.get_registered_model(name)
        return [make(ModelVersion, version) for version in self._versions[name][-1:]]

    # ------------------------------------------------------------------ versions

    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Any = None,
        run_link: Any = None,
        description: Any = None,
        local_model_path: Any = None,
        model_id: str | None = None,
        **kwargs: Any,
    ) -> Any:
        with self._lock:
            self.get_registered_model(name)
            now = int(time.time() * 1000)
            version = {
                "name": name,
                "version": str(len(self._versions[name]) + 1),
                "creation_timestamp": now,
                "last_updated_timestamp": now,
                "description": description,
                "current_stage": "None",
                "source": source,
                "run_id": run_id,
                "tags": list(tags or ()),
                "model_id": model_id,
            }
            self._versions[name].append(version)
            said = {"description": description, "tags": {tag.key: tag.value for tag in tags or ()}, "source": source}
            note(name, int(version["version"]), self._kept(source), said)
            return make(ModelVersion, version)

    @staticmethod
    def _kept(source: str) -> str:
        """Where a model is below the trial's files; its source as it is when that is elsewhere."""
        if source.startswith("models:/m-"):
            from mlflow.tracking._tracking_service.utils import _get_store  # lazy: optional dependency

            source = _get_store().get_logged_model(source[len("models:/") :]).artifact_location
        path = unquote(urlparse(source).path)
        outputs = artifacts().parent
        return path[len(str(outputs.parent)) + 1 :] if path.startswith(f"{outputs}/") else source

    def _version(self, name: str, version: Any) -> dict[str, Any]:
        self.get_registered_model(name)
        for known in self._versions[name]:
            if known["version"] == str(version):
                return known
        raise MlflowException(f"Model {name!r} has no version {version}", RESOURCE_DOES_NOT_EXIST)

    def get_model_version(self, name: str, version: Any) -> Any:
        return make(ModelVersion, self._version(name, version))

    def get_model_version_download_uri(self, name: str, version: Any) -> str:
        return str(self._version(name, version)["source"])

    def update_model_version(self, name: str, version: Any, description: Any = None) -> Any:
        self._version(name, version)["description"] = description
        return self.get_model_version(name, version)

    def transition_model_version_stage(
        self, name: str, version: Any, stage: str, archive_existing_versions: bool = False
    ) -> Any:
        self._version(name, version)["current_stage"] = stage
        return self.get_model_version(name, version)

    def set_model_version_tag(self, name: str, version: Any, tag: Any) -> None:
        self._version(name, version)["tags"].append(tag)

    def search_model_versions(self, *args: Any, **kwargs: Any) -> Any:
        return PagedList([make(ModelVersion, each) for every in self._versions.values() for each in every], None)

    def set_registered_model_alias(self, name: str, alias: str, version: Any) -> None:
        self._version(name, version).setdefault("aliases", []).append(alias)

    def get_model_version_by_alias(self, name: str, alias: str) -> Any:
        self.get_registered_model(name)
        for known in reversed(self._versions[name]):
            if alias in known.get("aliases", ()):
                return make(ModelVersion, known)
        raise MlflowException(f"Model {name!r} has no alias {alias!r}", RESOURCE_DOES_NOT_EXIST)

    def _await_model_version_creation(self, mv: Any, await_creation_for: Any) -> None:
        """It is there at once."""


def build() -> Any:
    """Makes the registry."""
    return _TrialModels()
