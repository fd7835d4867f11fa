"""The tasks that nothing is chosen by."""

from .families import Task, of_seeds


def tasks() -> list[Task]:
    """Returns them."""
    return of_seeds(10, 11)
