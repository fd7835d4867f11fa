"""How a run and a trial look as the last line of a notebook cell: a small table, text only."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from raydrive.api.display.text import clock, value_text
from raydrive.api.display.text import number as number_text
from raydrive.core.views.summary import ranked, row, state_of

if TYPE_CHECKING:
    from raydrive.storage.run_reader import RunReader

TOP = 10
MOST_ROWS = 100


class Rows(list[dict[str, Any]]):
    """Rows of a run's trials: a list of dicts that a notebook shows as a table."""

    def _repr_html_(self) -> str:
        names = list(dict.fromkeys(name for item in self for name in item))
        lines = [[_or_dash(item.get(name)) for name in names] for item in self]
        more = f"<p>{len(self) - MOST_ROWS} more rows</p>" if len(self) > MOST_ROWS else ""
        return table_html(names, lines[:MOST_ROWS]) + more


def run_html(run: RunReader, running: int = 0) -> str:
    """Returns a run as HTML: where it stands and its best trials.

    Args:
        run: The run.
        running: Trials that continue and are shown above the best ones, at most.
    """
    run.refresh()
    stands = run.status()
    summary = stands.summary
    counts = ", ".join(f"{count} {name.lower()}" for name, count in summary.counts.items() if count) or "none yet"
    about = {
        "run": run.id,
        "status": stands.state,
        "why": summary.why,
        "trials": f"{summary.done} of {summary.max_total_runs} ({counts})",
        f"best {run.config.metric.label}": number_text(summary.best.value if summary.best else None),
        "elapsed": clock(summary.elapsed_s),
    }
    shown = {trial.number: trial for trial in [*run.sweep.open_trials[:running], *ranked(run.sweep, top=TOP)]}
    rows = [row(run.sweep, trial, run.sweep.last_at, interrupted=stands.interrupted) for trial in shown.values()]
    names = list(dict.fromkeys(name for item in rows for name in item.params))
    lines = [
        [
            item.number,
            item.state,
            number_text(item.objective[1]),
            *(value_text(item.params[name]) if name in item.params else number_text(None) for name in names),
            item.why,
        ]
        for item in rows
    ]
    head = ["trial", "state", run.config.metric.label, *(name.lstrip("-") for name in names), "why it ended"]
    return pairs_html(about) + (table_html(head, lines) if lines else "")


def trial_html(run: RunReader, number: int) -> str:
    """Returns a trial as HTML: where it stands and its hyperparameters.

    Args:
        run: The run, as far as it has been read.
        number: One of its trials.
    """
    trial, metric = run.sweep.trials[number], run.config.metric
    about = {
        "trial": run.child_id(number),
        "status": state_of(trial, trial.open and run.status().interrupted),
        "why": trial.why,
        f"{metric.value} {metric.name}": number_text(run.sweep.curves.objective(number)),
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


def _or_dash(value: Any) -> str:
    return number_text(None) if value is None else value_text(value)


def _text(value: object) -> str:
    """Text as text: no markup, no end of a Markdown block, no mathematics."""
    return html.escape(str(value)[:300], quote=True).replace("\n", " ").replace("$", "&#36;")
