"""The tasks that changes are judged by."""

from .families import Task, of_seeds


def tasks() -> list[Task]:
    """Returns them."""
    return of_seeds(0, 1)
