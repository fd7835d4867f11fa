"""Configurations that a user gives: completed from a trial, the best ones of another run, read from a file."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from raydrive.core.errors import ConfigError, Problem, StorageError, TrialError, show
from raydrive.core.space.expressions import Choice
from raydrive.core.space.search_space import Space
from raydrive.core.space.shown import allowed_text
from raydrive.core.sweep.packed_params import plain_params
from raydrive.core.sweep.warm_start_filter import named
from raydrive.core.views.summary import ranked
from raydrive.storage.run_reader import RunReader

Point = dict[str, Any]
"""``params``, and ``details`` of where they come from."""


def completed(run: RunReader, points: Sequence[Mapping[str, Any]], like: int | str | None) -> list[Point]:
    """Returns configurations with values from a trial where they have none.

    Args:
        run: The run that they are for.
        points: Each with ``params``.
        like: The trial; ``"best"`` = the best one; None = nothing is filled in.

    Raises:
        ConfigError: If there is no such trial, or a configuration is none.
    """
    for place, point in enumerate(points):
        if not isinstance(point["params"], Mapping):
            raise ConfigError(Problem(f"points[{place}]", show(point["params"]), "values by parameter"))
    if like is None:
        return [dict(point) for point in points]
    number = _number(run, like)
    space = run.sweep.config.sampling.space
    known = {name: value for name, value in plain_params(run.sweep.trials[number].params).items()}
    filled = {name: known[name] for name in space.expressions if name in known}
    return [
        {**point, "params": {**filled, **point["params"]}, "details": {**point.get("details", {}), "like": number}}
        for point in points
    ]


def _number(run: RunReader, like: int | str) -> int:
    sweep = run.sweep
    if like == "best":
        if sweep.best is None:
            raise ConfigError(Problem("like", "'best'", "the number of a trial: none has a value yet"))
        return sweep.best.trial
    try:
        number = int(like)
    except ValueError:
        number = -1
    if not 0 <= number < len(sweep.trials):
        raise ConfigError(Problem("like", show(like), f"best, or the number of a trial: 0 to {len(sweep.trials) - 1}"))
    return number


def points_of_run(run: RunReader, most: int, space: Space) -> list[Point]:
    """Returns the best configurations of another run, best first, each once.

    Args:
        run: The other run.
        most: At most this many, 1 or more.
        space: The search space that they are for: names that it does not have are left out.

    Raises:
        TrialError: If no trial of that run has a value.
    """
    points: list[Point] = []
    seen = set()
    for trial in ranked(run.sweep):
        if run.sweep.curves.objective(trial.number) is None or len(points) >= most:
            break
        params = {
            name: value
            for name, value in named(space, plain_params(trial.params))[0].items()
            if name in space.expressions
        }
        key = space.key(params)
        if key not in seen:
            seen.add(key)
            points.append({"params": params, "details": {"run": run.id, "trial": trial.number}})
    if not points:
        raise TrialError(f"run {run.id} has no trial with a value of {run.sweep.config.metric.name}")
    return points


def points_of_csv(path: Path, space: Space) -> list[Point]:
    """Returns the configurations of a CSV file: a column for each parameter; other columns are left out.

    Args:
        path: The file; its first line has the names.
        space: The search space, whose types the values get.

    Raises:
        StorageError: If it cannot be read.
        ConfigError: If a column is missing, or a value is none of its parameter; all problems at once.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            names = reader.fieldnames or ()
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StorageError(f"cannot read {path}: {error}") from error
    missing = [name for name in space.expressions if name not in names]
    if missing:
        allowed = f"a column for each parameter: {', '.join(space.expressions)}"
        raise ConfigError([Problem(f"{path}: {name}", "no such column", allowed) for name in missing])
    points: list[Point] = []
    problems: list[Problem] = []
    for line, row in enumerate(rows, 2):
        params = {name: _value(space, name, row[name]) for name in space.expressions}
        for name, expression in space.expressions.items():
            if not expression.contains(params[name]):
                problems.append(Problem(f"{path}:{line}: {name}", show(row[name]), allowed_text(expression)))
        points.append({"params": params, "details": {"file": path.name, "line": line}})
    if not rows:
        problems.append(Problem(str(path), "no line below the header", "one line for each configuration"))
    if problems:
        raise ConfigError(problems)
    return points


def _value(space: Space, name: str, text: str | None) -> Any:
    """A value of a parameter from its text: an option of a choice that is written so, else a number."""
    expression = space.expressions[name]
    given = (text or "").strip()
    if isinstance(expression, Choice):
        for option in expression.values:
            if option == given or str(option).casefold() == given.casefold():
                return option
    for kind in (int, float):
        try:
            found = kind(given)
        except ValueError:
            continue
        if isinstance(expression, Choice):
            return next((option for option in expression.values if option == found), found)
        return found
    return given
