"""Ray Train: what the workers of a trainer report becomes the trial's metrics.

    trainer = TorchTrainer(loop, scaling_config=..., run_config=RunConfig(callbacks=[RaydriveCallback()]))

Needs ``ray[train]`` and Ray Train's version 2 (``RAY_TRAIN_V2_ENABLED=1`` where it is not the default). With another
version, take ``run.remote()`` along in ``train_loop_config`` and call its ``report``.
"""

from __future__ import annotations

from typing import Any, Dict, List, Sequence  # noqa: UP035  (Python 3.8)

from ray.train.v2.api.callback import UserCallback

from raydrive.context import Run
from raydrive.trial_ray import RemoteRun


class RaydriveCallback(UserCallback):
    """Logs what rank 0 reports with ``ray.train.report``; made in the trial, it logs from wherever Ray Train runs it.

    Args:
        metrics: Names of the metrics to log; None = all whose values are numbers or texts.
        step: The metric that is the step, such as ``epoch``; empty = the reports are counted.
        remote: The trial; None = the one that this process belongs to.
    """

    def __init__(self, metrics: Sequence[str] | None = None, step: str = "", remote: RemoteRun | None = None) -> None:
        self._metrics = None if metrics is None else tuple(metrics)
        self._step = step
        self._remote = remote if remote is not None else Run.get_context().remote()

    def after_report(
        self,
        run_context: Any,
        metrics: List[Dict[str, Any]],  # noqa: UP006
        checkpoint: Any,
    ) -> None:
        """Takes a report of all workers; Ray Train calls this.

        Args:
            run_context: Of the trainer; not used.
            metrics: What each worker has reported, by rank.
            checkpoint: Ray Train's own; not used.
        """
        first = metrics[0] if metrics else {}
        found = {name: value for name, value in first.items() if self._is_logged(name, value)}
        if found:
            self._remote.report(found, step=first.get(self._step) if self._step else None)

    def _is_logged(self, name: str, value: Any) -> bool:
        if self._metrics is not None:
            return name in self._metrics
        return name != self._step and (isinstance(value, (int, float, str)) or hasattr(value, "item"))
