"""A run as one HTML file that needs no network, no server and no raydrive."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from raydrive.core.errors import StorageError
from raydrive.core.records import FAILED
from raydrive.core.views.importance import analyse
from raydrive.core.views.summary import ranked
from raydrive.studio.data.new_files import refuse_missing_folder
from raydrive.studio.data.page_data import Documents
from raydrive.studio.data.run_history import RunHistory
from raydrive.studio.data.trial_page import detail
from raydrive.studio.data.whatif import in_advance
from raydrive.studio.web.page import report_page

MOST_DETAILS = 400
"""Trials whose command, metrics and files are inside a report; of more, the best, the failed and the first."""
MOST_LOGS = 60
LOG_BYTES = 8 << 10
MOST_SERIES_POINTS = 300_000


def report_data(history: RunHistory, *, logs: bool = True, advance: bool = True) -> dict[str, Any]:
    """Returns everything a report shows.

    Args:
        history: The run.
        logs: Whether the ends of logs are included; logs may hold what should not be shared.
        advance: Whether some what-if questions are answered in advance, and importance is computed.
    """
    documents = Documents(history)
    order = _interesting(history)
    with_log = set(order[:MOST_LOGS]) if logs else set()
    return {
        "document": documents.full(),
        "details": {
            number: detail(history, number, log_bytes=LOG_BYTES if number in with_log else 0)
            for number in order[:MOST_DETAILS]
        },
        "series": _series(documents, history),
        "analysis": analyse(history.sweep) if advance else None,
        "whatif": in_advance(history) if advance else [],
    }


def write_report(history: RunHistory, path: str | os.PathLike[str], *, logs: bool = True) -> int:
    """Writes the report of a run and returns its bytes.

    Args:
        history: The run.
        path: The file; replaced whole.
        logs: Whether the ends of logs are included.

    Raises:
        ConfigError: If the file is in a folder that does not exist.
        StorageError: If the file cannot be written.
    """
    refuse_missing_folder(Path(path).expanduser())
    page = report_page(report_data(history, logs=logs), f"{history.layout.run_id} · raydrive").encode()
    target = Path(path).expanduser()
    scratch = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        scratch.write_bytes(page)
        scratch.replace(target)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise StorageError(f"cannot write the report {target}: {error.strerror or error}") from error
    return len(page)


def _interesting(history: RunHistory) -> list[int]:
    """Trial numbers, those people look at first in front: the ten best, failed ones, then by rank."""
    order = [trial.number for trial in ranked(history.sweep)]
    failed = [trial.number for trial in history.sweep.trials if trial.state == FAILED]
    return list(_once([*order[:10], *failed[:30], *order]))


def _once(numbers: Iterable[int]) -> Iterable[int]:
    return dict.fromkeys(numbers)


def _series(documents: Documents, history: RunHistory) -> dict[str, Any]:
    """The curves of the other metrics, as many metrics as fit."""
    out: dict[str, Any] = {}
    left = MOST_SERIES_POINTS
    for name in history.metric_names:
        left -= sum(len(past.series[name].values) for past in history.pasts if name in past.series)
        if left < 0:
            break
        out[name] = documents.series(name)
    return out
