"""``population``: how members of a run take over each other's training, as its user wrote it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raydrive.core.errors import ConfigError, Problem, did_you_mean, known_values, show
from raydrive.core.numbers import is_number, is_whole
from raydrive.core.population.schedule import SCHEMA as SCHEDULE_SCHEMA
from raydrive.core.population.schedule import Setting, settings_of
from raydrive.core.space.search_space import Space

KEYS = ("size", "every", "quantile", "perturb", "model", "max_intervals", "schedule")
PERTURB_KEYS = ("factors", "resample", "parameters")
MODEL_KEYS = ("type", "parameters")
MODELS = ("pb2",)
_SHARE = {"type": "number", "exclusiveMinimum": 0, "maximum": 0.5}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "Population based training: weak members continue from checkpoints of strong ones.",
    "additionalProperties": False,
    "properties": {
        "size": {"type": "integer", "minimum": 2},
        "every": {"type": "integer", "minimum": 1},
        "quantile": _SHARE,
        "perturb": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "factors": {
                    "type": "array",
                    "minItems": 1,
                    "items": {"type": "number", "exclusiveMinimum": 0},
                },
                "resample": {"type": "number", "minimum": 0, "maximum": 1},
                "parameters": {"type": "array", "minItems": 1, "items": {"type": "string"}},
            },
        },
        "model": {
            "anyOf": [
                {"enum": list(MODELS)},
                {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["type"],
                    "properties": {
                        "type": {"enum": list(MODELS)},
                        "parameters": {"type": "array", "minItems": 1, "items": {"type": "string"}},
                    },
                },
            ]
        },
        "max_intervals": {"type": "integer", "minimum": 1},
        "schedule": {"anyOf": [{"type": "string"}, SCHEDULE_SCHEMA]},
    },
    "oneOf": [{"required": ["every"]}, {"required": ["schedule"]}],
    "not": {"required": ["model", "perturb"]},
}
"""As JSON Schema, for editors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Perturb:
    """How the hyperparameters of a member are changed that takes over the training of another one."""

    factors: tuple[float, ...] = (0.8, 1.2)
    """A number is multiplied by one of them, each above 0 and none of them 1; all equally likely."""
    resample: float = 0.25
    """Probability, 0 to 1, that a hyperparameter is drawn again from the search space instead."""
    parameters: tuple[str, ...] = ()
    """Those that are changed, the others are taken over as they are; empty = all."""

    def to_json(self) -> dict[str, Any]:
        """Returns it as a sweep file has it."""
        named = {"parameters": list(self.parameters)} if self.parameters else {}
        return {"factors": list(self.factors), "resample": self.resample, **named}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bandit:
    """``pb2``: a model of what hyperparameters have gained chooses the new ones.

    Source: Parker-Holder et al. 2020, "Provably Efficient Online Hyperparameter Optimization with Population-Based
    Bandits", arXiv:2002.02518.
    """

    parameters: tuple[str, ...] = ()
    """Those that are chosen, the others are taken over as they are; empty = all."""

    def to_json(self) -> Any:
        """Returns it as a sweep file has it."""
        return {"type": "pb2", "parameters": list(self.parameters)} if self.parameters else "pb2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """How members of a run take over each other's training.

    Source: Jaderberg et al. 2017, "Population Based Training of Neural Networks", arXiv:1711.09846.
    """

    size: int | None = None
    """Members, 2 or more: each is a trial. None = the run's ``max_total_runs``."""
    every: int = 1
    """Members are compared each time one has logged a multiple of this many intervals, 1 or more."""
    quantile: float = 0.25
    """Share of the members, above 0 and 0.5 at most: one of the worst of that share continues from one of the best."""
    perturb: Perturb = Perturb()
    model: Bandit | None = None
    """Chooses hyperparameters in place of ``perturb``; None = that one does."""
    max_intervals: int | None = None
    """Intervals of a whole training: a member that has this many is no longer compared. None = not known."""
    schedule: tuple[Setting, ...] = ()
    """No population: each trial trains with these hyperparameters, one after the other. Empty = a population."""

    def to_json(self) -> dict[str, Any]:
        """Returns it as a sweep file has it; ``population_of`` gives back an equal object."""
        if self.schedule:
            return {"schedule": [one.to_json() for one in self.schedule]}
        out: dict[str, Any] = {"every": self.every, "quantile": self.quantile}
        if self.size is not None:
            out["size"] = self.size
        if self.max_intervals is not None:
            out["max_intervals"] = self.max_intervals
        changed = {"perturb": self.perturb.to_json()} if self.model is None else {"model": self.model.to_json()}
        return {**out, **changed}


