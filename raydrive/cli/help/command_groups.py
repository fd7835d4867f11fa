"""The groups of commands in ``raydrive --help``, and in the reference of the documentation."""

from __future__ import annotations

GROUPS: dict[str, tuple[str, ...]] = {
    "Run": ("init", "validate", "submit", "resume"),
    "Look": (
        *("list", "status", "watch", "top", "trials", "logs", "best", "compare", "diff", "history"),
        *("report", "studio", "whatif", "export", "track"),
    ),
    "Control": ("cancel", "stop", "pause", "unpause", "edit", "add", "retry", "note"),
    "Azure ML and other tools": ("run-script", "run-notebook", "convert"),
    "Tools": ("explain", "doctor", "log", "schema"),
}
"""Commands by group, in the order in which they are shown."""
LAST = "Tools"
"""The group of a command that is in none."""


def group_of(name: str) -> str:
    """Returns the group of a command.

    Args:
        name: The command's name.
    """
    return next((group for group, names in GROUPS.items() if name in names), LAST)


def place_of(name: str) -> tuple[int, int]:
    """Returns what commands are sorted by: the number of the group, and the place within it.

    Args:
        name: The command's name.
    """
    group = group_of(name)
    names = GROUPS[group]
    return list(GROUPS).index(group), names.index(name) if name in names else len(names)
