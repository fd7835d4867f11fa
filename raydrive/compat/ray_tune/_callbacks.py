"""Ray Tune's callbacks for libraries that train: each round or epoch is a report of the trial."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from typing import Any

from raydrive.compat.ray_tune import _session
from raydrive.compat.ray_tune._session import Checkpoint


class _Reports:
    """What the callbacks have in common: which values, and under which names.

    Args:
        metrics: A name, several, or new names with what the library calls them; None = all.
        *args: Not looked at.
        **options: Not looked at.
    """

    saves = False

    def __init__(self, metrics: Any = None, *args: Any, **options: Any) -> None:
        self._metrics = [metrics] if isinstance(metrics, str) else metrics
        self._options = options

    def values(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Returns what is reported of the values that there are."""
        if self._metrics is None:
            return dict(found)
        pairs = (
            self._metrics.items() if isinstance(self._metrics, Mapping) else [(name, name) for name in self._metrics]
        )
        return {name: found[theirs] for name, theirs in pairs if theirs in found}


def _xgboost() -> tuple[Any, Any]:
    import xgboost  # lazy: optional dependency

    class TuneReportCallback(_Reports, xgboost.callback.TrainingCallback):  # type: ignore[misc]
        """Reports each round of XGBoost."""

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            """Is called after each round."""
            found = {f"{data}-{name}": values[-1] for data, each in evals_log.items() for name, values in each.items()}
            if not self.saves:
                _session.report(self.values(found))
                return False
            with tempfile.TemporaryDirectory() as folder:
                model.save_model(f"{folder}/model.ubj")
                _session.report(self.values(found), checkpoint=Checkpoint(folder))
            return False

    class TuneReportCheckpointCallback(TuneReportCallback):
        """Reports each round, and saves the model."""

        saves = True

        @classmethod
        def get_model(cls, checkpoint: Checkpoint, **more: Any) -> Any:
            """Returns the model of a checkpoint."""
            booster = xgboost.Booster()
            booster.load_model(f"{checkpoint.path}/model.ubj")
            return booster

    return TuneReportCallback, TuneReportCheckpointCallback


def _lightgbm() -> tuple[Any, Any]:
    class TuneReportCallback(_Reports):
        """Reports each round of LightGBM."""

        order = 20

        def __call__(self, env: Any) -> None:
            """Is called after each round."""
            found: dict[str, Any] = {}
            for data, name, value, *more in env.evaluation_result_list or ():
                found[f"{data}-{name}{'-mean' if len(more) > 1 else ''}"] = value
            if not self.saves:
                return _session.report(self.values(found))
            with tempfile.TemporaryDirectory() as folder:
                env.model.save_model(f"{folder}/model.txt")
                _session.report(self.values(found), checkpoint=Checkpoint(folder))

    class TuneReportCheckpointCallback(TuneReportCallback):
        """Reports each round, and saves the model."""

        saves = True

    return TuneReportCallback, TuneReportCheckpointCallback


def _keras() -> tuple[Any, Any]:
    from keras.callbacks import Callback  # lazy: optional dependency

    class TuneReportCallback(_Reports, Callback):  # type: ignore[misc]
        """Reports each epoch of Keras."""

        def __init__(self, metrics: Any = None, *args: Any, **options: Any) -> None:
            Callback.__init__(self)
            _Reports.__init__(self, metrics, *args, **options)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            """Is called after each epoch."""
            _session.report(self.values(logs or {}))

    return TuneReportCallback, TuneReportCallback


def _lightning() -> tuple[Any, Any]:
    try:
        from lightning.pytorch.callbacks import Callback  # lazy: optional dependency
    except ImportError:
        from pytorch_lightning.callbacks import Callback  # lazy: optional dependency

    class TuneReportCallback(_Reports, Callback):  # type: ignore[misc]
        """Reports each validation of Lightning."""

        def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
            """Is called after each validation."""
            if not trainer.sanity_checking:
                _session.report(self.values(trainer.callback_metrics))

    return TuneReportCallback, TuneReportCallback


_MAKERS = {"xgboost": _xgboost, "lightgbm": _lightgbm, "keras": _keras, "pytorch_lightning": _lightning}


def of(library: str) -> dict[str, Any]:
    """Returns the names of ``ray.tune.integration.LIBRARY``; none for libraries without callbacks here.

    Args:
        library: Such as ``xgboost``.
    """
    if library not in _MAKERS:
        return {}
    reports, saves = _MAKERS[library]()
    return {"TuneReportCallback": reports, "TuneReportCheckpointCallback": saves}
