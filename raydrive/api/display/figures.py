"""The plotly figures behind ``run.plot_...``: what they share, and a figure that keeps to itself."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from raydrive.core.views.chart_axes import AxisSpec, axes_of, flat

if TYPE_CHECKING:
    from raydrive.storage.run_reader import RunReader

CONFIG = {"showSendToCloud": False, "displaylogo": False}
"""plotly.js otherwise shows a button that uploads the chart to its maker."""
FOUND_BY_PLOTLY = (
    "plotly_mimetype", "plotly_mimetype+notebook", "vscode", "nteract", "cocalc", "jupyterlab",
    "colab", "kaggle", "azure", "databricks",
)  # fmt: skip
"""What plotly chooses by itself in a kernel. The first six leave drawing to an extension of the front end, which VS
Code need not have; the others fetch plotly.js from its maker's network."""
HEIGHT = 450
"""Pixels of a figure that does not say."""
MOST_LABEL = 40


@cache
def chart_class() -> Any:
    """Returns a ``go.Figure`` that is shown, saved and displayed with ``CONFIG`` unless another is given.

    In a notebook it brings plotly's own output and, beside it, HTML with plotly.js inside: whatever a front end can
    show, VS Code without any extension and exported notebooks too, and nothing is asked of the network.
    """
    import plotly.graph_objects as go  # lazy: plotly, 0.02 s

    class Chart(go.Figure):  # type: ignore[misc]
        """A plotly figure without the button that uploads it."""

        def show(self, *args: Any, **more: Any) -> Any:
            if args or "renderer" in more or not _left_to_us():
                return super().show(*args, **_kept(more))
            from IPython.display import display  # lazy: optional dependency

            return display(self._repr_mimebundle_(**more), raw=True)  # type: ignore[no-untyped-call]

        def _ipython_display_(self) -> None:
            self.show()

        def _repr_mimebundle_(self, *args: Any, **more: Any) -> Any:
            more = _kept(more)
            if not _left_to_us():
                return super()._repr_mimebundle_(*args, **more)
            from raydrive.api.display.self_contained_html import (
                figure_html,  # lazy: raydrive.api.display.self_contained_html, 0.004 s
            )

            figure = {**json.loads(self.to_json()), "config": more["config"]}
            html = figure_html(figure, int(self.layout.height or HEIGHT))
            return {"application/vnd.plotly.v1+json": figure, "text/html": html, "text/plain": "plotly figure"}

        def _repr_html_(self) -> str:
            return str(self.to_html(full_html=False, include_plotlyjs=True))

        def to_html(self, *args: Any, **more: Any) -> Any:
            return super().to_html(*args, **_kept(more))

        def write_html(self, *args: Any, **more: Any) -> Any:
            return super().write_html(*args, **_kept(more))

    return Chart


def _left_to_us() -> bool:
    """Whether this is a notebook's kernel in which no renderer for plotly's figures was chosen."""
    import plotly.io as pio  # lazy: plotly, 0.02 s

    return "PLOTLY_RENDERER" not in os.environ and pio.renderers.default in FOUND_BY_PLOTLY


def _kept(more: dict[str, Any]) -> dict[str, Any]:
    return {**more, "config": {**CONFIG, **(more.get("config") or {})}}


def chart(*traces: Any) -> Any:
    """Returns an empty figure, or one of the given traces."""
    return chart_class()(data=list(traces))


def finish(figure: Any, x: str = "", y: str = "") -> Any:
    """Returns the figure with our looks and the titles of its axes."""
    figure.update_layout(
        template="plotly_white",
        margin={"l": 60, "r": 30, "t": 40, "b": 50},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )
    if x:
        figure.update_xaxes(title_text=safe(x, 80))
    if y:
        figure.update_yaxes(title_text=safe(y, 80))
    return figure


def note(text: str) -> Any:
    """Returns a figure that says why there is nothing to draw."""
    figure = finish(chart())
    figure.add_annotation(text=safe(text, 200), showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper")
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return figure


def safe(text: object, most: int = MOST_LABEL) -> str:
    """Returns text that plotly shows as it stands: it reads a few tags and entities in labels."""
    shown = str(text)
    shown = shown if len(shown) <= most else f"{shown[: most - 1]}…"
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("$", "＄")


class Axes:
    """The columns of a run that can be an axis: hyperparameters and what came of each trial.

    Args:
        run: The run, as far as it has been read.
        numbers: The trials to draw.
    """

    def __init__(self, run: RunReader, numbers: Sequence[int]) -> None:
        rows = {row["trial"]: row for row in run.rows()}
        self._params = [flat(run.sweep.trials[number].params) for number in numbers]
        self._rows = [rows[number] for number in numbers]
        self.params = {
            column.name: column
            for column in axes_of(run.config.sampling.space, [flat(trial.params) for trial in run.sweep.trials])
        }
        self._names = {"trial": "trial", "intervals": "intervals", "seconds": "seconds", "last": "last"}
        metric = run.config.metric
        self._names |= {"best": f"best {metric.name}", metric.value: metric.label}

    @property
    def known(self) -> list[str]:
        """All names."""
        return list(dict.fromkeys([*self.params, *self._names]))

    def label(self, name: str) -> str:
        """Returns what to write at the axis."""
        return name if name in self.params else self._names[name]

    def values(self, name: str) -> list[Any]:
        """Returns the values of the trials; None where one has none."""
        return [p.get(name) for p in self._params] if name in self.params else [row[name] for row in self._rows]

    def places(self, name: str) -> tuple[list[Any], AxisSpec | None]:
        """Returns where each trial is on an axis, and the column if its values are steps or categories."""
        values, column = self.values(name), self.params.get(name)
        if column is None or column.kind == "number":
            return values, None
        index = {(type(value), value): at for at, value in enumerate(column.values)}
        return [index.get((type(value), value)) for value in values], column

    def layout(self, name: str) -> dict[str, Any]:
        """Returns the layout of an axis: its title, whether it is logarithmic, the names of its steps."""
        _, steps = self.places(name)
        out: dict[str, Any] = {"title": {"text": safe(self.label(name))}}
        if steps is not None:
            texts = [safe(value, 24) for value in steps.values]
            return {**out, "tickvals": list(range(len(texts))), "ticktext": texts}
        column = self.params.get(name)
        return {**out, "type": "log", "dtick": 1, "tickformat": "~g"} if column is not None and column.log else out
