"""Wrong-typed arguments for everything public: each is refused with a sentence that names the argument.

``run_api_fuzz`` tries each odd value for each argument of each public callable. What may come of a call: it
works (the value is allowed), a ``RaydriveError``, a ``TypeError`` or ``ValueError`` that raydrive raises on purpose, or
Python's own ``TypeError`` for a call that does not fit the signature. Everything else counts as a traceback.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
import os
import re
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fuzz_run import Count, recorded

import raydrive
from raydrive.core.errors import RaydriveError
from raydrive.core.search.random_search import RandomParameterSampling
from raydrive.core.space.search_space import uniform

HANG_S = 10.0


class Hostile:
    """An object whose own methods all fail."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no comparison")

    def __bool__(self) -> bool:
        raise RuntimeError("no truth")

    def __len__(self) -> int:
        raise RuntimeError("no length")

    def __iter__(self) -> Iterator[object]:
        raise RuntimeError("no items")

    def __fspath__(self) -> str:
        raise RuntimeError("no path")

    __hash__ = None  # type: ignore[assignment]


def odd_values() -> dict[str, Any]:
    nested: list[Any] = []
    for _ in range(3_000):
        nested = [nested]
    return {
        "None": None,
        "5": 5,
        "-1": -1,
        "True": True,
        "x": "x",
        "empty": "",
        "NUL": "a\0b",
        "surrogate": "\ud800",
        "long": "y" * 100_000,
        "bytes": b"x",
        "nan": float("nan"),
        "10**5000": 10**5000,
        "list": [1, None],
        "nested": nested,
        "dict": {"a": object()},
        "intkey": {5: 5},
        "set": {1},
        "object": object(),
        "hostile": Hostile(),
        "class": int,
        "lambda": lambda: None,
    }


def train(params: dict[str, Any]) -> None:
    """A function trial."""


def targets(folder: Path) -> Iterator[tuple[str, Callable[..., Any], dict[str, Any]]]:
    """Yields every public callable with a call of it that works, but for its surroundings."""
    from raydrive.api.run import HyperDriveRun
    from raydrive.api.run import Run as Child

    space = {"lr": uniform(0, 1)}
    sampling = RandomParameterSampling(space)
    storage = folder / "storage"
    run = HyperDriveRun.open(recorded(storage).uri)
    child = run.get_child(0)
    workspace = raydrive.Workspace(str(storage), "local")
    experiment = raydrive.Experiment(workspace, "fuzz")
    needed: dict[str, dict[str, Any]] = {
        "randint": {"upper": 3},
        "HyperDriveConfig": {
            "hyperparameter_sampling": sampling,
            "primary_metric_name": "acc",
            "primary_metric_goal": "maximize",
            "max_total_runs": 3,
            "run_config": train,
        },
        "ScriptRunConfig": {"source_directory": str(folder), "script": "train.py"},
        "TruncationSelectionPolicy": {"truncation_percentage": 20},
        "Experiment": {"workspace": workspace, "name": "fuzz"},
        "RunDetails": {"run": run},
    }
    numbers = {"min_value": 0.0, "max_value": 1.0, "mu": 0.0, "sigma": 1.0, "q": 0.1}
    for name in raydrive.__all__:
        target = getattr(raydrive, name)
        if name.endswith("Error") or name in ("Run", "HyperDriveRun", "tune", "PrimaryMetricGoal"):
            continue
        if name in ("SamplingSpec", "Suggestion", "Verdict"):  # a base class; answers, checked on arrival
            continue
        given = needed.get(name)
        if given is None:
            names = inspect.signature(target).parameters
            given = {key: numbers[key] for key in names if key in numbers}
            given |= {"parameter_space": space} if "parameter_space" in names else {}
            given |= {"slack_factor": 0.1} if name == "BanditPolicy" else {}
        yield name, target, given
    yield "PrimaryMetricGoal.from_str", raydrive.PrimaryMetricGoal.from_str, {"text": "maximize"}
    yield "HyperDriveRun", HyperDriveRun, {"layout": run.layout}
    yield "HyperDriveRun.open", HyperDriveRun.open, {"uri": run.uri}
    yield "Workspace.from_config", raydrive.Workspace.from_config, {}
    yield (
        "HyperDriveConfig.to_submission",
        raydrive.HyperDriveConfig(**needed["HyperDriveConfig"]).to_submission,
        {"experiment": "fuzz"},
    )
    yield (
        "ScriptRunConfig.to_spec",
        raydrive.ScriptRunConfig(str(folder), "train.py").to_spec,
        {"resources": raydrive.Resources()},
    )
    quick = {"tune": {"train": train, "space": space, "metric": "acc"}}
    yield "tune", _refusing(raydrive.tune), quick["tune"]
    for owner, thing in (("Workspace", workspace), ("HyperDriveRun", run), ("Run", child), ("Experiment", experiment)):
        for name, member in inspect.getmembers(type(thing)):
            bound = getattr(thing, name, None) if inspect.isfunction(member) and name[0] != "_" else None
            if bound is None or name == "submit":
                continue
            given = {"number": 0} if "number" in inspect.signature(bound).parameters else {}
            given |= {"run": run.id} if name == "get_run" else {}
            given |= {"name": "attempt-1/log.txt"} if name == "download_file" else {}
            yield f"{owner}.{name}", _refusing(bound) if name == "resume" else bound, given
    yield "Experiment.submit", _refusing(experiment.submit), {}
    yield from _training()
    yield "Run (child)", Child, {"parent": run, "number": 0}
    yield from _azure(folder, sampling, experiment)


