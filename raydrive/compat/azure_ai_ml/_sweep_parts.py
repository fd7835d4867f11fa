"""Search space, objective, limits, sampling and policies of a sweep job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from raydrive.compat.azure_ai_ml._plain import OfType, given, plain


class SweepDistribution:
    """An expression of the search space.

    Args:
        type: Its name in a sweep file.
        **parameters: Its keys there.
    """

    def __init__(self, type: str, **parameters: Any) -> None:
        self.type = type
        self.__dict__.update(parameters)

    def to_mapping(self) -> dict[str, Any]:
        """Returns it as a sweep file has it."""
        return given(vars(self))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SweepDistribution) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={value!r}" for name, value in vars(self).items() if name != "type")
        return f"{type(self).__name__}({inside})"


class Choice(SweepDistribution):
    """One of some values.

    Args:
        values: The values; dicts may hold expressions.
    """

    def __init__(self, values: Sequence[Any] | None = None, **kwargs: Any) -> None:
        super().__init__("choice", values=list(values or ()))


class Randint(SweepDistribution):
    """A whole number from 0 to below ``upper``."""

    def __init__(self, upper: int | None = None, **kwargs: Any) -> None:
        super().__init__("randint", upper=upper)


class Uniform(SweepDistribution):
    """A number between two bounds."""

    def __init__(self, min_value: float | None = None, max_value: float | None = None, **kwargs: Any) -> None:
        super().__init__("uniform", min_value=min_value, max_value=max_value)


class LogUniform(SweepDistribution):
    """exp(uniform(min_value, max_value)): the bounds are natural logarithms."""

    def __init__(self, min_value: float | None = None, max_value: float | None = None, **kwargs: Any) -> None:
        super().__init__("loguniform", min_value=min_value, max_value=max_value)


class QUniform(SweepDistribution):
    """A multiple of ``q`` near uniform(min_value, max_value)."""

    def __init__(
        self, min_value: float | None = None, max_value: float | None = None, q: float | None = None, **kwargs: Any
    ) -> None:
        super().__init__("quniform", min_value=min_value, max_value=max_value, q=q)


class QLogUniform(SweepDistribution):
    """A multiple of ``q`` near exp(uniform(min_value, max_value))."""

    def __init__(
        self, min_value: float | None = None, max_value: float | None = None, q: float | None = None, **kwargs: Any
    ) -> None:
        super().__init__("qloguniform", min_value=min_value, max_value=max_value, q=q)


class Normal(SweepDistribution):
    """A normal number of mean ``mu`` and standard deviation ``sigma``."""

    def __init__(self, mu: float | None = None, sigma: float | None = None, **kwargs: Any) -> None:
        super().__init__("normal", mu=mu, sigma=sigma)


class LogNormal(SweepDistribution):
    """exp(normal(mu, sigma))."""

    def __init__(self, mu: float | None = None, sigma: float | None = None, **kwargs: Any) -> None:
        super().__init__("lognormal", mu=mu, sigma=sigma)


class QNormal(SweepDistribution):
    """A multiple of ``q`` near normal(mu, sigma)."""

    def __init__(
        self, mu: float | None = None, sigma: float | None = None, q: float | None = None, **kwargs: Any
    ) -> None:
        super().__init__("qnormal", mu=mu, sigma=sigma, q=q)


class QLogNormal(SweepDistribution):
    """A multiple of ``q`` near exp(normal(mu, sigma))."""

    def __init__(
        self, mu: float | None = None, sigma: float | None = None, q: float | None = None, **kwargs: Any
    ) -> None:
        super().__init__("qlognormal", mu=mu, sigma=sigma, q=q)


class SamplingAlgorithm(OfType):
    """How configurations are chosen; the parameters are keys of ``sampling_algorithm`` of a sweep file."""


class RandomSamplingAlgorithm(SamplingAlgorithm):
    """At random, or along Sobol's sequence."""

    type = "random"

    def __init__(self, *, rule: Any = None, seed: int | None = None, logbase: Any = None) -> None:
        super().__init__(rule=rule, seed=seed, logbase=logbase)


