"""Ray Tune's schedulers, searchers and limits in the words of a sweep file."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from raydrive.compat.ray_tune._named import Named, kind_of
from raydrive.compat.ray_tune._space import ConfigSpace, Domain, choice, uniform
from raydrive.compat.tuners import expressions
from raydrive.compat.tuners.tuner_calls import Tuning

DEFAULT_TRIALS = 100
_MODES = {"min": "minimize", "max": "maximize"}
_ASHA = ("ASHAScheduler", "AsyncHyperBandScheduler", "HyperBandScheduler", "HyperBandForBOHB")
_PBT = ("PopulationBasedTraining", "PB2")
_TPE = ("OptunaSearch", "HyperOptSearch", "TuneBOHB", "HEBOSearch")
_DRAWS = 100
"""How often a function that draws a value is called to see between which values it draws."""
Stop = Callable[[dict[str, Any]], bool]


def searcher_of(searcher: Any, tuning: Tuning) -> Any:
    """Returns a searcher without what limits or repeats it, which is noted."""
    while kind_of(searcher) in ("ConcurrencyLimiter", "Repeater"):
        if kind_of(searcher) == "ConcurrencyLimiter" and searcher.option("max_concurrent", None, 1):
            tuning.limits["max_concurrent_trials"] = searcher.option("max_concurrent", None, 1)
        searcher = searcher.option("searcher", None, 0)
    return searcher


def metric_of(given: tuple[Any, Any], scheduler: Any, searcher: Any, tuning: Tuning) -> None:
    """Fills in what is optimised: the tuner names it, else the scheduler or the searcher."""
    sources = [one for one in (scheduler, searcher) if isinstance(one, Named)]
    metric = given[0] or next((one.option("metric") for one in sources if one.option("metric")), "")
    mode = given[1] or next((one.option("mode") for one in sources if one.option("mode")), "max")
    several = isinstance(metric, list | tuple)
    if several:
        tuning.report.append("Several objectives: the first one is optimised.")
        metric = metric[0]
    mode = mode[0] if isinstance(mode, list | tuple) else mode
    tuning.metric, tuning.goal = str(metric or ""), _MODES.get(str(mode), "maximize")


def own_space(searcher: Any) -> dict[str, Any]:
    """Returns the search space that a searcher was given, as far as it is in a form that can be read."""
    space = searcher.option("space", None, 0) if isinstance(searcher, Named) else None
    if callable(space):
        return _of_function(space)
    if isinstance(space, Mapping):
        return {name: _of_value(value) for name, value in space.items()}
    if isinstance(space, list) and all(isinstance(each, Mapping) and "name" in each for each in space):
        return {each["name"]: _of_ax(each) for each in space}
    return {}


def _of_value(value: Any) -> Any:
    """A domain, or the bounds of a searcher that has nothing else: ``(low, high)``."""
    if isinstance(value, tuple) and len(value) == 2:
        return uniform(*value)
    low, high = getattr(value, "low", None), getattr(value, "high", None)
    if not isinstance(value, Domain) and low is not None and high is not None:  # a distribution of Optuna's
        whole = isinstance(low, int) and isinstance(high, int)
        if whole:
            return Domain("int", expressions.whole(low, high, bool(getattr(value, "log", False))))
        log = bool(getattr(value, "log", False))
        return Domain("float", expressions.logarithmic(low, high) if log else expressions.uniform(low, high))
    choices = getattr(value, "choices", None)
    return choice(choices) if choices is not None and not isinstance(value, Domain) else value


def _of_ax(each: Mapping[str, Any]) -> Any:
    if each.get("type") == "range":
        return uniform(*each["bounds"])
    return choice(each["values"]) if "values" in each else each.get("value")


class _Asked:
    """A trial of Optuna's that notes what it is asked for."""

    def __init__(self, found: dict[str, Any], turn: int) -> None:
        self._found, self._turn = found, turn

    def suggest_float(self, name: str, low: float, high: float, *, step: Any = None, log: bool = False) -> float:
        """Notes a number."""
        make = expressions.logarithmic if log else expressions.uniform
        self._found.setdefault(name, Domain("float", expressions.stepped(low, high, step) if step else make(low, high)))
        return low

    def suggest_int(self, name: str, low: int, high: int, step: int = 1, log: bool = False) -> int:
        """Notes a whole number."""
        expression = expressions.whole(low, high, log) if step == 1 else expressions.stepped(low, high, step)
        self._found.setdefault(name, Domain("int", expression))
        return low

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """Notes a choice, and takes another value of it at each turn."""
        self._found.setdefault(name, choice(choices))
        return choices[self._turn % len(choices)]

    def suggest_loguniform(self, name: str, low: float, high: float) -> float:
        """Notes a number on a logarithmic scale."""
        return self.suggest_float(name, low, high, log=True)

    suggest_uniform = suggest_float


