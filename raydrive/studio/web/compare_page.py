"""Runs side by side in the studio: their curves, facts, and where their configurations differ; without scripts."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from raydrive.api.display.text import clock, number, params_text
from raydrive.core.errors import RunNotFoundError, show
from raydrive.core.space.shown import yaml_text
from raydrive.storage.run_layout import RunInfo, RunLayout, list_runs
from raydrive.storage.run_reader import RunReader
from raydrive.studio.data.comparison import ComparedRun, Comparison, compare
from raydrive.studio.web.plain_page import plain_page

MOST_COMPARED = 8
"""Runs on one page."""
MOST_OFFERED = 100
"""Runs that can be chosen from on one page."""
_LINES = (
    ("#0072b2", ""), ("#d55e00", "7 3"), ("#009e73", "2 2"), ("#cc79a7", "9 3 2 3"),
    ("#e69f00", ""), ("#56b4e9", "7 3"), ("#8661c1", "2 2"), ("#8a94a6", "9 3 2 3"),
)  # fmt: skip
"""Colour and dashes of each run's line: Okabe and Ito's colours, which colour-blind people can tell apart, too."""
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 900, 320, 70, 36


def compare_page(storage: str, wanted: Sequence[str]) -> str:
    """Returns the page: a choice of further runs, and from two runs on the comparison.

    Args:
        storage: The workspace's storage.
        wanted: The runs, as ``EXPERIMENT/ID``.

    Raises:
        RunNotFoundError: If there is no such run.
        StorageError: If one cannot be read.
    """
    wanted = list(dict.fromkeys(wanted))[:MOST_COMPARED]
    infos = [_found(storage, name) for name in wanted]
    parts = ["<h1>Compare runs</h1>", '<p class=hint><a href="/">all runs</a></p>', "<main>"]
    if len(infos) > 1:
        readers = [RunReader(RunLayout.open(info.folder)) for info in infos]
        for reader in readers:
            reader.refresh()
        parts += _comparison(compare(readers), infos)
    parts += _choice(storage, infos)
    return plain_page("Compare runs · raydrive", "".join((*parts, "</main>")))


def _found(storage: str, name: str) -> RunInfo:
    """The run of exactly that name below the storage: a viewer must not open other folders."""
    experiment, _, run_id = name.partition("/")
    for info in list_runs(storage, experiment):
        if info.run_id == run_id:
            return info
    raise RunNotFoundError(f"no run {show(name)}: write EXPERIMENT/ID of a run of this storage")


def compare_link(infos: Sequence[RunInfo]) -> str:
    """Returns the address of the page for some runs."""
    return "/compare?" + urlencode([("run", f"{info.experiment}/{info.run_id}") for info in infos])


def _comparison(found: Comparison, infos: Sequence[RunInfo]) -> Iterator[str]:
    yield from (f'<p class="problem">{html.escape(note)}</p>' for note in found.notes)
    yield f'<div class="card wide"><h2>Best {html.escape(found.runs[0].metric)} so far</h2>{_chart(found.runs)}</div>'
    yield f'<div class="card wide"><h2>Runs</h2>{_table(infos, _facts(found.runs))}</div>'
    differences = [(key, list(map(_text, values))) for key, values in found.differences.items()]
    shown = _table(infos, differences) if differences else "<p>The configurations are the same.</p>"
    yield f'<div class="card wide"><h2>Differences of the configurations</h2>{shown}</div>'


_ENDS = ("completed", "canceled", "failed")
"""Ways in which a trial has ended."""


def _facts(runs: Sequence[ComparedRun]) -> list[tuple[str, list[str]]]:
    return [
        ("status", [run.status for run in runs]),
        ("best", [number(run.best) for run in runs]),
        ("best trial", [_text(run.best_trial) for run in runs]),
        ("trials", [run.trials_text for run in runs]),
        ("completed, canceled, failed", [", ".join(str(run.counts[each]) for each in _ENDS) for run in runs]),
        ("elapsed", [clock(run.elapsed_s) for run in runs]),
        ("training time", [clock(run.trained_s) for run in runs]),
        ("best parameters", [params_text(run.params) or "–" for run in runs]),
    ]


def _table(infos: Sequence[RunInfo], rows: Sequence[tuple[str, list[str]]]) -> str:
    heads = "".join(f"<th>{_run_link(info)}</th>" for info in infos)
    lines = "".join(
        f"<tr><th scope=row>{html.escape(what)}</th>"
        + "".join(f"<td>{html.escape(one)}</td>" for one in values)
        + "</tr>"
        for what, values in rows
    )
    return f"<div class=scroll><table><thead><tr><td></td>{heads}</tr></thead><tbody>{lines}</tbody></table></div>"


def _run_link(info: RunInfo) -> str:
    address = html.escape(f"/runs/{quote(info.experiment)}/{quote(info.run_id)}", quote=True)
    return f'<a href="{address}">{html.escape(info.run_id)}</a>'


def _text(value: Any) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else yaml_text(value)


def _choice(storage: str, infos: Sequence[RunInfo]) -> Iterator[str]:
    """Links that add a run to the comparison, those of the same experiment first; and links that take one out."""
    chosen = {info.uri for info in infos}
    for info in infos if len(infos) > 1 else ():
        left = html.escape(compare_link([one for one in infos if one is not info]), quote=True)
        yield f'<p><a href="{left}">without {html.escape(info.run_id)}</a></p>'
    if len(infos) >= MOST_COMPARED:
        return
    experiments = {info.experiment for info in infos}
    others = [info for info in reversed(list_runs(storage)) if info.uri not in chosen]
    others = sorted(others, key=lambda info: info.experiment not in experiments)[:MOST_OFFERED]
    title = "Add a run" if infos else "Choose a run"
    links = "".join(
        f'<tr><td><a href="{html.escape(compare_link([*infos, one]), quote=True)}">{html.escape(one.run_id)}</a></td>'
        f"<td>{html.escape(one.experiment)}</td></tr>"
        for one in others
    )
    table = f"<table><thead><tr><th>run</th><th>experiment</th></tr></thead><tbody>{links}</tbody></table>"
    shown = f"<div class=scroll>{table}</div>" if others else "<p class=empty>There are no other runs.</p>"
    yield f'<div class="card wide"><h2>{title}</h2>{shown}</div>'


# --- the chart -------------------------------------------------------------------------------------------------------


def _chart(runs: Sequence[ComparedRun]) -> str:
    """The best value over the trials that had ended, a line of steps for each run, as an SVG with its legend."""
    values = [point.value for run in runs for point in run.curve]
    if not values:
        return "<p class=empty>No trial has a value yet.</p>"
    most = max(run.ended for run in runs)
    low, high = min(values), max(values)
    if low == high:
        low, high = low - 0.5, high + 0.5
    parts = list(_axes(most, low, high))
    for place, run in enumerate(runs):
        if run.curve:
            line = " ".join(f"{_x(x, most):.1f},{_y(y, low, high):.1f}" for x, y in _steps(run))
            parts.append(f'<polyline fill="none" {_stroke(place)} points="{line}"/>')
    legend = "".join(
        f'<p><svg width="30" height="10" aria-hidden="true"><line x2="30" y1="5" y2="5" {_stroke(place)}/></svg> '
        f"{html.escape(run.run)}: {number(run.best)}</p>"
        for place, run in enumerate(runs)
    )
    label = f"Best {runs[0].metric} over the trials that had ended, for {len(runs)} runs"
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{html.escape(label, quote=True)}" '
        f'width="100%" fill="currentColor" font-size="12">{"".join(parts)}</svg>{legend}'
    )


def _stroke(place: int) -> str:
    colour, dashes = _LINES[place % len(_LINES)]
    return f'stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes or "none"}"'


def _steps(run: ComparedRun) -> Iterator[tuple[float, float]]:
    """Corners of a line that keeps its value until the next trial has ended."""
    before: float | None = None
    for point in run.curve:
        if before is not None and point.value != before:
            yield point.trials, before
        if point.value != before or point is run.curve[-1]:
            yield point.trials, point.value
        before = point.value


def _axes(most: int, low: float, high: float) -> Iterator[str]:
    for part in range(5):
        value = low + (high - low) * part / 4
        y = _y(value, low, high)
        yield f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="currentColor" opacity="0.15"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:.4g}</text>'
    for count in sorted({1, *(round(1 + (most - 1) * part / 4) for part in range(1, 5))}):
        anchor = "end" if count == most and most > 1 else "middle"
        yield f'<text x="{_x(count, most):.1f}" y="{_HEIGHT - 18}" text-anchor="{anchor}">{count}</text>'
    yield f'<text x="{(_LEFT + _WIDTH) / 2:.0f}" y="{_HEIGHT - 3}" text-anchor="middle">trials that had ended</text>'


def _x(count: float, most: int) -> float:
    return _LEFT + (_WIDTH - _LEFT - 4) * (count - 1) / max(1, most - 1)


def _y(value: float, low: float, high: float) -> float:
    return 8 + (_HEIGHT - _BOTTOM - 16) * (high - value) / (high - low)
