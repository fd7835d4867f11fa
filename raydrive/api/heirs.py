"""The best trial of a run and of the runs it was warm-started from."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from raydrive.core.errors import StorageError

if TYPE_CHECKING:
    from raydrive.api.child import Run
    from raydrive.api.run import HyperDriveRun


def best_of_all(run: HyperDriveRun, include_failed: bool, include_canceled: bool) -> Run | None:
    """Returns the best trial over a run and its parents; of equal ones that of the parent, which had it first.

    Args:
        run: The run.
        include_failed: Whether failed trials count.
        include_canceled: Whether trials that were stopped count.

    Warns:
        UserWarning: If a parent is not there any more.
    """
    from raydrive.api.ancestry import open_parent

    wanted = {"include_failed": include_failed, "include_canceled": include_canceled}
    best: Run | None = None
    for parent in run.lineage.parents:
        try:
            theirs = open_parent(run.layout, parent).get_best_run_by_primary_metric(
                **wanted, include_resume_from_runs=False
            )
        except StorageError as error:
            had = f"its best was {parent.best:g} (trial {parent.best_trial})" if parent.best is not None else "no best"
            warnings.warn(f"{parent.run} does not count, for it cannot be read ({error}); {had}", stacklevel=3)
            continue
        best = _better(best, theirs, run)
    own = run.get_best_run_by_primary_metric(**wanted, include_resume_from_runs=False)
    return _better(best, own, run)


def _better(best: Run | None, other: Run | None, run: HyperDriveRun) -> Run | None:
    value = None if other is None else other.best_value
    if value is None:
        return best
    than = None if best is None else best.best_value
    if than is None:  # and not "if not than": a best of exactly 0.0 is one
        return other
    return other if (value > than if run.config.metric.maximize else value < than) else best
