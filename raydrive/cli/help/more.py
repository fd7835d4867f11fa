"""The line below an error: the command that explains it."""

from __future__ import annotations

import re

from raydrive.cli.console import say
from raydrive.core.errors import ConfigError, RaydriveError

MOST_KEYS = 3
"""Number of keys that are named."""
_PASTED = re.compile(r"(?:Write|For example): ")


def say_more(error: RaydriveError) -> None:
    """Prints what explains an error: its keys, where it is about a sweep file, else its id.

    Args:
        error: What a command ended with; its message was printed.
    """
    if isinstance(error, ConfigError) and _PASTED.search(error.lines()[-1]):
        return  # its last line is the one to write, and stays the last
    names = _keys(error) if isinstance(error, ConfigError) else []
    if not names:
        from raydrive.cli.help.error_reference import entry_of  # lazy: raydrive.cli.help.error_reference, 0.001 s

        names = [entry_of(error).id]
    say(f"More: {', '.join(f'raydrive explain {name}' for name in names)}")


def _keys(error: ConfigError) -> list[str]:
    """The keys of a sweep file that have problems, each once."""
    placed = [problem.where for problem in error.problems if problem.place]
    if not placed:
        return []
    from raydrive.sweepfile.reference.key_reference import find_keys  # lazy: raydrive.sweepfile, 0.1 s

    found = [find_keys(where) for where in dict.fromkeys(placed)]
    return list(dict.fromkeys(one[0].key for one in found if len(one) == 1))[:MOST_KEYS]
