"""Katib experiments (kubeflow.org/v1beta1). Keys: https://www.kubeflow.org/docs/components/katib/reference/."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from raydrive.compat.other_tools.katib_trial import trial_of
from raydrive.compat.other_tools.sweep_parts import (
    Carried,
    halving,
    number_of,
    plain_logarithmic,
    steps,
    whole_numbers,
)
from raydrive.compat.tuners.expressions import stepped
from raydrive.core.numbers import is_number

_ALGORITHMS = {
    "random": "random", "grid": "grid", "sobol": "sobol",
    "bayesianoptimization": "bayesian", "cmaes": "bayesian", "tpe": "tpe", "multivariate-tpe": "tpe",
    "hyperband": "random",
}  # fmt: skip
_FORMAT = r"(?P<name>[\w|-]+)\s*=\s*(?P<value>[+-]?\d*(?:\.\d+)?(?:[Ee][+-]?\d+)?)"
"""What Katib's collector finds in what is printed, where the file names no other form."""
_SPEC = (
    "objective", "algorithm", "earlyStopping", "parallelTrialCount", "maxTrialCount", "maxFailedTrialCount",
    "parameters", "trialTemplate", "metricsCollectorSpec",
)  # fmt: skip


def convert(raw: Mapping[str, Any], carried: Carried) -> None:
    """Fills in a sweep file from a Katib experiment.

    Args:
        raw: The experiment.
        carried: The sweep file.
    """
    spec = carried.mapping(raw.get("spec"), "spec")
    carried.sweep["experiment_name"] = carried.mapping(raw.get("metadata"), "metadata").get("name")
    objective = carried.mapping(spec.get("objective"), "spec.objective")
    carried.sweep["objective"] = {
        "goal": objective.get("type", "maximize"),
        "primary_metric": objective.get("objectiveMetricName"),
    }
    carried.target(number_of(objective.get("goal")), "spec.objective.goal")
    _algorithm(carried.mapping(spec.get("algorithm"), "spec.algorithm"), carried)
    for number, about in enumerate(spec.get("parameters") or ()):
        _parameter(f"spec.parameters[{number}]", carried.mapping(about, f"spec.parameters[{number}]"), carried)
    if not carried.space:
        carried.wrong(
            "spec.parameters", spec.get("parameters"), "hyperparameters to tune; nasConfig is not carried over"
        )
    carried.sweep["limits"] = {
        "max_total_trials": spec.get("maxTrialCount") or 100,
        "max_concurrent_trials": spec.get("parallelTrialCount") or 3,
    }
    if spec.get("maxFailedTrialCount") is not None:
        carried.report.append(
            "spec.maxFailedTrialCount: not carried over; raydrive.first_failures ends a run that only fails."
        )
    _policy(carried.mapping(spec.get("earlyStopping"), "spec.earlyStopping"), carried)
    _hyperband(carried.mapping(spec.get("algorithm"), "spec.algorithm"), carried)
    trial_of(carried.mapping(spec.get("trialTemplate"), "spec.trialTemplate"), carried)
    _metrics(carried.mapping(spec.get("metricsCollectorSpec"), "spec.metricsCollectorSpec"), carried)
    carried.left_out(spec, _SPEC, "spec.")


def _algorithm(about: Mapping[str, Any], carried: Carried) -> None:
    name = str(about.get("algorithmName", "random"))
    carried.sweep["sampling_algorithm"] = {"type": _ALGORITHMS.get(name, "random")}
    if name not in _ALGORITHMS:
        carried.report.append(f"spec.algorithm {name}: written as random sampling.")
    elif name in ("cmaes", "multivariate-tpe"):
        carried.report.append(f"spec.algorithm {name}: written as {_ALGORITHMS[name]} sampling.")


def _hyperband(about: Mapping[str, Any], carried: Carried) -> None:
    """Trials get the whole resource, and are ended at rungs."""
    if about.get("algorithmName") != "hyperband":
        return
    settings = _settings(about)
    name, longest, factor = settings.get("resource_name"), settings.get("r_l"), settings.get("eta")
    if name in carried.space and is_number(longest):
        carried.space[name] = {"type": "choice", "values": [longest]}
    carried.sweep["early_termination"] = halving(None, longest, factor)
    carried.report.append(
        f"spec.algorithm hyperband: trials get all of {name}, and are ended by successive_halving, which counts how "
        "often the metric is logged."
    )


