"""Hydra's sweepers: overrides below ``hydra.sweeper.params``, as its basic and its Optuna sweeper have them."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from raydrive.compat.other_tools.hydra_program import program_of
from raydrive.compat.other_tools.sweep_parts import (
    DEFAULT_TRIALS,
    Carried,
    flat,
    plain_logarithmic,
    swept,
    whole_numbers,
)
from raydrive.compat.tuners.expressions import stepped
from raydrive.core.numbers import is_number
from raydrive.settings.yaml_source import core_value

CALLBACK = "+hydra.callbacks.raydrive={_target_: raydrive_trackers.hydra_callback.LogReturnValue}"
"""Logs what a program returns; trials find the module."""
_CALL = re.compile(r"\s*(\w+)\((.*)\)\s*", re.DOTALL)


def convert(raw: Mapping[str, Any], carried: Carried) -> None:
    """Fills in a sweep file from the configuration of a Hydra program.

    Args:
        raw: The configuration.
        carried: The sweep file.
    """
    sweeper = carried.mapping(_hydra(raw, carried).get("sweeper"), "hydra.sweeper")
    sweeper = _plain(sweeper, carried)
    params = carried.mapping(sweeper.get("params") or sweeper.get("search_space"), "hydra.sweeper.params")
    constants: dict[str, str] = {}
    for name, about in params.items():
        _parameter(str(name), about, constants, carried)
    direction = sweeper.get("direction", "minimize")
    if isinstance(direction, list):
        carried.report.append("Several objectives: the first one is optimised; the others are the metrics value_1, ...")
        direction = direction[0] if direction else "minimize"
    carried.sweep["objective"] = {"goal": str(direction), "primary_metric": "value"}
    finite = all(each["type"] == "choice" for each in carried.space.values())
    optimises = "n_trials" in sweeper or "sampler" in sweeper
    carried.sweep["sampling_algorithm"] = {"type": "bayesian" if optimises or not finite else "grid"}
    if optimises or not finite:
        limits = {"max_total_trials": sweeper.get("n_trials") or DEFAULT_TRIALS}
        carried.sweep["limits"] = {
            **limits,
            **({"max_concurrent_trials": sweeper["n_jobs"]} if sweeper.get("n_jobs") else {}),
        }
    fixed = [f"{name}={value}" for name, value in constants.items()]
    swept_ones = [f"{name}={swept(flat(name))}" for name in params if flat(str(name)) in carried.space]
    program = program_of(carried)
    script = os.path.relpath(program.path.resolve(), program.code.resolve())
    once = ["hydra.mode=RUN"] if str(_hydra(raw, carried).get("mode")).upper() == "MULTIRUN" else []
    words = ["python", script, *program.chosen, *swept_ones, *fixed, *once, f"'{CALLBACK}'"]
    carried.sweep["trial"] = {"code": carried.relative(program.code), "command": " ".join(words)}
    carried.report.append(
        "objective.primary_metric is 'value': the program's return value, which a callback of Hydra logs (Hydra 1.1 or "
        "later). If the program logs the metric itself, name that metric."
    )


def _hydra(raw: Mapping[str, Any], carried: Carried) -> Mapping[str, Any]:
    return carried.mapping(raw.get("hydra"), "hydra")


def _plain(sweeper: Mapping[str, Any], carried: Carried) -> Mapping[str, Any]:
    """The keys of the Ax and the Nevergrad sweeper, and older ones of the Optuna sweeper, as that has them today."""
    if "optuna_config" in sweeper:
        older = carried.mapping(sweeper["optuna_config"], "hydra.sweeper.optuna_config")
        return {**older, **{key: value for key, value in sweeper.items() if key != "optuna_config"}}
    if "ax_config" in sweeper:
        ax = carried.mapping(sweeper["ax_config"], "hydra.sweeper.ax_config")
        experiment = carried.mapping(ax.get("experiment"), "hydra.sweeper.ax_config.experiment")
        direction = "minimize" if experiment.get("minimize", True) else "maximize"
        carried.left_out(ax, ("max_trials", "experiment", "params"), "hydra.sweeper.ax_config.")
        return {"params": ax.get("params"), "n_trials": ax.get("max_trials") or 10, "direction": direction}
    if "optim" in sweeper:
        optim = carried.mapping(sweeper["optim"], "hydra.sweeper.optim")
        direction = "maximize" if optim.get("maximize") else "minimize"
        carried.left_out(optim, ("budget", "num_workers", "maximize"), "hydra.sweeper.optim.")
        params = sweeper.get("params") or sweeper.get("parametrization")
        more = {"n_trials": optim.get("budget") or 80, "n_jobs": optim.get("num_workers")}
        return {"params": params, "direction": direction, **more}
    return sweeper


def _parameter(name: str, about: Any, constants: dict[str, str], carried: Carried) -> None:
    where, key = f"hydra.sweeper.params.{name}", flat(name)
    if isinstance(about, Mapping):
        expression = _expression(where, about, carried)
        if expression is not None:
            carried.space[key] = expression
            return
        if about.get("type") == "fixed":
            constants[name] = str(about.get("value"))
            return
        carried.wrong(where, dict(about), "a parameter of Hydra's Optuna, Ax or Nevergrad sweeper")
        return
    text = str(about)
    log = "log" in _tags(text)
    call = _CALL.fullmatch(_untagged(text))
    if call is None:
        values = [core_value(each.strip()) for each in text.split(",")]
        if len(values) > 1:
            carried.space[key] = {"type": "choice", "values": values}
        else:
            constants[name] = text
        return
    kind, arguments = call[1], [core_value(each.strip().strip("'\"")) for each in call[2].split(",")]
    arguments = [core_value(re.sub(r"^step\s*=\s*", "", each)) if isinstance(each, str) else each for each in arguments]
    numbers = [each for each in arguments if isinstance(each, int | float)]
    if kind == "choice":
        carried.space[key] = {"type": "choice", "values": arguments}
    elif kind == "interval" and len(numbers) == 2:
        carried.space[key] = _interval(*numbers, log=log, whole=text.lstrip().startswith("int("))
    elif kind == "range" and numbers and len(numbers) == len(arguments):
        carried.space[key] = _range(numbers)
    else:
        carried.wrong(where, text, "choice(...), interval(low, high), range(...) or a,b,c")


def _interval(low: float, high: float, *, log: bool, whole: bool = False) -> dict[str, Any]:
    if whole and not log:
        return whole_numbers(int(low), int(high))
    if whole:
        return {"type": "log_int", "min_value": int(low), "max_value": int(high)}
    return (
        plain_logarithmic("loguniform", low, high) if log else {"type": "uniform", "min_value": low, "max_value": high}
    )


def _expression(where: str, about: Mapping[str, Any], carried: Carried) -> dict[str, Any] | None:
    """A parameter of the Ax or the Nevergrad sweeper; None where it is none, or has a fixed value."""
    if about.get("type") == "range" and isinstance(about.get("bounds"), Sequence):
        low, high = about["bounds"]
        whole = about.get("value_type") == "int" or (isinstance(low, int) and isinstance(high, int))
        return _interval(
            low, high, log=bool(about.get("log_scale")), whole=whole and about.get("value_type") != "float"
        )
    if about.get("type") in ("choice", "categorical"):
        return {"type": "choice", "values": list(about.get("values") or about.get("choices") or ())}
    if about.get("type") in ("int", "float"):
        return _of_optuna(about)
    if "type" in about or not {"init", "lower", "upper"} & set(about):
        return None
    log, low, high = bool(about.get("log")), about.get("lower"), about.get("upper")
    if low is not None and high is not None:
        return _interval(low, high, log=log, whole=bool(about.get("integer")))
    step = about.get("step") or (2.0 if log else 1.0)
    spread = "lognormal" if log else "normal"  # without bounds Nevergrad begins with a Gaussian around init
    carried.report.append(f"{where}: no bounds, written as {spread} around init, as wide as one step.")
    middle = float(about.get("init") or (1.0 if log else 0.0))
    return {"type": spread, "mu": math.log(middle), "sigma": math.log(step)} if log else {
        "type": spread, "mu": middle, "sigma": float(step),
    }  # fmt: skip


def _of_optuna(about: Mapping[str, Any]) -> dict[str, Any] | None:
    """A number of the Optuna sweeper: ``low`` and ``high``, both drawn; ``step``; ``log``."""
    low: Any = about.get("low")
    high: Any = about.get("high")
    step: Any = about.get("step")
    if not (is_number(low) and is_number(high)):
        return None
    whole = about.get("type") == "int"
    if is_number(step) and not (whole and step == 1):
        return stepped(int(low), int(high), int(step)) if whole else stepped(low, high, step)
    return _interval(low, high, log=bool(about.get("log")), whole=whole)


def _range(numbers: list[Any]) -> dict[str, Any]:
    start, stop = (0, numbers[0]) if len(numbers) == 1 else numbers[:2]
    step = numbers[2] if len(numbers) > 2 else 1
    if step == 1 and all(isinstance(each, int) for each in (start, stop)):
        return whole_numbers(start, stop - 1)  # the end is not drawn
    count = max(int((stop - start) / step + 1e-9), 1)
    return {"type": "choice", "values": [start + step * each for each in range(count)]}


def _tags(text: str) -> list[str]:
    call = _CALL.fullmatch(text)
    return [each.strip() for each in call[2].split(",")[:-1]] if call is not None and call[1] == "tag" else []


def _untagged(text: str) -> str:
    """``interval(0.1, 1)`` of ``tag(log, interval(0.1, 1))`` and of ``int(interval(1, 5))``."""
    match = re.search(r"(choice|interval|range)\([^()]*\)", text)
    return match[0] if match is not None and re.match(r"\s*(tag|int|float|shuffle)\(", text) else text
