"""What a run gives as data: every report, metrics and hyperparameters by trial, and tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from raydrive.api.display.notebook_html import Rows
from raydrive.core.argument_checks import checks_arguments
from raydrive.core.config.run_config import RunConfig
from raydrive.core.rank_names import is_of_rank
from raydrive.core.records import Reported
from raydrive.storage.run_reader import RunReader

if TYPE_CHECKING:
    import pyarrow


def own_metrics(metrics: Mapping[str, list[Any]], config: RunConfig) -> dict[str, list[Any]]:
    """Returns the metrics without those of ranks other than 0; the metric that ranks trials is always included."""
    return {name: values for name, values in metrics.items() if name == config.metric.name or not is_of_rank(name)}


def once_or_list(metrics: Mapping[str, list[Any]], only: str | None = None) -> dict[str, Any]:
    """Returns the one value of each metric that was logged once, else the list of its values.

    Args:
        metrics: Values by name.
        only: The name of the metric to return; None = all.
    """
    return {name: v[0] if len(v) == 1 else v for name, v in metrics.items() if only in (None, name)}


@checks_arguments()
class Tables:
    """The methods of a run that return what was recorded."""

    reader: RunReader
    """The run."""

    def child_id(self, number: int) -> str:
        """Returns the id of a trial: the run's and its number."""
        return self.reader.child_id(number)

    def get_hyperparameters(self) -> dict[str, str]:
        """Returns the hyperparameters of every trial as a JSON string, by trial id."""
        self.reader.refresh()
        return {self.child_id(trial.number): json.dumps(trial.params) for trial in self.reader.sweep.trials}

    def get_metrics(self, ranks: bool = False) -> dict[str, dict[str, Any]]:
        """Returns the metrics of every trial by id: a scalar where a name was logged once, else a list.

        Args:
            ranks: Whether to include the metrics of ranks other than 0, if several processes train together.
        """
        out: dict[str, dict[str, Any]] = {self.child_id(trial.number): {} for trial in self.reader.sweep.trials}
        for number, metrics in self.all_metrics().items():
            out[self.child_id(number)] = once_or_list(metrics if ranks else own_metrics(metrics, self.reader.config))
        return out

    def reports(self, number: int | None = None) -> Iterator[Reported]:
        """Yields the recorded reports of one trial, or of all, in order of arrival.

        Raises:
            StorageError: If the journal cannot be read.
        """
        return self.reader.reports(number)

    def all_metrics(self, number: int | None = None) -> dict[int, dict[str, list[Any]]]:
        """Returns every logged value by trial and name, in order."""
        return self.reader.all_metrics(number)

    def rows(self) -> Rows:
        """Returns the trials as flat dicts, by number; a list that a notebook shows as a table."""
        self.reader.refresh()
        return Rows(self.reader.rows())

    def trials_table(self) -> pyarrow.Table:
        """Returns one row per trial: number, state, ``param_*``, best, last, intervals, seconds, why, ..."""
        from raydrive.api.display.tables import trials_table  # lazy: pyarrow, 0.2 s

        return trials_table(self.rows())

    def metrics_table(self) -> pyarrow.Table:
        """Returns one row per logged value: trial, attempt, interval, step, time, name, value, text."""
        from raydrive.api.display.tables import metrics_table  # lazy: pyarrow, 0.2 s

        return metrics_table(self.reports(), self.reader.config.metric.name)
