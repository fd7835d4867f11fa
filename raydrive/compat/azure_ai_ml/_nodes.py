"""``command()``, components and the sweeps made of them: what a job is before it is submitted."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from raydrive.compat.azure_ai_ml._plain import given, plain
from raydrive.compat.azure_ai_ml._sweep_parts import Objective, SweepDistribution, SweepJobLimits
from raydrive.compat.azure_ai_ml._values import Input, OutputsOfStep, Values
from raydrive.core.errors import ConfigError, Problem, did_you_mean, show
from raydrive.settings.reader import read_text
from raydrive.settings.yaml_source import parse_yaml
from raydrive.storage.folder.current import absolute, current_folder

_INPUT = re.compile(r"\$\{\{\s*inputs\.(\w+)\s*\}\}")
_DESCRIPTIONS = ("name", "description", "tags", "properties", "display_name", "experiment_name")
_MACHINES = ("instance_count", "instance_type", "locations", "docker_args", "shm_size")

ENVIRONMENTS: dict[str, Any] = {}
"""The environments that this process has made, by name."""
made: list[Callable[[Any], None]] = []
"""What the steps of a pipeline are told to while its function runs; the innermost pipeline is last."""


class Node:
    """A step: something with a name, inputs and outputs.

    Args:
        inputs: Its inputs by name.
        outputs: Its outputs by name.
        **described: ``display_name``, ``experiment_name``, ``tags`` and the like.
    """

    def __init__(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any], **described: Any) -> None:
        self.step_name = ""
        self.inputs = Values("inputs", dict(inputs))
        self.declared_outputs = {name: value for name, value in outputs.items()}
        self.outputs = OutputsOfStep(self, self.declared_outputs)
        self.compute: Any = None
        self.name: str | None = None
        self.display_name: str | None = None
        self.experiment_name: str | None = None
        self.description: str | None = None
        self.tags: dict[str, str] = {}
        self.properties: dict[str, str] = {}
        self.services: dict[str, Any] = {}
        self.__dict__.update({name: value for name, value in described.items() if value is not None})
        if made:
            made[-1](self)

    def described(self) -> dict[str, Any]:
        """Returns name, description and tags as a sweep file has them."""
        return given({name: getattr(self, name) or None for name in _DESCRIPTIONS})


class Command(Node):
    """A command and what it needs: a step, and what a sweep tries.

    Args:
        command: The command line.
        code: Its folder.
        inputs: Values and data of ``${{inputs.x}}``.
        outputs: What ``${{outputs.x}}`` are.
        base: Folder that relative paths start from; None = the current one.
        declared: What a component allows for its inputs.
        **more: ``environment``, ``environment_variables``, ``distribution``, ``compute``, machines and descriptions.
    """

    def __init__(
        self,
        command: str | None = None,
        code: Any = None,
        inputs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Any] | None = None,
        base: Path | None = None,
        declared: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> None:
        self.command = command
        self.code = code
        self.base = base or current_folder()
        self.declared = declared
        self.environment: Any = None
        self.environment_variables: dict[str, str] = {}
        self.distribution: Any = None
        self.resources: dict[str, Any] = {name: more.pop(name, None) for name in _MACHINES}
        self.limits = SweepJobLimits(timeout=more.pop("timeout", None))
        super().__init__(inputs or {}, outputs or {}, **more)

    @property
    def component(self) -> Command:
        """Itself: a command is its own component."""
        return self

    def __call__(self, *args: Any, **values: Any) -> Command:
        """Returns a copy with other inputs: values, data, or expressions to sweep over.

        Raises:
            ConfigError: If it has no such input.
        """
        known = list(self.declared if self.declared is not None else self.inputs)
        values = {**dict(zip(known, args, strict=False)), **values}
        wrong = [name for name in values if name not in known]
        if wrong:
            allowed = f"an input of the command: {', '.join(known) or 'none'}"
            problems = [Problem(name, "an unknown input", allowed, did_you_mean(name, known)) for name in wrong]
            raise ConfigError(problems)
        node = copy.copy(self)
        node.inputs = Values("inputs", {**self.inputs, **values})
        node.outputs = OutputsOfStep(node, self.declared_outputs)
        node.resources = dict(self.resources)
        if made:
            made[-1](node)
        return node

    def set_limits(self, *, timeout: int, **kwargs: Any) -> None:
        """Sets the longest time of the command, in seconds."""
        self.limits = SweepJobLimits(timeout=timeout)

    def set_resources(self, **machines: Any) -> None:
        """Sets instance_count, instance_type, locations, docker_args and shm_size."""
        self.resources.update({name: value for name, value in machines.items() if value is not None})

    def sweep(
        self,
        *,
        primary_metric: str,
        goal: str,
        sampling_algorithm: Any = "random",
        compute: Any = None,
        max_concurrent_trials: int | None = None,
        max_total_trials: int | None = None,
        timeout: int | None = None,
        trial_timeout: int | None = None,
        early_termination: Any = None,
        early_termination_policy: Any = None,
        search_space: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Sweep:
        """Returns a sweep over the inputs that are expressions.

        Args:
            primary_metric: The metric to optimise, as it is logged.
            goal: ``maximize`` or ``minimize``.
            sampling_algorithm: ``random``, ``grid``, ``bayesian`` or an object.
            compute: Not looked at.
            max_concurrent_trials: Trials at a time.
            max_total_trials: Trials in total.
            timeout: Seconds of the whole sweep.
            trial_timeout: Seconds of one trial.
            early_termination: A policy, or its name.
            early_termination_policy: The same.
            search_space: Further expressions.
            **kwargs: Not looked at.
        """
        swept = {name: value for name, value in self.inputs.items() if isinstance(value, SweepDistribution)}
        return Sweep(
            trial=self,
            inputs={name: value for name, value in self.inputs.items() if name not in swept},
            outputs=self.declared_outputs,
            search_space={**swept, **(search_space or {})},
            sampling_algorithm=sampling_algorithm,
            objective=Objective(goal, primary_metric),
            limits=SweepJobLimits(
                max_concurrent_trials=max_concurrent_trials,
                max_total_trials=max_total_trials,
                timeout=timeout,
                trial_timeout=trial_timeout,
            ),
            early_termination=early_termination or early_termination_policy,
            compute=compute,
            **{name: getattr(self, name) for name in _DESCRIPTIONS if name not in ("name", "properties")},
        )

    def trial_mapping(self, swept: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the ``trial`` of a sweep file.

        Args:
            swept: The search space; the command knows its parameters as inputs.
        """

        def renamed(match: re.Match[str]) -> str:
            return f"${{{{search_space.{match[1]}}}}}" if match[1] in swept else match[0]

        machines = given(self.resources)
        return given(
            {
                "command": _INPUT.sub(renamed, self.command) if self.command else None,
                "code": None if self.code is None else _placed(os.fspath(self.code), self.base),
                "environment": _environment(self.environment, self.base),
                "environment_variables": {str(k): str(v) for k, v in (self.environment_variables or {}).items()}
                or None,
                "resources": machines or None,
                "distribution": self.distribution,
            }
        )


