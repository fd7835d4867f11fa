"""Search spaces as scikit-learn's users write them, and the objects that a trial's hyperparameters stand for.

What is recorded of a trial is JSON. An option that JSON does not have (an estimator, a function, an array) is recorded
by a text that stands for it, and a distribution that raydrive does not have by a quantile.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from raydrive.core.errors import ConfigError, Problem, show
from raydrive.core.space.expressions import Expression
from raydrive.core.space.search_space import choice, int_range, log_range, normal, uniform
from raydrive.integrations.search_cv.other_distributions import read_other

_ALLOWED = (
    "a list of values, a distribution of scipy.stats, Optuna or Ray Tune, or an expression such as log_range(1e-4, 1)"
)
_LONGEST_LABEL = 80
_OUTERMOST = 1e-9
"""Quantiles stay so far from 0 and 1, where distributions without bounds are infinite."""
_PLAIN = (bool, int, float, str, type(None))


@dataclass(frozen=True)
class Labels:
    """Options by the texts that stand for them."""

    objects: Mapping[str, Any]

    def value(self, recorded: Any) -> Any:
        """Returns the option; what is no such text stands for itself."""
        return self.objects.get(recorded, recorded) if isinstance(recorded, str) else recorded


@dataclass(frozen=True)
class Quantiles:
    """A distribution whose values are recorded as quantiles, 0 to 1."""

    distribution: Any

    def value(self, recorded: float) -> Any:
        """Returns the value at a quantile; where the distribution only draws, what that seed draws."""
        if not hasattr(self.distribution, "ppf"):
            drawn = self.distribution.rvs(random_state=np.random.RandomState(int(recorded * 2**32)))
            return drawn.item() if hasattr(drawn, "item") else drawn
        value = float(self.distribution.ppf(min(max(recorded, _OUTERMOST), 1 - _OUTERMOST)))
        return int(value) if hasattr(self.distribution, "pmf") else value


Decoders = dict[str, Labels | Quantiles]
"""What makes the values out of what is recorded, by the names of parameters."""


@dataclass(frozen=True)
class SearchSpace:
    """A search space in raydrive's form, with the decoders of its values."""

    expressions: Mapping[str, Any]
    """Parameter expressions by name; of several spaces one ``choice`` of mappings."""
    decoders: Mapping[str, Labels | Quantiles] = field(default_factory=dict)
    """By name, or number of the space and name, what makes the value out of what is recorded."""
    several: str = ""
    """Name of the choice among several spaces; empty = there is one."""

    def values(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the arguments of ``set_params`` for a trial's hyperparameters."""
        place = ""
        if self.several:
            chosen = dict(params[self.several])
            place, params = f"{chosen.pop(_SPACE)}:", chosen
        found = {name: self.decoders.get(place + name) for name in params}
        return {
            name: value if (decoder := found[name]) is None else decoder.value(value) for name, value in params.items()
        }

    def objects(self) -> list[Any]:
        """Returns the options that JSON does not have, and the distributions."""
        decoders = self.decoders.values()
        return [
            one
            for decoder in decoders
            for one in (decoder.objects.values() if isinstance(decoder, Labels) else [decoder.distribution])
        ]


_SPACE = "space"
"""Key of the number of a space among several."""


def read_space(raw: Any, where: str, *, order: bool = False) -> SearchSpace:
    """Returns a search space that may hold lists, scipy's distributions and expressions of raydrive.

    Args:
        raw: A mapping of names, or a list of such mappings: several spaces, each equally likely.
        where: The argument's name, for errors.
        order: Whether to sort the names, as ``ParameterGrid`` does.

    Raises:
        ConfigError: If it is no such thing; with all problems.
    """
    if isinstance(raw, Mapping):
        expressions, decoders, problems = _one(raw, where, "", order)
        if problems or not expressions:
            raise ConfigError(problems or [Problem(where, "no parameters", "one parameter or more")])
        return SearchSpace(expressions, decoders)
    if not isinstance(raw, Sequence) or isinstance(raw, str) or not all(isinstance(one, Mapping) for one in raw):
        raise ConfigError(Problem(where, show(raw), "a mapping of names, or a list of mappings"))
    options, decoders, problems = list[Any](), Decoders(), list[Problem]()
    for number, one in enumerate(raw):
        expressions, own, wrong = _one(one, f"{where}[{number}]", f"{number}:", order)
        options.append({_SPACE: number, **expressions})
        decoders |= own
        problems += wrong
    if problems or not options:
        raise ConfigError(problems or [Problem(where, "an empty list", "one mapping or more")])
    return SearchSpace({"candidate": choice(*options)}, decoders, "candidate")


def _one(raw: Mapping[Any, Any], where: str, place: str, order: bool) -> tuple[dict[str, Any], Decoders, list[Problem]]:
    expressions, decoders, problems = dict[str, Any](), Decoders(), list[Problem]()
    for name in sorted(raw, key=str) if order else raw:
        if not isinstance(name, str):
            problems.append(Problem(where, f"the name {show(name)}", "strings as names of parameters"))
            continue
        try:
            expressions[name], decoder = _expression(raw[name], f"{where}[{name!r}]")
        except ConfigError as error:
            problems += error.problems
            continue
        if decoder is not None:
            decoders[place + name] = decoder
    return expressions, decoders, problems


def _expression(raw: Any, where: str) -> tuple[Any, Labels | Quantiles | None]:
    raw = read_other(raw)
    if isinstance(raw, Expression | Mapping):
        return raw, None
    if hasattr(raw, "rvs"):
        return _distribution(raw)
    if isinstance(raw, str) or not hasattr(raw, "__len__") or not hasattr(raw, "__getitem__"):
        fix = f"Write [{raw!r}]." if isinstance(raw, _PLAIN) else ""
        raise ConfigError(Problem(where, show(raw), _ALLOWED, fix))
    values = [_plain(value) for value in raw]
    if not values:
        raise ConfigError(Problem(where, "an empty list", _ALLOWED))
    taken = {value for value in values if isinstance(value, str)}
    objects: dict[str, Any] = {}
    options = [value if _is_plain(value) else _label(value, objects, taken) for value in values]
    return choice(*options) if len(options) > 1 else choice([options[0]]), Labels(objects) if objects else None


def _distribution(raw: Any) -> tuple[Any, Quantiles | None]:
    """The expression for a distribution, or the unit interval for its quantiles."""
    name = getattr(getattr(raw, "dist", None), "name", "")
    if name in ("uniform", "loguniform", "reciprocal", "randint"):
        low, high = raw.support()
        if name == "randint":
            return int_range(int(low), int(high)), None
        return (uniform if name == "uniform" else log_range)(float(low), float(high)), None
    if name == "norm":
        return normal(float(raw.mean()), float(raw.std())), None
    return uniform(0.0, 1.0), Quantiles(raw)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _is_plain(value: Any) -> bool:
    if type(value) in (tuple, list):
        return all(_is_plain(item) for item in value)
    return type(value) in _PLAIN and (type(value) is not float or math.isfinite(value))


def _label(value: Any, objects: dict[str, Any], taken: set[str]) -> str:
    """A text that no other option has; the objects get the value under it."""
    text = getattr(value, "__name__", None) or " ".join(repr(value).split())
    text = label = text if len(text) <= _LONGEST_LABEL else f"{text[: _LONGEST_LABEL - 3]}..."
    while label in taken:
        label = f"{text} ({len(taken) + 1})"
    taken.add(label)
    objects[label] = value
    return label
