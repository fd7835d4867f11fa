"""Data by name, models, and the files of trials."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

from raydrive.compat.azure_ai_ml._submitted import SubmittedJob
from raydrive.compat.azureml._models import Model, keep
from raydrive.compat.azureml._runs import Run
from raydrive.core.errors import ConfigError, Problem, show

REGISTERED: dict[str, str] = {}
"""Paths of the data that this process has registered, by name."""

_JOB = re.compile(r"(?:azureml:)?/*jobs/([^/]+)/outputs/([^/]+)(?:/paths/(.*))?|runs:/([^/]+)/(.*)")


def registered(path: Any) -> Any:
    """Returns the path of data that was registered, where it is named so; else what was given."""
    match = re.fullmatch(r"azureml:([^:@/]+)(?:[:@].*)?", path) if isinstance(path, str) else None
    return REGISTERED.get(match[1], path) if match else path


def files_of(trial: Any, output: str | None) -> dict[str, str]:
    """Returns the files of a trial's output, by their path below it.

    Args:
        trial: The trial.
        output: Name of the output; None, ``default`` and ``artifacts`` are all of its files.
    """
    names = trial.get_file_names()
    if output in (None, "default", "artifacts"):
        return {name: name for name in names}
    prefix = f"outputs/{output}/"
    found = {name.removeprefix(prefix): name for name in names if name.startswith(prefix)}
    return found or {Path(name).name: name for name in names if name == f"outputs/{output}"}


def download(trial: Any, folder: Path, output: str | None, everything: bool) -> None:
    """Copies what a trial left behind, in the SDK's layout.

    Args:
        trial: The trial.
        folder: Where to.
        output: The output; None = the artifacts.
        everything: Both the artifacts and every named output.

    Raises:
        ConfigError: If there is nothing of this name.
        StorageError: If something cannot be read.
    """
    found = files_of(trial, None if everything else output)
    if not found:
        names = sorted({name.split("/")[1] for name in trial.get_file_names() if name.startswith("outputs/")})
        raise ConfigError(
            Problem("output_name", show(output), f"one of {', '.join(names) or 'none: it left no files'}")
        )
    named = not everything and output not in (None, "default", "artifacts")
    home = folder / "named-outputs" / str(output) if named else folder / "artifacts"
    for below, name in found.items():
        target = home / below
        target.parent.mkdir(parents=True, exist_ok=True)
        trial.download_file(name, str(target))


def keep_model(workspace: Any, entity: Any) -> None:
    """Keeps a model below the workspace's storage and gives the entity its version.

    Args:
        workspace: The workspace.
        entity: The model; its path is local, or names what a trial left behind.

    Raises:
        ConfigError: If there is nothing at its path.
    """
    match = _JOB.search(str(entity.path))
    if match is None:
        if not Path(str(entity.path)).exists():
            raise ConfigError(Problem("path", show(entity.path), "an existing file or folder, or azureml://jobs/..."))
        kept = keep(workspace, entity.name, Path(entity.path))
    else:
        kept = _of_trial(
            workspace, entity.name, match[1] or match[4], match[2] or "artifacts", match[3] or match[5] or ""
        )
    entity.version, entity.id = str(kept.version), kept.id


def _of_trial(workspace: Any, name: str, run_id: str, output: str, path: str) -> Model:
    trial = SubmittedJob(Run.get(workspace, run_id)).trial()
    inside = path.strip("/")
    found = files_of(trial, output)
    places = [inside, f"outputs/{inside}", f"outputs/artifacts/{inside}"] if inside else [""]
    for place in places:  # MLflow's artifacts are kept below outputs/artifacts
        wanted = {
            below: file for below, file in found.items() if not place or below == place or below.startswith(f"{place}/")
        }
        if wanted:
            break
    else:
        listed = ", ".join(trial.get_file_names()) or "none: it left no files"
        raise ConfigError(Problem("path", show(path), f"one of the files of {trial.id}: {listed}"))
    with tempfile.TemporaryDirectory(prefix="raydrive-model-") as folder:
        for below, file in wanted.items():
            inner = below.removeprefix(place).strip("/") or Path(below).name
            target = Path(folder, inner)
            target.parent.mkdir(parents=True, exist_ok=True)
            trial.download_file(file, str(target))
        return keep(workspace, name, Path(folder))


def model(workspace: Any, name: str, version: str | None) -> Model:
    """Returns a model that was kept.

    Raises:
        NotHereError: If there is none of this name.
    """
    return Model(workspace, name, int(version) if version else None)