class GridSamplingAlgorithm(SamplingAlgorithm):
    """Every combination."""

    type = "grid"


class BayesianSamplingAlgorithm(SamplingAlgorithm):
    """By a model of the results so far."""

    type = "bayesian"


class EarlyTerminationPolicy:
    """Which trials are ended early.

    Args:
        type: Its name in a sweep file.
        delay_evaluation: Intervals before the first judgement.
        evaluation_interval: Intervals between judgements; 0, the SDK's default, is each of them.
        **parameters: Further keys there.
    """

    def __init__(self, type: str, delay_evaluation: int = 0, evaluation_interval: int = 0, **parameters: Any) -> None:
        self.type = type
        self.delay_evaluation = delay_evaluation
        self.evaluation_interval = evaluation_interval
        self.__dict__.update(parameters)

    def to_mapping(self) -> dict[str, Any]:
        """Returns it as a sweep file has it."""
        return given(vars(self))


class BanditPolicy(EarlyTerminationPolicy):
    """Ends trials that are worse than the best by more than a slack; 0 of either slack is none of it."""

    def __init__(
        self,
        *,
        delay_evaluation: int = 0,
        evaluation_interval: int = 0,
        slack_amount: float = 0,
        slack_factor: float = 0,
    ) -> None:
        both = {"slack_amount": slack_amount, "slack_factor": slack_factor}
        slack = {name: value for name, value in both.items() if value} or {"slack_factor": 0.0}
        super().__init__("bandit", delay_evaluation, evaluation_interval, **slack)


class MedianStoppingPolicy(EarlyTerminationPolicy):
    """Ends trials whose best is worse than the median of the averages."""

    def __init__(self, *, delay_evaluation: int = 0, evaluation_interval: int = 1) -> None:
        super().__init__("median_stopping", delay_evaluation, evaluation_interval)


class TruncationSelectionPolicy(EarlyTerminationPolicy):
    """Ends the worst ``truncation_percentage`` of the trials at each judgement."""

    def __init__(
        self,
        *,
        delay_evaluation: int = 0,
        evaluation_interval: int = 0,
        truncation_percentage: int = 0,
        exclude_finished_jobs: bool = False,
    ) -> None:
        super().__init__(
            "truncation_selection",
            delay_evaluation,
            evaluation_interval,
            truncation_percentage=truncation_percentage,
            exclude_finished_jobs=exclude_finished_jobs or None,
        )


class Objective:
    """What is optimised.

    Args:
        goal: ``maximize`` or ``minimize``.
        primary_metric: The metric, as it is logged.
    """

    def __init__(self, goal: str, primary_metric: str | None = None) -> None:
        self.goal = goal
        self.primary_metric = primary_metric

    def to_mapping(self) -> dict[str, Any]:
        """Returns it as a sweep file has it."""
        return given({"goal": str(plain(self.goal)).casefold(), "primary_metric": self.primary_metric})


class SweepJobLimits:
    """How much is tried, and for how long.

    Args:
        max_concurrent_trials: Trials at a time.
        max_total_trials: Trials in total.
        timeout: Seconds of the whole sweep.
        trial_timeout: Seconds of one trial.
    """

    def __init__(
        self,
        *,
        max_concurrent_trials: int | None = None,
        max_total_trials: int | None = None,
        timeout: int | None = None,
        trial_timeout: int | str | None = None,
    ) -> None:
        self.max_concurrent_trials = max_concurrent_trials
        self.max_total_trials = max_total_trials
        self.timeout = timeout
        self.trial_timeout = trial_timeout

    def to_mapping(self) -> dict[str, Any]:
        """Returns them as a sweep file has them."""
        return given(vars(self))
