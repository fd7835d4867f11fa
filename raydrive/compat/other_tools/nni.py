"""NNI's experiments. Keys: https://nni.readthedocs.io/en/stable/reference/experiment_config.html."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from raydrive.compat.other_tools.sweep_parts import Carried, plain_logarithmic, whole_numbers
from raydrive.core.errors import ConfigError
from raydrive.settings.reader import read_text

_KNOWN = (
    "experimentName", "searchSpace", "searchSpaceFile", "searchSpacePath", "trialCommand", "trialCodeDirectory",
    "trial", "trialConcurrency", "maxTrialNumber", "maxTrialNum", "maxExperimentDuration", "maxExecDuration",
    "trialGpuNumber", "tuner", "advisor", "assessor", "authorName",
)  # fmt: skip
_TUNERS = {"Random": "random", "GridSearch": "grid"}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def convert(raw: Mapping[str, Any], carried: Carried) -> None:
    """Fills in a sweep file from an experiment of NNI.

    Args:
        raw: The experiment.
        carried: The sweep file.
    """
    trial, tuner = (carried.mapping(raw.get(key), key) for key in ("trial", "tuner"))
    name = str(tuner.get("name") or tuner.get("builtinTunerName") or "TPE")
    arguments = carried.mapping(tuner.get("classArgs"), "tuner.classArgs")
    carried.sweep["display_name"] = raw.get("experimentName")
    carried.sweep["objective"] = {"goal": arguments.get("optimize_mode", "maximize"), "primary_metric": "default"}
    carried.sweep["sampling_algorithm"] = {"type": _TUNERS.get(name, "bayesian")}
    if name not in _TUNERS:
        carried.report.append(f"tuner {name}: written as Bayesian sampling with raydrive's Gaussian process.")
    _advisor(carried.mapping(raw.get("advisor"), "advisor"), carried)
    for each, about in _space(raw, carried).items():
        _parameter(str(each), carried.mapping(about, f"searchSpace.{each}"), carried)
    command = raw.get("trialCommand") or trial.get("command")
    if not command:
        carried.wrong("trialCommand", command, "the command of a trial")
    code = raw.get("trialCodeDirectory") or trial.get("codeDir") or "."
    carried.sweep["trial"] = {
        "code": carried.relative(carried.source.absolute().parent / str(code)),
        "command": str(command),
    }
    carried.own["unused_ok"] = list(carried.space)
    limits = {
        "max_total_trials": raw.get("maxTrialNumber") or raw.get("maxTrialNum") or 100,
        "max_concurrent_trials": raw.get("trialConcurrency"),
        "timeout": _seconds(raw.get("maxExperimentDuration") or raw.get("maxExecDuration")),
    }
    carried.sweep["limits"] = {key: value for key, value in limits.items() if value}
    gpus = raw.get("trialGpuNumber") or trial.get("gpuNum")
    if gpus:
        carried.own["resources"] = {"gpus": gpus}
    _policy(carried.mapping(raw.get("assessor"), "assessor"), carried)
    carried.report.append(
        "Trials find a module nni: get_next_parameter() returns the hyperparameters, and what report_* gets is the "
        "metric 'default'."
    )
    carried.left_out(raw, _KNOWN)


def _advisor(advisor: Mapping[str, Any], carried: Carried) -> None:
    """Hyperband and BOHB give each trial a budget; here every trial has the largest one, unless it is stopped."""
    name = advisor.get("name") or advisor.get("builtinAdvisorName")
    if name:
        arguments = carried.mapping(advisor.get("classArgs"), "advisor.classArgs")
        carried.sweep["objective"]["goal"] = arguments.get("optimize_mode", "maximize")
        budget = arguments.get("R") or arguments.get("max_budget") or 60
        carried.space["TRIAL_BUDGET"] = {"type": "choice", "values": [budget]}
        carried.sweep["early_termination"] = {"type": "median_stopping", "evaluation_interval": 1}
        carried.report.append(
            f"advisor {name}: trials get its whole budget and are stopped below the median of others."
        )


def _space(raw: Mapping[str, Any], carried: Carried) -> Mapping[str, Any]:
    if "searchSpace" in raw:
        return carried.mapping(raw["searchSpace"], "searchSpace")
    key = "searchSpaceFile" if "searchSpaceFile" in raw else "searchSpacePath"
    try:
        found = json.loads(read_text(carried.source.parent / str(raw[key]), "a search space (JSON)"))
    except ConfigError as error:
        carried.problems += error.problems
        return {}
    except ValueError as error:
        carried.wrong(key, f"{raw[key]}: {error}", "a JSON file")
        return {}
    return carried.mapping(found, key)


def _parameter(name: str, about: Mapping[str, Any], carried: Carried) -> None:
    kind, values = str(about.get("_type")), list(about.get("_value") or ())
    if kind == "choice":
        if any(isinstance(value, Mapping) and "_name" in value for value in values):
            carried.wrong(
                f"searchSpace.{name}",
                "a nested choice",
                "a choice of values",
                "Write its parameters next to the others.",
            )
        carried.space[name] = {"type": "choice", "values": values}
    elif kind == "randint":  # the upper bound is not drawn
        carried.space[name] = whole_numbers(int(values[0]), int(values[1]) - 1)
    elif kind in ("uniform", "quniform"):
        quantum = {"q": values[2]} if kind == "quniform" else {}
        carried.space[name] = {"type": kind, "min_value": values[0], "max_value": values[1], **quantum}
    elif kind in ("loguniform", "qloguniform"):  # plain bounds
        quantum = {"q": values[2]} if kind == "qloguniform" else {}
        carried.space[name] = plain_logarithmic(kind, values[0], values[1], **quantum)
    elif kind in ("normal", "qnormal", "lognormal", "qlognormal"):
        quantum = {"q": values[2]} if kind.startswith("q") else {}
        carried.space[name] = {"type": kind, "mu": values[0], "sigma": values[1], **quantum}
    else:
        carried.wrong(f"searchSpace.{name}._type", kind, "an expression of NNI")


def _policy(assessor: Mapping[str, Any], carried: Carried) -> None:
    name = assessor.get("name") or assessor.get("builtinAssessorName")
    if name == "Medianstop":
        first = carried.mapping(assessor.get("classArgs"), "assessor.classArgs").get("start_step", 0)
        policy = {"type": "median_stopping", "delay_evaluation": first, "evaluation_interval": 1}
        carried.sweep["early_termination"] = policy
    elif name:
        carried.report.append(f"assessor {name}: not carried over.")


def _seconds(text: Any) -> int | None:
    """``2h`` in seconds; a number is seconds."""
    if text is None or isinstance(text, int | float):
        return None if text is None else int(text)
    number, unit = str(text)[:-1], str(text)[-1:]
    return int(float(number) * _UNITS[unit]) if unit in _UNITS and number.replace(".", "", 1).isdigit() else None
