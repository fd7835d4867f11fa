"""Configurations that are tried several times, as a plotly figure: means, their standard errors, and each repeat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from raydrive.api.display.figures import Axes, chart, finish, note, safe
from raydrive.api.display.palette import ACCENT, BEST, FAINT
from raydrive.api.display.text import value_text

if TYPE_CHECKING:
    from raydrive.core.views.configurations import Configuration
    from raydrive.storage.run_reader import RunReader

MOST_IN_HOVER = 12
"""Hyperparameters in the text of a point."""
REPEATS = {"marker": {"color": FAINT, "size": 6, "opacity": 0.55}, "hoverinfo": "skip"}
"""How single trials look behind the means of their configurations."""


class MeanAxes(Axes):
    """The columns of configurations that are tried several times: those of their first trials, and their means.

    Args:
        run: The run, as far as it has been read.
        shown: The configurations to draw; each has a mean.
    """

    def __init__(self, run: RunReader, shown: Sequence[Configuration]) -> None:
        super().__init__(run, [one.trials[0] for one in shown])
        self._shown = shown
        self._objective = run.config.metric.value

    @property
    def texts(self) -> list[str]:
        """What is shown of each under the pointer."""
        return [text_of(one) for one in self._shown]

    def values(self, name: str) -> list[Any]:
        """Returns the values of the configurations: the mean as objective value, otherwise those of the first trial."""
        return [one.mean for one in self._shown] if name == self._objective else super().values(name)

    def error_bars(self, chosen: Mapping[str, str]) -> dict[str, Any]:
        """Returns the standard errors for the axes that show means.

        Args:
            chosen: Names of columns, by the letter of their axis.
        """
        bars = {"type": "data", "array": [one.error for one in self._shown], "thickness": 1.5}
        return {f"error_{letter}": bars for letter, name in chosen.items() if name == self._objective}


def plot_configurations(run: RunReader, top: int = 30) -> Any:
    """Returns a column per configuration, the best first: its mean with the standard error, its repeats as points.

    Args:
        run: The run.
        top: Number of best configurations to show; 0 = all.

    Returns:
        A ``go.Figure``.
    """
    from raydrive.core.views.configurations import configurations  # lazy: raydrive.core.views.configurations, 0.06 s

    run.refresh()
    if run.config.rules.repeats is None:
        return note("This run tries each configuration once: its sweep file has no raydrive.repeats.")
    found = [one for one in configurations(run.sweep) if one.mean is not None]
    if not found:
        return note("No configuration has a trial that has completed with a finite value.")
    shown = found[:top] if top else found
    figure = chart()
    names = [name_of(one) for one in shown]
    values = [(name, trial, value) for name, one in zip(names, shown, strict=True) for trial, value in one.repeats]
    figure.add_scatter(
        x=[name for name, _, _ in values],
        y=[value for _, _, value in values],
        customdata=[trial for _, trial, _ in values],
        name="repeats",
        mode="markers",
        marker=REPEATS["marker"],
        hovertemplate="trial %{customdata}<br>%{y:.6g}<extra></extra>",
    )
    for title, colour, contends in (("may be best", BEST, True), ("worse by the race", ACCENT, False)):
        of = [(name, one) for name, one in zip(names, shown, strict=True) if one.contends is contends]
        if of:
            figure.add_scatter(**_means(of, title, colour))
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=names)
    left = len(found) - len(shown)
    more = f", {left} more not shown" if left else ""
    return finish(figure, f"configuration, by its first trial{more}", run.config.metric.label)


def means_of(run: RunReader) -> tuple[list[int], MeanAxes] | None:
    """Returns configurations that have a mean, by first trial, and their columns; None where none are repeated.

    Args:
        run: The run, as far as it has been read.
    """
    if run.config.rules.repeats is None:
        return None
    from raydrive.core.views.configurations import configurations  # lazy: raydrive.core.views.configurations, 0.06 s

    shown = [one for one in configurations(run.sweep) if one.mean is not None]
    return ([one.trials[0] for one in shown], MeanAxes(run, shown)) if shown else None


def name_of(one: Configuration) -> str:
    """Returns the name of a configuration in charts: its first trial."""
    return f"trial {one.trials[0]}"


def text_of(one: Configuration) -> str:
    """Returns what a chart shows of a configuration under the pointer: its mean, trials and hyperparameters."""
    error = "" if one.error is None else f" ± {one.error:.2g}"
    mean = f"mean {value_text(one.mean)}{error} of {one.values}"
    trials = ", ".join(str(number) for number in one.trials[:MOST_IN_HOVER])
    params = [f"{safe(name)} {safe(value_text(value))}" for name, value in list(one.params.items())[:MOST_IN_HOVER]]
    return "<br>".join([mean, f"trials {trials}", *params])


def _means(of: list[tuple[str, Configuration]], title: str, colour: str) -> dict[str, Any]:
    """The trace of configurations; a single value without any knowledge of the noise has no bar."""
    return {
        "x": [name for name, _ in of],
        "y": [one.mean for _, one in of],
        "error_y": {"type": "data", "array": [one.error for _, one in of], "thickness": 1.5, "width": 5},
        "name": f"mean with its standard error, {title}",
        "mode": "markers",
        "marker": {"color": colour, "size": 10, "symbol": "diamond"},
        "hovertext": [text_of(one) for _, one in of],
        "hoverinfo": "text",
    }
