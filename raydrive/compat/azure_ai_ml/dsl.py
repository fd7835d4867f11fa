"""``azure.ai.ml.dsl``: pipelines, of which the one sweep is run."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any

from raydrive.compat.azure_ai_ml import _nodes
from raydrive.compat.azure_ai_ml._nodes import Node, Sweep
from raydrive.core.errors import ConfigError, Problem


class PipelineJob(Node):
    """A pipeline: steps, one of which is a sweep.

    Args:
        jobs: The steps by name.
        inputs: What its function was called with.
        outputs: What its function returned.
        **more: Descriptions.
    """

    def __init__(
        self, jobs: Mapping[str, Node], inputs: Mapping[str, Any], outputs: Mapping[str, Any], **more: Any
    ) -> None:
        self.jobs = dict(jobs)
        self.settings = Settings()
        super().__init__(inputs, outputs, **more)

    def the_sweep(self) -> Sweep:
        """Returns its sweep, described as the pipeline is.

        Raises:
            ConfigError: If it has none, or several.
        """
        sweeps = {name: step for name, step in self.jobs.items() if isinstance(step, Sweep)}
        if len(sweeps) != 1:
            found = f"{len(sweeps)} sweeps: {', '.join(sweeps)}" if sweeps else "no sweep"
            fix = "Submit the step that is to be tuned: STEP.sweep(...)." if sweeps else ""
            raise ConfigError(Problem("the pipeline", found, "a pipeline with one step that is a sweep", fix))
        name, sweep = next(iter(sweeps.items()))
        sweep.display_name = sweep.display_name or self.display_name or name
        sweep.experiment_name = sweep.experiment_name or self.experiment_name
        sweep.tags = {**(self.tags or {}), **(sweep.tags or {})}
        return sweep

    def others(self) -> list[str]:
        """Returns the names of the steps that are not run."""
        return [name for name, step in self.jobs.items() if not isinstance(step, Sweep)]


class Settings:
    """Defaults of a pipeline; any may be set, none counts here."""


def pipeline(func: Callable[..., Any] | None = None, **described: Any) -> Any:
    """Makes a function that puts steps together into one that returns a pipeline.

    Args:
        func: The function.
        **described: ``display_name``, ``experiment_name``, ``tags``, ``compute`` and the like.
    """
    if func is None:
        return functools.partial(pipeline, **described)
    function = func

    @functools.wraps(function)
    def build(*args: Any, **values: Any) -> PipelineJob:
        steps: list[Node] = []
        bound = inspect.signature(function).bind(*args, **values)
        bound.apply_defaults()
        _nodes.made.append(steps.append)
        try:
            outputs, names = _called(function, bound)
        finally:
            _nodes.made.pop()
        known = {id(value): name for name, value in names.items() if isinstance(value, Node)}
        used = _used(steps)
        jobs: dict[str, Node] = {}
        for number, step in enumerate(used):
            step.step_name = known.get(id(step)) or getattr(step, "name", None) or f"step_{number}"
            jobs[step.step_name] = step
        named = {"display_name": function.__name__, **described}
        kept = {name: value for name, value in named.items() if name in ("display_name", "experiment_name", "tags")}
        return PipelineJob(jobs, dict(bound.arguments), outputs if isinstance(outputs, dict) else {}, **kept)

    return build


def _called(function: Callable[..., Any], bound: inspect.BoundArguments) -> tuple[Any, dict[str, Any]]:
    """Calls a function; returns its result and its variables, whose names the steps take, as the SDK does."""
    variables: dict[str, Any] = {}
    code, before = function.__code__, sys.getprofile()

    def look(frame: Any, event: str, argument: Any) -> None:
        if event == "return" and frame.f_code is code:
            variables.update(frame.f_locals)

    sys.setprofile(look)
    try:
        result = function(*bound.args, **bound.kwargs)
    finally:
        sys.setprofile(before)
    return result, variables


def _used(steps: list[Node]) -> list[Node]:
    """The steps without those that only were the beginning of a sweep."""
    trials = {id(step.trial) for step in steps if isinstance(step, Sweep)}
    return [step for step in steps if isinstance(step, Sweep) or id(step) not in trials]
