"""What trials use and cost: hours of training processes times what a trial reserves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from raydrive.core.errors import Problem
from raydrive.core.finish.rules import HOURS, FinishWhen

HOUR_S = 3600.0
GPU, CPU, MEMORY = "gpu", "cpu", "memory_gib"
"""Names of amounts beside those of accelerators and custom resources."""
ACCELERATOR = "accelerator:"
"""Before the type of an accelerator among amounts: a custom resource may have the same name."""

Amounts = Mapping[str, float]
"""What one trial reserves, by name: ``cpu``, ``gpu``, ``accelerator:A100`` (as many as ``gpu``), ``memory_gib``, and
custom resources."""


@dataclass(frozen=True, slots=True)
class Line:
    """One budget: its limit, and what uses it up."""

    rule: str
    """``budget.gpu_hours``, ``budget.cpu_hours`` or ``cost``."""
    limit: float
    weights: Mapping[str, float]
    """Units of the budget that one of an amount uses in an hour, by the amount's name."""

    def spent(self, hours: Amounts) -> float:
        """Returns how much of the budget is used.

        Args:
            hours: Amounts times hours, by name; with the amounts of a trial itself: what it uses in an hour.
        """
        return sum(hours.get(name, 0.0) * weight for name, weight in self.weights.items())


def weights_of(amounts: Amounts, prices: Mapping[str, float]) -> dict[str, float]:
    """Returns the price of an hour by amount; where an accelerator's type has a price, that of ``gpu`` is 0."""
    weights = {name: prices.get(name.removeprefix(ACCELERATOR), 0.0) for name in amounts}
    if any(weights[name] for name in amounts if name.startswith(ACCELERATOR)):
        weights[GPU] = 0.0
    return {name: weight for name, weight in weights.items() if weight}


def lines_of(rules: FinishWhen | None, amounts: Amounts) -> tuple[Line, ...]:
    """Returns the budgets of a run, in the order in which they are looked at.

    Args:
        rules: The run's.
        amounts: What one trial reserves.
    """
    if rules is None:
        return ()
    found = []
    if rules.budget is not None:
        limits = ((GPU, rules.budget.gpu_hours), (CPU, rules.budget.cpu_hours))
        found += [Line(f"budget.{name}_hours", limit, {name: 1.0}) for name, limit in limits if limit is not None]
    if rules.cost is not None:
        found.append(Line("cost", rules.cost.limit, weights_of(amounts, rules.cost.prices)))
    return tuple(found)


def misfits(rules: FinishWhen, amounts: Amounts, sampling: str) -> list[Problem]:
    """Returns what of the rules could never end the run that they are given to.

    Args:
        rules: The rules.
        amounts: What one trial reserves.
        sampling: The run's way of sampling: ``bayesian gp`` has a model of the metric.
    """
    problems = []
    if rules.expected_gain_below is not None and sampling != "bayesian gp":
        found, allowed = (
            f"with {sampling} sampling",
            "only with bayesian sampling and its algorithm gp, which has a model",
        )
        fix = "Use bayesian sampling, or use no_improvement."
        problems.append(Problem("finish_when.expected_gain_below", found, allowed, fix))
    for name in HOURS:
        limit = None if rules.budget is None else getattr(rules.budget, name)
        unit = name.partition("_")[0]
        if limit is not None and not amounts.get(unit):
            found = f"{limit:g}, and a trial reserves no {unit.upper()}"
            fix = f"Reserve {unit}s in the resources, or remove this budget."
            problems.append(
                Problem(f"finish_when.budget.{name}", found, "a budget of a resource that trials reserve", fix)
            )
    if rules.cost is not None and not weights_of(amounts, rules.cost.prices):
        reserved = ", ".join(f"{name} {amount:g}" for name, amount in _known(amounts).items()) or "nothing"
        found = f"prices of {', '.join(rules.cost.prices) or 'nothing'}; a trial reserves {reserved}"
        problems.append(
            Problem("finish_when.cost.prices", found, "a price above 0 for a resource that a trial reserves")
        )
    return problems


def _known(amounts: Amounts) -> dict[str, float]:
    return {name.removeprefix(ACCELERATOR): amount for name, amount in amounts.items() if amount}
