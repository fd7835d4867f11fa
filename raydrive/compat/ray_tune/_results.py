"""What ``fit`` and ``tune.run`` return."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from raydrive.compat.ray_tune._session import Checkpoint
from raydrive.compat.tuners.tuner_calls import Finished, Tuning
from raydrive.core.errors import ConfigError, Problem, RaydriveError
from raydrive.core.records import FAILED


class Result:
    """A trial that is over.

    Args:
        one: The trial.
        config: Its configuration.
    """

    def __init__(self, one: Finished, config: dict[str, Any]) -> None:
        self.config, self.number = config, one.number
        self.path = self.logdir = self.local_path = one.folder
        self.trial_id = str(one.details.get("trial_id") or one.number)
        self.curves = {name: [each for each in values if _is_number(each)] for name, values in one.metrics.items()}
        self.metrics: dict[str, Any] = {name: values[-1] for name, values in one.metrics.items() if values}
        self.metrics["config"], self.metrics["trial_id"] = config, self.trial_id
        self.metrics["training_iteration"] = max((len(values) for values in self.curves.values()), default=0)
        self.metrics["done"] = True
        self.error = RaydriveError(one.why) if one.state == FAILED else None
        self.status = "ERROR" if self.error else "TERMINATED"
        self.last_result, self.evaluated_params = self.metrics, config
        self._checkpoint = one.checkpoint

    @property
    def checkpoint(self) -> Checkpoint | None:
        """Its latest checkpoint, as a copy; None where it saved none."""
        folder = self._checkpoint()
        return Checkpoint(folder) if folder else None

    @property
    def best_checkpoints(self) -> list[tuple[Checkpoint, dict[str, Any]]]:
        """The checkpoint that is kept, with the last values."""
        found = self.checkpoint
        return [(found, self.metrics)] if found else []

    def get_best_checkpoint(self, metric: str = "", mode: str = "") -> Checkpoint | None:
        """Returns the checkpoint that is kept."""
        return self.checkpoint

    @property
    def metrics_dataframe(self) -> Any:
        """A row for each report, as a frame of pandas."""
        longest = max((len(values) for values in self.curves.values()), default=0)
        rows = {name: [*values, *[None] * (longest - len(values))] for name, values in self.curves.items()}
        return _pandas().DataFrame({"training_iteration": list(range(1, longest + 1)), **rows})

    def __str__(self) -> str:
        return f"trial {self.trial_id}: {self.config}"

    __repr__ = __str__


def results_of(found: Sequence[Finished], tuning: Tuning) -> list[Result]:
    """Returns trials as Ray Tune has them.

    Args:
        found: The trials.
        tuning: What was tuned; it makes the configuration of a trial.
    """
    return [Result(one, tuning.configured(dict(one.params))) for one in found]


class Results:
    """The trials of a call.

    Args:
        results: They.
        metric: What was optimised; empty = nothing.
        goal: ``minimize`` or ``maximize``.
    """

    def __init__(self, results: list[Result], metric: str, goal: str) -> None:
        self._results, self.default_metric = results, metric
        self.default_mode = "min" if goal == "minimize" else "max"

    def best(self, metric: str | None, mode: str | None, scope: str = "last") -> Result | None:
        """Returns the best trial; None where none has a value.

        Args:
            metric: Its name; None = that of the call.
            mode: ``min`` or ``max``; None = that of the call.
            scope: ``last``, ``all``, ``avg`` or ``last-N-avg``.
        """
        name, sign = metric or self.default_metric, 1 if (mode or self.default_mode) == "max" else -1
        if not name:
            allowed = "the name of a metric"
            raise ConfigError(Problem("metric", "none", allowed, "Give metric= and mode=, here or to the tuner."))
        key = _scopes(scope, sign)
        valued = [(key(curve), one) for one in self._results if (curve := _finite(one.curves.get(name, ())))]
        return max(valued, key=lambda pair: pair[0])[1] if valued else None

    @property
    def errors(self) -> list[Exception]:
        """Of the trials that failed."""
        return [one.error for one in self._results if one.error is not None]

    def get_dataframe(self, *args: Any, **kwargs: Any) -> Any:
        """Returns a row for each trial, as a frame of pandas."""
        rows = [
            {
                **{name: value for name, value in one.metrics.items() if name != "config"},
                **{f"config/{name}": value for name, value in one.config.items()},
                "logdir": one.path,
            }
            for one in self._results
        ]
        return _pandas().DataFrame(rows)


class ResultGrid(Results):
    """What ``Tuner.fit`` returns."""

    def get_best_result(
        self, metric: str | None = None, mode: str | None = None, scope: str = "last", filter_nan_and_inf: bool = True
    ) -> Result:
        """Returns the best trial.

        Raises:
            RuntimeError: If none has a value.
        """
        found = self.best(metric, mode, scope)
        if found is None:
            raise RuntimeError(f"no trial has a value of {metric or self.default_metric!r}")
        return found

    @property
    def num_errors(self) -> int:
        """How many trials failed."""
        return len(self.errors)

    @property
    def num_terminated(self) -> int:
        """How many did not."""
        return len(self._results) - self.num_errors

    @property
    def experiment_path(self) -> str:
        """Folder of the run's trials."""
        return self._results[0].path.rpartition("/")[0] if self._results else ""

    def __len__(self) -> int:
        return len(self._results)

    def __getitem__(self, place: int) -> Result:
        return self._results[place]

    def __iter__(self) -> Iterator[Result]:
        return iter(self._results)


