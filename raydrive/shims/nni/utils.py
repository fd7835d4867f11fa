"""``nni.utils`` for training scripts: what merges hyperparameters into arguments."""

from __future__ import annotations

from typing import Any, Mapping  # noqa: UP035  (Python 3.8)

from raydrive_trackers import stand_in


def merge_parameter(base_params: Any, override_params: Mapping[str, Any]) -> Any:
    """Puts hyperparameters into parsed arguments or a dict, and returns it.

    Args:
        base_params: An ``argparse.Namespace``, or a dict.
        override_params: The hyperparameters.
    """
    for name, value in override_params.items():
        if isinstance(base_params, dict):
            base_params[name] = value
        else:
            setattr(base_params, name, value)
    return base_params


def __getattr__(name: str) -> Any:
    """Returns what stands for any other name."""
    return stand_in.named(name)
