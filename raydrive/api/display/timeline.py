"""Where and when each trial trained, as a plotly figure: a lane per node and GPU, a bar per attempt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from raydrive.api.display.figures import chart, finish, note, safe
from raydrive.api.display.palette import STATE_COLOURS
from raydrive.api.display.text import clock
from raydrive.core.records import FAILED, Began, Ended, Lost
from raydrive.storage.journal.writer import JournalReader

if TYPE_CHECKING:
    from raydrive.storage.run_reader import RunReader


@dataclass(slots=True)
class _Stay:
    """One attempt's time on one of its nodes."""

    trial: int
    attempt: int
    begin: float
    end: float | None
    node: str
    gpus: str


def plot_timeline(run: RunReader) -> Any:
    """Returns where and when each trial trained; as ``go.Figure``.

    Args:
        run: The run.

    Raises:
        StorageError: If the journal cannot be read.
    """
    run.refresh()
    stays = _stays(run)
    if not stays:
        return note("No training process has started yet.")
    now = run.sweep.last_at
    start = min(stay.begin for stay in stays)
    lanes = _lanes(stays, now)
    figure = chart()
    last = {trial.number: trial.attempt for trial in run.sweep.trials}
    for state, colour in STATE_COLOURS.items():
        of = [s for s in stays if state == (run.sweep.trials[s.trial].state if s.attempt == last[s.trial] else FAILED)]
        if not of:
            continue
        figure.add_bar(
            orientation="h",
            name=state,
            marker_color=colour,
            base=[stay.begin - start for stay in of],
            x=[(stay.end or now) - stay.begin for stay in of],
            y=[lanes[id(stay)] for stay in of],
            hoverinfo="text",
            hovertext=[
                f"trial {stay.trial}, attempt {stay.attempt}<br>{clock((stay.end or now) - stay.begin)}" for stay in of
            ],
        )
    figure.update_layout(barmode="overlay")
    figure.update_yaxes(
        type="category", categoryorder="array", categoryarray=sorted(set(lanes.values())), autorange="reversed"
    )
    return finish(figure, "seconds")


def _stays(run: RunReader) -> list[_Stay]:
    stays: dict[int, list[_Stay]] = {}
    for fact, _ in JournalReader(run.layout.journal).read():
        if isinstance(fact, Began):
            places = [(node, "") for node in fact.nodes] if len(fact.nodes) > 1 else [(fact.node, fact.gpus)]
            stays.setdefault(fact.trial, []).extend(
                _Stay(fact.trial, fact.attempt, fact.at, None, *place) for place in places
            )
        elif isinstance(fact, Ended | Lost):
            for stay in stays.get(fact.trial, ()):
                stay.end = fact.at if stay.end is None else stay.end
    return [stay for one in stays.values() for stay in one]


def _lanes(stays: list[_Stay], now: float) -> dict[int, str]:
    """The lane of each stay; what overlaps on one GPU gets lanes of its own."""
    free: dict[str, list[float]] = {}
    out: dict[int, str] = {}
    for stay in sorted(stays, key=lambda one: one.begin):
        place = safe(f"{stay.node or 'node'} · GPU {stay.gpus}" if stay.gpus else stay.node or "node")
        ends = free.setdefault(place, [])
        lane = next((at for at, end in enumerate(ends) if end <= stay.begin), len(ends))
        ends[lane : lane + 1] = [stay.end or now]
        out[id(stay)] = place if lane == 0 else f"{place} ({lane + 1})"
    return out
