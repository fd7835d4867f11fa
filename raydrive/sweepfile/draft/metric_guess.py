"""The primary metric of a drafted sweep: what a script logs, or what it prints, and whether large values are good."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from raydrive.core.reports.printed_pairs import PrintedPair, PrintedPairs, pairs_of

SMALL_IS_GOOD = re.compile(r"(?i)loss|error|err\b|rmse|mse|mae|mape|perplexity|ppl|deviance|nll|divergence|latency")
OF_VALIDATION = re.compile(r"(?i)val|valid|test|eval|dev|holdout|cv")
OF_TRAINING = re.compile(r"(?i)train")
SCORES = re.compile(r"(?i)acc|f1|auc|precision|recall|score|r2|bleu|rouge|map|iou|dice|reward")


@dataclass(frozen=True, slots=True)
class MetricGuess:
    """What is proposed as the objective."""

    name: str
    goal: str
    """``maximize`` or ``minimize``."""
    pattern: str = ""
    """Regular expression that finds it in what the script prints; empty where it logs it, or prints JSON."""
    json_lines: bool = False
    found: str = ""
    """Where it was found, for a comment."""
    others: tuple[str, ...] = ()
    """Other metrics that could be it."""


def goal_of(name: str) -> str:
    """Returns whether large or small values of a metric are good, by its name.

    Args:
        name: The metric's name.
    """
    return "minimize" if SMALL_IS_GOOD.search(name) else "maximize"


def logged_metric(names: Sequence[str]) -> MetricGuess | None:
    """Returns the metric of a script that logs; None where it logs none.

    Args:
        names: The metrics that its source logs.
    """
    if not names:
        return None
    best = _best(names)
    return MetricGuess(best, goal_of(best), found="the script logs it", others=_others(best, names))


def printed_metric(output: str, wanted: str = "") -> MetricGuess | None:
    """Returns the metric of a script that prints; None where no number is printed with a name.

    Args:
        output: What the script printed.
        wanted: The metric's name, where it is known.
    """
    pairs = pairs_of(output.splitlines())
    names = printed_names(pairs)
    if not names and not wanted:
        return None
    best = wanted or _best(names)
    pair: PrintedPair | None = pairs.found(best)
    if pair is None:
        return None
    times = f"{pair.lines} line{'s' * (pair.lines != 1)}"
    found = f"the script printed it in {times}: {', '.join(pair.values)}{', ...' * (pair.lines > len(pair.values))}"
    return MetricGuess(best, goal_of(best), pair.pattern, not pair.pattern, found, _others(best, names))


def printed_names(pairs: PrintedPairs) -> list[str]:
    """Returns the names under which a script printed what may be its metric, as ``format: auto`` finds them.

    Args:
        pairs: What it printed.
    """
    plain = pairs.unsigned_names()
    names = [*pairs.names(), *filter(_is_metric, plain), *filter(_is_metric, pairs.sentence_words())]
    # What no one calls a metric is one if its value changes from line to line.
    return list(dict.fromkeys(names)) or [name for name, values in plain.items() if values > 1]


def _is_metric(name: str) -> bool:
    return bool(SMALL_IS_GOOD.search(name) or SCORES.search(name))


def _best(names: Sequence[str]) -> str:
    """The one to optimise: of validation before any other, a score before a loss; the first of equals."""

    def rank(name: str) -> tuple[bool, bool, bool]:
        return (bool(OF_TRAINING.search(name)), not OF_VALIDATION.search(name), not SCORES.search(name))

    return min(names, key=rank)


def _others(best: str, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name != best)[:6]
