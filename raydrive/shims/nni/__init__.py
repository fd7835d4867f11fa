"""``nni`` for training scripts: the trial's hyperparameters, and its reports as metrics named ``default``."""

from __future__ import annotations

import os
from typing import Any

from raydrive_trackers import installed, stand_in, trial

_in_a_trial = bool(os.environ.get("RAYDRIVE_CHANNEL"))
_reported: list[Any] = []


def get_next_parameter() -> dict[str, Any]:
    """Returns the trial's hyperparameters."""
    return trial.parameters()


get_current_parameter = get_next_parameter


def report_intermediate_result(metric: Any) -> None:
    """Logs a value, or of several the one named ``default``, as ``default``, and the others under their names."""
    _report(metric)


def report_final_result(metric: Any) -> None:
    """As ``report_intermediate_result``; a value that was reported last is not reported again."""
    if not _reported or _reported[-1] != metric:
        _report(metric, final=not _reported)


def _report(metric: Any, final: bool = False) -> None:
    _reported.append(metric)
    trial.log(metric if isinstance(metric, dict) else {"default": metric}, final=final)


def get_trial_id() -> str:
    """Returns the number of the trial."""
    return os.environ.get("RAYDRIVE_TRIAL", "0")


def get_sequence_id() -> int:
    """Returns the number of the trial."""
    return int(get_trial_id())


def get_experiment_id() -> str:
    """Returns the id of the run."""
    return os.environ.get("RAYDRIVE_RUN_ID", "")


_ours = {name: value for name, value in globals().items() if name.startswith(("get_", "report_"))}
_real = installed.load_real("nni")
if _real is not None:
    if _in_a_trial:
        vars(_real).update(_ours)
else:
    stand_in.install("nni")
    __version__ = "0.0.0"

    def __getattr__(name: str) -> Any:
        """Returns what stands for any other name."""
        return stand_in.named(name)
