"""Runs that the submitting process itself logs to: ``experiment.start_logging()``."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from raydrive.compat.azure_notices import note
from raydrive.compat.azureml._models import Model, keep
from raydrive.compat.azureml._names import with_methods_of


@with_methods_of("azureml.core.run.Run", "azureml.train.automl.run.AutoMLRun")
class InteractiveRun:
    """A run of this process: what it logs stays here, and is gone with the process.

    Args:
        experiment: Its experiment.
    """

    def __init__(self, experiment: Any) -> None:
        self.experiment = experiment
        self.id = f"interactive-{secrets.token_hex(4)}"
        self.number = 1
        self.type = "interactive"
        self.name = self.display_name = self.id
        self.description = ""
        self.parent = None
        self.tags: dict[str, str] = {}
        self.properties: dict[str, Any] = {}
        self._metrics: dict[str, list[Any]] = {}
        self._files: dict[str, str] = {}
        self._state = "Running"
        note("start_logging: what this run logs stays in this process; runs of submit(...) are stored")

    def log(self, name: str, value: Any, description: str = "", step: float | None = None) -> None:
        """Keeps a value under a name."""
        self._metrics.setdefault(str(name), []).append(value)

    def log_list(self, name: str, value: Any, description: str = "") -> None:
        """Keeps several values under a name."""
        self._metrics.setdefault(str(name), []).extend(value)

    def log_row(self, name: str, description: str = "", **kwargs: Any) -> None:
        """Keeps a row under a name."""
        self.log(name, kwargs)

    def log_table(self, name: str, value: Any, description: str = "") -> None:
        """Keeps a table under a name."""
        self.log(name, value)

    log_image = log_confusion_matrix = log_residuals = log_predictions = log_accuracy_table = log_table

    def get_metrics(self, name: str | None = None, **kwargs: Any) -> dict[str, Any]:
        """Returns what was logged: a value where a name was logged once, else a list."""
        kept = {key: each[0] if len(each) == 1 else each for key, each in self._metrics.items()}
        return {key: value for key, value in kept.items() if name in (None, key)}

    def tag(self, key: str, value: Any = None) -> None:
        """Keeps a tag."""
        self.tags[key] = "" if value is None else str(value)

    def set_tags(self, tags: dict[str, Any]) -> None:
        """Keeps tags."""
        for key, value in tags.items():
            self.tag(key, value)

    def get_tags(self) -> dict[str, str]:
        """Returns the tags."""
        return dict(self.tags)

    def upload_file(self, name: str, path_or_stream: Any, *args: Any, **kwargs: Any) -> None:
        """Notes where a file is; it stays there."""
        self._files[name] = str(path_or_stream)

    def upload_folder(self, name: str, path: str, *args: Any, **kwargs: Any) -> None:
        """Notes where a folder is; it stays there."""
        self._files[name] = path

    def get_file_names(self) -> list[str]:
        """Returns the names of files that were noted."""
        return sorted(self._files)

    def register_model(self, model_name: str, model_path: str | None = None, *args: Any, **kwargs: Any) -> Model:
        """Keeps a file or folder as the next version of a model.

        Raises:
            StorageError: If it cannot be written, or there is nothing.
        """
        path = model_path or model_name
        return keep(self.experiment.workspace, model_name, Path(self._files.get(path, path)))

    def child_run(self, name: str | None = None, *args: Any, **kwargs: Any) -> InteractiveRun:
        """Returns a run like this one."""
        return InteractiveRun(self.experiment)

    def get_children(self, *args: Any, **kwargs: Any) -> Any:
        """Yields nothing."""
        return iter(())

    @property
    def status(self) -> str:
        """As ``get_status()``."""
        return self._state

    def get_status(self) -> str:
        """Returns Running, Completed, Failed or Canceled."""
        return self._state

    def get_properties(self) -> dict[str, Any]:
        """Returns ``properties``."""
        return dict(self.properties)

    def add_properties(self, properties: dict[str, Any]) -> None:
        """Keeps properties."""
        self.properties |= properties

    def complete(self, *args: Any, **kwargs: Any) -> None:
        """Ends the run."""
        self._state = "Completed"

    def fail(self, *args: Any, **kwargs: Any) -> None:
        """Ends the run as failed."""
        self._state = "Failed"

    def cancel(self) -> None:
        """Ends the run as canceled."""
        self._state = "Canceled"

    def flush(self, *args: Any, **kwargs: Any) -> None:
        """Does nothing: everything is kept already."""

    def wait_for_completion(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Returns ``get_details()`` at once."""
        return self.get_details()

    def get_details(self) -> dict[str, Any]:
        """Returns its id and state."""
        return {"runId": self.id, "status": self._state, "properties": self.properties}

    def get_portal_url(self) -> str:
        """Returns a text that is not an address: there is no portal."""
        return "(no portal: raydrive studio shows runs in a browser)"

    def __enter__(self) -> InteractiveRun:
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if error is not None:
            self.fail()
        else:
            self.complete()

    def __repr__(self) -> str:
        return f"Run({self.id!r}, {self._state})"
