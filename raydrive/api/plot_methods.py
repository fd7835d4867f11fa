"""What a notebook shows of a run: its charts as methods, and its display as the last line of a cell."""

from __future__ import annotations

from typing import Any

from raydrive.core.argument_checks import NOTHING, TEXT_LIST, checks_arguments, whole
from raydrive.storage.run_reader import RunReader


@checks_arguments(params=TEXT_LIST | NOTHING, top=whole(0))
class PlotMethods:
    """The ``plot_`` methods of a run; each returns a plotly figure of the run as it stands."""

    reader: RunReader
    """The run."""

    def plot_metrics(self, name: str | None = None, top: int = 0) -> Any:
        """Returns a metric over intervals, a line per trial, coloured by state, the best one on top.

        Args:
            name: The metric; None = the primary one.
            top: Number of best trials to show; 0 = all.

        Raises:
            TrialError: If no trial has logged this metric.
        """
        from raydrive.api.display.charts import plot_metrics  # lazy: raydrive.api.display.charts, 0.002 s

        return plot_metrics(self.reader, name, top)

    def plot_best(self) -> Any:
        """Returns the best value so far over trials."""
        from raydrive.api.display.charts import plot_best  # lazy: raydrive.api.display.charts, 0.002 s

        return plot_best(self.reader)

    def plot_parallel(self, params: list[str] | None = None) -> Any:
        """Returns parallel coordinates: drag a label to move an axis, drag along an axis to brush a range.

        Args:
            params: Names of hyperparameters, in order; None = all.

        Raises:
            TrialError: If the run has no such hyperparameter.
        """
        from raydrive.api.display.charts import plot_parallel  # lazy: raydrive.api.display.charts, 0.002 s

        return plot_parallel(self.reader, params)

    def plot_scatter(self, x: str | None = None, y: str | None = None, z: str | None = None) -> Any:
        """Returns hyperparameters against each other, coloured by the primary metric; in 3-D with ``z``.

        Args:
            x: Name of a hyperparameter, or ``best``, ``last``, ``intervals``, ``seconds``, ``trial``; None = the most
                important one.
            y: Likewise; None = the next one.
            z: Likewise; None = a 2-D chart.

        Raises:
            TrialError: If no trial has such a column.
        """
        from raydrive.api.display.charts import plot_scatter  # lazy: raydrive.api.display.charts, 0.002 s

        return plot_scatter(self.reader, x, y, z)

    def plot_importance(self) -> Any:
        """Returns how much each hyperparameter matters; needs 8 trials with a value."""
        from raydrive.api.display.charts import plot_importance  # lazy: raydrive.api.display.charts, 0.002 s

        return plot_importance(self.reader)

    def plot_slices(self) -> Any:
        """Returns what a model expects along each hyperparameter, with its uncertainty; needs 8 trials with a value."""
        from raydrive.api.display.charts import plot_slices  # lazy: raydrive.api.display.charts, 0.002 s

        return plot_slices(self.reader)

    def plot_configurations(self, top: int = 30) -> Any:
        """Returns the means of configurations that are tried several times, their standard errors, and each repeat.

        Args:
            top: Number of best configurations to show; 0 = all.
        """
        from raydrive.api.display.repeats_chart import plot_configurations  # lazy: raydrive.api.display, 0.002 s

        return plot_configurations(self.reader, top)

    def plot_timeline(self) -> Any:
        """Returns where and when each trial trained: a lane per node and GPU, a bar per attempt."""
        from raydrive.api.display.timeline import plot_timeline  # lazy: raydrive.api.display.timeline, 0.002 s

        return plot_timeline(self.reader)

    def _repr_html_(self) -> str:
        from raydrive.api.display.notebook_html import run_html  # lazy: raydrive.api.display.notebook_html, 0.002 s

        return run_html(self.reader)
