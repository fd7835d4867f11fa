"""The method that continues or extends a run."""

from __future__ import annotations

from typing import Any

from raydrive.core.argument_checks import FLAG, NOTHING, TEXT, above, checks_arguments, whole
from raydrive.storage.run_reader import RunReader


@checks_arguments(
    more=whole(1) | NOTHING,
    max_total_runs=whole(1) | NOTHING,
    max_concurrent_runs=whole(1) | NOTHING,
    max_duration_minutes=above(0, "a number of minutes above 0") | NOTHING,
    address=TEXT | NOTHING,
    force=FLAG,
)
class ResumeMethod:
    """How a run continues."""

    reader: RunReader
    """The run."""

    def resume(
        self,
        *,
        more: int | None = None,
        max_total_runs: int | None = None,
        max_concurrent_runs: int | None = None,
        max_duration_minutes: float | None = None,
        address: str | None = None,
        force: bool = False,
    ) -> None:
        """Continues an interrupted run, or extends one that has ended, and returns at once.

        Args:
            more: Number of trials to add to the limit of trials; None = none.
            max_total_runs: New total limit of trials; None = unchanged.
            max_concurrent_runs: New limit of concurrent trials; None = unchanged.
            max_duration_minutes: New time limit of the whole run, in minutes; None = unchanged.
            address: Ray address; None = ``RAY_ADDRESS``, then an embedded cluster.
            force: Take over the run even if its driver seems alive.

        Raises:
            ConfigError: If a limit is out of range, or both ``more`` and ``max_total_runs`` are given.
            RunOverError: If the run has ended, and these limits leave nothing to do.
            ClusterError: If a live driver owns the run, or Ray cannot be reached.
            StorageError: If the run cannot be read.
        """
        from raydrive.api.submit.launch import resume  # lazy: raydrive.api.submit.launch, 0.06 s

        given: dict[str, Any] = {
            "max_total_runs": max_total_runs,
            "max_concurrent_runs": max_concurrent_runs,
            "max_duration_s": None if max_duration_minutes is None else max_duration_minutes * 60.0,
        }
        limits = {name: value for name, value in given.items() if value is not None}
        self.reader.refresh()
        resume(self.reader, address=address, limits=limits, more=more, force=force)
