"""A callback of Hydra's that logs what a program returns: the value that its sweeper optimises.

Given on the command line: ``+hydra.callbacks.raydrive={_target_: raydrive_trackers.hydra_callback.LogReturnValue}``.
"""

from __future__ import annotations

from typing import Any

from raydrive_trackers import trial


class LogReturnValue:
    """Logs the return value as ``value``; of several the first is ``value``, the others ``value_1`` and so on."""

    def on_job_end(self, config: Any, job_return: Any, **kwargs: Any) -> None:
        """Is called by Hydra when the program has returned or failed."""
        status = getattr(getattr(job_return, "status", None), "name", "COMPLETED")
        value = getattr(job_return, "_return_value", None)
        if status != "COMPLETED" or value is None:
            return
        several = list(value) if isinstance(value, (list, tuple)) else [value]
        trial.log({f"value_{index}" if index else "value": each for index, each in enumerate(several)})

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("on_"):
            raise AttributeError(name)
        return lambda *args, **kwargs: None
