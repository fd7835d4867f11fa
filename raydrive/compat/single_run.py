"""A command alone as a run of one trial, which has a metric of its own: that the command has succeeded."""

from __future__ import annotations


def with_end(command: str, metric: str, value: str) -> str:
    """Returns a command that logs a value when it has succeeded, in any Python that trials have.

    Args:
        command: The command.
        metric: Name of the metric.
        value: The number to log, or a reference to it.
    """
    log = f"from raydrive import Run; import sys; Run.get_context().log({metric!r}, float(sys.argv[1]))"
    return f'( {command} ) && python -c "{log}" {value}'