def population_of(given: Population | Mapping[str, Any] | None, where: str = "population") -> Population | None:
    """Returns the population that a mapping stands for; None and an object of the class are returned as they are.

    Args:
        given: Such as ``{"size": 8, "every": 5}``.
        where: Path of it, for errors.

    Raises:
        ConfigError: If a key is unknown or a value cannot be used; all problems at once.
    """
    if given is None or isinstance(given, Population):
        return given
    problems: list[Problem] = []
    raw = known_values(given, KEYS, where, "a mapping such as {size: 8, every: 5}", problems)
    if "schedule" in raw:
        return _scheduled(raw, where, problems)
    if not problems and "every" not in raw:
        fix = "Members are compared each time one has logged this many intervals."
        problems.append(Problem(f"{where}.every", "nothing", "a whole number of 1 or more", fix))
    size, every, longest = raw.get("size"), raw.get("every", 1), raw.get("max_intervals")
    for name, value, least in (("size", size, 2), ("every", every, 1), ("max_intervals", longest, 1)):
        if value is not None and not is_whole(value, least):
            problems.append(Problem(f"{where}.{name}", show(value), f"a whole number of {least} or more"))
    quantile = raw.get("quantile", 0.25)
    if not is_number(quantile) or not 0 < quantile <= 0.5:
        problems.append(Problem(f"{where}.quantile", show(quantile), "a number above 0 and at most 0.5"))
    perturb = _perturb(raw.get("perturb"), f"{where}.perturb", problems)
    model = _model(raw.get("model"), f"{where}.model", problems)
    if model is not None and raw.get("perturb") is not None:
        fix = "The model chooses hyperparameters in place of perturb."
        problems.append(Problem(f"{where}.model", "given with perturb", "one of the two", fix))
    if problems:
        raise ConfigError(problems)
    more: dict[str, Any] = {"perturb": perturb, "model": model, "max_intervals": longest}
    return Population(size=size, every=every, quantile=float(quantile), **more)


def _scheduled(raw: Mapping[str, Any], where: str, problems: list[Problem]) -> Population:
    for key in raw:
        if key != "schedule":
            fix = "A schedule is followed as it is; there is nothing to compare."
            problems.append(Problem(f"{where}.{key}", "given with a schedule", "a schedule, or a population", fix))
    settings: tuple[Setting, ...] = ()
    try:
        settings = settings_of(raw["schedule"], f"{where}.schedule")
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError(problems)
    return Population(schedule=settings)


def _perturb(given: object, where: str, problems: list[Problem]) -> Perturb:
    if given is None:
        return Perturb()
    allowed = "a mapping such as {factors: [0.8, 1.2], resample: 0.25}"
    raw = known_values(given, PERTURB_KEYS, where, allowed, problems)
    factors, resample, names = raw.get("factors", (0.8, 1.2)), raw.get("resample", 0.25), raw.get("parameters", ())
    allowed = "numbers above 0, none of them 1, such as [0.8, 1.2]"
    if not _is_list(factors) or not factors or not all(is_number(one) and one > 0 and one != 1 for one in factors):
        problems.append(Problem(f"{where}.factors", show(factors), allowed))
        factors = ()
    if not is_number(resample) or not 0 <= resample <= 1:
        problems.append(Problem(f"{where}.resample", show(resample), "a probability from 0 to 1"))
        resample = 0.0
    parameters = _names(names, f"{where}.parameters", problems)
    return Perturb(factors=tuple(map(float, factors)), resample=float(resample), parameters=parameters)


def _model(given: object, where: str, problems: list[Problem]) -> Bandit | None:
    if given is None:
        return None
    raw = {"type": given} if isinstance(given, str) else None
    if raw is None:
        raw = known_values(given, MODEL_KEYS, where, "pb2, or a mapping such as {type: pb2}", problems)
    if problems and "type" not in raw:
        return None
    if raw.get("type") not in MODELS:
        found = show(raw["type"]) if "type" in raw else "nothing"
        here = where if isinstance(given, str) else f"{where}.type"
        problems.append(Problem(here, found, ", ".join(MODELS), did_you_mean(str(raw.get("type")), MODELS)))
    return Bandit(parameters=_names(raw.get("parameters", ()), f"{where}.parameters", problems))


def _names(given: Any, where: str, problems: list[Problem]) -> tuple[str, ...]:
    if not _is_list(given) or not all(isinstance(name, str) and name for name in given):
        problems.append(Problem(where, show(given), "names of hyperparameters"))
        return ()
    return tuple(given)


def misfits(
    given: Population | None, space: Space, total: int, *, stops: bool, chooses: bool, repeats: bool = False
) -> list[Problem]:
    """Returns what of a population does not fit the rest of a configuration.

    Args:
        given: The population.
        space: The search space.
        total: The run's ``max_total_runs``.
        stops: Whether the run has a policy that stops or pauses trials.
        chooses: Whether the sampling chooses which paused trial continues.
        repeats: Whether configurations are tried several times.
    """
    if given is None:
        return []
    problems = []
    known = [name.lstrip("-") for name in space.expressions]
    if stops:
        fix = "Members that are behind continue from better ones; remove early termination."
        problems.append(Problem("population", "given with an early termination policy", "one of the two", fix))
    if chooses:
        fix = "Use random sampling for the initial hyperparameters of the members."
        problems.append(Problem("population", "given with a sampling that pauses trials", "one of the two", fix))
    if repeats and not given.schedule:
        fix = "A member's hyperparameters change during training, so no two trials are repeats."
        problems.append(Problem("population", "given with repeats", "one of the two", fix))
    for place, one in enumerate(given.schedule):
        for name in one.params:
            if name not in space.expressions:
                fix = did_you_mean(name, list(space.expressions))
                where = f"population.schedule[{place}].{name}"
                problems.append(Problem(where, "not a hyperparameter of the search space", ", ".join(known), fix))
    if given.schedule:
        return problems
    if given.size is not None and given.size != total:
        fix = "Each member is one trial: remove size, or make the two equal."
        problems.append(Problem("population.size", show(given.size), f"the number of trials, {total}", fix))
    elif total < 2:
        problems.append(Problem("population", f"a run of {total} trial", "a run of 2 trials or more"))
    part, names = ("perturb", given.perturb.parameters) if given.model is None else ("model", given.model.parameters)
    for name in names:
        if name.lstrip("-") not in known:
            fix = did_you_mean(name, known)
            problems.append(Problem(f"population.{part}.parameters", show(name), ", ".join(known), fix))
    return problems


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
