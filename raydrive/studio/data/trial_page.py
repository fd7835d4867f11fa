"""One trial in full: what its page shows and a row of the table has no room for."""

from __future__ import annotations

from typing import Any

from raydrive.core.config.command_line import shown, trial_argv
from raydrive.core.early_stopping.policy_record import RecordedPolicy
from raydrive.core.errors import RaydriveError, StorageError
from raydrive.core.rank_names import is_of_rank
from raydrive.storage.folder.base import redact
from raydrive.storage.folder.names import is_text, storable
from raydrive.storage.rank_logs import last_rank_logs, ranks_of
from raydrive.storage.run_layout import RunLayout, rank_log
from raydrive.storage.trial_files import listed_name, log_size, read_log
from raydrive.studio.data.page_data import series_json
from raydrive.studio.data.run_history import RunHistory, detail_value
from raydrive.studio.data.thinned_curves import curve_json

LOG_TAIL = 64 << 10
"""Bytes of a log that a page asks for at first."""
MOST_POINTS = 1000
MOST_FILES = 500
MOST_SKIPPED = 20
"""Names of what is not a file of the trial: links that leave the run's folder, FIFOs."""
MOST_VERDICTS = 12
MOST_EARLIER_LOGS, EARLIER_LOG_BYTES = 3, 4 << 10


def detail(history: RunHistory, number: int, *, log_bytes: int = LOG_TAIL) -> dict[str, Any]:
    """Returns everything about one trial.

    Args:
        history: The run.
        number: An existing trial.
        log_bytes: The last this many bytes of its log; 0 = no log.
    """
    trial, past = history.sweep.trials[number], history.pasts[number]
    primary = history.sweep.curves.values(number)
    metrics: dict[str, Any] = {}
    if len(primary):
        metrics[history.config.metric.name] = curve_json(primary, MOST_POINTS)
    for name, series in past.series.items():
        metrics[name] = series_json(series, MOST_POINTS)
    of_ranks = {name: metrics.pop(name) for name in past.series if is_of_rank(name)}
    return {
        "number": number,
        "id": f"{history.layout.run_id}_{number}",
        "params": detail_value(dict(trial.params)),
        "command": command_line(history, number),
        "metrics": metrics,
        "texts": {name: text for name, text in past.texts.items() if not is_of_rank(name)},
        "tags": {name: text for name, text in past.tags.items() if not is_of_rank(name)},
        "rank_metrics": of_ranks,
        "rank_texts": {name: text for name, text in {**past.texts, **past.tags}.items() if is_of_rank(name)},
        "ranks": ranks_of_nodes(history, number),
        "details": detail_value(dict(trial.details)),
        "verdicts": verdicts(history, number),
        "checkpoints": [[name, interval, at] for name, interval, at in past.checkpoints],
        "usage": dict(trial.usage),
        "failures": trial.failures,
        "losses": trial.losses,
        "notes": list(trial.notes),
        "folder": redact(history.layout.trial(number).uri),
        **_files(history.layout, number),
        **log_tail(history, number, trial.attempt, log_bytes),
        "earlier_logs": _earlier_logs(history, number) if log_bytes else [],
    }


def ranks_of_nodes(history: RunHistory, number: int) -> list[list[Any]]:
    """Returns each rank of a trial, its node and the name of its log; nothing for a trial of one process."""
    trial, resources = history.sweep.trials[number], history.config.trial.resources
    if resources.world_size < 2:
        return []
    nodes = trial.nodes or (trial.node,)
    places = ((rank, rank // resources.processes_per_node) for rank in range(resources.world_size))
    return [
        [rank, nodes[node] if node < len(nodes) else "", f"attempt-{max(1, trial.attempt)}/{rank_log(rank)}"]
        for rank, node in places
    ]


def command_line(history: RunHistory, number: int) -> str:
    """Returns the line that runs a trial by hand; for a function, its call."""
    spec, trial = history.config.trial, history.sweep.trials[number]
    if spec.kind == "function":
        return f"{spec.script or 'function'}({', '.join(f'{k}={v!r}' for k, v in trial.params.items())})"
    try:
        return shown(trial_argv(spec, trial.params, python=spec.python or "python"))
    except RaydriveError as error:
        return f"(cannot be written: {error})"


def verdicts(history: RunHistory, number: int) -> list[list[Any]]:
    """Returns what the policy says of a trial's last intervals by the curves as they are now: interval, stop, why.

    While a run continues others catch up, so this may be harsher than what the policy said at the time; why a trial was
    really stopped is in its row. A policy of a class that is not raydrive's is not asked: a reader has no code.
    """
    sweep = history.sweep
    if isinstance(history.config.policy, RecordedPolicy):
        return []
    found: list[list[Any]] = []
    for interval in range(sweep.curves.length(number), 0, -1):
        verdict = history.config.policy.judge(number, interval, sweep.curves)
        if verdict is not None:
            found.append([interval, verdict.stop, verdict.why])
        if len(found) == MOST_VERDICTS:
            break
    return found


def log_tail(history: RunHistory, number: int, attempt: int, log_bytes: int) -> dict[str, Any]:
    """Returns the end of an attempt's log as text, where it starts, and its attempt.

    Of several processes it is the end of all their logs, by time; it is not followed from a byte on then.
    """
    if not log_bytes or attempt < 1:
        return {"log": None, "log_attempt": attempt, "log_from": 0, "log_to": 0}
    try:
        if len(ranks_of(history.layout, number, attempt)) > 1:
            limit = history.config.trial.log_limit
            text = last_rank_logs(history.layout, number, attempt, log_bytes, limit)
            return {"log": text, "log_attempt": attempt, "log_from": 0, "log_to": 0}
        size = log_size(history.layout, number, attempt)
        start = max(0, size - log_bytes)
        data, end = read_log(history.layout, number, attempt, start, log_bytes)
    except StorageError as error:
        return {"log": f"(the log cannot be read: {error})", "log_attempt": attempt, "log_from": 0, "log_to": 0}
    if start:  # not in the middle of a line
        cut = data.find(b"\n") + 1
        data, start = data[cut:], start + cut
    return {"log": data.decode("utf-8", "replace"), "log_attempt": attempt, "log_from": start, "log_to": end}


def _earlier_logs(history: RunHistory, number: int) -> list[list[Any]]:
    """The ends of the logs of earlier attempts, the newest first: why a trial was tried again."""
    last = history.sweep.trials[number].attempt
    attempts = range(last - 1, max(0, last - 1 - MOST_EARLIER_LOGS), -1)
    return [[attempt, log_tail(history, number, attempt, EARLIER_LOG_BYTES)["log"]] for attempt in attempts]


def _files(layout: RunLayout, number: int) -> dict[str, Any]:
    folder = layout.trial(number)
    found: dict[str, int] = {}
    skipped: list[str] = []
    note = ""
    try:
        for item in folder.walk(skipped):
            if len(found) == MOST_FILES:
                note = f"only the first {MOST_FILES} files are listed"
                break
            name = listed_name(item.name)
            if name:
                name = name if is_text(name) else storable(name)
                found[name] = found.get(name, 0) + item.size
    except StorageError as error:
        note = f"the files cannot be listed: {error}"
    if skipped:
        more = f" and {len(skipped) - MOST_SKIPPED} more" if len(skipped) > MOST_SKIPPED else ""
        note = "; ".join(filter(None, [note, f"not listed: {', '.join(skipped[:MOST_SKIPPED])}{more}"]))
    return {"files": [[name, size] for name, size in found.items()], "files_note": note}
