"""A command alone as a run of one trial, whose metric is that it has succeeded; and runs with fewer trials."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence

from raydrive.api.submit.submission import Submission


def with_end(command: str, metric: str, value: str) -> str:
    """Returns a command that logs a value when it has succeeded, in any Python that trials have.

    Args:
        command: The command.
        metric: Name of the metric.
        value: The number to log, or a reference to it.
    """
    log = f"from raydrive import Run; import sys; Run.get_context().log({metric!r}, float(sys.argv[1]))"
    return f'( {command} ) && python -c "{log}" {value}'


def as_line(script: str, arguments: Sequence[str]) -> str:
    """Returns a Python script and its arguments as a command, in which references to inputs are left as they are."""
    words = [word if "${{inputs." in word else shlex.quote(word) for word in (script, *arguments)]
    return " ".join(["python", *words])


def with_fewer_trials(submission: Submission, most: int | None) -> Submission:
    """Returns a run that has at most this many trials; None = as many as it has.

    Args:
        submission: The run.
        most: A number from 1.
    """
    limits = submission.config.limits
    if most is None or limits.max_total_runs <= most:
        return submission
    kept = min(limits.max_concurrent_runs, most)
    limits = dataclasses.replace(limits, max_total_runs=most, max_concurrent_runs=kept)
    return dataclasses.replace(submission, config=dataclasses.replace(submission.config, limits=limits))
