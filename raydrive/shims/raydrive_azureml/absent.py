"""What an Azure ML workspace would do, and nothing here does: imported without harm, and a sentence when it is used."""

from __future__ import annotations

from typing import Any


class NotInATrial(RuntimeError):
    """A training script used something that needs an Azure ML workspace; the text says what to do instead."""


class _Absent(type):
    """Class of the stand-ins: calling one, or taking something from it, is an error that has the way out."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        raise NotInATrial(cls.__doc__)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotInATrial(cls.__doc__)


def absent(name: str) -> type:
    """Returns a stand-in for a class that has no meaning in a trial.

    Args:
        name: Full name, such as ``azureml.core.Environment``.
    """
    text = (
        f"{name} is for submitting jobs and has no meaning inside a trial of raydrive: environment, compute and "
        "data are set where the sweep is submitted; remove it from the training script"
    )
    return _Absent(name.rpartition(".")[2], (), {"__doc__": text, "__module__": name.rpartition(".")[0]})
