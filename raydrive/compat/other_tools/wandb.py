"""W&B sweeps. Keys: https://docs.wandb.ai/guides/sweeps/sweep-config-keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from raydrive.compat.other_tools.sweep_parts import (
    DEFAULT_TRIALS,
    Carried,
    flat,
    halving,
    plain_logarithmic,
    swept,
    whole_numbers,
    word,
)
from raydrive.core.numbers import is_number

_METHODS = {"grid": "grid", "random": "random", "bayes": "bayesian"}
_KNOWN = (
    "program", "method", "metric", "parameters", "name", "description", "early_terminate", "command", "run_cap",
    "project", "entity",
)  # fmt: skip
_DEFAULT_COMMAND = ("${env}", "${interpreter}", "${program}", "${args}")
_LEVELS = 4
"""Folders that may have the program: that of the sweep, and those above it."""
_VARIABLE = re.compile(r"\$\{envvar:(\w+)\}")


def convert(raw: Mapping[str, Any], carried: Carried) -> None:
    """Fills in a sweep file from a W&B sweep.

    Args:
        raw: The W&B sweep.
        carried: The sweep file.
    """
    if "job" in raw:
        fix = "Put the script beside the file, write program: train.py, and delete job: and scheduler:."
        carried.wrong("job", raw["job"], "a program; only W&B has the jobs of W&B Launch", fix)
        return
    method = str(raw.get("method", "")).casefold()
    if method not in _METHODS:
        carried.wrong("method", raw.get("method"), f"one of {', '.join(_METHODS)}")
    carried.sweep["sampling_algorithm"] = {"type": _METHODS.get(method, "random")}
    metric = carried.mapping(raw.get("metric"), "metric")
    needed = "metric" in raw or method not in ("grid", "random") or "early_terminate" in raw
    if "name" not in metric and needed:
        carried.wrong(
            "metric.name",
            metric.get("name"),
            "a metric",
            "Add the metric to optimise: metric: {name: val_loss, goal: minimize}.",
        )
    carried.sweep["objective"] = {"goal": metric.get("goal", "minimize"), "primary_metric": metric.get("name")}
    carried.target(metric.get("target"), "metric.target")
    found = _Parameters(carried)
    found.read(carried.mapping(raw.get("parameters"), "parameters"))
    carried.sweep["trial"] = {
        "code": carried.relative(_folder(raw.get("program"), carried.source.absolute().parent)),
        "command": _command(raw, found, carried),
    }
    found.tell()
    if not needed:
        carried.without_metric()
    carried.sweep["display_name"], carried.sweep["description"] = raw.get("name"), raw.get("description")
    if raw.get("project"):
        carried.sweep["experiment_name"] = re.sub(r"[^\w-]+", "-", str(raw["project"]))
    _limits(raw, method, carried)
    _policy(raw.get("early_terminate"), carried)
    carried.report.append(
        "Trials find a module wandb: wandb.config has the hyperparameters, numbers of wandb.log are metrics. An "
        "installed wandb also receives them, offline unless WANDB_API_KEY is set."
    )
    carried.left_out(raw, _KNOWN)


class _Parameters:
    """The parameters of a sweep, those of each level.

    Args:
        carried: The sweep file.
    """

    def __init__(self, carried: Carried) -> None:
        self._carried = carried
        self.swept: dict[str, str] = {}
        """What a parameter of the search space is called in the command."""
        self.constants: dict[str, Any] = {}
        """Those of the first level."""
        self._places: dict[str, list[str]] = {}
        self._inner: list[tuple[list[str], Any]] = []
        self.in_command = True
        """Whether the command has arguments."""

    def read(self, given: Mapping[str, Any], above: tuple[str, ...] = ()) -> None:
        """Takes the parameters of a level."""
        carried = self._carried
        for each, raw in given.items():
            path = (*above, str(each))
            name, where = flat("_".join(path)), f"parameters.{'.parameters.'.join(path)}"
            about = carried.mapping(raw, where)
            if "parameters" in about:
                self.read(carried.mapping(about["parameters"], f"{where}.parameters"), path)
            elif "value" in about or about.get("distribution") == "constant":
                if above:
                    self._inner.append((list(path), about.get("value")))
                else:
                    self.constants[path[0]] = about.get("value")
            elif name in carried.space:
                carried.wrong(where, f"{name!r}, which another parameter is called, too", "another name")
            else:
                _parameter(name, where, about, carried)
                self._places[name] = list(path)
                if not above:
                    self.swept[name] = path[0]

    def tell(self) -> None:
        """Has the trial know what is not in its command as it is called."""
        names = {name: path for name, path in self._places.items() if path != [name]}
        absent = [] if self.in_command else [([name], value) for name, value in self.constants.items()]
        self._carried.told_to_tracker(names=names, constants=[*absent, *self._inner])
        if any(len(path) > 1 for path in self._places.values()) or self._inner:
            self._carried.report.append("Nested parameters are in wandb.config alone, and not in the command.")
        outside = [name for name in self._places if name not in self.swept or not self.in_command]
        if outside:
            self._carried.own["unused_ok"] = outside


def _parameter(name: str, where: str, about: Mapping[str, Any], carried: Carried) -> None:
    if "values" in about:
        carried.space[name] = {"type": "choice", "values": list(about["values"])}
        if "probabilities" in about:
            carried.report.append(f"{where}.probabilities: not carried over; the values are equally likely.")
    else:
        _distribution(name, where, about, carried)


def _distribution(name: str, where: str, about: Mapping[str, Any], carried: Carried) -> None:
    low, high = about.get("min"), about.get("max")
    whole = isinstance(low, int) and isinstance(high, int)
    kind = str(about.get("distribution") or ("int_uniform" if whole else "uniform"))
    make = _DISTRIBUTIONS.get(kind)
    if make is None:
        carried.wrong(f"{where}.distribution", kind, f"one of {', '.join(_DISTRIBUTIONS)}")
        return
    needs = ("mu", "sigma") if "normal" in kind else ("min", "max")
    defaults = {"mu": 0.0, "sigma": 1.0, "q": 1}
    given = {**defaults, **{key: about[key] for key in (*needs, "q") if about.get(key) is not None}}
    missing = [key for key in needs if not is_number(given.get(key))]
    for key in missing:
        carried.wrong(f"{where}.{key}", about.get(key), "a number")
    if not missing:
        carried.space[name] = make(given)


def _between(kind: str) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    def make(given: Mapping[str, Any]) -> dict[str, Any]:
        quantum = {"q": given["q"]} if kind.startswith("q") else {}
        return {"type": kind, "min_value": given["min"], "max_value": given["max"], **quantum}

    return make


def _around(kind: str) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    def make(given: Mapping[str, Any]) -> dict[str, Any]:
        quantum = {"q": given["q"]} if kind.startswith("q") else {}
        return {"type": kind, "mu": given["mu"], "sigma": given["sigma"], **quantum}

    return make


_DISTRIBUTIONS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "uniform": _between("uniform"),
    "int_uniform": lambda given: whole_numbers(int(given["min"]), int(given["max"])),
    "q_uniform": _between("quniform"),
    "log_uniform": _between("loguniform"),  # natural logarithms, as HyperDrive's
    "q_log_uniform": _between("qloguniform"),
    "log_uniform_values": lambda given: plain_logarithmic("loguniform", given["min"], given["max"]),
    "q_log_uniform_values": lambda given: plain_logarithmic("qloguniform", given["min"], given["max"], q=given["q"]),
    "normal": _around("normal"),
    "q_normal": _around("qnormal"),
    "log_normal": _around("lognormal"),
    "q_log_normal": _around("qlognormal"),
}


def _command(raw: Mapping[str, Any], found: _Parameters, carried: Carried) -> str:
    program = raw.get("program")
    given = raw.get("command")
    parts = [str(part) for part in given] if isinstance(given, list) else list(_DEFAULT_COMMAND)
    if program is None and "${program}" in parts:
        carried.wrong("program", program, "the training script")
    found.in_command = any(part in _ARGUMENTS for part in parts)
    words: list[str] = []
    for part in parts:
        if part in _ARGUMENTS:
            words += _arguments(part, found, carried)
        elif part == "${interpreter}":
            words.append("python")
        elif part == "${program}":
            words.append(word(program))
        elif part in ("${args_json}", "${args_json_file}"):
            carried.wrong("command", part, "${args}, ${args_no_hyphens} or ${args_no_boolean_flags}")
        elif part != "${env}":
            words.append(_literal(part))
    return " ".join(words)


def _literal(part: str) -> str:
    """A word that no shell changes, except for W&B's ``${envvar:NAME}``."""
    texts = _VARIABLE.split(part)  # text, name, text, name, ..., text
    return (
        "".join((f'"${{{text}}}"' if number % 2 else text and word(text)) for number, text in enumerate(texts)) or "''"
    )


