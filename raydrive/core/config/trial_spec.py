"""What a run optimises and what one trial of it runs: all that a trial actor has to know of a run.

Apart from the rest of the configuration, because a trial actor waits for its imports before it can begin: sampling and
policies would take several times as long as this.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from raydrive.core.config.option_words import FORMS, OptionStyle
from raydrive.core.config.stdout_metrics import PrintedMetrics
from raydrive.core.config.tracker_settings import Tracking
from raydrive.core.config.trial_environment import TrialEnvironment
from raydrive.core.errors import ConfigError, Problem, did_you_mean, show
from raydrive.core.numbers import is_number
from raydrive.core.objective import BEST, Objective

STRATEGIES = ("STRICT_SPREAD", "SPREAD", "PACK", "STRICT_PACK")
"""Placement strategies of Ray, the default first."""
DISTRIBUTIONS = ("pytorch", "tensorflow", "mpi", "ray")
"""Kinds of distributed training; the words of Azure ML."""
SHARES = ("", "mps")
"""How trials share a GPU: in turns, or at the same time by NVIDIA's MPS."""
RAY_IN_TRIALS = ("join", "none")
"""What ``ray.init()`` does in a trial: it joins the run's cluster, or is refused; the default first."""
MOST_PROCESSES = 10_000
"""Most nodes of a trial, and most processes on each of them."""
LOG_LIMIT = 256_000_000
"""Bytes that the log of an attempt may have, unless a run has another limit."""
LEAST_LOG_LIMIT = 65_536
"""Bytes, so that head and tail are worth reading."""


