"""Determined's experiments. Keys: https://docs.determined.ai/latest/reference/training/experiment-config-reference.html."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raydrive.compat.other_tools.sweep_parts import DEFAULT_TRIALS, Carried, flat, halving, swept, whole_numbers, word
from raydrive.core.numbers import is_number

_LAUNCHER = re.compile(
    r"python3? +-m +determined\.launch\.(?:torch_distributed|deepspeed)(?: +--)? +((?!-).*)", re.DOTALL
)
"""Determined's launcher of one process for each slot, without options of its own."""
_IMPORT = re.compile(r"^\s*(?:import|from)\s+determined\b", re.MULTILINE)
ASKED = "RAYDRIVE_DETERMINED"
"""What the module determined of a trial is told of the experiment: ``raydrive_trackers.core_api``."""
_KNOWN = ("name", "description", "labels", "entrypoint", "hyperparameters", "searcher", "resources", "environment")
_SEARCHER = (
    "name", "metric", "smaller_is_better", "max_trials", "max_concurrent_trials", "max_length", "max_time",
    "time_metric", "num_rungs", "divisor", "mode", "stop_once",
)  # fmt: skip


def convert(raw: Mapping[str, Any], carried: Carried) -> None:
    """Fills in a sweep file from an experiment of Determined.

    Args:
        raw: The experiment.
        carried: The sweep file.
    """
    searcher = carried.mapping(raw.get("searcher"), "searcher")
    carried.sweep["display_name"], carried.sweep["description"] = raw.get("name"), raw.get("description")
    goal = "minimize" if searcher.get("smaller_is_better", True) else "maximize"
    carried.sweep["objective"] = {"goal": goal, "primary_metric": searcher.get("metric")}
    name = str(searcher.get("name"))
    carried.sweep["sampling_algorithm"] = {"type": "grid" if name == "grid" else "random"}
    if "asha" in name or "adaptive" in name:
        carried.sweep["early_termination"] = halving(factor=searcher.get("divisor", 4))
        carried.report.append(
            f"searcher {name}: written as random sampling with successive_halving. Its rungs count how often the "
            "metric is logged; set early_termination.max_intervals to how often that is in a whole training."
        )
    limits = {
        "max_total_trials": searcher.get("max_trials"),
        "max_concurrent_trials": searcher.get("max_concurrent_trials"),
    }
    carried.sweep["limits"] = {key: value for key, value in limits.items() if value}
    if name != "grid" and not searcher.get("max_trials"):
        carried.sweep["limits"]["max_total_trials"] = DEFAULT_TRIALS
        carried.report.append(f"limits.max_total_trials is {DEFAULT_TRIALS}: the file has no searcher.max_trials.")
    constants: dict[str, Any] = {}
    _parameters("", carried.mapping(raw.get("hyperparameters"), "hyperparameters"), constants, carried)
    if not carried.space:
        fix = "Define a range for one of them: lr: {type: log, base: 10, minval: -4, maxval: -1}."
        carried.wrong("hyperparameters", "values only", "a hyperparameter to tune", fix)
    length = searcher.get("max_length")
    own_api = _command(raw.get("entrypoint"), constants, length, carried)
    for key in ("max_length", "max_time"):
        if key in searcher and not (own_api and key == "max_length"):
            carried.report.append(
                f"searcher.{key}: not carried over; how long a trial trains is an argument of the script."
            )
    slots = carried.mapping(raw.get("resources"), "resources").get("slots_per_trial")
    if slots:
        carried.own["resources"] = {"gpus": slots}
        launched = _LAUNCHER.fullmatch(carried.sweep["trial"]["command"])
        if launched and type(slots) is int and slots > 1:
            carried.sweep["trial"]["command"] = launched[1]
            carried.sweep["trial"]["distribution"] = {"type": "pytorch", "process_count_per_instance": slots}
            carried.report.append(
                f"Determined's launcher: written as a distribution of {slots} processes on one node; "
                "if no machine has that many GPUs, set trial.resources.instance_count, and the counts of each node."
            )
    variables = carried.mapping(raw.get("environment"), "environment").get("environment_variables")
    if isinstance(variables, list):
        pairs = (str(each).partition("=") for each in variables)
        shared = carried.sweep["trial"].setdefault("environment_variables", {})
        shared.update({key: value for key, _, value in pairs})
    carried.left_out(raw, _KNOWN)
    carried.left_out(searcher, _SEARCHER, "searcher.")


