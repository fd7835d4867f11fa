"""Hydra finds its plugins below `hydra_plugins`: `hydra/sweeper=raydrive`.

Hydra imports this module whenever a program of its starts, so it holds the settings and no more. It runs the module
before that stands in `sys.modules`, where dataclasses look annotations up that are texts: there are none.
"""

from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class RaydriveSweeperConf:
    """What may stand below ``hydra.sweeper``."""

    _target_: str = "hydra_plugins.hydra_raydrive_sweeper.RaydriveSweeper"
    metric: str = "value"
    """Name of the primary metric: what the task logs, or what its return value is logged as."""
    goal: str = "minimize"
    """Whether it is to be small or large: ``minimize`` or ``maximize``."""
    sampling: Any = None
    """``random``, ``sobol``, ``grid``, ``bayesian``, ``tpe``, or a mapping as in a sweep file. None = ``grid`` where
    all parameters are choices and ``max_total_runs`` is not given, else ``random``."""
    policy: Any = None
    """Early termination: a name, or a mapping as in a sweep file; None = none."""
    max_total_runs: Any = None
    """Trials in all; None = all combinations of a grid, else 20."""
    max_concurrent_runs: int = 2
    """Trials at a time."""
    max_duration_minutes: Any = None
    """Longest time for the whole run; None = no limit."""
    resources: Any = None
    """What one trial reserves: ``{cpus: 2, gpus: 0.5}``; None = one CPU."""
    seed: Any = 0
    """Non-negative; None = drawn at random and recorded."""
    storage: Any = None
    """Folder or URI below which runs are kept; None = ``RAYDRIVE_STORAGE``, then ``~/raydrive``."""
    address: Any = None
    """Ray address; None = ``RAY_ADDRESS``, then an embedded cluster."""
    experiment: Any = None
    """Name that groups runs; None = that of the program."""
    resume: Any = None
    """A run to go on with, instead of a new one: its id, a unique prefix of it, or ``last``."""
    more: Any = None
    """Trials to add to a run that is resumed; None = none."""
    options: Any = None
    """Further arguments of ``HyperDriveConfig``, such as ``max_attempts``."""
    params: Any = None
    """Sweeps that hold unless the command line has others: ``{opt.lr: "interval(1e-5, 0.1)"}``."""


ConfigStore.instance().store(group="hydra/sweeper", name="raydrive", node=RaydriveSweeperConf, provider="raydrive")


class RaydriveSweeper(Sweeper):
    """Runs a Hydra program as the trials of a run.

    Args:
        **settings: Fields of ``RaydriveSweeperConf``.
    """

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.hydra_context: HydraContext | None = None
        self.config: DictConfig | None = None
        self.launcher = None
        self.task_function: TaskFunction | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Takes what Hydra has read."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def sweep(self, arguments: list[str]) -> Any:
        """Runs the sweep and returns the ``HyperDriveRun``.

        Args:
            arguments: The overrides of the command line, those that are swept among them.

        Raises:
            CompactHydraException: If a setting or the run has failed, with what is wrong.
        """
        # Every program of Hydra's imports this module, and few of them sweep.
        from raydrive.integrations.hydra.sweep import sweep  # lazy: optional dependency

        return sweep(self.settings, arguments, self.hydra_context, self.task_function, self.config)
