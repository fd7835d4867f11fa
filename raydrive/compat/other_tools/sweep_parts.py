"""What a converted file is put together from, and what of it does not carry over."""

from __future__ import annotations

import json
import math
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raydrive.compat.single_run import with_end
from raydrive.core.errors import ConfigError, Problem, show
from raydrive.core.numbers import is_number

ENDED = "completed"
"""The metric of a sweep that has none: 1, logged when a trial has ended well."""
MOST_CHOICES = 64
"""Whole numbers that are written as a choice; more are a quniform with q 1."""
DEFAULT_TRIALS = 100
"""Trials of a tool that continues until it is stopped."""
TRACKER = "RAYDRIVE_TRACKER_PARAMETERS"
"""What the modules wandb and nni of a trial are told of the hyperparameters: ``raydrive_trackers.trial``."""


_ORDER = (
    "type", "display_name", "experiment_name", "description", "tags", "trial", "sampling_algorithm", "search_space",
    "objective", "early_termination", "limits",
)  # fmt: skip
"""Keys of a sweep file as they are written."""


@dataclass(slots=True)
class Carried:
    """A sweep file in the making.

    Args:
        source: The other tool's file.
        base: Folder that the sweep file will be in.
    """

    source: Path
    base: Path
    space: dict[str, Any] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """What the tool calls a hyperparameter whose name no reference can have: ``model.lr`` of ``model_lr``."""
    sweep: dict[str, Any] = field(default_factory=dict)
    own: dict[str, Any] = field(default_factory=dict)
    report: list[str] = field(default_factory=list)
    """What does not carry over, or means something else here."""
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, where: str, found: Any, allowed: str, fix: str = "") -> None:
        """Notes what cannot be converted."""
        self.problems.append(Problem(where, show(found), allowed, fix, str(self.source)))

    def left_out(self, raw: Mapping[str, Any], known: Sequence[str], where: str = "") -> None:
        """Reports the keys that nothing was made of."""
        names = [f"{where}{key}" for key in raw if key not in known]
        if names:
            self.report.append(f"{', '.join(names)}: not carried over.")

    def mapping(self, raw: Any, where: str) -> Mapping[str, Any]:
        """Returns a mapping of the file; an empty one where something else stands, which is noted."""
        if isinstance(raw, Mapping):
            return raw
        if raw is not None:
            self.wrong(where, raw, "a mapping")
        return {}

    def without_metric(self) -> None:
        """Has a sweep in which nothing is compared log that a trial has ended well; ``trial.command`` is there."""
        trial = self.sweep["trial"]
        trial["command"] = with_end(trial["command"], ENDED, "1")
        self.sweep["objective"] = {"goal": "maximize", "primary_metric": ENDED}
        self.report.append(
            f"The file has no metric, so its runs are not compared: objective.primary_metric is {ENDED!r}, which each "
            "trial logs when it has ended well. To have a best trial, name a metric there, and shorten trial.command."
        )

    def told_to_tracker(self, **about: Any) -> None:
        """Has the tracker's module of a trial know what the names and values of its configuration are."""
        wanted = {key: value for key, value in about.items() if value}
        if wanted:
            self.sweep["trial"].setdefault("environment_variables", {})[TRACKER] = json.dumps(wanted)

    def target(self, value: Any, where: str) -> None:
        """Ends the run at a value of the metric that is good enough."""
        if is_number(value):
            self.own["finish_when"] = {"target": value}
        elif value is not None:
            self.wrong(where, value, "a number")

    def relative(self, folder: Path) -> str:
        """Returns a folder as the sweep file names it."""
        path = os.path.relpath(folder, self.base)
        return path if path.startswith(".") else f"./{path}"

    def written(self) -> dict[str, Any]:
        """Returns the sweep file.

        Raises:
            ConfigError: With everything that could not be converted.
        """
        if self.problems:
            raise ConfigError(self.problems)
        parts = {"type": "sweep", **self.sweep, "search_space": self.space}
        out = {key: parts[key] for key in _ORDER if parts.get(key)}
        return {**out, "raydrive": self.own} if self.own else out


def whole_numbers(low: int, high: int) -> dict[str, Any]:
    """Returns the expression of the whole numbers of a range, both ends included."""
    if high - low < MOST_CHOICES:
        return {"type": "choice", "values": list(range(low, high + 1))}
    return {"type": "quniform", "min_value": low, "max_value": high, "q": 1}


def halving(first: Any = None, longest: Any = None, factor: Any = None) -> dict[str, Any]:
    """Returns successive halving that ends trials for good, as Hyperband and ASHA do; what is no number is left out.

    Args:
        first: Interval of the first rung; None = as the policy has it.
        longest: Intervals of a whole training; None = not known.
        factor: Of how many one continues; None = as the policy has it.
    """
    given = {"min_intervals": first, "max_intervals": longest, "reduction_factor": factor}
    numbers = {key: int(each) for key, each in given.items() if isinstance(each, int | float) and each >= 1}
    return {"type": "successive_halving", "mode": "stop", **numbers}


def steps(low: float, high: float, step: float) -> list[float]:
    """Returns the values from ``low`` to ``high``, both included, ``step`` apart."""
    count = math.floor((high - low) / step + 1e-9)
    return [float(f"{low + number * step:.12g}") for number in range(count + 1)]


def plain_logarithmic(kind: str, low: float, high: float, **more: Any) -> dict[str, Any]:
    """Returns ``loguniform`` or ``qloguniform`` between plain bounds; HyperDrive has natural logarithms there."""
    return {"type": kind, "min_value": math.log(low), "max_value": math.log(high), **more}


def number_of(value: Any) -> Any:
    """Returns a number that a file has as text, and anything else as it is."""
    try:
        return int(value) if re.fullmatch(r"[+-]?\d+", str(value)) else float(value)
    except (TypeError, ValueError):
        return value


def flat(name: str) -> str:
    """Returns a name that a reference can have: ``model.lr`` is ``model_lr``."""
    return re.sub(r"\W", "_", name)


def word(value: Any) -> str:
    """Returns a fixed value as one word of a command."""
    return shlex.quote(str(value))


def swept(name: str) -> str:
    """Returns the reference to a hyperparameter."""
    return f"${{{{search_space.{name}}}}}"
