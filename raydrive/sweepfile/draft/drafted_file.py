"""The text of a drafted sweep file: YAML with a comment for each decision, to be read and changed by its user."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raydrive.sweepfile.draft.metric_guess import MetricGuess
from raydrive.sweepfile.draft.option import Option
from raydrive.sweepfile.draft.proposed_spaces import Expression, proposed_space
from raydrive.sweepfile.draft.script_options import ScriptFacts

EXAMPLE: tuple[tuple[str, Expression], ...] = (
    ("learning_rate", {"type": "log_range", "min_value": 1e-4, "max_value": 0.1}),
    ("batch_size", {"type": "choice", "values": [16, 32, 64]}),
)
"""The space of a draft whose script tells no options."""
TRIALS, ABREAST = 20, 2


@dataclass(frozen=True, slots=True)
class Tuned:
    """An option that the draft tunes."""

    option: Option
    space: Expression


def tuned_options(facts: ScriptFacts) -> tuple[Tuned, ...]:
    """Returns the options to tune, each with its proposed expression.

    Args:
        facts: What the script tells.
    """
    found = [(option, proposed_space(option)) for option in facts.options]
    tuned = [Tuned(option, space) for option, space in found if space is not None]
    if any(one.option.style == "both" for one in tuned):
        # `flags: both` holds for all flags, and a flag without a negative form would get one.
        tuned = [one for one in tuned if one.option.style != "flag"]
    return tuple(tuned)


def drafted_sweep(script: str, code: str, facts: ScriptFacts, metric: MetricGuess | None) -> str:
    """Returns the sweep file for a script.

    Args:
        script: The script's path below the folder of the code.
        code: That folder, relative to the sweep file.
        facts: What the script's source tells.
        metric: The proposed primary metric; None = its user has to name it.
    """
    tuned = tuned_options(facts)
    named = {one.option.name for one in tuned}
    library = f" ({facts.library})" if facts.library else ""
    lines = [
        f"# Drafted by `raydrive init` from {script}{library}. Read it and change it:",
        "# the bounds are guesses. `raydrive explain KEY` explains a key, `raydrive validate` checks the file.",
        "",
        f"experiment_name: {_scalar(Path(script).stem)}",
        "trial:",
        f"  code: {_scalar(code)}",
        *_command(script, tuned),
        "",
        "search_space:",
    ]
    if not tuned:
        lines.append("  # The script has no option that is usually tuned: these two are examples.")
    for name, space in [(one.option.name, one.space) for one in tuned] or EXAMPLE:
        default = next((one.option.default for one in tuned if one.option.name == name), None)
        comment = f"  # default of the script: {default}" if default is not None else ""
        lines.append(f"  {name}: {_mapping(space)}{comment}")
    lines += [*_left_out([one for one in facts.options if one.name not in named]), "", *_objective(metric), ""]
    lines += [
        "sampling_algorithm: random        # or bayesian, sobol, grid, tpe",
        "",
        "# Stops a trial that is behind the others at the same interval. Remove it to let every trial finish.",
        "early_termination: {type: median_stopping, delay_evaluation: 3}",
        "",
        f"limits: {{max_total_trials: {TRIALS}, max_concurrent_trials: {ABREAST}}}",
        "",
        "raydrive:",
        "  resources: {cpus: 1}            # of each trial; gpus: 1 or gpus: 0.5 for GPUs",
        *_own(metric, tuned),
    ]
    return "\n".join(lines) + "\n"


def _command(script: str, tuned: tuple[Tuned, ...]) -> list[str]:
    words = [f"python {script}", *(_word(one.option) for one in tuned)]
    if not tuned:
        words += [f"--{name.replace('_', '-')} ${{{{search_space.{name}}}}}" for name, _ in EXAMPLE]
    return ["  command: >-", *(f"    {word}" for word in words)]


def _word(option: Option) -> str:
    reference = f"${{{{search_space.{option.name}}}}}"
    if option.style in ("override", "equals"):
        return f"{option.flag}={reference}"
    if option.style in ("flag", "both"):
        return f"${{{{flag.{option.name}}}}}"
    return f"{option.flag} {reference}"


def _left_out(options: list[Option]) -> Iterator[str]:
    if options:
        names = ", ".join(option.flag for option in options)
        yield f"  # Not tuned: {names}. To tune one, add it here and to the command."


def _objective(metric: MetricGuess | None) -> Iterator[str]:
    if metric is None:
        yield "# No metric was found that the script logs or prints: write its name here."
        yield "objective: {goal: maximize, primary_metric: accuracy}"
        return
    yield f"# {metric.found[:1].upper()}{metric.found[1:]}."
    if metric.others:
        yield f"# Others: {', '.join(metric.others)}."
    yield f"objective: {{goal: {metric.goal}, primary_metric: {_scalar(metric.name)}}}"


def _own(metric: MetricGuess | None, tuned: tuple[Tuned, ...]) -> Iterator[str]:
    if metric is not None and metric.json_lines:
        yield "  metrics: {format: json}         # the script prints JSON lines"
    elif metric is not None and metric.pattern:
        quoted = metric.pattern.replace("'", "''")
        yield f"  metrics: {{pattern: '{quoted}'}}"
    elif metric is None:
        yield "  # metrics: {format: auto}       # for a script that prints its metric instead of logging it"
    if any(one.option.style == "both" for one in tuned):
        yield "  flags: both                     # true is --name, false is --no-name"


def _mapping(space: Expression) -> str:
    return "{" + ", ".join(f"{key}: {_value(value)}" for key, value in space.items()) + "}"


def _value(value: Any) -> str:
    return f"[{', '.join(map(_value, value))}]" if isinstance(value, list | tuple) else _scalar(value)


def _scalar(value: Any) -> str:
    """A scalar of YAML: texts in quotes only where they would be something else without."""
    if isinstance(value, str):
        plain = value.replace("_", "").replace("-", "").replace(".", "").replace("/", "")
        safe = plain.isalnum() and not plain[0].isdigit() and value.casefold() not in _WORDS
        return value if safe or value == "." else json.dumps(value)
    return json.dumps(value)


_WORDS = ("true", "false", "null", "yes", "no", "on", "off", "none")
