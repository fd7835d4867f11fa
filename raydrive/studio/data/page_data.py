"""The one JSON document the page is drawn from: a head about the run and a row per trial.

The same document is embedded in a report, fetched from a live server and put into a notebook. A live update is a new
head and the rows that changed since an entry of the journal, so that a reader who was away asks for "everything after
entry 4711" and the server keeps nothing per reader.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

from raydrive.core.config.run_config import RunConfig
from raydrive.core.config.run_rules import shared_rules
from raydrive.core.errors import HIDDEN, StorageError
from raydrive.core.records import RUNNING
from raydrive.core.user_requests.history import notices, paused_text, steps
from raydrive.core.views.chart_axes import AxisSpec, axes_of, flat
from raydrive.core.views.configurations import configurations
from raydrive.core.views.end_rules import rule_states
from raydrive.core.views.status import RunStatus
from raydrive.core.views.summary import Summary, best_notice, seconds_of
from raydrive.core.views.trouble import metric_notice, trouble_of
from raydrive.storage.folder.base import redact
from raydrive.storage.rank_logs import last_lines
from raydrive.studio.data.family_tree import ancestor_curves, family
from raydrive.studio.data.members import members_json
from raydrive.studio.data.policy_line import policy_line, policy_text
from raydrive.studio.data.run_history import RunHistory, Series, TrialHistory, detail_value
from raydrive.studio.data.thinned_curves import curve_json, short, thin

FORMAT = 1
"""Version of the document; page and document always come together, so it is only for other readers."""
MOST_CURVE_POINTS = 250_000
"""Points of curves in one document; beyond that every curve is thinned, keeping its lowest and highest values."""
MOST_RISES = 5000
MOST_STEPS = 500
"""Latest actions of users that are in a document."""
MOST_CONFIGURATIONS = 250
"""Configurations that are tried several times in a document, the best first: its table and charts show no others."""
FEWEST_PER_CURVE = 16
MOST_PER_CURVE = 1000
ROW = (
    "number", "state", "why", "stop_by", "best", "best_at", "last", "intervals", "created", "began", "ended",
    "seconds", "attempt", "node", "gpus", "origin", "params", "extras", "cut", "curve", "tries", "note", "usage",
)  # fmt: skip
"""What is at each place of a row; ``best`` is the objective value, ``best_at`` its interval."""


class Documents:
    """Makes the documents of one run, again and again as it continues.

    Args:
        history: The run.
    """

    def __init__(self, history: RunHistory) -> None:
        self.history = history
        self._flat: list[dict[str, Any]] = []
        self._generation = history.generation
        self._family = family(history)
        self._log_of: tuple[int, int] | None = None
        self._log_end: list[str] = []

    # ------------------------------------------------------------------ pieces

    def params(self) -> list[dict[str, Any]]:
        """Returns the flat hyperparameters by trial."""
        if self._generation != self.history.generation:
            self._flat, self._generation = [], self.history.generation
        for trial in self.history.sweep.trials[len(self._flat) :]:
            self._flat.append(flat(trial.params))
        for number in self.history.sweep.changes:  # these train with other ones than they began with
            self._flat[number] = flat(self.history.sweep.trials[number].params)
        return self._flat

    def columns(self) -> list[AxisSpec]:
        """Returns the hyperparameters as chart columns."""
        return axes_of(self.history.config.sampling.space, self.params())

    def curve_limit(self) -> int:
        """Returns how many points a curve may have, so that all together stay below the limit of a document."""
        trials = max(1, len(self.history.sweep.trials))
        return max(FEWEST_PER_CURVE, min(MOST_PER_CURVE, MOST_CURVE_POINTS // trials))

    def head(self, now: float | None = None) -> dict[str, Any]:
        """Returns everything about the run but its trials.

        Args:
            now: Seconds since the epoch; None = the clock's.
        """
        history, sweep = self.history, self.history.sweep
        stands = history.status(now)
        summary, now = stands.summary, stands.now
        longest = max((sweep.curves.length(trial.number) for trial in sweep.trials), default=0)
        best = summary.best
        return {
            "format": FORMAT,
            "generation": history.generation,
            "entries": history.entries,
            "now": now,
            "run": self._run(stands),
            "row": list(ROW),
            "params": [column.to_json() for column in self.columns()],
            "metrics": list(history.metric_names),
            "counts": summary.counts,
            "total": summary.total,
            "done": summary.done,
            "max_total": summary.max_total_runs,
            "reports": summary.reports,
            "best": None if best is None else {"trial": best.trial, "value": best.value, "interval": best.interval},
            "best_notice": self._best_notice(),
            "rises": _rises(history),
            "epochs": [list(one) for one in history.epochs],
            "policy": policy_line(history.config.policy, sweep.curves, longest),
            "saving": self._saving(summary, now),
            "configurations": [one.to_json() for one in configurations(sweep)[:MOST_CONFIGURATIONS]],
            "finish_when": [state.to_json() for state in rule_states(sweep, now)],
            "paused": paused_text(sweep),
            "revision": sweep.steering.revision,
            "steering": [step.to_json() for step in steps(sweep)[-MOST_STEPS:]],
            "population": detail_value(members_json(sweep)),
            "trouble": history.trouble,
            "notices": [*notices(sweep), *history.journal.notices, *self._torn(stands)],
            "missing_metric": metric_notice(sweep),
            "failing": self._failing(),
            "lineage": self._family,
        }

    def _best_notice(self) -> str:
        best = self.history.sweep.best
        kept = self.history.pasts[best.trial].checkpoints if best else []
        return best_notice(self.history.sweep, {interval: f"checkpoint {name}" for name, interval, _ in kept})

    def _torn(self, stands: RunStatus) -> list[str]:
        """What is behind the last entry; a live driver is perhaps just writing it."""
        unfinished = self.history.journal.unfinished
        return [unfinished] if unfinished and stands.state != RUNNING else []

    def _failing(self) -> dict[str, Any] | None:
        """Trials that failed or ran out of time, where half or more of those that have ended did; with a log's end."""
        found = trouble_of(self.history.sweep)
        if found is None or not found.mostly:
            return None
        layout = self.history.layout
        if self._log_of != (found.trial, found.attempt):
            try:
                self._log_end = last_lines(layout, found.trial, found.attempt)
            except StorageError as error:
                self._log_end = [str(error)]
            if self._log_end:  # one that is still being uploaded is looked for again
                self._log_of = (found.trial, found.attempt)
        return {
            "text": found.text,
            "trial": found.trial,
            "log": self._log_end,
            "commands": [f"raydrive logs {layout.run_id} {found.trial}", f"raydrive trials {layout.run_id}"],
        }

    def _run(self, stands: RunStatus) -> dict[str, Any]:
        history, sweep, config = self.history, self.history.sweep, self.history.config
        summary, beat = stands.summary, stands.beat
        return {
            "id": history.layout.run_id,
            "experiment": config.experiment,
            "display_name": config.display_name,
            "lineage": config.lineage.to_json() if config.lineage else None,
            "uri": redact(history.layout.uri),
            "state": stands.state,
            "over": sweep.finished is not None,
            "why": summary.why,
            "waiting": sorted(set(beat.waiting.values()))[:5],
            "trouble": beat.trouble,
            "gpu_use": beat.gpu_use,
            "metric": config.metric.name,
            "goal": config.metric.goal.value,
            "objective": config.metric.value,
            "label": config.metric.label,
            "started": sweep.started_at,
            "last": sweep.last_at,
            "elapsed_s": summary.elapsed_s,
            "tags": dict(config.tags),
            "config": shared_config(config),
        }

    def _saving(self, summary: Summary, now: float) -> dict[str, Any]:
        trained = sum(seconds_of(trial, trial.ended_at or now) or 0.0 for trial in self.history.sweep.trials)
        saving, resources = summary.saving, self.history.config.trial.resources
        span = saving.span
        return {
            "stopped": saving.stopped,
            "intervals": saving.intervals,
            "seconds": saving.seconds,
            "low_s": None if span is None else span.low_s,
            "high_s": None if span is None else span.high_s,
            "share": saving.share,
            "why": saving.why,
            "trained_s": trained,
            "gpus": resources.gpus * resources.nodes,
            "cpus": resources.cpus * resources.nodes,
            "policy": policy_text(self.history.config.policy),
        }

    def row(self, number: int, columns: Sequence[AxisSpec], limit: int, now: float) -> list[Any]:
        """Returns the row of one trial, in the order of ``ROW``."""
        sweep, past = self.history.sweep, self.history.pasts[number]
        trial, curves = sweep.trials[number], sweep.curves
        values = curves.values(number)
        params = self.params()[number]
        began = next((one.began_at for one in past.tries if one.began_at is not None), None)
        extras = [_last(past, name) for name in self.history.metric_names]
        return [  # as in ROW
            number, trial.state, trial.why, trial.stop_by,
            curves.objective(number), curves.objective_interval(number), short(values[-1]) if len(values) else None,
            len(values), trial.created_at, began, trial.ended_at,
            seconds_of(trial, trial.ended_at or now), trial.attempt, trial.node, trial.gpus, trial.origin,
            [params.get(column.name) for column in columns], extras,
            [past.cut[0], short(past.cut[1])] if past.cut else None,
            curve_json(values, limit),
            [_try(one) for one in past.tries],
            _note(trial.details), dict(trial.usage),
        ]  # fmt: skip

    # ------------------------------------------------------------------ whole

    def full(self, now: float | None = None) -> dict[str, Any]:
        """Returns the head and the rows of all trials."""
        return self.since(0, now)

    def since(self, entry: int, now: float | None = None) -> dict[str, Any]:
        """Returns the head and the rows of the trials that changed after an entry of the journal.

        Args:
            entry: Count of entries that the reader has seen; 0 = none.
            now: Seconds since the epoch; None = the clock's.
        """
        head = self.head(now)
        now = float(head["now"])
        columns, limit = self.columns(), self.curve_limit()
        changed = [number for number, past in enumerate(self.history.pasts) if past.changed > entry or not entry]
        out = {"head": head, "rows": [self.row(number, columns, limit, now) for number in changed]}
        if not entry:
            out["ancestors"] = ancestor_curves(self.history, limit)
        return out

    def series(self, name: str) -> list[list[Any]]:
        """Returns the curves of another metric as ``[trial, curve]``; nothing for one that was never logged."""
        limit = self.curve_limit()
        found = ((number, past.series.get(name)) for number, past in enumerate(self.history.pasts))
        return [[number, series_json(one, limit)] for number, one in found if one is not None]


