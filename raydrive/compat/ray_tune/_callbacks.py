"""Ray Tune's callbacks for libraries that train: each round or epoch is a report of the trial."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from raydrive.compat.ray_tune import _session
from raydrive.compat.ray_tune._session import Checkpoint


class _Reports:
    """What the callbacks have in common: which values, under which names, and when a checkpoint is saved.

    Args:
        metrics: A name, several, or new names with what the library calls them; None = all.
        filename: Of the model in a checkpoint; empty = that of the library.
        frequency: Rounds between two checkpoints; 0 = none on the way.
        checkpoint_at_end: Whether the last round saves one.
        results_postprocessing_fn: Changes the values; None = they stay.
        save_checkpoints: Whether checkpoints are saved at all, of libraries that save at each report.
        **options: Not looked at.
    """

    saves = False
    """Whether this is the class that saves checkpoints."""
    default_filename = "checkpoint"

    def __init__(
        self,
        metrics: Any = None,
        filename: str = "",
        frequency: int = 0,
        checkpoint_at_end: bool = True,
        results_postprocessing_fn: Callable[[dict[str, Any]], Any] | None = None,
        save_checkpoints: bool = True,
        **options: Any,
    ) -> None:
        self._metrics = [metrics] if isinstance(metrics, str) else metrics
        self._filename = filename if isinstance(filename, str) and filename else self.default_filename
        self._frequency = frequency
        self._at_end = checkpoint_at_end
        self._changed = results_postprocessing_fn or (lambda values: values)
        self._always = save_checkpoints

    def values(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Returns what is reported of the values that there are."""
        if self._metrics is None:
            return dict(self._changed(dict(found)))
        pairs = (
            self._metrics.items() if isinstance(self._metrics, Mapping) else [(name, name) for name in self._metrics]
        )
        return dict(self._changed({name: found[theirs] for name, theirs in pairs if theirs in found}))

    def report(self, found: Mapping[str, Any], save: Callable[[str], Any] | None) -> None:
        """Reports values, with a checkpoint where there is something that saves one.

        Args:
            found: The values that there are.
            save: Writes the file of this path; None = no checkpoint.
        """
        if save is None:
            return _session.report(self.values(found))
        with tempfile.TemporaryDirectory() as folder:
            save(f"{folder}/{self._filename}")
            _session.report(self.values(found), checkpoint=Checkpoint(folder))

    def due(self, number: int, last: bool = False) -> bool:
        """Returns whether a round saves a checkpoint.

        Args:
            number: Of the round, from 1.
            last: Whether it is known to be the last one.
        """
        return self.saves and bool((self._frequency and number % self._frequency == 0) or (last and self._at_end))


def _xgboost() -> tuple[Any, Any]:
    import xgboost  # lazy: optional dependency

    class TuneReportCallback(_Reports, xgboost.callback.TrainingCallback):  # type: ignore[misc]
        """Reports each round of XGBoost."""

        default_filename = "model.ubj"

        def __init__(self, *args: Any, **options: Any) -> None:
            xgboost.callback.TrainingCallback.__init__(self)
            _Reports.__init__(self, *args, **options)
            self._saved = self._rounds = 0

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            """Is called after each round; of a cross-validation a value is a mean with its deviation."""
            found: dict[str, Any] = {}
            for data, each in evals_log.items():
                for name, values in each.items():
                    pair = isinstance(values[-1], Sequence)
                    found[f"{data}-{name}{'-mean' if pair else ''}"] = values[-1][0] if pair else values[-1]
            self._rounds += 1
            due = self.due(self._rounds)
            self.report(found, model.save_model if due else None)
            self._saved = self._rounds if due else self._saved
            return False

        def after_training(self, model: Any) -> Any:
            """Is called at the end."""
            if self.due(0, last=True) and self._saved != self._rounds:
                with tempfile.TemporaryDirectory() as folder:
                    model.save_model(f"{folder}/{self._filename}")
                    _session.current("report").save(folder)
            return model

    class TuneReportCheckpointCallback(TuneReportCallback):
        """Reports each round, and saves the model."""

        saves = True

        @classmethod
        def get_model(cls, checkpoint: Checkpoint, filename: str = "model.ubj", **more: Any) -> Any:
            """Returns the model of a checkpoint."""
            booster = xgboost.Booster()
            booster.load_model(f"{checkpoint.path}/{filename}")
            return booster

    return TuneReportCallback, TuneReportCheckpointCallback


