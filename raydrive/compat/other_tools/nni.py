"""NNI's experiments. Keys: https://nni.readthedocs.io/en/stable/reference/experiment_config.html."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from raydrive.compat.other_tools.sweep_parts import Carried, halving, plain_logarithmic, whole_numbers
from raydrive.core.errors import ConfigError
from raydrive.settings.reader import read_text

_KNOWN = (
    "experimentName", "searchSpace", "searchSpaceFile", "searchSpacePath", "trialCommand", "trialCodeDirectory",
    "trial", "trialConcurrency", "maxTrialNumber", "maxTrialNum", "maxExperimentDuration", "maxExecDuration",
    "trialGpuNumber", "tuner", "advisor", "assessor", "authorName",
)  # fmt: skip
_TUNERS = {"Random": "random", "GridSearch": "grid", "TPE": "tpe"}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def convert(raw: Mapping[str, Any], carried: Carried) -> None:
    """Fills in a sweep file from an experiment of NNI.

    Args:
        raw: The experiment.
        carried: The sweep file.
    """
    raw = _spelt(raw)
    trial, tuner = (carried.mapping(raw.get(key), key) for key in ("trial", "tuner"))
    name = str(tuner.get("name") or tuner.get("builtinTunerName") or tuner.get("className") or "TPE")
    arguments = carried.mapping(tuner.get("classArgs"), "tuner.classArgs")
    carried.sweep["display_name"] = raw.get("experimentName")
    carried.sweep["objective"] = {"goal": arguments.get("optimize_mode", "maximize"), "primary_metric": "default"}
    carried.sweep["sampling_algorithm"] = {"type": _TUNERS.get(name, "bayesian")}
    if name not in _TUNERS and "advisor" not in raw:
        carried.report.append(f"tuner {name}: written as Bayesian sampling with raydrive's Gaussian process.")
    _advisor(carried.mapping(raw.get("advisor"), "advisor"), carried)
    space = _space(raw, carried)
    for each, about in space.items():
        expression = _expression(f"searchSpace.{each}", about, carried)
        if expression is not None:
            carried.space[str(each)] = expression
    if not space and not carried.problems:
        fix = "A tuner that makes its own, and annotations of a script, are not read: write the search space there."
        carried.wrong("searchSpace", raw.get("searchSpace"), "hyperparameters to tune", fix)
    command = raw.get("trialCommand") or trial.get("command")
    if not command:
        carried.wrong("trialCommand", command, "the command of a trial")
    code = raw.get("trialCodeDirectory") or trial.get("codeDir") or "."
    carried.sweep["trial"] = {
        "code": carried.relative(carried.source.absolute().parent / str(code)),
        "command": str(command),
    }
    carried.own["unused_ok"] = list(carried.space)
    carried.told_to_tracker(nested=[name for name, each in carried.space.items() if _is_nested(each)])
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
        carried.sweep["sampling_algorithm"] = {"type": "tpe" if name == "BOHB" else "random"}
        carried.sweep["early_termination"] = halving(None, budget, arguments.get("eta"))
        carried.report.append(
            f"advisor {name}: trials get its whole budget, and are ended by successive_halving, which counts reports."
        )


def _space(raw: Mapping[str, Any], carried: Carried) -> Mapping[str, Any]:
    if "searchSpace" in raw:
        return carried.mapping(raw["searchSpace"], "searchSpace")
    if not {"searchSpaceFile", "searchSpacePath"} & set(raw):
        return {}
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


def _spelt(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The file with the keys of NNI's files: Python's spelling, ``trial_command``, is that of its own classes."""

    def camel(name: Any) -> str:
        return re.sub(r"(?<=\w)_([a-z])", lambda letter: letter[1].upper(), str(name))

    found: dict[str, Any] = {camel(key): value for key, value in raw.items()}
    for key in ("tuner", "advisor", "assessor"):
        if isinstance(found.get(key), Mapping):
            found[key] = {camel(name): value for name, value in found[key].items()}
    return found


def _is_nested(expression: Mapping[str, Any]) -> bool:
    return any(isinstance(value, Mapping) for value in expression.get("values", ()))


def _option(where: str, value: Any, carried: Carried) -> Any:
    """A value of a choice; one with hyperparameters of its own is ``{"conv": {"size": ...}}`` here."""
    if not (isinstance(value, Mapping) and "_name" in value):
        return value
    inner = {}
    for name, about in value.items():
        if name != "_name":
            inner[name] = _expression(f"{where}.{value['_name']}.{name}", about, carried)
    return {str(value["_name"]): inner}


def _expression(where: str, raw: Any, carried: Carried) -> dict[str, Any] | None:
    about = carried.mapping(raw, where)
    kind, values = str(about.get("_type")), list(about.get("_value") or ())
    if kind == "choice":
        return {"type": "choice", "values": [_option(where, value, carried) for value in values]}
    if kind == "randint":  # the upper bound is not drawn
        return whole_numbers(int(values[0]), int(values[1]) - 1)
    if kind in ("uniform", "quniform"):
        quantum = {"q": values[2]} if kind == "quniform" else {}
        return {"type": kind, "min_value": values[0], "max_value": values[1], **quantum}
    if kind in ("loguniform", "qloguniform"):  # plain bounds
        quantum = {"q": values[2]} if kind == "qloguniform" else {}
        return plain_logarithmic(kind, values[0], values[1], **quantum)
    if kind in ("normal", "qnormal", "lognormal", "qlognormal"):
        quantum = {"q": values[2]} if kind.startswith("q") else {}
        return {"type": kind, "mu": values[0], "sigma": values[1], **quantum}
    carried.wrong(f"{where}._type", kind, "an expression of NNI")
    return None


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
