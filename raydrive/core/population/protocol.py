"""What chooses new hyperparameters for a member that takes over the training of another one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from raydrive.core.records import Params
from raydrive.core.space.search_space import Space

if TYPE_CHECKING:
    from numpy.random import Generator


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of a member's training with one set of hyperparameters."""

    interval: int
    """Intervals of training before it."""
    params: Params
    before: float
    """The metric at its beginning, in the direction that is better: larger."""
    change: float
    """How much larger the metric was at its end, for a whole block of ``every`` intervals; may be no finite number."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A stretch that a member trains now, or is about to."""

    interval: int
    params: Params
    before: float


@dataclass(frozen=True, slots=True)
class Taken:
    """Training that is taken over."""

    params: Params
    """What it was trained with last."""
    space: Space
    interval: int
    """Intervals of training that it has."""
    value: float
    """Its metric, in the direction that is better: larger."""
    every: int
    """Intervals until members are compared again."""
    blocks: Callable[[], Sequence[Block]]
    """Returns what all members have been trained with and what came of it, oldest first."""
    begun: Callable[[], Sequence[Begun]]
    """Returns what the other members train with now."""


@dataclass(frozen=True, slots=True)
class Explored:
    """New hyperparameters."""

    params: Params
    note: str = ""
    """Numbers behind the choice, for its user; empty without."""


class Explorer(Protocol):
    """Chooses new hyperparameters, each a value of the search space; the same for equal arguments."""

    def explored(self, taken: Taken, rng: Generator) -> Explored:
        """Returns hyperparameters for what is trained next.

        A value that is none of the space (of a trial that another run began) is taken over as it is.

        Args:
            taken: The training that is taken over.
            rng: Where randomness comes from.
        """