def _refusing(call: Callable[..., Any]) -> Callable[..., Any]:
    """A call that would start a run: what comes to that is refused there, so only the arguments are tried."""

    @functools.wraps(call)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        import raydrive.api.submit.launch as launching

        real = launching.launch, launching.resume

        def refuse(*args: Any, **kwargs: Any) -> Any:
            raise RaydriveError("it would start")

        launching.launch = launching.resume = refuse
        try:
            return call(*args, **kwargs)
        finally:
            launching.launch, launching.resume = real

    return guarded


def _training() -> Iterator[tuple[str, Callable[..., Any], dict[str, Any]]]:
    context = raydrive.Run.get_context()
    given = {
        "log": {"name": "acc", "value": 1.0},
        "log_list": {"name": "acc", "value": [1.0]},
        "log_row": {"name": "acc"},
        "log_table": {"name": "acc", "value": {"a": [1]}},
        "log_image": {"name": "acc", "path": "x.png"},
        "tag": {"key": "a"},
        "set_tags": {"tags": {"a": "b"}},
    }
    for name, call in given.items():
        if hasattr(context, name):
            yield f"Run.{name}", getattr(context, name), call


def _azure(folder: Path, sampling: Any, experiment: Any) -> Iterator[tuple[str, Callable[..., Any], dict[str, Any]]]:
    from raydrive.compat.azureml import core
    from raydrive.compat.azureml.core import compute, conda_dependencies, environment, runconfig
    from raydrive.compat.azureml.train import hyperdrive

    with _quiet():
        workspace = core.Workspace()
        azure = core.Experiment(workspace, "fuzz")
    script = {"source_directory": str(folder), "script": "train.py"}
    config = {
        "hyperparameter_sampling": sampling,
        "primary_metric_name": "acc",
        "primary_metric_goal": raydrive.PrimaryMetricGoal.MAXIMIZE,
        "max_total_runs": 3,
        "run_config": core.ScriptRunConfig(**script),
    }
    yield "azureml HyperDriveConfig", hyperdrive.HyperDriveConfig, config
    yield "azureml ScriptRunConfig", core.ScriptRunConfig, script
    yield "azureml Workspace", core.Workspace, {}
    yield "azureml Workspace.get", core.Workspace.get, {"name": "w"}
    yield "azureml Workspace.create", core.Workspace.create, {"name": "w"}
    yield "azureml Workspace.get_run", workspace.get_run, {"run": "last"}
    yield "azureml Experiment", core.Experiment, {"workspace": workspace, "name": "fuzz"}
    yield "azureml Experiment.submit", _refusing(azure.submit), {"config": hyperdrive.HyperDriveConfig(**config)}
    yield "azureml Experiment.list", core.Experiment.list, {"workspace": workspace}
    yield "azureml HyperDriveRun", hyperdrive.HyperDriveRun, {"experiment": azure, "run_id": "last"}
    yield "azureml Run", core.Run, {"experiment": azure, "run_id": "last_0"}
    yield "azureml Run.get", core.Run.get, {"workspace": workspace, "run_id": "last_0"}
    yield "azureml Dataset.get_by_name", core.Dataset.get_by_name, {"workspace": workspace, "name": "d"}
    yield "azureml Dataset.get_by_id", core.Dataset.get_by_id, {"workspace": workspace, "id": "d"}
    yield "azureml Dataset.File.from_files", core.Dataset.File.from_files, {"path": str(folder)}
    place = core.Dataset.File.from_files(str(folder))
    yield "azureml as_named_input", place.as_named_input, {"name": "n"}
    yield "azureml Datastore", core.Datastore, {"workspace": workspace, "name": "d"}
    yield "azureml Datastore.get", core.Datastore.get, {"workspace": workspace, "datastore_name": "d"}
    store = core.Datastore(workspace)
    yield "azureml Datastore.path", store.path, {"path": "a"}
    yield "azureml Datastore.upload", store.upload, {"src_dir": str(folder / "empty")}
    yield "azureml Datastore.upload_files", store.upload_files, {"files": []}
    yield "azureml Model", core.Model, {"workspace": workspace, "name": "m"}
    yield (
        "azureml Model.register",
        core.Model.register,
        {
            "workspace": workspace,
            "model_path": str(folder / "train.py"),
            "model_name": "m",
        },
    )
    yield "azureml Environment", environment.Environment, {"name": "e"}
    yield "azureml Environment.clone", environment.Environment("e").clone, {"new_name": "f"}
    yield "azureml ComputeTarget", compute.ComputeTarget, {"workspace": workspace, "name": "c"}
    yield "azureml AmlCompute", compute.AmlCompute.provisioning_configuration, {"vm_size": "c"}
    yield "azureml RunConfiguration", runconfig.RunConfiguration, {}
    yield "azureml MpiConfiguration", runconfig.MpiConfiguration, {}
    yield "azureml PyTorchConfiguration", runconfig.PyTorchConfiguration, {}
    yield "azureml TensorflowConfiguration", runconfig.TensorflowConfiguration, {}
    yield "azureml CondaDependencies.create", conda_dependencies.CondaDependencies.create, {}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield


