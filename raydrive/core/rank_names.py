"""Names of metrics and tags of a process that trains with others: ``rank_3/loss`` is ``loss`` of rank 3."""

from __future__ import annotations

import re
from collections.abc import Iterable

_OF_RANK = re.compile(r"rank_[1-9][0-9]*/")


def of_rank(name: str, rank: int) -> str:
    """Returns the name under which what a process of a rank logs is kept; of rank 0 it is the name itself."""
    return f"rank_{rank}/{name}" if rank else name


def is_of_rank(name: str) -> bool:
    """Whether a process of a rank above 0 has logged what is kept under a name."""
    return name.startswith("rank_") and _OF_RANK.match(name) is not None


def own_names(names: Iterable[str]) -> list[str]:
    """Returns the names, in order, but those of ranks above 0."""
    return [name for name in names if not is_of_rank(name)]


def most_names(names: Iterable[str], most: int) -> tuple[str, ...]:
    """Returns this many names at most, each once, in order; those of ranks above 0 come last."""
    once = dict.fromkeys(names)
    return (*own_names(once), *filter(is_of_rank, once))[:most]
