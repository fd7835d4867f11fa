"""From the messages of one attempt to reports: checked, numbered, and each interval counted once.

Which value of the primary metric is a new interval:

- Without a step, each is.
- With a step, the first one of that step is. Several processes that log the same step, or a script that logs it again,
  do not lengthen the curve: the first value stands.
- Of a process whose message carries a rank above 0 (``ranks.rank_of``) none is: what it logs is kept under
  ``rank_3/NAME``, the primary metric too. The checkpoints that it announces are left out.
- An attempt that continues from a checkpoint, or begins again, repeats steps. What was recorded by earlier attempts is
  known as ``Recorded``: a step beyond the last recorded one is the interval after the last recorded one, whatever the
  checkpoint was said to hold; one up to there is no new interval. So it does not matter whether a script saves its
  checkpoint before or after it logs. A script that continues from a checkpoint and counts its steps from the beginning
  again is counted as one without steps from earlier attempts.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from raydrive.core.rank_names import of_rank
from raydrive.core.reports.message_checks import (
    CLOCK_SLACK_S,
    MAX_DEPTH,
    MAX_NAME,
    MAX_WHOLE,
    TooDeepError,
    checked_checkpoint,
    checked_reason,
    checked_step,
    checked_tags,
    checked_value,
    clean_name,
    clean_text,
    shown,
)
from raydrive.ranks import ALL_RANKS

if TYPE_CHECKING:
    from raydrive.core.records import Reported

Message = Mapping[str, Any]

FAILED = "Failed"
LONGEST_NOTE = 1_000
"""Characters of a notice that a trial sends."""
NAMES_KNOWN = 10_000
"""Names of metrics that are remembered as checked."""
KEYS = ("m", "tags", "checkpoint", "state", "note")
"""A message without any of them says nothing."""
_NOTHING: dict[str, Any] = {}


@functools.cache
def record_types() -> Any:
    """Returns the module ``records``, imported by what makes facts and not by what only sends events."""
    # Lazy: records, 16 ms that a trial actor does not need.
    from raydrive.core import records  # lazy: raydrive.core.records, 0.007 s

    return records


class ReportEvent(NamedTuple):
    """One report of an attempt; the fields are those of ``records.Reported``."""

    at: float
    seq: int
    interval: int
    value: float | None
    metrics: Mapping[str, Any]
    step: float | None
    tags: Mapping[str, str]

    def to_fact(self, trial: int, attempt: int) -> Reported:
        """Returns the fact that this event is."""
        at, *rest = self
        fact: Reported = record_types().Reported(at, trial, attempt, *rest)
        return fact


@dataclass(frozen=True, slots=True)
class Recorded:
    """What earlier attempts of the trial have recorded, where their steps grew with each interval."""

    intervals: int
    """How many intervals."""
    first: float
    """The step of the first one."""
    last: float
    """The step of the last one."""

    @classmethod
    def of(cls, intervals: int | None, first: float | None, last: float | None) -> Recorded | None:
        """Returns what a ``Launch`` has under ``recorded``, ``first_step`` and ``last_step``; None for nothing."""
        return None if intervals is None or first is None or last is None else cls(intervals, first, last)


class Steps:
    """The steps that were had. Whole ones at an even distance, which nearly all are, take no memory."""

    def __init__(self) -> None:
        self.expected: int | None = None
        """The next one of the sequence; None as long as there is no such sequence, or where it was had."""
        self.last = 0
        """The last one of the sequence."""
        self.stride = 0
        self._first: int | None = None
        self._others: set[float] = set()

    def add(self, step: float) -> bool:
        """Takes a finite step; returns whether it is new."""
        whole = int(step)
        if step in self._others or self._in_sequence(step):
            return False
        if whole != step:
            self._others.add(step)
        elif self._first is None:
            self._first = self.last = whole
        elif whole == self.expected or (not self.stride and whole > self.last):
            self.stride = whole - self.last
            self.last = whole
        else:
            self._others.add(whole)
        after = self.last + self.stride
        self.expected = after if self.stride and after not in self._others else None
        return True

    def _in_sequence(self, step: float) -> bool:
        if self._first is None or not self._first <= step <= self.last:
            return False
        return step == self._first or (self.stride > 0 and (step - self._first) % self.stride == 0)


class ReportReader:
    """Reads what one attempt logs.

    Args:
        metric: Name of the primary metric.
        interval: Intervals that its checkpoint holds.
        began_at: When the attempt began, seconds since the epoch.
        tell: Called once for each kind of thing that was changed or dropped.
        recorded: What earlier attempts recorded; None = nothing that it could be aligned by.
        announce: Called with each checkpoint that is announced, after the values of the same message.
        note: Called with each notice that the trial itself sends.
        announce_part: Called with each part of a checkpoint that is announced: its name, the rank of its process, the
            number of parts, and the number of its node.
        last_value: The last value of the primary metric that earlier attempts recorded; None = none.
    """

    def __init__(
        self,
        metric: str,
        interval: int,
        began_at: float,
        tell: Callable[[str], None],
        recorded: Recorded | None = None,
        announce: Callable[[str], None] = lambda name: None,
        note: Callable[[str], None] = lambda text: None,
        announce_part: Callable[[str, int, int, int], None] = lambda name, rank, of, node: None,
        last_value: float | None = None,
    ) -> None:
        self.interval = interval
        """Intervals so far, those of the checkpoint included."""
        self.value: float | None = None
        """The last value of the primary metric that this attempt logged; None before the first."""
        self.seq = 0
        """Number of the last report."""
        self.failed_why = ""
        """What the attempt said of its own failure; empty when it said none."""
        self.ranks_given = False
        """Whether raydrive gave the ranks: then it is not a surprise that rank 0 counts."""
        self.no_number: object = None
        """What was logged last in place of a number as the primary metric; None = nothing was."""
        self._metric = metric
        self._earliest = began_at - CLOCK_SLACK_S
        self._tell = tell
        self._recorded = recorded
        self._announce = announce
        self._note = note
        self._announce_part = announce_part
        self._last_value = last_value
        self._told: set[str] = set()
        self._names = {metric}
        self._steps = Steps()

    def read(self, messages: Sequence[dict[str, Any]], now: float) -> tuple[list[ReportEvent], list[dict[str, Any]]]:
        """Returns the reports in messages, in order, and the messages that cannot be read.

        Args:
            messages: Of any process that writes to the socket: anything may be in them.
            now: By the reader's clock, seconds since the epoch.
        """
        metric, steps, names = self._metric, self._steps, self._names
        earliest, latest = min(self._earliest, now - CLOCK_SLACK_S), now + CLOCK_SLACK_S
        events: list[ReportEvent] = []
        odd: list[dict[str, Any]] = []
        for message in messages:
            # Nearly all messages go the short way: a time, a step or none, and numbers under known names.
            at, metrics, step, size = message.get("t"), message.get("m"), message.get("s"), len(message)
            tags, checkpoint = _NOTHING, ""
            if (
                at.__class__ is float
                and earliest <= at <= latest
                and metrics.__class__ is dict
                and ((size == 2 and step is None) or (size == 3 and step.__class__ is int))
                and metrics.get(metric).__class__ is float
                and (step is None or step == steps.expected or -MAX_WHOLE <= step < MAX_WHOLE)
                and (len(metrics) == 1 or _are_numbers(metrics, names))
            ):
                value = metrics.pop(metric)
            else:
                try:
                    at, metrics, step, tags, checkpoint = self._checked(message, now, earliest, latest)
                except (AttributeError, TypeError, ValueError, RecursionError):
                    odd.append(message)
                    continue
                value = self._primary(metrics)
                if message.get("returned") and self.value is None and value == self._last_value:
                    value = None  # nothing was left to train: what it returns was its last value before
            interval = 0
            if value is not None:
                if step is None:
                    interval = self.interval = self.interval + 1
                elif step == steps.expected and self._recorded is None:
                    steps.last, steps.expected = step, step + steps.stride
                    interval = self.interval = self.interval + 1
                else:
                    interval = self._next_interval(step)
                if interval:
                    self.value = value
                else:
                    value = None
            if interval or metrics or tags:
                self.seq = seq = self.seq + 1
                events.append(ReportEvent(at, seq, interval, value, metrics, step, tags))
            if checkpoint:
                self._announce(checkpoint)
        return events, odd

    def _primary(self, metrics: dict[str, Any]) -> float | None:
        """Takes the value of the primary metric out of metrics; leaves one that is not a number there."""
        value = metrics.get(self._metric)
        if value.__class__ is float or value.__class__ is int:
            del metrics[self._metric]
            return float(value)
        if value is not None:
            self.no_number = value  # said at the end of the attempt
        return None

    def _next_interval(self, step: float) -> int:
        """Counts a value of the primary metric at a step; returns its interval, 0 when it is none."""
        if not self._steps.add(step):
            self._repeated(f"{self._metric!r} was logged again for step {step:g}")
            return 0
        recorded = self._recorded
        if recorded is not None and self.value is None and self.interval > 0 and step <= recorded.first:
            recorded = self._recorded = None  # it counts its steps from the beginning, though it continues
        if recorded is not None:
            if step > recorded.last:
                self.interval = max(self.interval, recorded.intervals)
            elif self.interval >= recorded.intervals:
                self._repeated(f"{self._metric!r} was logged for step {step:g}, which an earlier attempt has logged")
                return 0
        self.interval += 1
        return self.interval

    def _repeated(self, what: str) -> None:
        self._say("step", f"{what}: the first value of a step is kept, and no point is added to the curve")

    # ------------------------------------------------------------------ the long way

    def _checked(self, message: Message, now: float, earliest: float, latest: float) -> tuple[Any, ...]:
        """Returns time, metrics, step, tags and checkpoint of any message.

        Raises:
            AttributeError: It is nothing that can be read; so do the others.
            TypeError: See there.
            ValueError: See there.
        """
        get = message.get
        at = self._checked_time(get("t"), now, earliest, latest)
        metrics, tags, step, rank = get("m") or _NOTHING, get("tags") or _NOTHING, get("s"), get("r")
        if not any(key in message for key in KEYS):
            raise ValueError("none of the known keys")
        if metrics is not _NOTHING:
            metrics = self._checked_metrics(metrics)
        if step is not None:
            step = self._checked_step(step)
        if tags is not _NOTHING and (not metrics or isinstance(tags, Mapping)):
            tags = self._checked_tags(tags)
        elif tags is not _NOTHING:  # the values beside them are not thrown away
            self._say("tags", f"tags were dropped: found {shown(tags)}; allowed: an object of names and strings")
            tags = _NOTHING
        if get("state") == FAILED:
            self.failed_why = checked_reason(get("why")) or "the script called run.fail()"
        if get("note") is not None:
            self._note(clean_text(str(get("note"))[:LONGEST_NOTE]))
        checkpoint = ""
        if get("checkpoint") is not None:
            checkpoint = checked_checkpoint(get("checkpoint"))
            if not checkpoint:
                found = shown(get("checkpoint"))
                self._say(
                    "checkpoint", f"the checkpoint {found} was announced, which is not the name of a folder: ignored"
                )
        if checkpoint and (part := get("part")) is not None:
            rank_of_part, parts = part
            if not 0 <= rank_of_part < parts:
                raise ValueError("not a rank among so many")
            self._announce_part(checkpoint, rank_of_part, parts, get("node") or 0)
            checkpoint = ""
        if rank.__class__ is int and rank > 0:
            metrics, tags = self._of_rank(rank, metrics), self._of_rank(rank, tags)
            if checkpoint:
                self._say_checkpoint(rank, checkpoint)
                checkpoint = ""
        return at, metrics, step, tags, checkpoint

    def _of_rank(self, rank: int, named: dict[str, Any]) -> dict[str, Any]:
        """Metrics or tags of a process of a rank above 0, under the names by which they are kept."""
        if self._metric in named and not self.ranks_given:
            self._say(
                "rank",
                f"a process of rank {rank} logs {self._metric!r}: only rank 0 counts, as the curve would otherwise "
                f"have each value several times. What other ranks log is kept under {of_rank(self._metric, rank)!r} "
                f"and the like. If another rank is the one that counts, set the environment variable {ALL_RANKS}=1",
            )
        found = {of_rank(name, rank): value for name, value in named.items()}
        kept = {name: value for name, value in found.items() if len(name) <= MAX_NAME}
        if len(kept) < len(found):
            self._say(
                "rank's name",
                f"a value of rank {rank} was dropped: with the prefix rank_{rank}/ its name has more than {MAX_NAME} "
                "characters",
            )
        return kept

    def _say_checkpoint(self, rank: int, name: str) -> None:
        self._say(
            "rank's checkpoint",
            f"a process of rank {rank} saves the checkpoint {shown(name)}: it is ignored, since only the checkpoints "
            "of rank 0 are kept. Save on rank 0 alone; if another rank is the one that counts, set the environment "
            f"variable {ALL_RANKS}=1",
        )

    def _checked_time(self, at: Any, now: float, earliest: float, latest: float) -> float:
        if not at and at != 0:  # left out
            return now
        if at.__class__ in (int, float) and earliest <= at <= latest:
            return float(at)
        self._say(
            "time",
            f"a report came with the time {shown(at)}; allowed: seconds since the epoch, from the minute before the "
            "attempt began to a minute from now. The clock of its node is recorded instead",
        )
        return now

    def _checked_step(self, step: Any) -> float | None:
        found = checked_step(step)
        if found is None:
            self._say(
                "no step",
                f"a report came with the step {shown(step)}; allowed: a finite number of 64 bits. It is ignored",
            )
        return found

    def _checked_metrics(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        names, checked = self._names, {}
        for key, item in metrics.items():
            name = key if key in names else self._checked_name(key)
            if not name:
                continue
            if item.__class__ is not float:
                try:
                    value = checked_value(item)
                except TooDeepError:
                    self._say("deep", f"a value of {name!r} was dropped: it is nested more than {MAX_DEPTH} deep")
                    continue
                if value is None:
                    self._say(
                        "null",
                        f"a value of {name!r} was dropped: found null; allowed: a number, a string, a list or a table",
                    )
                    continue
                if value.__class__ is float and item.__class__ is int and value - value != 0.0:
                    self._say(
                        "huge", f"a value of {name!r} is too large for a 64-bit number and is recorded as {value:g}"
                    )
                item = value
            checked[name] = item
        return checked

    def _checked_name(self, key: str) -> str:
        name = clean_name(key)
        if not name:
            found = f"a name of {len(key)} characters" if key.strip() else f"the name {key!r}"
            self._say("name", f"a value was dropped: found {found}; allowed: 1 to {MAX_NAME} characters")
        elif name == key:
            if len(self._names) >= NAMES_KNOWN:
                self._names.clear()
                self._names.add(self._metric)
            self._names.add(name)
        elif name != key.strip():
            self._say(
                "letters", f"the name {shown(key)} contains characters that a name cannot have; they were replaced"
            )
        return name

    def _checked_tags(self, tags: Mapping[str, Any]) -> dict[str, str]:
        checked = checked_tags(tags)
        if len(checked) < len(tags):
            self._say("tag", f"a tag was dropped; allowed are names of 1 to {MAX_NAME} characters")
        return checked

    def _say(self, kind: str, text: str) -> None:
        if kind not in self._told:
            self._told.add(kind)
            self._tell(text)


def _are_numbers(metrics: dict[str, Any], names: set[str]) -> bool:
    """Whether all values are numbers as they are recorded, under known names."""
    for value in metrics.values():
        if value.__class__ is not float and (value.__class__ is not int or not -MAX_WHOLE <= value < MAX_WHOLE):
            return False
    return metrics.keys() <= names
