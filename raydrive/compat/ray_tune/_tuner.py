"""``Tuner``, ``tune.run`` and what they are given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raydrive.compat.ray_tune import _settings
from raydrive.compat.ray_tune._named import Named
from raydrive.compat.ray_tune._results import ExperimentAnalysis, ResultGrid, results_of
from raydrive.compat.ray_tune._space import ConfigSpace
from raydrive.compat.ray_tune._trainables import REGISTERED, WithParameters, WithResources, train, unwrapped
from raydrive.compat.tuners.tuner_calls import Finished, Tuning, carried_out
from raydrive.core.errors import ConfigError, Problem

TOOL = "Ray Tune"


class TuneConfig(Named):
    """How a trainable is tuned."""


class RunConfig(Named):
    """Where results go, and what ends a trial."""


class CheckpointConfig(Named):
    """Which checkpoints are kept."""


class FailureConfig(Named):
    """How often a trial is tried again."""


class Tuner:
    """Tunes a trainable.

    Args:
        trainable: A function, a subclass of ``Trainable``, or a registered name.
        param_space: The configuration, with what is drawn in it.
        tune_config: A ``TuneConfig``.
        run_config: A ``RunConfig``.
        **more: Not looked at.
    """

    def __init__(
        self,
        trainable: Any = None,
        *,
        param_space: Any = None,
        tune_config: Any = None,
        run_config: Any = None,
        **more: Any,
    ) -> None:
        self._trainable, self._space = trainable, param_space or {}
        self._tune, self._run = tune_config or TuneConfig(), run_config or RunConfig()

    @classmethod
    def restore(cls, *args: Any, **kwargs: Any) -> Any:
        """Refuses: a run of raydrive is resumed by its name.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(Problem("Tuner.restore", "a run of Ray Tune", "a new run", "Use raydrive resume RUN."))

    def fit(self) -> ResultGrid:
        """Tunes, and returns the results of all trials."""
        run, tune = self._run, self._tune
        checkpoints, failures = run.option("checkpoint_config"), run.option("failure_config")
        options = {**dict(zip(("metric", "mode"), tune.given, strict=False)), **tune.options}
        options |= {"stop": run.option("stop"), "name": run.option("name")}
        if isinstance(checkpoints, Named):
            options["checkpoint_freq"] = checkpoints.option("checkpoint_frequency", 0)
            options["checkpoint_at_end"] = checkpoints.option("checkpoint_at_end", False)
        if isinstance(failures, Named):
            options["max_failures"] = failures.option("max_failures", 0)
        tuning = _tuning(self._trainable, self._space, options)
        return ResultGrid(_results(tuning), tuning.metric, tuning.goal)

    def get_results(self) -> Any:
        """Refuses: results are those that ``fit`` returns.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(Problem("Tuner.get_results", "results without fit()", "the results that fit() returns"))


def run(run_or_experiment: Any, *, config: Any = None, resources_per_trial: Any = None, **options: Any) -> Any:
    """Tunes, and returns the analysis of all trials.

    Args:
        run_or_experiment: The trainable.
        config: The configuration, with what is drawn in it.
        resources_per_trial: What a trial reserves.
        **options: As ``tune.run`` has them.
    """
    checkpoints = options.get("checkpoint_config")
    if isinstance(checkpoints, Named):
        options.setdefault("checkpoint_freq", checkpoints.option("checkpoint_frequency", 0))
        options.setdefault("checkpoint_at_end", checkpoints.option("checkpoint_at_end", False))
    if isinstance(run_or_experiment, Named):  # an Experiment
        kept = run_or_experiment.options
        config, resources_per_trial = kept.get("config", config), kept.get("resources_per_trial", resources_per_trial)
        options = {**kept, **options}
        run_or_experiment = kept.get("run") or run_or_experiment.option("run", None, 1)
    trainable = run_or_experiment
    if resources_per_trial is not None:
        trainable = WithResources(trainable, resources_per_trial)
    tuning = _tuning(trainable, config or {}, options)
    return ExperimentAnalysis(_results(tuning), tuning.metric, tuning.goal)


def run_experiments(experiments: Any, **options: Any) -> list[Any]:
    """Tunes what older versions of Ray Tune call experiments, and returns all trials.

    Args:
        experiments: By name, what ``tune.run`` takes; or an ``Experiment``, or several.
        **options: As ``tune.run`` has them.
    """
    trials: list[Any] = []
    if isinstance(experiments, Mapping):
        for name, about in experiments.items():
            given = {**about}
            trials += run(given.pop("run"), name=name, **{**given, **options}).trials
        return trials
    for one in experiments if isinstance(experiments, list) else [experiments]:
        trials += run(one, **options).trials
    return trials


def with_resources(trainable: Any, resources: Any) -> WithResources:
    """Returns a trainable with what a trial of it reserves."""
    return WithResources(trainable, resources)


def with_parameters(trainable: Any, **objects: Any) -> WithParameters:
    """Returns a trainable with objects that it gets beside its hyperparameters."""
    return WithParameters(trainable, objects)


def register_trainable(name: str, trainable: Any, warn: bool = True) -> None:
    """Gives a trainable a name."""
    REGISTERED[name] = trainable


def _tuning(given: Any, raw: Any, options: Mapping[str, Any]) -> Tuning:
    """What a call of Ray Tune tunes."""
    trainable, objects, resources = unwrapped(given)
    scheduler, name = options.get("scheduler"), options.get("name")
    tuning = Tuning(tool=TOOL, train=lambda params: None, name=str(name or ""))
    searcher = _settings.searcher_of(options.get("search_alg"), tuning)
    _settings.metric_of((options.get("metric"), options.get("mode")), scheduler, searcher, tuning)
    space = ConfigSpace(_settings.with_mutations(_whole(raw, searcher), scheduler, tuning))
    stops = _settings.stop_of(options.get("stop"), scheduler)
    tuning.space = space.expressions()
    tuning.sampling = _settings.sampling_of(searcher, space, tuning)
    samples, budget = options.get("num_samples", 1), options.get("time_budget_s")
    _settings.trials_of(int(samples or 1), tuning.sampling, space, budget, tuning)
    if options.get("max_concurrent_trials"):
        tuning.limits["max_concurrent_trials"] = options["max_concurrent_trials"]
    _settings.policy_of(scheduler, space, tuning)
    _own(tuning, options, resources)
    every = int(options.get("checkpoint_freq") or 0)
    if "population" in tuning.own and not every:
        every = tuning.own["population"]["every"]

    def trial(params: dict[str, Any]) -> None:
        config = space.filled(params)
        at_end = bool(options.get("checkpoint_at_end"))
        train(trainable, objects, config, stops, tuning.metric, every, at_end)

    tuning.train, tuning.configured = trial, space.filled
    return tuning


def _own(tuning: Tuning, options: Mapping[str, Any], resources: Any) -> None:
    """Fills in what a trial reserves, and how often it is tried."""
    if resources is not None:
        reserved = _settings.resources_of(resources, {})
        if reserved:
            tuning.own["resources"] = reserved
    failures = int(options.get("max_failures") or 0)
    if failures:
        tuning.own["max_attempts"] = failures + 1 if failures > 0 else 1000
    for key in ("callbacks", "loggers", "sync_config", "resume"):
        if options.get(key):
            tuning.report.append(f"{key}: not carried over.")
    if options.get("points_to_evaluate"):
        tuning.report.append("points_to_evaluate: not carried over; see raydrive.points.")


def _whole(raw: Any, searcher: Any) -> dict[str, Any]:
    """The configuration with the searcher's own search space."""
    return {**ConfigSpace(raw).raw, **_settings.own_space(searcher)}


def _results(tuning: Tuning) -> list[Any]:
    found: list[Finished] = carried_out(tuning)
    return results_of(found, tuning)