def _on_purpose(error: BaseException) -> bool:
    """Whether raydrive raised it itself, in a ``raise`` of its own."""
    if isinstance(error, RaydriveError):
        return True
    frames = traceback.extract_tb(error.__traceback__)
    line = (frames[-1].line or "").strip()
    own = f"{os.sep}raydrive{os.sep}" in frames[-1].filename
    unfit = bool(re.search(r"missing (a|\d+) required|unexpected keyword", str(error)))
    unfit = unfit or "multiple values for argument" in str(error)
    if isinstance(error, TypeError) and unfit:
        return True
    return own and isinstance(error, TypeError | ValueError | OSError) and line.startswith("raise ")


def one_case(what: str, call: Callable[..., Any], given: dict[str, Any], count: Count) -> None:
    """Makes one call and notes what comes of it."""
    count.cases += 1
    began = time.monotonic()
    try:
        with _quiet():
            made = call(**given)
            if inspect.isgenerator(made):
                next(made, None)
    except BaseException as error:
        if _on_purpose(error):
            count.refused += 1
            text = str(error)
            if len(text) > 8_000:
                count.tracebacks.append(f"{what}: a message of {len(text):,} characters")
        else:
            last = traceback.extract_tb(error.__traceback__)[-1]
            count.tracebacks.append(
                f"{what}: {type(error).__name__}: {str(error)[:120]} ({last.filename}:{last.lineno})"
            )
    if time.monotonic() - began > HANG_S:
        count.hangs.append(what)


def run_api_fuzz(folder: Path) -> Count:
    """Tries every odd value for every argument of every public callable.

    Args:
        folder: An empty folder; it becomes the current one.
    """
    (folder / "train.py").write_text("")
    (folder / "empty").mkdir()
    count = Count()
    for name, call, given in targets(folder):
        for parameter in inspect.signature(call).parameters.values():
            if parameter.name in ("wait_post_processing", "self") or parameter.kind is parameter.VAR_KEYWORD:
                continue
            for label, value in odd_values().items():
                what = f"{name}({parameter.name}={label})"
                if parameter.kind is parameter.VAR_POSITIONAL:
                    one_case(what, functools.partial(call, value), given, count)
                else:
                    one_case(what, call, {**given, parameter.name: value}, count)
    return count


def test_no_wrong_typed_argument_ends_in_a_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAYDRIVE_STORAGE", str(tmp_path / "storage"))
    count = run_api_fuzz(tmp_path)
    assert count.cases >= 576
    assert not count.tracebacks, "\n".join(count.tracebacks)
    assert not count.hangs
