"""A run as one piece of HTML without scripts: headline, a drawing of the metric, and the trials."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

from raydrive.api.display.palette import state_colour, state_text_colour
from raydrive.api.display.text import SUMMED, clock, number, span_text, value_text
from raydrive.core.sweep.state import Trial
from raydrive.core.views.chart_axes import flat
from raydrive.core.views.summary import ranked, row, seconds_of
from raydrive.studio.data.run_history import RunHistory
from raydrive.studio.data.thinned_curves import thin

MOST_ROWS = 15
MOST_LINES = 150
WIDTH, HEIGHT, LEFT, BOTTOM = 640, 220, 62, 26
_CELL = "padding:3px 10px;text-align:left;border-bottom:1px solid rgba(128,128,128,.25)"


def run_cell(history: RunHistory, now: float | None = None) -> str:
    """Returns the HTML of a run as it stands.

    Args:
        history: The run.
        now: Seconds since the epoch; None = the clock's.
    """
    stands = history.status(now)
    summary, now = stands.summary, stands.now
    best = summary.best
    counts = ", ".join(f"{count} {name.lower()}" for name, count in summary.counts.items() if count) or "none yet"
    value = (
        f"best {_text(history.config.metric.label)} <b>{number(best.value)}</b> (trial {best.trial})"
        if best
        else "no value yet"
    )
    why = f"<div>{_text(summary.why)}</div>" if summary.why else ""
    span = summary.saving.span
    saved = ""
    if span is not None and span.seconds:
        saved = f" · early termination saved {span_text(span)} of training, {SUMMED}"
    return (
        '<div style="font-family:system-ui,sans-serif;font-size:13px;line-height:1.5">'
        f"<div><b>{_text(history.layout.run_id)}</b> {_state(stands.state)} · trials {summary.done} of "
        f"{summary.max_total_runs} ({counts}) · {value} · {clock(summary.elapsed_s)}{saved}</div>{why}"
        f"{drawing(history)}{_table(history, now, stands.interrupted)}</div>"
    )


def drawing(history: RunHistory) -> str:
    """Returns the metric over intervals as SVG, a line per trial; empty while nothing was logged."""
    curves = history.sweep.curves
    chosen = ranked(history.sweep)[:MOST_LINES]
    lines = [(trial, thin(curves.values(trial.number), 120)) for trial in chosen if curves.length(trial.number)]
    finite = sorted(v for _, (_, values) in lines for v in values if math.isfinite(v))
    if not finite:
        return ""
    longest = max(curves.length(trial.number) for trial, _ in lines)
    plane = _Plane(*_shown(finite), longest)
    top = history.sweep.best.trial if history.sweep.best else None
    lines.sort(key=lambda item: item[0].number == top)  # the best one over the others
    parts = [plane.line(trial, *curve, best=trial.number == top) for trial, curve in lines]
    label = _text(f"{history.config.metric.name} of {len(lines)} trials over intervals")
    return (
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" style="max-width:100%" '
        f'font-size="11" fill="currentColor">{plane.axes()}{"".join(parts)}</svg>'
    )


def _shown(finite: Sequence[float]) -> tuple[float, float]:
    """The range of the drawing. The worst twentieth may leave it: a diverged trial would press all others flat."""
    low, high = finite[0], finite[-1]
    if len(finite) > 20:
        inner_low, inner_high = finite[len(finite) // 20], finite[-1 - len(finite) // 20]
        room = 2 * (inner_high - inner_low or 1.0)
        low, high = max(low, inner_low - room), min(high, inner_high + room)
    return low, high


@dataclass(frozen=True, slots=True)
class _Plane:
    """Where a value of an interval is in the drawing."""

    low: float
    high: float
    longest: int
    """Intervals of the longest curve."""

    @property
    def span(self) -> float:
        return self.high - self.low or abs(self.high) or 1.0

    def x(self, k: int) -> float:
        return LEFT + (WIDTH - LEFT - 8) * (k / max(1, self.longest - 1))

    def y(self, value: float) -> float:
        return 8 + (HEIGHT - BOTTOM - 8) * (1 - (min(self.high, max(self.low, value)) - self.low) / self.span)

    def line(self, trial: Trial, indices: Sequence[int], values: Sequence[float], *, best: bool) -> str:
        dots = [(self.x(k), self.y(v)) for k, v in zip(indices, values, strict=True) if math.isfinite(v)]
        width, opacity = (2.6, 1) if best else (1, 0.55)
        title = f"<title>trial {trial.number}, {trial.state}</title>"
        look = f'stroke="{state_colour(trial.state)}" stroke-width="{width}" stroke-opacity="{opacity}" fill="none"'
        if len(dots) == 1:
            return f'<circle cx="{dots[0][0]:.1f}" cy="{dots[0][1]:.1f}" r="3" {look}>{title}</circle>'
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in dots)
        return f'<polyline points="{points}" {look}>{title}</polyline>' if dots else ""

    def axes(self) -> str:
        labels = "".join(
            f'<text x="{LEFT - 6}" y="{self.y(value) + 4:.1f}" text-anchor="end">{value_text(value)}</text>'
            f'<line x1="{LEFT}" x2="{WIDTH - 8}" y1="{self.y(value):.1f}" y2="{self.y(value):.1f}" '
            'stroke="currentColor" stroke-opacity=".15"/>'
            for value in (self.low, self.low + self.span / 2, self.high)
        )
        return (
            f'{labels}<text x="{LEFT}" y="{HEIGHT - 6}">1</text>'
            f'<text x="{WIDTH - 8}" y="{HEIGHT - 6}" text-anchor="end">interval {self.longest}</text>'
        )


def _table(history: RunHistory, now: float, interrupted: bool) -> str:
    sweep = history.sweep
    shown = {trial.number: trial for trial in [*sweep.open_trials[:5], *ranked(sweep, top=MOST_ROWS)]}
    chosen = list(shown.values())[:MOST_ROWS]
    rows = [row(sweep, trial, trial.ended_at or now, interrupted=interrupted) for trial in chosen]
    if not rows:
        return ""
    names = list(dict.fromkeys(name for item in rows for name in flat(item.params)))[:8]
    head = ["trial", "state", history.config.metric.label, "intervals", "time", *names, "why it ended"]
    body = []
    for item in rows:
        params = flat(item.params)
        values = [
            str(item.number),
            _state(item.state),
            _cell_text(item.objective[1]),
            str(item.intervals),
            clock(seconds_of(sweep.trials[item.number], sweep.trials[item.number].ended_at or now)),
            *(_cell_text(params.get(name)) for name in names),
            _text(item.why, 120),
        ]
        looks = [_CELL + ";white-space:nowrap"] * (len(values) - 1) + [_CELL]
        cells = (f'<td style="{look}">{value}</td>' for look, value in zip(looks, values, strict=True))
        body.append(f"<tr>{''.join(cells)}</tr>")
    titles = "".join(f'<th style="{_CELL}">{_text(name, 30)}</th>' for name in head)
    more = f"<div>{len(sweep.trials) - len(rows)} more trials</div>" if len(sweep.trials) > len(rows) else ""
    inside = f"<thead><tr>{titles}</tr></thead><tbody>{''.join(body)}</tbody>"
    return f'<table style="border-collapse:collapse">{inside}</table>{more}'


def _state(state: str) -> str:
    # White on a ground of its own: readable in a light notebook and in a dark one.
    look = f"background:{state_text_colour(state)};color:#fff;padding:0 6px;border-radius:8px"
    return f'<span style="{look}">{_text(state)}</span>'


def _text(value: object, most: int = 200) -> str:
    text = str(value)
    # A line feed would end a Markdown cell's HTML block, and dollars are mathematics to Jupyter.
    shown = html.escape(text if len(text) <= most else text[: most - 1] + "…", quote=True)
    return shown.replace("\n", " ").replace("$", "&#36;")


def _cell_text(value: object) -> str:
    return number(value) if value is None or isinstance(value, float) else _text(value, 40)