class ExperimentAnalysis(Results):
    """What ``tune.run`` returns."""

    @property
    def trials(self) -> list[Result]:
        """All trials."""
        return self._results

    def get_best_trial(
        self, metric: str | None = None, mode: str | None = None, scope: str = "last", **more: Any
    ) -> Result | None:
        """Returns the best trial; None where none has a value."""
        return self.best(metric, mode, scope)

    def get_best_config(self, metric: str | None = None, mode: str | None = None, scope: str = "last") -> Any:
        """Returns the configuration of the best trial."""
        found = self.best(metric, mode, scope)
        return found.config if found is not None else None

    def get_best_logdir(self, metric: str | None = None, mode: str | None = None, scope: str = "last") -> Any:
        """Returns the folder of the best trial."""
        found = self.best(metric, mode, scope)
        return found.path if found is not None else None

    def get_best_checkpoint(self, trial: Any, *args: Any, **kwargs: Any) -> Checkpoint | None:
        """Returns the checkpoint of a trial that is kept."""
        found: Checkpoint | None = trial.checkpoint
        return found

    @property
    def best_trial(self) -> Any:
        """The best trial."""
        return self.best(None, None)

    @property
    def best_config(self) -> Any:
        """Its configuration."""
        return self.get_best_config()

    @property
    def best_result(self) -> Any:
        """Its last values."""
        return self.best_trial.metrics if self.best_trial else None

    @property
    def best_checkpoint(self) -> Any:
        """Its checkpoint."""
        return self.best_trial.checkpoint if self.best_trial else None

    @property
    def best_logdir(self) -> Any:
        """Its folder."""
        return self.get_best_logdir()

    @property
    def results(self) -> dict[str, Any]:
        """Last values by the id of the trial."""
        return {one.trial_id: one.metrics for one in self._results}

    @property
    def results_df(self) -> Any:
        """A row for each trial, as a frame of pandas."""
        return self.get_dataframe()

    def dataframe(self, *args: Any, **kwargs: Any) -> Any:
        """Returns a row for each trial, as a frame of pandas."""
        return self.get_dataframe()

    @property
    def trial_dataframes(self) -> dict[str, Any]:
        """The reports of each trial, by its folder."""
        return {one.path: one.metrics_dataframe for one in self._results}


def _finite(values: Any) -> list[float]:
    return [float(value) for value in values if math.isfinite(value)]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _scopes(scope: str, sign: int) -> Callable[[list[float]], float]:
    """What of a curve a trial is ranked by, so that more is better."""
    if scope == "all":
        return lambda values: max(sign * value for value in values)
    if scope == "avg" or scope.endswith("-avg"):
        count = 0 if scope == "avg" else int(scope.split("-")[1])
        return lambda values: sign * sum(values[-count:]) / len(values[-count:])
    return lambda values: sign * values[-1]


def _pandas() -> Any:
    try:
        import pandas  # lazy: optional dependency
    except ImportError as error:
        raise RaydriveError("frames of results need pandas: pip install pandas") from error
    return pandas