def _environment(value: Any, base: Path) -> Any:
    """An environment as a sweep file has it: what it is made of where it has a conda file, else its name."""
    if isinstance(value, str):
        value = ENVIRONMENTS.get(re.split("[:@]", value.removeprefix("azureml:"))[0], value)
    conda = getattr(value, "conda_file", None) if not isinstance(value, str) else None
    if conda is None:
        name = getattr(value, "name", None) or value
        return name if isinstance(name, str) else None
    if not isinstance(conda, Mapping):
        conda = str((base / os.fspath(conda)).absolute())
    return given({"conda_file": conda, "image": getattr(value, "image", None)})


class Sweep(Node):
    """A sweep job.

    Args:
        trial: The command, or a component.
        search_space: Expressions by name.
        objective: Metric and goal.
        sampling_algorithm: How configurations are chosen.
        limits: How many, and for how long.
        early_termination: A policy; None = none.
        inputs: Values and data of the trials.
        outputs: What trials leave behind.
        base: Folder that relative paths start from; None = the current one.
        **more: ``compute`` and descriptions.
    """

    def __init__(
        self,
        *,
        trial: Any = None,
        search_space: Mapping[str, Any] | None = None,
        objective: Any = None,
        sampling_algorithm: Any = "random",
        limits: Any = None,
        early_termination: Any = None,
        inputs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Any] | None = None,
        base: Path | None = None,
        **more: Any,
    ) -> None:
        self.trial = trial
        self.search_space = dict(search_space or {})
        self.objective = objective
        self.sampling_algorithm = sampling_algorithm
        self.limits = limits if limits is not None else SweepJobLimits()
        self.early_termination = early_termination
        self.base = base or current_folder()
        super().__init__(inputs or getattr(trial, "inputs", None) or {}, outputs or {}, **more)

    def set_limits(self, **limits: Any) -> None:
        """Sets max_total_trials, max_concurrent_trials, timeout and trial_timeout (seconds)."""
        for name, value in limits.items():
            if value is not None:
                setattr(self.limits, name, value)

    def set_objective(self, *, goal: str | None = None, primary_metric: str | None = None) -> None:
        """Sets the goal and the primary metric."""
        now = self.objective or Objective("maximize")
        self.objective = Objective(goal or now.goal, primary_metric or now.primary_metric)

    def set_resources(self, **machines: Any) -> None:
        """Sets the machines of the trials; see ``raydrive.toml`` for what counts here."""
        if isinstance(self.trial, Command):
            self.trial.set_resources(**machines)

    def to_mapping(self) -> dict[str, Any]:
        """Returns the sweep file that means the same."""
        trial = self.trial.trial_mapping(self.search_space) if isinstance(self.trial, Command) else plain(self.trial)
        inputs = {name: value for name, value in self.inputs.items() if name not in self.search_space}
        declared = self.trial.declared or {} if isinstance(self.trial, Command) else {}
        missing = [
            name for name, spec in declared.items() if name not in {**inputs, **self.search_space} and spec.needed
        ]
        if missing:
            allowed = "a value, which the component requires"
            raise ConfigError([Problem(f"inputs.{name}", "nothing", allowed) for name in missing])
        policy = self.early_termination
        return given(
            {
                "type": "sweep",
                **self.described(),
                "trial": trial,
                "inputs": {name: _input(value, declared.get(name)) for name, value in inputs.items()} or None,
                "outputs": {name: plain(value) or {} for name, value in self.declared_outputs.items()} or None,
                "search_space": self.search_space,
                "sampling_algorithm": self.sampling_algorithm,
                "objective": self.objective,
                "limits": plain(self.limits) or None,
                "early_termination": {"type": policy} if isinstance(policy, str) else policy,
            }
        )