def _folder(program: Any, place: Path) -> Path:
    """Where a program is: W&B starts it in the agent's folder, which is often above that of the sweep."""
    above = [place, *place.parents][:_LEVELS]
    return next((folder for folder in above if program is not None and (folder / str(program)).is_file()), place)


_ARGUMENTS = {
    "${args}": "--{name}={value}",
    "${args_no_hyphens}": "{name}={value}",
    "${args_no_boolean_flags}": "--{name}={value}",
}


def _arguments(macro: str, found: _Parameters, carried: Carried) -> list[str]:
    form, words = _ARGUMENTS[macro], []
    for name, called in found.swept.items():
        values = carried.space.get(name, {}).get("values", ())
        if macro == "${args_no_boolean_flags}" and values and all(isinstance(value, bool) for value in values):
            carried.space[name] = {"type": "choice", "values": [f"--{called}" if value else "" for value in values]}
            words.append(swept(name))
        else:
            words.append(form.format(name=called, value=swept(name)))
    for name, value in found.constants.items():
        if macro == "${args_no_boolean_flags}" and isinstance(value, bool):
            words += [f"--{name}"] if value else []
        else:
            words.append(form.format(name=name, value=word(value)))
    return words


def _limits(raw: Mapping[str, Any], method: str, carried: Carried) -> None:
    if raw.get("run_cap") is not None:
        carried.sweep["limits"] = {"max_total_trials": raw["run_cap"]}
    elif method != "grid":
        carried.sweep["limits"] = {"max_total_trials": DEFAULT_TRIALS}
        carried.report.append(
            f"limits.max_total_trials is {DEFAULT_TRIALS}: the file has no run_cap, and W&B sweeps have no limit by "
            "default."
        )


def _policy(raw: Any, carried: Carried) -> None:
    if raw is None:
        return
    policy = carried.mapping(raw, "early_terminate")
    if policy.get("type") != "hyperband":
        carried.report.append(f"early_terminate.type {policy.get('type')!r}: not carried over.")
        return
    factor, longest, brackets = (policy.get(key) for key in ("eta", "max_iter", "s"))
    factor = factor if type(factor) is int and factor > 1 else 3
    first = policy.get("min_iter")
    if first is None and type(longest) is int and type(brackets) is int:
        first = max(longest // factor**brackets, 1)
    carried.sweep["early_termination"] = halving(first or 1, None, factor)
    carried.report.append(
        f"early_terminate: hyperband is written as successive_halving from interval {first or 1} on; it counts how "
        "often the metric is logged."
    )