def _of_function(space: Callable[[Any], Any]) -> dict[str, Any]:
    """What a function asks a trial of Optuna's for, and the constants that it returns."""
    found: dict[str, Any] = {}
    constants: dict[str, Any] = {}
    for turn in range(8):
        constants.update(space(_Asked(found, turn)) or {})
    return {**constants, **found}


def sampling_of(searcher: Any, space: ConfigSpace, tuning: Tuning) -> dict[str, Any]:
    """Returns how configurations are found, and notes what is different."""
    kind = kind_of(searcher)
    if not kind or kind in ("BasicVariantGenerator", "str"):
        grid = [domain for domain in space.drawn.values() if domain.kind == "grid_search"]
        if grid and len(grid) == len(space.drawn):
            return {"type": "grid"}
        if grid:
            tuning.report.append("grid_search beside values that are drawn: its values are drawn, too.")
        return {"type": "random"}
    name = "tpe" if kind in _TPE else "bayesian"
    tuning.report.append(f"search_alg {kind}: written as {name}.")
    return {"type": name}


def trials_of(samples: int, sampling: Mapping[str, Any], space: ConfigSpace, budget: Any, tuning: Tuning) -> None:
    """Fills in how many trials there are, and how long the run may take."""
    products = math.prod(len(domain.values) for domain in space.drawn.values() if domain.kind == "grid_search")
    if budget:
        seconds = budget.total_seconds() if hasattr(budget, "total_seconds") else float(budget)
        tuning.limits["timeout"] = math.ceil(seconds)
    if samples < 0:
        samples = DEFAULT_TRIALS
        tuning.report.append(f"num_samples=-1: limits.max_total_trials is {samples}.")
    if sampling["type"] == "grid":
        if samples > 1:
            tuning.own["repeats"] = {"max": samples, "race": False}
            tuning.report.append(f"num_samples={samples} of a grid: each configuration is tried {samples} times.")
        tuning.limits["max_total_trials"] = products * samples
    else:
        tuning.limits["max_total_trials"] = products * samples


def policy_of(scheduler: Any, space: ConfigSpace, tuning: Tuning) -> None:
    """Fills in what ends trials early, or a population."""
    kind = kind_of(scheduler)
    if kind in _ASHA:
        first = int(scheduler.option("grace_period", 1) or 1)
        longest = int(scheduler.option("max_t", 81 if kind.startswith("HyperBand") else 100))
        factor = max(int(scheduler.option("reduction_factor", 3 if kind.startswith("HyperBand") else 4)), 2)
        if longest > first:
            tuning.policy = {"type": "successive_halving", "mode": "stop", "min_intervals": first}
            tuning.policy |= {"max_intervals": longest, "reduction_factor": factor}
        tuning.report.append(f"scheduler {kind}: written as successive_halving, which counts reports of the metric.")
    elif kind == "MedianStoppingRule":
        grace = scheduler.option("grace_period", 1)
        tuning.policy = {"type": "median_stopping", "delay_evaluation": max(int(grace), 1), "evaluation_interval": 1}
    elif kind in _PBT:
        _population(scheduler, kind, space, tuning)
    elif kind and kind not in ("FIFOScheduler", "str"):
        tuning.report.append(f"scheduler {kind}: not carried over.")


