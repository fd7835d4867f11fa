"""What is wrong with the arguments of a policy."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Any

from raydrive.core.errors import ConfigError, Problem, show
from raydrive.core.numbers import is_real


def refuse(problems: list[Problem]) -> None:
    """Raises what was found.

    Raises:
        ConfigError: If anything was.
    """
    if problems:
        raise ConfigError(problems)


def is_whole(value: object) -> bool:
    """Returns whether a value is a whole number; True and False are none."""
    return not isinstance(value, bool) and isinstance(value, Integral)


def whole_problem(where: str, value: Any, least: int) -> Iterator[Problem]:
    """Yields what is wrong with a number that has to be whole, and at least so large."""
    if not is_whole(value) or value < least:
        yield Problem(where, show(value), f"a whole number of {least} or more")


def interval_problems(policy: Any) -> list[Problem]:
    """Returns what is wrong with the intervals at which a policy looks."""
    found = (("evaluation_interval", 1), ("delay_evaluation", 0))
    return [one for name, least in found for one in whole_problem(f"policy.{name}", getattr(policy, name), least)]


def slack_problems(factor: object, amount: object) -> list[Problem]:
    """Returns what is wrong with the two slacks of a bandit, of which there has to be one."""
    given = [(name, slack) for name, slack in (("slack_factor", factor), ("slack_amount", amount)) if slack is not None]
    problems = []
    if len(given) != 1:
        found = ", ".join(f"{name}={show(slack)}" for name, slack in given) or "neither slack_factor nor slack_amount"
        fix = "Remove one of them." if given else "Add slack_factor: 0.1, or slack_amount in units of the metric."
        problems.append(Problem("policy", found, "exactly one of slack_factor and slack_amount", fix))
    for name, slack in given:
        if not is_real(slack) or slack < 0:  # type: ignore[operator]
            allowed = "a finite number of 0 (no slack) or more"
            problems.append(Problem(f"policy.{name}", show(slack), allowed))
    return problems
