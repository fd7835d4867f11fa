"""The charts of a run as plotly figures: ``run.plot_metrics()``, ``run.plot_parallel()`` and their like."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from raydrive.core.records import CANCELED, COMPLETED, FAILED, QUEUED, RUNNING
from raydrive.core.summary import ranked

if TYPE_CHECKING:
    from raydrive.api.run import HyperDriveRun

COLOURS = {RUNNING: "#2f7ed8", COMPLETED: "#26997a", CANCELED: "#c98a04", FAILED: "#d1495b", QUEUED: "#8a94a6"}
CONFIG = {"showSendToCloud": False, "displaylogo": False}
"""What to pass as ``fig.show(config=CONFIG)``: plotly.js otherwise offers to upload the chart to its maker."""


def plot_metrics(run: HyperDriveRun, name: str | None = None, top: int = 0) -> Any:
    """Returns a metric over intervals, a line per trial, coloured by state; as ``go.Figure``.

    Args:
        run: The run.
        name: The metric; None = the primary one.
        top: Only the best so many trials; 0 = all.
    """
    go = _go()
    run.refresh()
    primary = run.config.metric.name
    chosen = ranked(run.sweep, top=top)
    logged = None if name is None or name == primary else run.all_metrics()
    figure = go.Figure()
    for state, colour in COLOURS.items():
        x: list[Any] = []
        y: list[Any] = []
        numbers: list[Any] = []
        for trial in (trial for trial in chosen if trial.state == state):
            values: Any = run.sweep.curves.values(trial.number)
            if logged is not None:
                values = logged.get(trial.number, {}).get(str(name), [])
            kept = [value if isinstance(value, int | float) and math.isfinite(value) else None for value in values]
            x += [*range(1, len(kept) + 1), None]
            y += [*kept, None]
            numbers += [trial.number] * (len(kept) + 1)
        if any(value is not None for value in y):
            hover = "trial %{customdata}<br>interval %{x}<br>%{y:.6g}<extra></extra>"
            line = {"color": colour, "width": 1.4}
            figure.add_scatter(
                x=x,
                y=y,
                customdata=numbers,
                name=state,
                mode="lines+markers",
                line=line,
                marker_size=3,
                hovertemplate=hover,
            )
    best = run.sweep.best
    if best is not None and logged is None:
        values = run.sweep.curves.values(best.trial)
        figure.add_scatter(
            x=list(range(1, len(values) + 1)),
            y=list(values),
            name=f"best: trial {best.trial}",
            line={"color": "#0b7a4b", "width": 3},
        )
    return _finish(figure, "interval", name or primary)


def plot_best(run: HyperDriveRun) -> Any:
    """Returns the best value so far over trials; as ``go.Figure``."""
    go = _go()
    run.refresh()
    known = [(t.number, run.sweep.curves.best(t.number)) for t in run.sweep.trials]
    points = [(number, value) for number, value in known if value is not None]
    pick = max if run.config.metric.maximize else min
    steps = [pick(value for _, value in points[: i + 1]) for i in range(len(points))] if len(points) < 2000 else []
    if not steps:
        for _, value in points:
            steps.append(value if not steps else pick(steps[-1], value))
    figure = go.Figure()
    numbers = [number for number, _ in points]
    figure.add_scatter(
        x=numbers, y=[value for _, value in points], mode="markers", name="trials", marker_color="#8a94a6"
    )
    figure.add_scatter(x=numbers, y=steps, name="best so far", line={"shape": "hv", "color": "#0b7a4b", "width": 2.5})
    return _finish(figure, "trial", run.config.metric.name)


def plot_parallel(run: HyperDriveRun, params: list[str] | None = None) -> Any:
    """Returns parallel coordinates: drag a label to move an axis, drag along an axis to brush; as ``go.Figure``.

    Args:
        run: The run.
        params: Names of hyperparameters, in order; None = all.
    """
    go = _go()
    rows = [row for row in run.rows() if row["best"] is not None]
    names = [f"param_{name}" for name in params] if params is not None else _param_names(rows)
    dimensions = [_dimension(name.removeprefix("param_"), [row.get(name) for row in rows]) for name in names]
    best = [row["best"] for row in rows]
    dimensions.append({"label": _safe(run.config.metric.name), "values": best})
    line = {"color": best, "colorscale": "Viridis", "reversescale": not run.config.metric.maximize, "showscale": True}
    return _finish(go.Figure(go.Parcoords(dimensions=dimensions, line=line)), "", "")


def plot_scatter(run: HyperDriveRun, x: str, y: str, z: str | None = None) -> Any:
    """Returns hyperparameters against each other, coloured by the primary metric; 3-D with ``z``; as ``go.Figure``.

    Args:
        run: The run.
        x: Name of a hyperparameter, or ``best``, ``intervals``, ``seconds``, ``trial``.
        y: Likewise.
        z: Likewise; None = a 2-D chart.

    Raises:
        TrialError: If no trial has such a column.
    """
    from raydrive.core.errors import TrialError, did_you_mean

    go = _go()
    rows = [row for row in run.rows() if row["best"] is not None]
    known = [name.removeprefix("param_") for name in dict.fromkeys(key for row in rows for key in row)]
    axes = {}
    for letter, name in (("x", x), ("y", y), ("z", z)):
        if name is None:
            continue
        if rows and name not in known:
            raise TrialError(
                f"{letter}: no column {name!r}; there are {', '.join(known)}. {did_you_mean(name, known)}".rstrip()
            )
        axes[letter] = [row.get(f"param_{name}", row.get(name)) for row in rows]
    best = [row["best"] for row in rows]
    look = {"color": best, "colorscale": "Viridis", "reversescale": not run.config.metric.maximize, "showscale": True}
    hover = [f"trial {row['trial']}<br>{_safe(run.config.metric.name)} {row['best']:.6g}" for row in rows]
    kind = go.Scatter3d if z is not None else go.Scatter
    figure = go.Figure(kind(**axes, mode="markers", marker=look, hovertext=hover, hoverinfo="text"))
    if z is not None:
        figure.update_layout(
            scene={f"{letter}axis_title_text": _safe(n) for letter, n in (("x", x), ("y", y), ("z", z))}
        )
    return _finish(figure, x, y)


def _go() -> Any:
    import plotly.graph_objects as go

    return go


def _safe(text: str) -> str:
    """Plotly reads a few tags in labels; a hyperparameter's name is no markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _finish(figure: Any, x: str, y: str) -> Any:
    figure.update_layout(
        template="plotly_white", margin={"l": 60, "r": 30, "t": 40, "b": 50}, xaxis_title=_safe(x), yaxis_title=_safe(y)
    )
    return figure


def _param_names(rows: list[dict[str, Any]]) -> list[str]:
    return [name for name in dict.fromkeys(key for row in rows for key in row) if name.startswith("param_")]


def _dimension(label: str, values: list[Any]) -> dict[str, Any]:
    """Numbers as they are; anything else as places on the axis, with its text beside it."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return {"label": _safe(label), "values": values}
    texts = list(dict.fromkeys("–" if value is None else str(value) for value in values))
    places = [texts.index("–" if value is None else str(value)) for value in values]
    return {
        "label": _safe(label),
        "values": places,
        "tickvals": list(range(len(texts))),
        "ticktext": [_safe(text[:24]) for text in texts],
    }
