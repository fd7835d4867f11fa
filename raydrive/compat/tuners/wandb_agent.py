"""Sweeps of W&B that a script makes: ``wandb.sweep`` with a dict, ``wandb.agent`` with a function."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from raydrive.compat.other_tools import wandb as sweeps
from raydrive.compat.other_tools.sweep_parts import TRACKER, Carried
from raydrive.compat.tuners.tuner_calls import Tuning, carried_out
from raydrive.core.errors import ConfigError, Problem
from raydrive.runtime.trial_actor.script_environment import FOLDER

TOOL = "W&B"
_OF_FILES = ("Trials find a module wandb", "Nested parameters are", "The file has no metric")
"""How sentences begin that are about sweeps in files."""


def install() -> None:
    """Has ``wandb.sweep`` and ``wandb.agent`` carried out by raydrive; without wandb a stand-in of it is imported."""
    if not os.environ.get("WANDB_API_KEY"):
        os.environ.setdefault("WANDB_MODE", "offline")  # nothing may ask for a key
    try:
        import wandb  # lazy: optional dependency
    except ImportError:
        sys.path.append(FOLDER)
        import wandb  # lazy: optional dependency
    made = _Sweeps()
    wandb.sweep, wandb.agent = made.sweep, made.agent


class _Sweeps:
    def __init__(self) -> None:
        self._made: dict[str, tuple[Mapping[str, Any], str]] = {}

    def sweep(self, sweep: Any, entity: Any = None, project: Any = None, **more: Any) -> str:
        """Keeps a sweep, and returns its id."""
        config = sweep() if callable(sweep) else sweep
        key = f"sweep-{len(self._made) + 1}"
        self._made[key] = (dict(config), str(project or config.get("project") or config.get("name") or ""))
        return key

    def agent(
        self,
        sweep_id: Any,
        function: Callable[[], Any] | None = None,
        entity: Any = None,
        project: Any = None,
        count: int | None = None,
        **more: Any,
    ) -> None:
        """Carries out a sweep: each trial calls the function once.

        Raises:
            ConfigError: If the script has not made the sweep, or names no function.
        """
        fix = "Write the sweep as a file, and convert that: raydrive convert sweep.yaml -o sweep.yml"
        if sweep_id not in self._made:
            allowed = "the id of a sweep that this script made with wandb.sweep(...)"
            raise ConfigError(Problem("wandb.agent", repr(sweep_id), allowed, fix))
        if function is None:
            raise ConfigError(Problem("wandb.agent", "no function", "the function of a trial", fix))
        config, name = self._made[sweep_id]
        carried_out(tuning_of(config, function, count, name))


def tuning_of(config: Mapping[str, Any], function: Callable[[], Any], count: int | None, name: str) -> Tuning:
    """Returns what an agent tunes.

    Args:
        config: The sweep.
        function: What a trial calls.
        count: How many trials there are; None = as the sweep has it.
        name: Name of the experiment.

    Raises:
        ConfigError: With everything that cannot be carried over.
    """
    carried = Carried(Path("wandb.sweep"), Path())
    sweeps.convert({**config, "program": None, "command": ["python"]}, carried)
    if carried.problems:
        raise ConfigError(carried.problems)
    told = carried.sweep["trial"].get("environment_variables", {}).get(TRACKER, "")

    def train(params: dict[str, Any]) -> None:
        if told:
            os.environ[TRACKER] = told
        function()

    limits = {"max_total_trials": int(count)} if count else dict(carried.sweep.get("limits") or {})
    own = {key: value for key, value in carried.own.items() if key == "finish_when"}
    compared = isinstance(config.get("metric"), Mapping)
    return Tuning(
        tool=TOOL,
        train=train,
        space=carried.space,
        metric=str(carried.sweep["objective"]["primary_metric"]) if compared else "",
        goal=str(carried.sweep["objective"]["goal"]),
        sampling=carried.sweep["sampling_algorithm"],
        policy=carried.sweep.get("early_termination") or {},
        limits=limits,
        own=own,
        name=name,
        report=[
            line for line in carried.report if not line.startswith(_OF_FILES) and not (count and "run_cap" in line)
        ],
    )
