"""What a running driver drives: the pool of its trial actors, and its journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from raydrive.core.config.run_config import RunConfig
from raydrive.core.sweep.state import Trial
from raydrive.runtime.decision_loop import TrialRunner, Writer
from raydrive.storage.journal.segments import Position


class Pool(TrialRunner, Protocol):
    """The runner of a driver: attempts in actors that another driver may have left, and that the next one may take."""

    def adopt(self, trials: Sequence[Trial]) -> None:
        """Takes over the actors of an earlier driver; returns at once."""

    def trim(self, needed: int) -> None:
        """Ends actors beyond those that have work and ``needed``."""

    def renew(self) -> None:
        """Renews the leases of the actors."""

    async def gpu_use(self) -> dict[int, dict[str, float]]:
        """Returns what trials use of their GPUs now, by trial."""

    def reconfigure(self, config: RunConfig, generation: int) -> None:
        """Makes later attempts run with an edited configuration."""

    def waiting(self) -> dict[int, str]:
        """Returns why attempts wait for room, by trial."""

    def lose(self, trial: int, attempt: int, why: str) -> None:
        """Ends the actor of an attempt, which is then lost."""

    def interrupt(self, grace_s: float) -> list[Any]:
        """Ends the training processes and starts no more; returns what to wait for."""

    def kill_all(self) -> None:
        """Ends every actor."""

    def detach(self) -> None:
        """Leaves the actors to a newer driver."""


class EpochWriter(Writer, Protocol):
    """The journal of a run, of which this driver has claimed an epoch."""

    @property
    def epoch(self) -> int:
        """The epoch."""

    @property
    def settled(self) -> Position | None:
        """Up to where the journal can be compacted."""

    def check(self) -> None:
        """Looks whether the epoch is still the newest.

        Raises:
            JournalError: If a newer driver has taken over.
            StorageError: If that cannot be found out.
        """
