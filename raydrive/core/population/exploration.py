"""``perturb``: new values for the hyperparameters of a member, near those of the one whose training it takes over.

Source: Jaderberg et al. 2017, arXiv:1711.09846, section 4.1: ``perturb`` multiplies a value by a factor, ``resample``
draws it again. Beyond it:

- A value stays within the bounds of the search space, and on its steps where it is quantised; one that would round to
  what it was goes a step.
- On a linear scale that reaches 0 a factor alone would keep a small value small: it moves by ``(factor - 1)`` times its
  size, but at least 5 % of the width of the range.
- A choice among numbers in order goes to a neighbour. Any other choice is only drawn again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from raydrive.core.lazy_numpy import np
from raydrive.core.numbers import is_number
from raydrive.core.population.protocol import Explored, Taken
from raydrive.core.population.rules import Perturb
from raydrive.core.records import Params
from raydrive.core.space.search_space import Choice, Expression, Space

if TYPE_CHECKING:
    from numpy.random import Generator

LEAST_SHARE = 0.05
"""A value on a linear scale moves as if it were at least such a share of the range's width."""


@dataclass(frozen=True, slots=True)
class Perturbation:
    """Moves each value a little, or draws it anew; looks at no results."""

    rules: Perturb

    def explored(self, taken: Taken, rng: Generator) -> Explored:
        """Returns changed hyperparameters; see ``explored``."""
        return Explored(explored(taken.params, taken.space, self.rules, rng))


def explored(params: Params, space: Space, perturb: Perturb, rng: Generator) -> Params:
    """Returns changed hyperparameters, each a value of the search space.

    Takes as many numbers from the generator as the space has dimensions, two for each and one more, whatever comes of
    them. A value that is none of the space (of a trial that another run began) is taken over as it is.

    Args:
        params: Those of the member whose training is taken over.
        space: The search space.
        perturb: How they are changed.
        rng: Where the randomness comes from.
    """
    numbers = rng.random((len(space.dimensions), 3))
    wanted = {name.lstrip("-") for name in perturb.parameters}
    out, at = dict(params), 0
    for name, expression in space.expressions.items():
        one = Space({name: expression})
        own = numbers[at : at + len(one.dimensions)]
        at += len(one.dimensions)
        if name not in params or (wanted and name.lstrip("-") not in wanted) or not expression.contains(params[name]):
            continue
        if own[0, 0] < perturb.resample:
            out[name] = one.at(own[:, 1])[name]
        elif len(one.dimensions) == 1:
            out[name] = _near(params[name], expression, perturb.factors, own[0, 1:])
        else:
            out[name] = _near_in_option(params[name], one, name, perturb.factors, own)
    return out


def _near_in_option(value: Any, space: Space, name: str, factors: Sequence[float], numbers: Any) -> Any:
    """An option of a choice with the expressions that it holds moved; the option stays."""
    unit = space.unit({name: value})
    for place, dimension in enumerate(space.dimensions):
        at = float(unit[place])
        nested = isinstance(dimension.expression, Choice)
        if math.isnan(at) or (nested and any(other.parent == place for other in space.dimensions)):
            continue
        moved = _near(dimension.expression.quantile(at), dimension.expression, factors, numbers[place, 1:])
        unit[place] = dimension.expression.position(moved)
    return space.at(unit)[name]


def _near(value: Any, expression: Expression, factors: Sequence[float], numbers: Any) -> Any:
    factor = factors[min(int(numbers[0] * len(factors)), len(factors) - 1)]
    if isinstance(expression, Choice):
        return _neighbour(value, expression, upwards=numbers[0] >= 0.5)
    moved = _times(float(value), factor, expression)
    low, high = (float(expression.quantile(end)) for end in (0.0, 1.0))
    moved = min(max(moved, low), high)
    q = 1 if expression.kind == "randint" else getattr(expression, "q", None)
    if q is None:
        return moved
    found = expression.quantile(expression.position(moved))
    if found == value:  # its step is wider than the factor
        wanted = min(max(float(value) + math.copysign(q, factor - 1.0), low), high)
        found = expression.quantile(expression.position(wanted))
    return found


def _times(value: float, factor: float, expression: Expression) -> float:
    if getattr(expression, "log", False):
        return value * factor
    low, high = (float(expression.quantile(end)) for end in (0.0, 1.0))
    least = 0.0 if low > 0 else LEAST_SHARE * (getattr(expression, "sigma", None) or high - low)
    return value + (factor - 1.0) * math.copysign(max(abs(value), least), value)


def _neighbour(value: Any, expression: Choice, *, upwards: bool) -> Any:
    """The option before or after a value in a choice of numbers in order; the other one at an end."""
    options, index = expression.values, expression.index_of(value)
    if index is None or len(options) < 2 or not _in_order(options):
        return value
    to = index + (1 if upwards else -1)
    return options[to if 0 <= to < len(options) else 2 * index - to]


def _in_order(options: Sequence[Any]) -> bool:
    if not all(map(is_number, options)):
        return False
    steps = np.diff(np.asarray(options, dtype=float))
    return bool((steps > 0).all() or (steps < 0).all())