class Declared:
    """What a component says of one input.

    Args:
        about: Its mapping in the file.
    """

    def __init__(self, about: Any) -> None:
        mapping = about if isinstance(about, Mapping) else {}
        self.type = str(mapping.get("type", "string"))
        self.default = mapping.get("default")
        self.needed = not mapping.get("optional") and self.default is None


def component_of(mapping: Mapping[str, Any], base: Path) -> Command:
    """Returns a component, which is called with inputs.

    Args:
        mapping: The component as its file has it.
        base: Folder that its paths start from.
    """
    declared = {name: Declared(about) for name, about in (mapping.get("inputs") or {}).items()}
    defaults = {name: spec.default for name, spec in declared.items() if spec.default is not None}
    outputs = {
        name: Input(type=(about or {}).get("type", "uri_folder"))
        for name, about in (mapping.get("outputs") or {}).items()
    }
    names = ("environment", "environment_variables", "distribution", "description", "display_name", "tags")
    kept = {name: mapping.get(name) for name in names}
    code = mapping.get("code")
    kept.update((mapping.get("resources") or {}) if isinstance(mapping.get("resources"), Mapping) else {})
    return Command(mapping.get("command"), code, defaults, outputs, base, declared, **kept)


def read_mapping(source: Any, what: str) -> tuple[dict[str, Any], Path]:
    """Returns a YAML file, and the folder that its paths start from.

    Args:
        source: Its path.
        what: What it should be, for errors.

    Raises:
        ConfigError: If it cannot be read, or is not a mapping.
    """
    file = absolute(os.fspath(source))
    root, problems = parse_yaml(read_text(file, what), str(source))
    found = root.plain()
    if problems or not isinstance(found, dict):
        raise ConfigError(problems or Problem(str(source), show(found), what))
    return found, file.parent


def _placed(path: str, base: Path) -> str:
    return path if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", path) else os.path.normpath(base / path)


def _input(value: Any, declared: Declared | None) -> Any:
    """An input as a sweep file has it; text for data is its path."""
    if (
        declared is not None
        and isinstance(value, str | os.PathLike)
        and not declared.type.startswith(("str", "int", "num", "boo"))
    ):
        return {"type": declared.type, "path": os.fspath(value)}
    return plain(value)