def _parameters(above: str, given: Mapping[str, Any], constants: dict[str, Any], carried: Carried) -> None:
    """Nested hyperparameters have dots in their names."""
    for each, about in given.items():
        name = f"{above}{each}"
        if isinstance(about, Mapping) and not isinstance(about.get("type"), str):
            _parameters(f"{name}.", about, constants, carried)
        else:
            _parameter(name, about, constants, carried)


def _parameter(name: str, about: Any, constants: dict[str, Any], carried: Carried) -> None:
    if not isinstance(about, Mapping):
        constants[name] = about
        return
    carried.names[flat(name)] = name
    kind = about.get("type")
    low: Any = about.get("minval")
    high: Any = about.get("maxval")
    if kind == "const":
        constants[name] = about.get("val")
    elif kind == "categorical":
        carried.space[flat(name)] = {"type": "choice", "values": list(about.get("vals") or ())}
    elif kind in ("int", "double", "log") and not (is_number(low) and is_number(high)):
        carried.wrong(f"hyperparameters.{name}", f"minval {low}, maxval {high}", "two numbers")
    elif (
        kind in ("int", "double", "log") and carried.sweep["sampling_algorithm"]["type"] == "grid" and "count" in about
    ):
        carried.space[flat(name)] = {"type": "choice", "values": _grid(about)}
    elif kind == "int":
        carried.space[flat(name)] = whole_numbers(int(low), int(high))
    elif kind == "double":
        carried.space[flat(name)] = {"type": "uniform", "min_value": low, "max_value": high}
    elif kind == "log":
        factor = math.log(about.get("base", 10.0))  # base ** [minval, maxval]; HyperDrive has natural logarithms
        bounds = {"min_value": float(low) * factor, "max_value": float(high) * factor}
        carried.space[flat(name)] = {"type": "loguniform", **bounds}
    else:
        allowed = "a value, or one of the types const, categorical, int, double, log"
        carried.wrong(f"hyperparameters.{name}", kind, allowed)
        return


def _grid(about: Mapping[str, Any]) -> list[Any]:
    """The values of a hyperparameter in a grid: ``count`` of them, evenly apart, both ends included."""
    low, high, count = about["minval"], about["maxval"], int(about["count"])
    if about["type"] == "int":
        count = min(count, high - low + 1)
    points = [low + (high - low) * number / max(count - 1, 1) for number in range(count)]
    if about["type"] == "log":
        return [about.get("base", 10.0) ** point for point in points]
    return [round(point) for point in points] if about["type"] == "int" else points


def _command(entrypoint: Any, constants: Mapping[str, Any], length: Any, carried: Carried) -> bool:
    """Writes what is started, and returns whether that asks Determined's own library for the hyperparameters."""
    command = " ".join(word(each) for each in entrypoint) if isinstance(entrypoint, list) else str(entrypoint or "")
    if not command or (":" in command and " " not in command):
        carried.wrong(
            "entrypoint", entrypoint, "a command", "Only Determined can run a trial class: write a script around it."
        )
    trial = carried.sweep["trial"] = {"code": carried.relative(carried.source.absolute().parent), "command": command}
    if _asks_determined(command, carried.source.absolute().parent):
        about = {"constants": constants, "names": carried.names}
        if length is not None:  # {batches: 100}, or the number alone
            about["length"] = next(iter(length.values())) if isinstance(length, Mapping) else length
        trial["environment_variables"] = {ASKED: json.dumps(about)}
        carried.own["unused_ok"] = list(carried.space)
        carried.report.append(
            "Trials find a module determined: its Core API (determined.core.init, get_cluster_info) has the "
            "hyperparameters, logs and saves checkpoints; metrics of training are training/NAME."
        )
        return True
    arguments = [f"--{carried.names[name]} {swept(name)}" for name in carried.space]
    arguments += [f"--{name} {word(value)}" for name, value in constants.items()]
    trial["command"] = " ".join([command, *arguments])
    carried.report.append(
        "Hyperparameters are arguments here, appended to the command; Determined has them in its context."
    )
    return False


def _asks_determined(command: str, folder: Path) -> bool:
    """Whether a script of the command imports Determined's library."""
    scripts = [folder / word for word in command.split() if word.endswith(".py") and (folder / word).is_file()]
    return any(_IMPORT.search(script.read_text(errors="replace")) for script in scripts)
