"""Ray Tune's search space: what ``tune.uniform`` and its like return, and a configuration that has them in it."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from raydrive.compat.tuners import expressions
from raydrive.core.errors import ConfigError, Problem, show


@dataclass(frozen=True)
class Domain:
    """What a hyperparameter is drawn from.

    Args:
        kind: The name of the function that made it.
        expression: The parameter expression.
        values: Those of a choice.
        function: What computes the value in a trial; None = it is drawn.
    """

    kind: str
    expression: Mapping[str, Any] = field(default_factory=dict)
    values: tuple[Any, ...] = ()
    function: Callable[..., Any] | None = None

    @property
    def categories(self) -> list[Any]:
        """The values of a choice."""
        return list(self.values)

    def sample(self, *given: Any, **named: Any) -> Any:
        """Returns a value that is in it."""
        if self.function is not None:
            return self.function(*given)
        bounds = (self.expression.get("min_value"), self.expression.get("max_value"))
        if self.values:
            return self.values[0]
        low = next(bound for bound in (*bounds, self.expression.get("mu"), 0.0) if bound is not None)
        return math.exp(low) if "log" in str(self.expression.get("type")) else low


def choice(categories: Sequence[Any]) -> Domain:
    """One of some values."""
    values = tuple(categories)
    return Domain("choice", expressions.one_of(values), values)


def grid_search(values: Sequence[Any]) -> Domain:
    """Each of some values."""
    given = tuple(values)
    return Domain("grid_search", expressions.one_of(given), given)


def uniform(lower: float, upper: float) -> Domain:
    """A number between two bounds."""
    return Domain("uniform", expressions.uniform(lower, upper))


def quniform(lower: float, upper: float, q: float) -> Domain:
    """A multiple of ``q`` between two bounds."""
    return Domain("quniform", {"type": "quniform", "min_value": lower, "max_value": upper, "q": q})


def loguniform(lower: float, upper: float, base: float = 10) -> Domain:
    """A positive number between two bounds, on a logarithmic scale."""
    return Domain("loguniform", expressions.logarithmic(lower, upper))


def qloguniform(lower: float, upper: float, q: float, base: float = 10) -> Domain:
    """A multiple of ``q`` between two positive bounds, on a logarithmic scale."""
    return Domain("qloguniform", {**expressions.logarithmic(lower, upper), "type": "qloguniform", "q": q})


def randint(lower: int, upper: int) -> Domain:
    """A whole number; the upper bound is not drawn."""
    return Domain("randint", expressions.whole(lower, upper - 1))


def qrandint(lower: int, upper: int, q: int = 1) -> Domain:
    """A multiple of ``q``; both bounds are drawn."""
    return Domain("qrandint", expressions.whole(lower, upper) if q == 1 else expressions.stepped(lower, upper, q))


def lograndint(lower: int, upper: int, base: float = 10) -> Domain:
    """A whole number on a logarithmic scale; the upper bound is not drawn."""
    return Domain("lograndint", expressions.whole(lower, upper - 1, log=True))


def qlograndint(lower: int, upper: int, q: int, base: float = 10) -> Domain:
    """A multiple of ``q`` on a logarithmic scale."""
    return Domain("qlograndint", {**expressions.logarithmic(lower, upper), "type": "qloguniform", "q": q})


def randn(mean: float = 0.0, sd: float = 1.0) -> Domain:
    """A normally distributed number."""
    return Domain("randn", {"type": "normal", "mu": mean, "sigma": sd})


def qrandn(mean: float, sd: float, q: float) -> Domain:
    """A multiple of ``q``, normally distributed."""
    return Domain("qrandn", {"type": "qnormal", "mu": mean, "sigma": sd, "q": q})


def sample_from(func: Callable[..., Any]) -> Domain:
    """What a function of the configuration returns, in the trial."""
    return Domain("sample_from", function=func)


class Spec(dict[str, Any]):
    """A configuration as functions of ``sample_from`` see it: keys are attributes, too."""

    def __getattr__(self, name: str) -> Any:
        try:
            value = self[name]
        except KeyError:
            raise AttributeError(name) from None
        return Spec(value) if isinstance(value, dict) else value


class ConfigSpace:
    """A configuration with what is drawn in it.

    Args:
        raw: Nested dicts and lists; what is drawn stands anywhere in them.

    Raises:
        ConfigError: If it is no dict.
    """

    def __init__(self, raw: Any) -> None:
        if not isinstance(raw, Mapping):
            raise ConfigError(Problem("param_space", show(raw), "a dict of hyperparameters"))
        self.raw = raw
        found = list(_domains(raw, ()))
        self.drawn = {path: domain for path, domain in found if domain.function is None}
        self.computed = {path: domain for path, domain in found if domain.function is not None}
        self.names = dict(zip(self.drawn, expressions.unique_names(list(self.drawn)), strict=True))

    def expressions(self) -> dict[str, Any]:
        """Returns the search space of a sweep file."""
        return {name: dict(self.drawn[path].expression) for path, name in self.names.items()}

    def filled(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the configuration of a trial.

        Args:
            params: Values of the search space by name.
        """
        values: dict[tuple[Any, ...], Any] = {}
        for path, name in self.names.items():
            domain = self.drawn[path]
            values[path] = expressions.chosen(domain.values, params[name]) if domain.values else params[name]
        config: dict[str, Any] = _with_values(self.raw, (), values)
        for path, domain in self.computed.items():
            values[path] = _computed(domain, config)
            config = _with_values(self.raw, (), values)
        return config


def _computed(domain: Domain, config: dict[str, Any]) -> Any:
    function: Any = domain.function
    try:
        takes = bool(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        takes = True
    return function(Spec(config=config)) if takes else function()


def _as_domain(value: Any) -> Domain | None:
    """What is drawn: a domain, or the older form of a grid, ``{"grid_search": [...]}``."""
    if isinstance(value, Domain):
        return value
    if isinstance(value, Mapping) and set(value) == {"grid_search"}:
        return grid_search(value["grid_search"])
    return None


def _domains(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Domain]]:
    domain = _as_domain(value)
    if domain is not None:
        yield path, domain
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _domains(inner, (*path, key))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _domains(inner, (*path, index))


def _with_values(value: Any, path: tuple[Any, ...], values: Mapping[tuple[Any, ...], Any]) -> Any:
    if path in values:
        return values[path]
    if _as_domain(value) is not None:
        return None
    if isinstance(value, Mapping):
        return {key: _with_values(inner, (*path, key), values) for key, inner in value.items()}
    if isinstance(value, list | tuple) and any(len(each) > len(path) and each[: len(path)] == path for each in values):
        return type(value)(_with_values(inner, (*path, index), values) for index, inner in enumerate(value))
    return value
