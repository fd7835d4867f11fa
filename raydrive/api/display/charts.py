"""The charts of a run as plotly figures: ``run.plot_metrics()``, ``run.plot_parallel()`` and their like."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from raydrive.api.display.figures import Axes, chart, finish, note, safe
from raydrive.api.display.palette import ACCENT, BAND, BEST, FAINT, STATE_COLOURS
from raydrive.api.display.repeats_chart import REPEATS, MeanAxes, means_of
from raydrive.api.display.text import value_text
from raydrive.core.errors import TrialError, did_you_mean, show
from raydrive.core.rank_names import is_of_rank, own_names
from raydrive.core.views.summary import ranked

if TYPE_CHECKING:
    from raydrive.storage.run_reader import RunReader

MOST_AXES = 12
STOPS = 250
"""Places along an axis of parallel coordinates where a brush may end."""


def plot_metrics(run: RunReader, name: str | None = None, top: int = 0) -> Any:
    """Returns a metric over intervals, a line per trial, coloured by state, the best one on top; as ``go.Figure``.

    Args:
        run: The run.
        name: The metric; None = the primary one.
        top: Number of best trials to show; 0 = all.

    Raises:
        TrialError: If no trial has logged this metric.
    """
    run.refresh()
    primary = run.config.metric.name
    curves = _curves(run, None if name in (None, primary) else name)
    if name is not None and not any(curves.values()) and run.sweep.trials:
        logged = dict.fromkeys([primary, *(key for one in run.all_metrics().values() for key in one)])
        known = list(logged) if is_of_rank(name) else own_names(logged)
        raise TrialError(f"no metric {show(name)}; logged: {', '.join(known)}. {did_you_mean(name, known)}".rstrip())
    figure = chart()
    for state, colour in STATE_COLOURS.items():
        x: list[Any] = []
        y: list[Any] = []
        numbers: list[Any] = []
        for trial in (trial for trial in ranked(run.sweep, top=top) if trial.state == state):
            values = curves.get(trial.number, [])
            x += [*range(1, len(values) + 1), None]
            y += [*values, None]
            numbers += [trial.number] * (len(values) + 1)
        if any(value is not None for value in y):
            figure.add_scatter(
                x=x,
                y=y,
                customdata=numbers,
                name=state,
                mode="lines+markers",
                marker_size=3,
                line={"color": colour, "width": 1.4},
                hovertemplate="trial %{customdata}<br>interval %{x}<br>%{y:.6g}<extra></extra>",
            )
    best = run.sweep.best
    if best is not None and curves.get(best.trial):
        values = curves[best.trial]
        title = f"best: trial {best.trial}"
        figure.add_scatter(x=list(range(1, len(values) + 1)), y=values, name=title, line={"color": BEST, "width": 3})
    return finish(figure, "interval", name or primary) if figure.data else note(f"No trial has logged {primary}.")


def _curves(run: RunReader, other: str | None) -> dict[int, list[float | None]]:
    """The values of a metric by trial; what is not a finite number is a gap."""
    if other is None:
        found: dict[int, Any] = {t.number: run.sweep.curves.values(t.number) for t in run.sweep.trials}
    else:
        found = {number: metrics.get(other, []) for number, metrics in run.all_metrics().items()}
    return {
        number: [v if isinstance(v, int | float) and math.isfinite(v) else None for v in values]
        for number, values in found.items()
    }


def plot_best(run: RunReader) -> Any:
    """Returns the best value so far over trials; as ``go.Figure``.

    Args:
        run: The run.
    """
    run.refresh()
    known = [(trial.number, run.sweep.curves.objective(trial.number)) for trial in run.sweep.trials]
    points = [(number, value) for number, value in known if value is not None]
    if not points:
        return note("No trial has logged a finite value.")
    pick = max if run.config.metric.maximize else min
    steps: list[float] = []
    for _, value in points:
        steps.append(value if not steps else pick(steps[-1], value))
    numbers, values = [number for number, _ in points], [value for _, value in points]
    figure = chart()
    figure.add_scatter(x=numbers, y=values, mode="markers", name="trials", marker_color=FAINT)
    figure.add_scatter(x=numbers, y=steps, name="best so far", line={"shape": "hv", "color": BEST, "width": 2.5})
    return finish(figure, "trial", run.config.metric.label)


def plot_parallel(run: RunReader, params: list[str] | None = None) -> Any:
    """Returns parallel coordinates: drag a label to move an axis, drag along an axis to brush; as ``go.Figure``.

    A line is a trial; or a configuration with its mean, where each is tried several times.

    Args:
        run: The run.
        params: Names of hyperparameters, in order; None = all.

    Raises:
        TrialError: If the run has no such hyperparameter.
    """
    import plotly.graph_objects as go  # lazy: plotly, 0.03 s

    numbers, axes = _drawn(run)
    numbers, axes = means_of(run) or (numbers, axes)
    if not numbers:
        return note("No trial has a value to use for the colour.")
    repeats = run.config.rules.repeats
    names = [name for name in axes.params if repeats is None or name != repeats.parameter][:MOST_AXES]
    names = names if params is None else [_known(axes, name, "params") for name in params]
    best = axes.values(run.config.metric.value)
    dimensions = [_dimension(axes, name) for name in names]
    dimensions.append({"label": safe(run.config.metric.label), "values": best})
    line = {"color": best, "colorscale": "Viridis", "reversescale": not run.config.metric.maximize, "showscale": True}
    figure = finish(chart(go.Parcoords(dimensions=dimensions, line=line)))
    figure.update_layout(margin={"l": 80, "r": 80, "t": 70, "b": 40})
    return figure


def _dimension(axes: Axes, name: str) -> dict[str, Any]:
    """One axis of parallel coordinates; trials without the hyperparameter stand at a dash below it."""
    places, steps = axes.places(name)
    known = [place for place in places if isinstance(place, int | float)]
    out: dict[str, Any] = {"label": safe(axes.label(name), 24)}
    log = steps is None and axes.params[name].log and all(place > 0 for place in known)
    shown = [math.log10(place) if log else place for place in known]
    low, high = (min(shown), max(shown)) if shown else (0.0, 1.0)
    bottom = low - 0.12 * ((high - low) or 1.0)
    absent = len(known) < len(places)
    out["values"] = [bottom if p is None else math.log10(p) if log else p for p in places]
    if steps is not None:
        out["tickvals"] = list(range(len(steps.values)))
        out["ticktext"] = [safe(value, 24) for value in steps.values]
    elif log:
        marks = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
        out["tickvals"] = list(marks) if len(marks) > 1 else [low, high]
        out["ticktext"] = [f"{10.0**at:.3g}" for at in out["tickvals"]]
    elif absent:
        out["tickvals"] = [low, high]
        out["ticktext"] = [value_text(low), value_text(high)]
    if absent:
        out["tickvals"], out["ticktext"] = [bottom, *out["tickvals"]], ["–", *out["ticktext"]]
    if steps is None and "tickvals" in out:
        ticks = sorted([*zip(out["tickvals"], out["ticktext"], strict=True), *_stops(low, high)])
        out["tickvals"], out["ticktext"] = [at for at, _ in ticks], [text for _, text in ticks]
    return out


def _stops(low: float, high: float) -> Iterator[tuple[float, str]]:
    """Ticks that cannot be seen: plotly lets a brush on an axis with ticks of its own end only at those.

    Ticks of the same text would be one tick; theirs is a number in characters of no width.
    """
    for i in range(STOPS + 1):
        yield low + (high - low) * i / STOPS, f"{i:b}".translate({ord("0"): "\u200b", ord("1"): "\u200c"})


def plot_scatter(run: RunReader, x: str | None = None, y: str | None = None, z: str | None = None) -> Any:
    """Returns hyperparameters against each other, coloured by the primary metric; 3-D with ``z``; as ``go.Figure``.

    Where configurations are tried several times, points are their means, with the standard error along an axis of the
    metric; in 2-D, the trials are small points behind them.

    Args:
        run: The run.
        x: Name of a hyperparameter, or ``best``, ``last``, the run's objective value (``mean_last_5``), ``intervals``,
            ``seconds``, ``trial``; None = the most important one.
        y: Likewise; None = the next one.
        z: Likewise; None = a 2-D chart.

    Raises:
        TrialError: If no trial has such a column.
    """
    import plotly.graph_objects as go  # lazy: plotly, 0.03 s

    numbers, axes = _drawn(run)
    if not numbers:
        return note("No trial has a value to use for the colour.")
    metric = run.config.metric
    left = [name for name in [*_by_importance(run, axes, (x, y)), metric.value, "trial"] if name not in (x, y, z)]
    x = _known(axes, x, "x") if x is not None else left.pop(0)
    y = _known(axes, y, "y") if y is not None else left.pop(0)
    chosen = {"x": x, "y": y} if z is None else {"x": x, "y": y, "z": _known(axes, z, "z")}
    trials, (numbers, axes) = axes, means_of(run) or (numbers, axes)
    best = axes.values(metric.value)
    look = {"color": best, "colorscale": "Viridis", "reversescale": not metric.maximize, "showscale": True}
    hover = [f"trial {number}<br>{safe(metric.label)} {value:.6g}" for number, value in zip(numbers, best, strict=True)]
    kind = go.Scatter if z is None else go.Scatter3d
    places = {letter: axes.places(name)[0] for letter, name in chosen.items()}
    figure = finish(chart(kind(**places, mode="markers", marker=look, hovertext=hover, hoverinfo="text")))
    if isinstance(axes, MeanAxes):
        figure.update_traces(marker_size=10, marker_symbol="diamond", hovertext=axes.texts)
        figure.update_traces(axes.error_bars(chosen))
        if z is None:
            places = {letter: trials.places(name)[0] for letter, name in chosen.items()}
            figure.add_trace(kind(**places, mode="markers", name="repeats", **REPEATS))
            figure.data = figure.data[::-1]
            figure.update_layout(showlegend=False)
    layouts = {f"{letter}axis": axes.layout(name) for letter, name in chosen.items()}
    figure.update_layout(**({"scene": layouts} if z is not None else layouts))
    if z is not None:
        figure.update_traces(marker_size=5)
    return figure


def plot_importance(run: RunReader) -> Any:
    """Returns how much each hyperparameter matters (functional ANOVA of a Gaussian process); as ``go.Figure``.

    Args:
        run: The run.
    """
    from raydrive.core.views.importance import analyse  # lazy: numpy, 0.1 s

    run.refresh()
    found = analyse(run.sweep)
    if not found["importance"]:
        return note(f"Not enough trials yet: {found['note']}.")
    shares = found["importance"][::-1]
    figure = chart()
    figure.add_bar(
        x=[share for _, share in shares], y=[safe(name) for name, _ in shares], orientation="h", marker_color=ACCENT
    )
    figure.update_xaxes(tickformat=".0%", rangemode="tozero")
    explained = max(0, round(100 * found["explained"]))
    combined = f"; {safe(found['note'], 120)}" if found["note"] else ""
    return finish(
        figure, f"share of the differences; the model predicts {explained} % of those of unseen trials{combined}"
    )


def plot_slices(run: RunReader) -> Any:
    """Returns what a model expects along each hyperparameter through the best trial, with two standard deviations.

    Args:
        run: The run.

    Returns:
        A ``go.Figure`` with one chart per hyperparameter.
    """
    from plotly.subplots import make_subplots  # lazy: plotly, 0.08 s

    from raydrive.core.views.importance import analyse  # lazy: numpy, 0.1 s

    run.refresh()
    found = analyse(run.sweep)
    if not found["slices"]:
        return note(f"Not enough trials for a model: {found['note']}.")
    slices, width = found["slices"], min(3, len(found["slices"]))
    titles = [safe(one["name"]) for one in slices]
    figure = make_subplots(rows=-(-len(slices) // width), cols=width, subplot_titles=titles, figure=chart())
    for index, one in enumerate(slices):
        place = {"row": index // width + 1, "col": index % width + 1}
        wide = [2 * deviation for deviation in one["sd"]]
        if one["category"]:
            texts = [safe(value, 16) for value in one["x"]]
            bars = {"type": "data", "array": wide}
            figure.add_scatter(x=texts, y=one["mean"], error_y=bars, mode="markers", marker_color=ACCENT, **place)
            figure.update_xaxes(type="category", **place)
            continue
        up = [m + w for m, w in zip(one["mean"], wide, strict=True)]
        low = [m - w for m, w in zip(one["mean"], wide, strict=True)]
        band = {"fill": "toself", "fillcolor": BAND, "line": {"width": 0}, "hoverinfo": "skip"}
        figure.add_scatter(x=[*one["x"], *one["x"][::-1]], y=[*up, *low[::-1]], **band, **place)
        figure.add_scatter(x=one["x"], y=one["mean"], mode="lines", line={"color": ACCENT}, **place)
        figure.update_xaxes(type="log" if one["log"] else "linear", **place)
    figure.update_layout(showlegend=False)
    return finish(figure)


def _drawn(run: RunReader) -> tuple[list[int], Axes]:
    """The trials with a value, by number, and their axes."""
    run.refresh()
    numbers = [t.number for t in run.sweep.trials if run.sweep.curves.objective(t.number) is not None]
    return numbers, Axes(run, numbers)


def _known(axes: Axes, name: str, where: str) -> str:
    plain = name.removeprefix("param_").lstrip("-")
    if plain in axes.known:
        return plain
    near = did_you_mean(plain, axes.known)
    raise TrialError(f"{where}: no column {show(name)}; there are {', '.join(axes.known)}. {near}".rstrip())


def _by_importance(run: RunReader, axes: Axes, given: tuple[str | None, ...]) -> list[str]:
    """The hyperparameters, the most important first; as declared where all axes are given or too little is known."""
    if None not in given:
        return list(axes.params)
    from raydrive.core.views.importance import analyse  # lazy: numpy, 0.1 s

    order = [name for name, _ in analyse(run.sweep)["importance"] if name in axes.params]
    return list(dict.fromkeys([*order, *axes.params]))