def _lightgbm() -> tuple[Any, Any]:
    class TuneReportCallback(_Reports):
        """Reports each round of LightGBM."""

        order = 20
        default_filename = "model.txt"

        def __call__(self, env: Any) -> None:
            """Is called after each round."""
            found: dict[str, Any] = {}
            for data, name, value, *more in env.evaluation_result_list or ():
                found[f"{data}-{name}{'-mean' if len(more) > 1 else ''}"] = value
            number = env.iteration - env.begin_iteration + 1
            due = self.due(number, last=env.iteration == env.end_iteration - 1)
            self.report(found, env.model.save_model if due else None)

    class TuneReportCheckpointCallback(TuneReportCallback):
        """Reports each round, and saves the model."""

        saves = True

        @classmethod
        def get_model(cls, checkpoint: Checkpoint, filename: str = "model.txt", **more: Any) -> Any:
            """Returns the model of a checkpoint."""
            import lightgbm  # lazy: lightgbm, 1.0 s

            return lightgbm.Booster(model_file=f"{checkpoint.path}/{filename}")

    return TuneReportCallback, TuneReportCheckpointCallback


def _keras() -> tuple[Any, Any]:
    from keras.callbacks import Callback  # lazy: optional dependency

    class TuneReportCallback(_Reports, Callback):  # type: ignore[misc]
        """Reports each epoch of Keras, or what else ``report_metrics_on`` names."""

        default_filename = "model.keras"

        def __init__(self, metrics: Any = None, *args: Any, **options: Any) -> None:
            Callback.__init__(self)
            if isinstance(metrics, str) and metrics.endswith(("_begin", "_end")):  # today's first one: checkpoint_on
                metrics = None
            _Reports.__init__(self, options.get("metrics", metrics))
            on = options.get("report_metrics_on") or options.get("on") or "epoch_end"
            for event in [on] if isinstance(on, str) else on:
                setattr(self, f"on_{event}", self._reports)

        def _reports(self, *given: Any, logs: Any = None) -> None:
            found = logs if logs is not None else next((each for each in given if isinstance(each, Mapping)), {})
            if self.values(found):
                self.report(found, self.model.save if self.saves else None)

    class TuneReportCheckpointCallback(TuneReportCallback):
        """Reports each epoch, and saves the model."""

        saves = True

    return TuneReportCallback, TuneReportCheckpointCallback


def _lightning() -> tuple[Any, Any]:
    own = "pytorch_lightning" in sys.modules and "lightning.pytorch" not in sys.modules
    try:
        if own:
            raise ImportError
        from lightning.pytorch.callbacks import Callback  # lazy: optional dependency
    except ImportError:
        from pytorch_lightning.callbacks import Callback  # lazy: optional dependency

    class TuneReportCallback(_Reports, Callback):  # type: ignore[misc]
        """Reports each validation of Lightning, or what else ``on`` names."""

        default_on = "validation_end"

        def __init__(self, metrics: Any = None, *args: Any, on: Any = "", **options: Any) -> None:
            Callback.__init__(self)
            _Reports.__init__(self, metrics, *args, **options)
            on = on or self.default_on
            for event in [on] if isinstance(on, str) else on:
                setattr(self, event if event.startswith("on_") else f"on_{event}", self._reports)

        def _reports(self, trainer: Any, *given: Any) -> None:
            values = self.values(trainer.callback_metrics)
            if values and not trainer.sanity_checking:
                self.report(trainer.callback_metrics, trainer.save_checkpoint if self.saves and self._always else None)

    class TuneReportCheckpointCallback(TuneReportCallback):
        """Reports each validation, and saves a checkpoint."""

        saves = True

    return TuneReportCallback, TuneReportCheckpointCallback


_MAKERS = {"xgboost": _xgboost, "lightgbm": _lightgbm, "keras": _keras, "pytorch_lightning": _lightning}
_TRAIN = {
    "ray.air.integrations.keras": ("keras", "ReportCheckpointCallback"),
    "ray.train.tensorflow.keras": ("keras", "ReportCheckpointCallback"),
    "ray.train.xgboost": ("xgboost", "RayTrainReportCallback"),
    "ray.train.lightgbm": ("lightgbm", "RayTrainReportCallback"),
}
"""Modules of Ray Train and Ray AIR whose callback does the same: the library, and what it is called there."""


def of(module: str) -> dict[str, Any]:
    """Returns the callbacks of a module of Ray's; none where it has none here, or where the library is not installed.

    Args:
        module: Such as ``ray.tune.integration.xgboost``.
    """
    library, name = _TRAIN.get(module, (module.removeprefix("ray.tune.integration."), ""))
    if library not in _MAKERS or (not name and library == module):
        return {}
    try:
        reports, saves = _MAKERS[library]()
    except ImportError:
        return {}
    return {name: saves} if name else {"TuneReportCallback": reports, "TuneReportCheckpointCallback": saves}