def series_json(series: Series, most: int) -> Any:
    """Returns a metric's curve for the page."""
    plain = series.at == array("d", range(1, len(series.at) + 1))
    return curve_json(series.values, most, None if plain else series.at)


def shared_config(config: RunConfig) -> dict[str, Any]:
    """Returns the configuration as it may be shared: people put secrets into environment variables and addresses."""
    raw: dict[str, Any] = detail_value(config.to_json())
    for one in (one for part in raw.get("lineage", {}).values() for one in part):
        one["uri"] = redact(one["uri"])
    raw["trial"]["environment_variables"] = dict.fromkeys(raw["trial"]["environment_variables"], HIDDEN)
    if config.rules:
        raw["rules"] = shared_rules(config.rules)
    return raw


def _rises(history: RunHistory) -> list[list[Any]]:
    """The run's best value by time, thinned: the last value of a running trial changes all the time."""
    indices, _ = thin([value for *_, value in history.improvements], MOST_RISES)
    improvements = (history.improvements[index] for index in indices)
    return [[at, trial, interval, short(value)] for at, trial, interval, value in improvements]


def _last(past: TrialHistory, name: str) -> Any:
    series = past.series.get(name)
    if series is not None and len(series.values):
        return short(series.values[-1])
    text = past.texts.get(name)
    return None if text is None else text[:80]


def _try(one: Any) -> list[Any]:
    return [
        one.number,
        one.launched_at,
        one.began_at,
        one.ended_at,
        one.node,
        one.gpus,
        one.how,
        one.resume_from,
        list(one.nodes),
    ]


def _note(details: Any) -> Any:
    return detail_value(dict(details)) if details else None
