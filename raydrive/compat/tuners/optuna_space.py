"""The search space of an objective of Optuna's, which is known only when it asks for values."""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler

from raydrive.compat.tuners import expressions

Distributions = dict[str, list[Any]]
"""What an objective asked for under each name, each form of it once."""
LEAST_TRIES, MOST_TRIES, UNPRODUCTIVE = 4, 16, 3
"""How often the objective is begun; it ends after so many tries that have shown nothing new."""
FIRST_S, SILENT_S = 60.0, 3.0
"""How long an objective may take to ask for its first value, and for the next one."""


def discovered(study: Any, func: Callable[[Any], Any]) -> Distributions:
    """Begins an objective several times, with different values, and returns what it asked for.

    Each time is a process of its own, forked from this one, that ends when the objective has asked for nothing for some
    seconds: it trains no longer than that. What it prints is thrown away.

    Args:
        study: The study.
        func: The objective.
    """
    found: Distributions = {}
    unproductive = 0
    for number in range(MOST_TRIES):
        news = False
        for name, text in _asked(study, func, number):
            distribution = optuna.distributions.json_to_distribution(text)
            if distribution not in found.setdefault(name, []):
                found[name].append(distribution)
                news = True
        unproductive = 0 if news else unproductive + 1
        if number + 1 >= LEAST_TRIES and unproductive >= UNPRODUCTIVE:
            break
    return found


def _asked(study: Any, func: Callable[[Any], Any], number: int) -> list[tuple[str, str]]:
    """What an objective asked for, of one try."""
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _try(study, func, number, writer)
    os.close(writer)
    try:
        text = _read(reader)
    finally:
        os.close(reader)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return [tuple(json.loads(line)) for line in text.splitlines() if line.endswith("]")]


def _read(reader: int) -> str:
    """Reads what the objective asks for, until it asks for nothing more or ends."""
    parts: list[bytes] = []
    until = time.monotonic() + FIRST_S
    while (left := until - time.monotonic()) > 0:
        ready, _, _ = select.select([reader], [], [], left)
        part = os.read(reader, 1 << 16) if ready else b""
        if not part:
            break
        parts.append(part)
        until = time.monotonic() + SILENT_S
    return b"".join(parts).decode()


def _try(study: Any, func: Callable[[Any], Any], number: int, writer: int) -> None:
    """Calls the objective in a process of its own, which ends here."""
    try:
        os.setsid()
        silent = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silent, stream)
        inner = optuna.create_study(directions=study.directions, sampler=_Asked(number, writer))
        func(inner.ask())
    except BaseException:  # what it asked for before is known
        pass
    finally:
        os._exit(0)


class _Independent(BaseSampler):
    """A sampler that looks at each parameter by itself."""

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
        """Returns nothing: parameters are drawn when they are asked for."""
        return {}

    def sample_relative(self, study: Any, trial: Any, search_space: Mapping[str, Any]) -> dict[str, Any]:
        """Returns nothing."""
        return {}


class _Asked(_Independent):
    """Tells what is asked for, and draws it.

    Args:
        number: Of the try; it is the seed.
        writer: The pipe.
    """

    def __init__(self, number: int, writer: int) -> None:
        self._random, self._writer = RandomSampler(seed=number), writer

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
        """Draws a value."""
        line = [param_name, optuna.distributions.distribution_to_json(param_distribution)]
        os.write(self._writer, (json.dumps(line) + "\n").encode())
        return self._random.sample_independent(study, trial, param_name, param_distribution)


class Given(_Independent):
    """Gives the values of a trial of raydrive.

    Args:
        params: They, by name.
        number: Number of the trial; the seed of what is not among them.
    """

    def __init__(self, params: Mapping[str, Any], number: int) -> None:
        self._params, self._random = params, RandomSampler(seed=number)

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
        """Returns the value; one that is drawn where there is none, or that the objective does not take."""
        if param_name in self._params:
            value = self._params[param_name]
            if isinstance(param_distribution, CategoricalDistribution):
                value = expressions.chosen(param_distribution.choices, value)
            elif _is_at(value, param_distribution.low):  # of exp(log(low)) the last bit may differ
                value = param_distribution.low
            elif _is_at(value, param_distribution.high):
                value = param_distribution.high
            with contextlib.suppress(ValueError, TypeError):
                if param_distribution._contains(param_distribution.to_internal_repr(value)):
                    return value
            shown = f"{param_name}={value!r} is none of {param_distribution}"
        else:
            shown = f"{param_name} is not in the search space"
        drawn = self._random.sample_independent(study, trial, param_name, param_distribution)
        print(f"raydrive: {shown}; drawn: {drawn!r}")
        return drawn


def completed(point: Mapping[str, Any], found: Distributions, seed: int) -> dict[str, Any] | None:
    """Returns a point of the search space that has these values, and drawn ones of what they leave open.

    Args:
        point: Values by name; what the search space does not have is left out.
        found: What an objective asked for.
        seed: Of what is drawn.

    Returns:
        None where the search space does not have a value.
    """
    study = optuna.create_study(sampler=RandomSampler(seed=seed))
    drawn = study.ask({name: each[0] for name, each in found.items()}).params
    values: dict[str, Any] = {}
    for name, each in found.items():
        value = point.get(name, drawn[name])
        if not any(_holds(distribution, value) for distribution in each):
            return None
        keys = expressions.labels(each[0].choices) if isinstance(each[0], CategoricalDistribution) else {}
        values[name] = next((key for key, known in keys.items() if _same(known, value)), value)
    return values


def _same(one: Any, other: Any) -> bool:
    """Whether two values are one; True is not 1."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _holds(distribution: Any, value: Any) -> bool:
    try:
        return bool(distribution._contains(distribution.to_internal_repr(value)))
    except (ValueError, TypeError):
        return False


def _is_at(value: Any, bound: float) -> bool:
    return isinstance(value, float) and math.isclose(value, bound, rel_tol=1e-12)


def expression_of(found: list[Any]) -> dict[str, Any]:
    """Returns the parameter expression of what an objective asked for under one name.

    Args:
        found: The distributions; of several the one that holds all their values.
    """
    first = found[0]
    if isinstance(first, CategoricalDistribution):
        values = [value for each in found if isinstance(each, CategoricalDistribution) for value in each.choices]
        return expressions.one_of([value for index, value in enumerate(values) if value not in values[:index]])
    alike = [each for each in found if isinstance(each, FloatDistribution | IntDistribution)]
    low, high = min(each.low for each in alike), max(each.high for each in alike)
    log = all(each.log for each in alike)
    steps = {each.step for each in alike}
    step = steps.pop() if len(steps) == 1 else None
    if all(isinstance(each, IntDistribution) for each in alike):
        return (
            expressions.whole(int(low), int(high), log) if step in (None, 1) else expressions.stepped(low, high, step)
        )
    if step is not None:
        return expressions.stepped(low, high, step)
    return expressions.logarithmic(low, high) if log else expressions.uniform(low, high)
