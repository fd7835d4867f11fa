"""The best trial of a run and of the runs it was warm-started from."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from raydrive.core.errors import StorageError
from raydrive.core.records import CANCELED, FAILED
from raydrive.core.views.summary import best_by, value_by

if TYPE_CHECKING:
    from raydrive.api.child import Run
    from raydrive.api.run import HyperDriveRun
    from raydrive.core.config.trial_spec import Metric


def best_of_all(run: HyperDriveRun, include_failed: bool, include_canceled: bool) -> Run | None:
    """Returns the best trial over a run and its parents; of equal ones that of the parent, which had it first.

    Args:
        run: The run.
        include_failed: Whether failed trials count.
        include_canceled: Whether trials that were stopped count.

    Warns:
        UserWarning: If a parent is not there any more.
    """
    from raydrive.api.submit.warm_start import open_parent

    left_out = {state for state, kept in ((FAILED, include_failed), (CANCELED, include_canceled)) if not kept}
    best: Run | None = None
    for parent in run.lineage.parents:
        try:
            theirs = _best_of(open_parent(run.layout, parent), run.config.metric, left_out)
        except StorageError as error:
            had = f"its best was {parent.best:g} (trial {parent.best_trial})" if parent.best is not None else "no best"
            warnings.warn(f"{parent.run} does not count, for it cannot be read ({error}); {had}", stacklevel=3)
            continue
        best = _better(best, theirs, run)
    own = run.get_best_run_by_primary_metric(include_failed, include_canceled, include_resume_from_runs=False)
    return _better(best, own, run)


def _best_of(run: HyperDriveRun, metric: Metric, left_out: set[str]) -> Run | None:
    """The best trial of an earlier run by the objective of the run that it brought something to."""
    from raydrive.api.child import Run

    run.refresh()
    best = best_by(run.sweep, metric)
    if best is not None and run.sweep.trials[best.trial].state not in left_out:
        return Run(run, best.trial)
    values = [(value_by(run.sweep, t.number, metric), t.number) for t in run.sweep.trials if t.state not in left_out]
    sign = 1.0 if metric.maximize else -1.0
    known = [(sign * value, -number) for value, number in values if value is not None]
    return Run(run, -max(known)[1]) if known else None


def _better(best: Run | None, other: Run | None, run: HyperDriveRun) -> Run | None:
    metric = run.config.metric
    value = None if other is None else value_by(other.parent.sweep, other.number, metric)
    if value is None:
        return best
    than = None if best is None else value_by(best.parent.sweep, best.number, metric)
    if than is None:  # and not "if not than": a best of exactly 0.0 is one
        return other
    return other if (value > than if metric.maximize else value < than) else best
