"""The mirror of Azure ML's SDK under its old names, in this process only: ``raydrive run-script``, ``run-notebook``."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import raydrive.compat.azureml as mirror
from raydrive.compat.azure_urls import read_mapped
from raydrive.core.errors import ClusterError
from raydrive.core.records import FAILED
from raydrive.core.views.status import AT_REST
from raydrive.runtime.ray_cluster.connection import disconnect
from raydrive.sweepfile.site_settings import here


def install() -> None:
    """Makes ``import azureml...`` find the mirror, also where Azure's own SDK is installed."""
    for name in [name for name in sys.modules if name == "azureml" or name.startswith("azureml.")]:
        del sys.modules[name]
    ours = [mirror.__name__, *(found.name for found in pkgutil.walk_packages(mirror.__path__, f"{mirror.__name__}."))]
    for name in ours:
        sys.modules[name.removeprefix("raydrive.compat.")] = importlib.import_module(name)
    read_mapped(here()[1])


def finish() -> bool:
    """Waits for the runs that this process started and left behind; they would end with it on an embedded cluster.

    Returns:
        Whether none of them failed.
    """
    from raydrive.compat.azureml.core.experiment import Experiment  # lazy: raydrive.api.run, 0.1 s

    good = True
    for run in Experiment.submitted:
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