def _settings(about: Mapping[str, Any]) -> dict[Any, Any]:
    return {each.get("name"): number_of(each.get("value")) for each in about.get("algorithmSettings") or ()}


def _parameter(where: str, about: Mapping[str, Any], carried: Carried) -> None:
    name, kind = str(about.get("name")), about.get("parameterType")
    space = carried.mapping(about.get("feasibleSpace"), f"{where}.feasibleSpace")
    if kind in ("categorical", "discrete"):
        values = [number_of(value) if kind == "discrete" else value for value in space.get("list") or ()]
        carried.space[name] = {"type": "choice", "values": values}
        return
    low, high, step = (number_of(space.get(key)) for key in ("min", "max", "step"))
    spread = str(space.get("distribution", "uniform")).casefold()
    if not (is_number(low) and is_number(high)):
        carried.wrong(f"{where}.feasibleSpace", dict(space), "min and max, or list")
    elif kind not in ("int", "double"):
        carried.wrong(f"{where}.parameterType", kind, "one of double, int, discrete, categorical")
    elif spread in ("loguniform", "normal", "lognormal"):
        if "log" in spread and low <= 0:
            carried.wrong(f"{where}.feasibleSpace.min", low, f"a number above 0 for {space['distribution']}")
            return
        carried.space[name] = _spread(spread, low, high, step if kind == "double" else step or 1)
        if "normal" in spread:
            carried.report.append(
                f"{where}: {space['distribution']} has no bounds here; 0.3 % of its values lie outside."
            )
    elif kind == "int" and step in (None, 1):
        carried.space[name] = whole_numbers(int(low), int(high))
    elif step is not None and carried.sweep["sampling_algorithm"]["type"] == "grid":
        values = steps(low, high, step)
        carried.space[name] = {"type": "choice", "values": [int(each) for each in values] if kind == "int" else values}
    elif step is not None:
        carried.space[name] = stepped(low, high, step)
    else:
        carried.space[name] = {"type": "uniform", "min_value": low, "max_value": high}


def _spread(kind: str, low: float, high: float, step: float | None) -> dict[str, Any]:
    """A distribution; Katib's normal ones have their bounds three standard deviations from the middle."""
    quantum, q = ({}, "") if step is None else ({"q": step}, "q")
    if kind == "loguniform":
        if step == 1:
            return {"type": "log_int", "min_value": int(low), "max_value": int(high)}
        return plain_logarithmic(f"{q}loguniform", low, high, **quantum)
    if kind == "lognormal":
        low, high = math.log(low), math.log(high)
    return {"type": f"{q}{kind}", "mu": (low + high) / 2, "sigma": (high - low) / 6, **quantum}


def _policy(about: Mapping[str, Any], carried: Carried) -> None:
    if not about:
        return
    if about.get("algorithmName") != "medianstop":
        carried.report.append(f"spec.earlyStopping {about.get('algorithmName')}: not carried over.")
        return
    settings = _settings(about)
    first = settings.get("start_step") or 4
    carried.sweep["early_termination"] = {
        "type": "median_stopping",
        "delay_evaluation": first,
        "evaluation_interval": 1,
    }
    if "min_trials_required" in settings:
        carried.report.append("spec.earlyStopping min_trials_required: not carried over.")


def _metrics(about: Mapping[str, Any], carried: Carried) -> None:
    kind = carried.mapping(about.get("collector"), "spec.metricsCollectorSpec.collector").get("kind", "StdOut")
    source = carried.mapping(about.get("source"), "spec.metricsCollectorSpec.source")
    formats = (source.get("filter") or {}).get("metricsFormat") if isinstance(source.get("filter"), Mapping) else None
    if kind not in ("StdOut", "File"):
        carried.report.append(f"spec.metricsCollectorSpec {kind}: not carried over; see docs/unmodified-scripts.md.")
        return
    if kind == "File":
        carried.report.append(
            "spec.metricsCollectorSpec File: metrics are searched for in the output, not in that file."
        )
    patterns = [_named(str(each)) for each in formats or ()] or [_FORMAT]
    carried.own["metrics"] = {"source": "stdout", "pattern": patterns}


def _named(pattern: str) -> str:
    """A pattern of Katib, whose first group is the name and whose second one the value, with these names."""
    count = 0

    def name(match: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return {1: "(?P<name>", 2: "(?P<value>"}.get(count, "(?:")

    return re.sub(r"(?<!\\)\((?!\?)", name, pattern)
