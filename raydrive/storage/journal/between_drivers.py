"""Recording what a user asks of a run that has no driver: the next one continues from it.

The epoch that is claimed for it must be the one after those that were there when the run was found without a driver. A
driver that starts meanwhile claims that very epoch, and then nothing is recorded here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from raydrive.core import records
from raydrive.core.errors import ConfigError, JournalError, Problem, RaydriveError, UserCodeError
from raydrive.core.records import Cancelled, Fact, Lost
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.user_requests.requests import Planned, Request, plan
from raydrive.core.views.heartbeat import dump_heartbeat, parse_heartbeat
from raydrive.storage.folder.base import Folder
from raydrive.storage.journal.segments import Segment
from raydrive.storage.journal.writer import JournalWriter
from raydrive.storage.run_reader import RunReader

T = TypeVar("T")


def newest_epoch(journal: Folder) -> int:
    """Returns the highest epoch that was ever claimed; 0 before the first.

    Raises:
        StorageError: If the folder cannot be read.
    """
    return max((segment.epoch for item in journal.list("e") if (segment := Segment.parse(item.name))), default=0)


def record_request(run: RunReader, request: Request, epoch: int) -> Planned:
    """Records what a user asks for, with what the judge decides on it; the next driver carries that out.

    Args:
        run: A run without a driver; it is read to its end.
        request: As in ``core/user_requests/requests.py``.
        epoch: ``newest_epoch`` from before the run was found without a driver.

    Raises:
        ConfigError: If it cannot be done.
        RaydriveError: If a driver has started meanwhile.
        StorageError: If the journal cannot be read or written.
    """
    run.refresh()
    planned = plan(run.sweep, request, time.time())  # what is refused costs no epoch
    if not planned.facts:
        return planned
    over = run.sweep.finished is not None
    with _claimed(run, epoch) as writer:
        run.refresh()
        planned = plan(run.sweep, request, time.time())
        lines = _judged(run.sweep, planned, run.begin_anew)
        _for_no_driver(run, lambda: writer.append(lines))
    run.refresh()
    if run.sweep.finished is not None and not over:
        _tell_end(run, run.sweep.finished.state)
    return planned


def _tell_end(run: RunReader, state: str) -> None:
    """Has the last heartbeat tell the end that was recorded: lists of runs look there first."""
    beat = parse_heartbeat(run.layout.read_driver())
    if beat and beat.epoch <= run.sweep.epoch:
        run.layout.write_driver(dump_heartbeat({**beat.to_json(), "state": state, "entries": run.entries}))


def _ends(sweep: Sweep, fact: Fact, at: float) -> list[Lost]:
    """What ends open trials that were canceled, or whose run ends: none has run since the run was last worked on."""
    if sweep.ending is None and not isinstance(fact, Cancelled):
        return []
    only = fact.trial if isinstance(fact, Cancelled) else None
    ends = [one for one in sweep.open_trials if only in (None, one.number)]
    return [Lost(at, one.number, one.attempt, "its driver is gone") for one in ends]


def _claimed(run: RunReader, epoch: int) -> JournalWriter:
    return _for_no_driver(run, lambda: JournalWriter.open(run.layout.journal, epoch + 1))


def _for_no_driver(run: RunReader, work: Callable[[], T]) -> T:
    try:
        return work()
    except JournalError as error:
        raise RaydriveError(
            f"a driver of run {run.id} has just started, and nothing was recorded: repeat the request, which the "
            "driver will then receive"
        ) from error


def _judged(sweep: Sweep, planned: Planned, undo: Callable[[], None]) -> list[str]:
    """The lines of a request. The sweep is only borrowed: what is recorded is read back from the journal."""
    try:
        lines = []
        for fact in planned.facts:
            last_at = sweep.last_at
            lines.append(records.dump(fact, sweep.handle(fact)))
            lines += [records.dump(lost, sweep.handle(lost)) for lost in _ends(sweep, fact, last_at)]
        return lines
    except UserCodeError as error:
        allowed = "a policy of raydrive: only the run's driver loads the run's own classes"
        raise ConfigError(Problem("rejudge", str(error), allowed, "Remove --rejudge, or resume the run.")) from error
    finally:
        undo()
