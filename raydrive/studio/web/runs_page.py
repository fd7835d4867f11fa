"""The list of runs of a storage, as a page that needs no script; its one script fetches the list again."""

from __future__ import annotations

import html
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from raydrive.api.display.self_contained_html import csp, inline
from raydrive.api.display.text import clock, number
from raydrive.core.errors import RaydriveError, StorageError
from raydrive.core.views.heartbeat import parse_heartbeat
from raydrive.core.views.status import JournalEnd, is_live, status
from raydrive.storage.folder.base import redact
from raydrive.storage.run_layout import RunInfo, RunLayout, list_runs
from raydrive.storage.run_reader import RunReader, read_config
from raydrive.studio.web.compare_page import compare_link
from raydrive.studio.web.page import static
from raydrive.studio.web.plain_page import plain_page

MOST_RUNS = 300
READ_S = 0.3
"""Seconds that one page may spend on reading journals; those of the other runs are read for the pages after it."""
MOST_OPEN = 16
"""Runs that continue and are kept open, so that only what is new in them is read."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run has come to."""

    best: float | None
    trials: int
    """Trials that have ended."""
    max_total_trials: int
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run in the list."""

    metric: str
    name: str
    """As it is displayed; empty where it has no name of its own."""
    state: str
    figures: Figures | None = None
    """None where the journal was not read yet, or cannot be read."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What was read of a run's journal when its heartbeat was that."""

    raw: bytes | None
    end: JournalEnd
    figures: Figures | None


class RunStates:
    """How the runs of a storage stand, by their journals; each journal is read once for each heartbeat at most.

    Where a page has no time left for a journal, the run stands as its driver had last recorded it.
    """

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._open: OrderedDict[str, RunReader] = OrderedDict()
        self._metrics: dict[str, tuple[str, str]] = {}
        self._lock = threading.Lock()

    def about(self, infos: list[RunInfo]) -> list[RunLine]:
        """Returns metric, display name, status and figures of runs.

        Args:
            infos: The runs, those that are wanted first in front.
        """
        with self._lock:
            end = time.monotonic() + READ_S
            return [self._row(RunLayout.open(info.folder), time.monotonic() < end) for info in infos]

    def _row(self, layout: RunLayout, may_read: bool) -> RunLine:
        if layout.uri not in self._metrics:
            try:
                config = read_config(layout)
            except RaydriveError:
                return RunLine("(cannot be read)", "", "–")
            self._metrics[layout.uri] = f"{config.metric.name} ({config.metric.goal.value})", config.display_name or ""
        return RunLine(*self._metrics[layout.uri], *self._status(layout, may_read))

    def _status(self, layout: RunLayout, may_read: bool) -> tuple[str, Figures | None]:
        try:
            raw = layout.read_driver()
        except StorageError:
            raw = b"?"
        beat, known = parse_heartbeat(raw), self._known.get(layout.uri)
        # Only a driver writes a journal, and it writes a heartbeat as it begins; a damaged one may have been corrected.
        if known is not None and (known.raw != raw or known.end.damaged):
            known = None
        if known is None and may_read:
            known = self._known[layout.uri] = _Known(raw, *self._read(layout))
        now, end = time.time(), known.end if known is not None else JournalEnd.recorded_by(beat)
        if not is_live(end, beat, now):
            self._open.pop(layout.uri, None)
        return status(end, beat, now), known.figures if known is not None else None

    def _read(self, layout: RunLayout) -> tuple[JournalEnd, Figures | None]:
        try:
            run = self._open.pop(layout.uri, None) or RunReader(layout)
            run.refresh()
        except RaydriveError:
            return JournalEnd(damaged=True), None
        self._open[layout.uri] = run
        while len(self._open) > MOST_OPEN:
            self._open.popitem(last=False)
        summary = run.status().summary
        best = summary.best.value if summary.best else None
        figures = Figures(best, summary.done, summary.max_total_runs, summary.elapsed_s)
        return JournalEnd.of(run.sweep, damaged=bool(run.damage)), figures


def runs_page(storage: str, states: RunStates) -> tuple[str, str]:
    """Returns the page and its content-security policy.

    Args:
        storage: The workspace's storage.
        states: How its runs stood on the page before.

    Raises:
        StorageError: If the storage cannot be listed.
    """
    runs = list_runs(storage)[::-1]
    shown = runs[:MOST_RUNS]
    rows = "".join(_row(info, about) for info, about in zip(shown, states.about(shown), strict=True))
    left = f"<p class=hint>The newest {MOST_RUNS} of {len(runs)} runs.</p>" if len(runs) > MOST_RUNS else ""
    table = (
        "<div class=scroll style='max-height:none' tabindex=0 role=group aria-label='Table of runs'>"
        "<table class=runs><thead><tr><th>run</th><th>experiment</th><th>state</th><th>metric</th><th>best</th>"
        f"<th>trials</th><th>duration</th><th>begun</th><td></td></tr></thead><tbody>{rows}</tbody></table></div>"
        if rows
        else "<p class=empty>No runs in this storage yet.</p>"
    )
    script = inline(static("runs.js"))
    place = html.escape(redact(str(storage)))
    body = (
        f'<header><h1>Runs</h1><p class=hint>{place}</p></header><main class="card wide" id="runs">{table}{left}</main>'
    )
    return plain_page("Runs · raydrive", body, script), csp([script], live=True, evaluates=False)


def _row(info: RunInfo, about: RunLine) -> str:
    begun = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(info.created))
    link = html.escape(f"/runs/{info.experiment}/{info.run_id}", quote=True)
    shown = f"<br><span class=hint>{html.escape(about.name)}</span>" if about.name else ""
    state, figures = html.escape(about.state), about.figures
    best = number(figures.best) if figures else "–"
    trials = f"{figures.trials} of {figures.max_total_trials}" if figures else "–"
    other = html.escape(compare_link([info]), quote=True)
    return (
        f'<tr><td><a href="{link}">{html.escape(info.run_id)}</a>{shown}</td><td>{html.escape(info.experiment)}</td>'
        f'<td><span class="state {state.lower()}">{state}</span></td>'
        f'<td>{html.escape(about.metric)}</td><td data-label="best">{best}</td><td data-label="trials">{trials}</td>'
        f'<td data-label="duration">{clock(figures.elapsed_s) if figures else "–"}</td><td>{begun}</td>'
        f'<td><a href="{other}" aria-label="compare {html.escape(info.run_id, quote=True)}">compare</a></td></tr>'
    )
