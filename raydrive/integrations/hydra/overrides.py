"""Hydra's sweeps as a search space, and values of that space as Hydra's overrides.

``key=a,b`` and ``choice(a,b)`` are choices, ``interval(low,high)`` is uniform, ``range(start,stop)`` whole numbers.
With ``tag(log, ...)`` numbers are drawn on a logarithmic scale; ``int(interval(1,8))`` is a whole number, both ends
included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.override_parser.types import IntervalSweep, Override, QuotedString, RangeSweep
from hydra.errors import HydraException

from raydrive.core.config.option_words import override_words
from raydrive.core.errors import ConfigError, Problem
from raydrive.core.space.calls import choice, int_range, log_int, log_range, uniform
from raydrive.core.space.expressions import Expression

_ALLOWED = "numbers, truth values, text, null, lists, or names of a config group"


@dataclass(frozen=True)
class Sweeps:
    """The overrides of a program: those that are swept, and those that hold for all trials."""

    space: Mapping[str, Expression]
    """Search space by the key of the override, such as ``opt.lr`` or ``+model@net``."""
    fixed: tuple[str, ...] = ()
    """Overrides as they were given."""
    discrete: bool = True
    """Whether all parameters are choices."""


@dataclass
class _Reader:
    """Collects what is wrong with overrides, so that all of it is reported at once."""

    ordered: bool
    """Whether whole numbers are drawn as numbers; a grid has them as a choice."""
    problems: list[Problem] = field(default_factory=list)

    def expression(self, override: Override) -> Expression | None:
        """Returns what a sweep is in a search space; None where that is nothing, with a problem noted."""
        key, found = override.get_key_element(), override.value()
        try:
            if isinstance(found, IntervalSweep):
                return _interval(found)
            if isinstance(found, RangeSweep) and self.ordered and _is_counting(found):
                start, last = int(found.start or 0), int(found.stop or 0) - 1
                return (log_int if "log" in found.tags and start > 0 else int_range)(start, last)
            return choice([_plain(value) for value in override.sweep_iterator()])
        except ConfigError as error:
            self.problems += [
                Problem(key, one.found, one.allowed, one.fix, override.input_line or "") for one in error.problems
            ]
        except (HydraException, TypeError, ValueError) as error:
            self.problems.append(Problem(key, f"{override.input_line} ({error})", f"a sweep over {_ALLOWED}"))
        return None


def sweeps_of(overrides: Sequence[Override], *, grid: bool) -> Sweeps:
    """Returns the search space of overrides.

    Args:
        overrides: As Hydra has parsed them; of several for one key the last one counts.
        grid: Whether every combination is to be tried: whole numbers are then a choice.

    Raises:
        ConfigError: If a sweep cannot be part of a search space; all problems at once.
    """
    last = {override.get_key_element(): override for override in overrides}
    swept = {key: one for key, one in last.items() if one.is_sweep_override()}
    reader = _Reader(ordered=not grid)
    space = {key: reader.expression(one) for key, one in swept.items()}
    if reader.problems:
        raise ConfigError(reader.problems)
    return Sweeps(
        space={key: one for key, one in space.items() if one is not None},
        fixed=tuple(one.input_line or "" for one in last.values() if not one.is_sweep_override()),
        discrete=all(one.is_discrete_sweep() for one in swept.values()),
    )


def override_of(key: str, value: Any) -> str:
    """Returns the override that gives a parameter its value.

    >>> override_of("opt.lr", 1e-05), override_of("+note", "a b"), override_of("n", 2.0)
    ('opt.lr=1e-05', "+note='a b'", 'n=2.0')
    """
    if isinstance(value, float):
        return f"{key}={value!r}"  # a float stays one in configurations without types
    return override_words(key, value)[0]


def _interval(found: IntervalSweep) -> Expression:
    low, high = found.start, found.end
    if low is None or high is None:
        raise ValueError("an interval has two ends")
    log = "log" in found.tags
    if isinstance(low, int) and isinstance(high, int):
        return (log_int if log else int_range)(low, high)
    return (log_range if log else uniform)(float(low), float(high))


def _is_counting(found: RangeSweep) -> bool:
    """Whether a range is whole numbers one after the other, two or more."""
    numbers = (found.start, found.stop, found.step)
    whole = all(isinstance(one, int) and not isinstance(one, bool) for one in numbers)
    return whole and found.step == 1 and not found.shuffle and int(found.stop or 0) - int(found.start or 0) > 1


def _plain(value: Any) -> Any:
    """A value of Hydra's grammar as Python's; a mapping cannot be told from a nested search space and is refused."""
    if isinstance(value, QuotedString):
        return value.text
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        raise ValueError(f"a mapping is not an option here; allowed: {_ALLOWED}")
    return value