class PrimaryMetricGoal(enum.Enum):
    """Whether to maximise or minimise the primary metric."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"

    @classmethod
    def _missing_(cls, value: object) -> PrimaryMetricGoal | None:
        """The SDK's values have capital letters: ``PrimaryMetricGoal("MAXIMIZE")``."""
        return next((one for one in cls if isinstance(value, str) and one.value == value.casefold()), None)

    @classmethod
    def from_str(cls, text: str) -> PrimaryMetricGoal:
        """Returns the goal named ``maximize`` or ``minimize`` in any case.

        Raises:
            ConfigError: If the text is neither.
        """
        try:
            return cls(str.strip(text).casefold())
        except (ValueError, TypeError):
            fix = did_you_mean(text, ["maximize", "minimize"]) if isinstance(text, str) else ""
            raise ConfigError(Problem("primary_metric_goal", show(text), "maximize or minimize", fix)) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What a run optimises."""

    name: str
    goal: PrimaryMetricGoal
    value: str = "best"
    """What of a trial's values is its result: ``best``, ``last``, ``min``, ``max`` or ``mean_last_N``."""

    @property
    def objective(self) -> Objective:
        """What trials are ranked by."""
        return Objective.of(self.value, self.maximize)

    @property
    def label(self) -> str:
        """The name for people, with what of its values counts where that is not the best one: ``accuracy (last)``."""
        return self.name if self.value == BEST else f"{self.name} ({self.value})"

    @property
    def maximize(self) -> bool:
        """True when larger values are better."""
        return self.goal is PrimaryMetricGoal.MAXIMIZE

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Metric:
        """Returns what ``RunConfig.to_json`` has under ``metric``."""
        return cls(name=raw["name"], goal=PrimaryMetricGoal(raw["goal"]), value=raw.get("value", BEST))


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What one trial reserves on the cluster."""

    cpus: float = 1
    """CPU cores, 0 or more; fractions below 1 share a core."""
    gpus: float = 0
    """GPUs: a fraction below 1 shares one, above 1 whole numbers only."""
    memory: float | None = None
    """Bytes of memory that Ray reserves; None = not counted."""
    custom: Mapping[str, float] = field(default_factory=dict)
    """Custom resources by name, as given to ``ray start --resources``."""
    gpu_memory: float | None = None
    """Bytes of each GPU that the trial's libraries may use; None = all of it. Ray does not count them."""
    share: str = ""
    """``mps``: trials on one GPU compute at the same time by NVIDIA's MPS, where its daemon runs; empty = in turns."""
    accelerator_type: str | None = None
    """Such as ``A100``; None = any."""
    nodes: int = 1
    """Nodes of one trial, 1 or more; all amounts above are those of each node."""
    processes_per_node: int = 1
    """Training processes that raydrive starts on each node, 1 or more."""
    strategy: str = STRATEGIES[0]
    """How Ray places the nodes of a trial: ``STRICT_SPREAD`` = each on its own machine, ``SPREAD`` = the same if
    possible, ``PACK`` = on as few machines as possible, ``STRICT_PACK`` = all on one."""

    @property
    def world_size(self) -> int:
        """Training processes of one trial, on all of its nodes."""
        return self.nodes * self.processes_per_node

    def __post_init__(self) -> None:
        custom: object = self.custom
        if not isinstance(custom, Mapping):
            raise ConfigError(Problem("resources.custom", show(custom), "a mapping of names to numbers"))
        problems = [
            Problem(f"resources.{where}", show(amount), "a number of 0 or more")
            for where, amount in (
                ("cpus", self.cpus),
                ("gpus", self.gpus),
                ("memory", 0 if self.memory is None else self.memory),
                *((f"custom.{name}", amount) for name, amount in custom.items() if isinstance(name, str)),
            )
            if not is_number(amount) or amount < 0
        ]
        problems += [
            Problem("resources.custom", f"the key {show(name)}", "names of resources: text that is not empty")
            for name in custom
            if not isinstance(name, str) or not name
        ]
        problems += self._sharing_problems()
        accelerator: object = self.accelerator_type
        if accelerator is not None and not isinstance(accelerator, str):
            problems.append(Problem("resources.accelerator_type", show(accelerator), "text, such as A100"))
        for where, amount in (("cpus", self.cpus), ("gpus", self.gpus)):
            if is_number(amount) and amount > 1 and amount != int(amount):
                problems.append(Problem(f"resources.{where}", show(amount), "a fraction below 1, or a whole number"))
        problems += [
            Problem(f"resources.{where}", show(count), f"a whole number from 1 to {MOST_PROCESSES:,}")
            for where, count in (("nodes", self.nodes), ("processes_per_node", self.processes_per_node))
            if type(count) is not int or not 1 <= count <= MOST_PROCESSES
        ]
        strategy: object = self.strategy
        if not isinstance(strategy, str) or strategy not in STRATEGIES:
            fix = did_you_mean(strategy, STRATEGIES) if isinstance(strategy, str) else ""
            problems.append(Problem("resources.strategy", show(self.strategy), ", ".join(STRATEGIES), fix))
        if problems:
            raise ConfigError(problems)

    def _sharing_problems(self) -> list[Problem]:
        """What is wrong with the share of a GPU."""
        problems = []
        memory, share = self.gpu_memory, self.share
        if memory is not None and (not is_number(memory) or memory < 2**20):
            problems.append(Problem("resources.gpu_memory", show(memory), "an amount such as 12GiB, of 1 MiB or more"))
        if not isinstance(share, str) or share not in SHARES:
            problems.append(Problem("resources.share", show(share), ", ".join(filter(None, SHARES))))
        if problems:
            return problems
        for name, given in (("gpu_memory", memory is not None), ("share", bool(share))):
            if given and not self.gpus:
                fix = "Also reserve a fraction of a GPU: gpus: 0.5."
                problems.append(Problem(f"resources.{name}", "given without a GPU", "only if gpus is above 0", fix))
        return problems


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSpec:
    """What a trial runs, and how."""

    kind: str
    """``command``: a shell line with ``${{search_space.x}}``; ``script``: a Python script with v1 arguments;
    ``function``: a pickled Python function."""
    command: str = ""
    """The shell line of a ``command``."""
    script: str = ""
    """Path of a ``script`` below the code snapshot; the name of a ``function``."""
    arguments: tuple[str, ...] = ()
    """Fixed arguments of a ``script``; the hyperparameters follow them, sorted by name."""
    code_sha256: str = ""
    """Name of the code snapshot or pickled function in the run's ``code`` folder; empty = none."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Values of ``${{inputs.x}}``."""
    flags: tuple[str, ...] = ()
    """Parameters of a ``command`` whose values are options of a command line; see ``argument_values.py``."""
    flag_style: str = ""
    """How True and False are passed: empty = as text, ``on`` = ``--x`` or nothing, ``both`` = ``--x`` or ``--no-x``."""
    flatten: bool = False
    """Whether the keys of nested choices are passed as options of their own."""
    style: str = ""
    """How parameters are options of a ``script``, and of ``${{search_space}}`` in a ``command``: one of
    ``option_words.FORMS``; empty = the first."""
    unused_ok: tuple[str, ...] = ()
    """Parameters that a ``command`` need not pass on."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    """Folders of ``${{outputs.x}}``, below the trial's outputs."""
    fetched: Mapping[str, str] = field(default_factory=dict)
    """Inputs whose value is a URI that trials are to find on their node, with ``file`` or ``folder`` for each."""
    data_folder: str = ""
    """Folder of the data that all trials read, removed when the run has ended; empty = there is none."""
    output_files: tuple[str, ...] = ()
    """Names among ``outputs`` that stand for files: the trial makes them, not we."""
    submit_dir: str = ""
    """Folder that the run was submitted from; empty = not known."""
    environment_variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Sources of further variables, by name: ``env``, ``env:NAME``, ``file:PATH``; values are read at the start."""
    python: str = ""
    """Interpreter of scripts; empty = the one raydrive runs in."""
    environment: TrialEnvironment | None = None
    """Built on each node, and its Python used where ``python`` is empty; None = nothing is built."""
    throw_away: bool = False
    """Whether each trial gets an environment of its own over that Python, which is gone with the trial."""
    preload: tuple[str, ...] = ()
    """Modules imported once per trial actor, before trials are forked from it."""
    resources: Resources = Resources()
    distribution: str = ""
    """How the processes of a trial find each other, one of ``DISTRIBUTIONS``; empty = as ``pytorch``, where there are
    several."""
    ray_in_trials: str = RAY_IN_TRIALS[0]
    """What ``ray.init()`` does in a trial, one of ``RAY_IN_TRIALS``."""
    grace_s: float = 5.0
    """Seconds between SIGTERM and SIGKILL when a trial is stopped."""
    reuse_actors: bool = True
    """Whether the next trial may use the actor of the one before (each has its own process anyway)."""
    reuse_processes: bool = False
    """Whether a ``function`` is called again in the process of the trial before; experimental."""
    lease_s: float = 180.0
    """Seconds for which a trial continues without a driver: more than a driver needs to return from a lost node."""
    storage_patience_s: float = 600.0
    """Seconds a trial keeps training while nothing it logs can be recorded; then it is paused until something can."""
    log_limit: int = LOG_LIMIT
    """Bytes of a log; of a longer one the middle is dropped while it grows. 0 = any number."""
    keep_checkpoints: int = 1
    """How many of a trial's newest checkpoints are kept, 1 or more; the one with the best value is kept too."""
    resume_argument: bool = False
    """Whether a resumed script gets ``--resume-from DIR``."""
    keep: tuple[str, ...] = ()
    """Patterns, as in .gitignore, of files in the working directory that are kept beside ``outputs`` and ``logs``."""
    metrics: PrintedMetrics | None = None
    """How metrics are found in what the script prints; None = it logs them."""

    track: Tracking = field(default_factory=dict)
    """Trackers that follow the run, with their settings; see ``tracker_settings.py``."""

    @property
    def option_style(self) -> OptionStyle:
        """How the parameters become options."""
        return OptionStyle(flags=self.flag_style, flatten=self.flatten, form=self.style or FORMS[0])

    @property
    def started_per_node(self) -> int:
        """Processes that raydrive itself starts on each node: ``mpirun`` starts those that train."""
        return 1 if self.distribution == "mpi" else self.resources.processes_per_node

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> TrialSpec:
        """Returns what ``RunConfig.to_json`` has under ``trial``."""
        trial = dict(raw)
        trial["resources"] = Resources(**trial["resources"])
        for name in ("arguments", "flags", "unused_ok", "preload", "output_files", "keep"):
            trial[name] = tuple(trial.get(name, ()))
        if trial.get("metrics") is not None:
            trial["metrics"] = PrintedMetrics.from_json(trial["metrics"])
        if trial.get("environment") is not None:
            trial["environment"] = TrialEnvironment.from_json(trial["environment"])
        return cls(**trial)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialConfig:
    """The part of a run's configuration that its trials need."""

    experiment: str
    metric: Metric
    trial: TrialSpec

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> TrialConfig:
        """Returns it from what ``RunConfig.to_json`` wrote; that it is sound was checked there."""
        return cls(
            experiment=raw["experiment"],
            metric=Metric.from_json(raw["metric"]),
            trial=TrialSpec.from_json(raw["trial"]),
        )
