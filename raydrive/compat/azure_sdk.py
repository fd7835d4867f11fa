"""The mirrors of Azure ML's SDKs under their old names, in this process only: ``run-script``, ``run-notebook``."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
import types

import raydrive.compat.azureml as mirror
from raydrive.compat.azure_urls import read_mapped
from raydrive.core.errors import ClusterError
from raydrive.core.records import FAILED
from raydrive.core.views.status import AT_REST
from raydrive.runtime.ray_cluster.connection import disconnect
from raydrive.sweepfile.site_settings import here


def install(most_trials: int | None = None) -> None:
    """Makes ``import azureml...`` and ``import azure.ai.ml`` find the mirrors, also where Azure's own are installed.

    Args:
        most_trials: Trials of each run that this process starts, at most; None = as many as it has.
    """
    for name in [name for name in sys.modules if name == "azureml" or name.startswith("azureml.")]:
        del sys.modules[name]
    ours = [mirror.__name__, *(found.name for found in pkgutil.walk_packages(mirror.__path__, f"{mirror.__name__}."))]
    for name in ours:
        sys.modules[name.removeprefix("raydrive.compat.")] = importlib.import_module(name)
    _install_v2()
    read_mapped(here()[1])
    sys.modules["azureml._runs"].Experiment.most_trials = most_trials


def _install_v2() -> None:
    """Makes the SDK v2 and what it signs in with importable; azure.identity and azure.core stay where they are real."""
    from raydrive.compat.azure_ai_ml import _identity, _names  # lazy: raydrive.compat.azure_ai_ml, 0.1 s

    for name in [name for name in sys.modules if name == "azure.ai.ml" or name.startswith("azure.ai.ml.")]:
        del sys.modules[name]
    for package in ("azure", "azure.ai"):
        _namespace(package)
    others = _identity.modules()
    kept = {name: module for name, module in others.items() if not _is_there(".".join(name.split(".")[:2]))}
    ours = {name: _mirrored(name) for name in _names.modules() if name.startswith("azure.ai.ml")}
    for name, module in sorted({**kept, **ours}.items()):
        sys.modules[name] = module
        above, _, last = name.rpartition(".")
        setattr(sys.modules[above], last, module)


def _mirrored(name: str) -> types.ModuleType:
    from raydrive.compat.azure_ai_ml import _names  # lazy: raydrive.compat.azure_ai_ml, 0.1 s

    inner = name.removeprefix("azure.ai.ml").replace(".", "", 1)
    found = "raydrive.compat.azure_ai_ml" + (f".{inner}" if inner else "")
    return importlib.import_module(found) if importlib.util.find_spec(found) else _names.module_of(name)


def _namespace(name: str) -> None:
    """Imports a package that others share, or makes an empty one."""
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        made = types.ModuleType(name)
        made.__path__ = []
        sys.modules[name] = made
        above, _, last = name.rpartition(".")
        if above:
            setattr(sys.modules[above], last, made)


def _is_there(name: str) -> bool:
    """Whether a package of Azure's own is installed."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def finish() -> bool:
    """Waits for the runs that this process started and left behind; they would end with it on an embedded cluster.

    Returns:
        Whether none of them failed.
    """
    from raydrive.compat.azureml.core.experiment import Experiment  # lazy: raydrive.api.run, 0.1 s

    good = True
    for run in Experiment.submitted:
        run.refresh()  # another object may have waited for it
        if run.sweep.finished is None and run.get_status() not in AT_REST:
            print(f"Waiting for run {run.id}, which the file did not wait for.", file=sys.stderr, flush=True)
            run.wait_for_completion(show_output=False, raise_on_error=False)
        good = good and run.get_status() != FAILED
    return good


def end_of_notebook() -> None:
    """Waits as ``finish`` does, and leaves Ray, whose processes would print a dump where they are ended by a signal.

    Raises:
        ClusterError: If a run failed.
    """
    good = finish()
    if "ray" in sys.modules:
        disconnect()
    if not good:
        raise ClusterError("a run of this notebook failed: raydrive list")
