"""How a run and a trial look as the last line of a notebook cell: a small table, text only."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from raydrive.api.display.text import clock, number, standing, value_text
from raydrive.core.views.summary import INTERRUPTED, ranked, row

if TYPE_CHECKING:
    from raydrive.api.child import Run
    from raydrive.api.run import HyperDriveRun

TOP = 10
MOST_ROWS = 100


class Rows(list[dict[str, Any]]):
    """Rows of a run's trials: a list of dicts that a notebook shows as a table."""

    def _repr_html_(self) -> str:
        names = list(dict.fromkeys(name for item in self for name in item))
        lines = [["–" if item.get(name) is None else value_text(item[name]) for name in names] for item in self]
        more = f"<p>{len(self) - MOST_ROWS} more rows</p>" if len(self) > MOST_ROWS else ""
        return table_html(names, lines[:MOST_ROWS]) + more


def run_html(run: HyperDriveRun) -> str:
    """Returns a run as HTML: where it stands and its best trials."""
    status, summary = standing(run)
    counts = ", ".join(f"{count} {name.lower()}" for name, count in summary.counts.items() if count) or "none yet"
    about = {
        "run": run.id,
        "status": status,
        "why": summary.why,
        "trials": f"{summary.done} of {summary.max_total_runs} ({counts})",
        f"best {run.config.metric.label}": number(summary.best.value if summary.best else None),
        "elapsed": clock(summary.elapsed_s),
    }
    best, interrupted = ranked(run.sweep, top=TOP), status == INTERRUPTED
    rows = [row(run.sweep, trial, run.sweep.last_at, interrupted=interrupted) for trial in best]
    names = list(dict.fromkeys(name for item in rows for name in item.params))
    lines = [
        [
            item.number,
            item.state,
            number(item.objective[1]),
            *(value_text(item.params[name]) if name in item.params else "–" for name in names),
            item.why,
        ]
        for item in rows
    ]
    head = ["trial", "state", run.config.metric.label, *(name.lstrip("-") for name in names), "why it ended"]
    return pairs_html(about) + (table_html(head, lines) if lines else "")


def trial_html(trial: Run) -> str:
    """Returns a trial as HTML: where it stands and its hyperparameters."""
    about = {
        "trial": trial.id,
        "status": trial.get_status(),
        "why": trial.why,
        f"{trial.parent.config.metric.value} {trial.parent.config.metric.name}": number(trial.best_value),
    }
    return pairs_html({**about, **{name.lstrip("-"): value_text(value) for name, value in trial.params.items()}})


def pairs_html(values: Mapping[str, Any]) -> str:
    """Returns names and values as a table; empty values are left out."""
    kept = [(name, value) for name, value in values.items() if value not in ("", None)]
    return (
        f"<table>{''.join(f'<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>' for name, value in kept)}</table>"
    )


def table_html(head: list[str], rows: list[list[Any]]) -> str:
    """Returns rows as a table."""
    titles = "".join(f"<th>{_text(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{_text(value)}</td>" for value in line) + "</tr>" for line in rows)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"


def _text(value: object) -> str:
    """Text as text: no markup, no end of a Markdown block, no mathematics."""
    return html.escape(str(value)[:300], quote=True).replace("\n", " ").replace("$", "&#36;")