def _population(scheduler: Any, kind: str, space: ConfigSpace, tuning: Tuning) -> None:
    changed = scheduler.option("hyperparam_mutations") or scheduler.option("hyperparam_bounds") or {}
    every = max(int(scheduler.option("perturbation_interval", 60)), 1)
    names = {path[0]: name for path, name in space.names.items() if len(path) == 1}
    parameters = [names[name] for name in changed if name in names]
    population: dict[str, Any] = {"every": every, "quantile": scheduler.option("quantile_fraction", 0.25)}
    if parameters and kind == "PB2":
        population["model"] = {"type": "pb2", "parameters": parameters}
    elif parameters:
        factors = list(scheduler.option("perturbation_factors", (1.2, 0.8)))
        resample = scheduler.option("resample_probability", 0.25)
        population["perturb"] = {"factors": sorted(factors), "resample": resample, "parameters": parameters}
    tuning.own["population"] = population
    tuning.report.append(f"scheduler {kind}: written as raydrive.population; trials have to save checkpoints.")


def with_mutations(raw: Mapping[str, Any], scheduler: Any, tuning: Tuning) -> dict[str, Any]:
    """Returns a configuration in which what a population changes is drawn: constants get its domain.

    Args:
        raw: The configuration.
        scheduler: The scheduler.
        tuning: Where it is noted.
    """
    found = dict(raw)
    if kind_of(scheduler) not in _PBT:
        return found
    changed = scheduler.option("hyperparam_mutations") or scheduler.option("hyperparam_bounds") or {}
    for name, value in changed.items():
        domain = _mutation(value)
        if domain is not None and not _drawn(found.get(name)):
            if name in found:
                tuning.report.append(f"{name}={found[name]!r}: members begin with values of its mutations.")
            found[name] = domain
    return found


def _drawn(value: Any) -> bool:
    return isinstance(value, Domain) and value.function is None


def _mutation(value: Any) -> Domain | None:
    if isinstance(value, Domain):
        return value if value.function is None else Domain("drawn", _draws(value.function))
    if isinstance(value, list) and value and all(isinstance(each, int | float) for each in value) and len(value) == 2:
        return uniform(*sorted(value))
    if isinstance(value, list | tuple | set | range):
        return choice(list(value))
    return Domain("drawn", _draws(value)) if callable(value) else None


def _draws(function: Any) -> dict[str, Any]:
    try:
        values = [function() for _ in range(_DRAWS)]
    except TypeError:
        values = [function({}) for _ in range(_DRAWS)]
    if all(isinstance(each, int | float) for each in values):
        return expressions.number_between(values)
    return expressions.one_of(sorted(set(values), key=str))


def stop_of(stop: Any, scheduler: Any) -> Stop:
    """Returns what says whether a result ends its trial.

    Args:
        stop: A dict of values to be reached, a function of trial and result, a ``Stopper``; None = none.
        scheduler: The scheduler: ASHA and Hyperband end trials that have trained for ``max_t``.
    """
    reached = dict(stop) if isinstance(stop, Mapping) else {}
    if kind_of(stop) == "MaximumIterationStopper":
        reached["training_iteration"] = stop.option("max_iter", None, 0)
    if kind_of(scheduler) in _ASHA and scheduler.option("max_t") is not None:
        name = scheduler.option("time_attr") or "training_iteration"
        reached.setdefault(name, scheduler.option("max_t"))
    asked = stop if callable(stop) and not isinstance(stop, Named) else None

    def ends(result: dict[str, Any]) -> bool:
        """Returns whether a result ends its trial."""
        if any(name in result and result[name] >= value for name, value in reached.items()):
            return True
        return bool(asked is not None and asked(result.get("trial_id", ""), result))

    return ends


def resources_of(given: Any, config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a trial reserves, as a sweep file has it.

    Args:
        given: A dict, a ``PlacementGroupFactory``, a function of the configuration; None = raydrive's own settings.
        config: A configuration, for the function.
    """
    if callable(given) and not isinstance(given, Named):
        given = given(config)
    if isinstance(given, Named):
        bundles = given.option("bundles", None, 0) or []
        total: dict[str, float] = {}
        for bundle in bundles:
            for name, count in bundle.items():
                total[name] = total.get(name, 0) + count
        given = total
    known = {"cpu": "cpus", "gpu": "gpus"}
    return {
        known[str(name).lower()]: count
        for name, count in dict(given or {}).items()
        if str(name).lower() in known and count
    }
