"""Facts and decisions: the judge's only input, and its only output.

Facts are past tense and carry the time they happened at (``at``, seconds since the epoch, UTC). Decisions are
imperative. Both are a closed union of frozen records. A journal line is one *entry*: a fact and the decisions it
caused, so that they are durable together or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from json.scanner import make_scanner
from typing import Any, cast

from raydrive.core.decisions import BY_PAUSE as BY_PAUSE
from raydrive.core.decisions import INFEASIBLE as INFEASIBLE
from raydrive.core.decisions import Close as Close
from raydrive.core.decisions import EndRun as EndRun
from raydrive.core.decisions import Finish as Finish
from raydrive.core.decisions import Launch as Launch
from raydrive.core.decisions import Pause as Pause
from raydrive.core.decisions import Stop as Stop
from raydrive.core.errors import JournalError
from raydrive.core.json_values import MARKS, decoded, encoded
from raydrive.core.user_facts import USER_FACTS, UserFact

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Params = Mapping[str, Any]
"""Hyperparameters by name; values are JSON values (a dict choice gives a dict)."""

# Trial states.
QUEUED, RUNNING, COMPLETED, CANCELED, FAILED = "Queued", "Running", "Completed", "Canceled", "Failed"
PAUSED = "Paused"
"""No attempt is under way, nothing is reserved, and the trial may continue later from its checkpoint."""
TERMINAL = frozenset({COMPLETED, CANCELED, FAILED})
OUTPUTS, METRICS = "outputs", "metrics"
"""What a ``Noted`` is about that names files missing from the storage."""


@dataclass(frozen=True, slots=True)
class Started:
    """A driver took charge of the run: at first, and again after each restart or resume."""

    at: float
    epoch: int
    """1 for the first driver, one more for each that took over."""
    versions: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)
    """Limits that were changed on resume (``max_total_runs``, ...); empty otherwise."""


@dataclass(frozen=True, slots=True)
class Suggested:
    """The sampler proposed the configuration of a trial, or said that it has none left."""

    at: float
    trial: int
    params: Params | None
    """None: the search space is exhausted."""
    origin: str = ""
    """Where the point comes from: ``random``, ``sobol``, ``grid``, ``initial``, ``model``."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Numbers behind the proposal, such as the predicted mean and deviation."""
    until: int | None = None
    """The interval at which the trial pauses; None: it trains to its end."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """The sampler chose a paused trial to continue, in place of a new configuration."""

    at: float
    trial: int
    until: int | None = None
    """The interval at which the trial pauses again; None: it trains to its end."""
    origin: str = ""
    """What chose it, as ``Suggested.origin``."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Numbers behind the choice."""


@dataclass(frozen=True, slots=True)
class Began:
    """The training process of an attempt is running."""

    at: float
    trial: int
    attempt: int
    node: str = ""
    pid: int = 0
    gpus: str = ""
    """``CUDA_VISIBLE_DEVICES`` of the process."""
    actor: str = ""
    """Name of the trial actor, by which a new driver finds it."""
    nodes: Sequence[str] = ()
    """Host names by node rank, of a trial over several nodes; empty = one node."""


@dataclass(frozen=True, slots=True)
class Reported:
    """A trial logged metrics."""

    at: float
    trial: int
    attempt: int
    seq: int
    """Counts the reports of an attempt from 1; (trial, attempt, seq) is never recorded twice."""
    interval: int
    """The k-th time the trial logged the primary metric, from 1; 0 when this report is without it."""
    value: float | None
    """The primary metric, None when interval is 0. May be NaN or infinite."""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    """Everything logged but the primary metric: numbers, strings, or rows and tables as JSON."""
    step: float | None = None
    """The step the user gave, if any."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Free text by name that the trial set on itself."""


@dataclass(frozen=True, slots=True)
class Checkpointed:
    """A checkpoint of a trial is complete in storage."""

    at: float
    trial: int
    attempt: int
    interval: int
    name: str


@dataclass(frozen=True, slots=True)
class Noted:
    """Something about a trial that its user must not miss, and that is no end."""

    at: float
    trial: int
    attempt: int
    text: str
    about: str = ""
    """``OUTPUTS``: files are missing from the storage, ``METRICS``: the primary metric was nearly logged; the text
    becomes part of why the trial ended. Else empty."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The training process of an attempt is gone, by itself or because it was stopped."""

    at: float
    trial: int
    attempt: int
    exit_code: int | None
    """Exit status; negative for a signal, as in ``subprocess``; None when it could not be started."""
    error: str = ""
    """The last lines of the traceback or log, or why it could not be started."""
    usage: Mapping[str, float] = field(default_factory=dict)
    """What it used of its GPUs, as far as known: ``gpu_percent``, the mean, and ``gpu_memory_bytes``, the most; of each
    of several nodes, too, as ``core.reports.gpu_use.joint`` has it."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Contact with an attempt is gone for good through no fault of the trial (actor, node, driver death)."""

    at: float
    trial: int
    attempt: int
    why: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A user asked to end one trial, or the whole run (trial None)."""

    at: float
    trial: int | None
    why: str


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time passed. Recorded only when it caused a decision."""

    at: float


@dataclass(frozen=True, slots=True)
class Estimated:
    """A sampler with a model bounded what any further configuration could gain. Recorded only where a rule asks."""

    at: float
    gain: float
    """In units of the metric, 0 or more: no configuration is better than the best known one by more than this."""
    trials: int = 0
    """Number of trials that it was estimated after."""


Fact = (
    Started
    | Suggested
    | Resumed
    | Began
    | Reported
    | Checkpointed
    | Noted
    | Ended
    | Lost
    | Cancelled
    | Ticked
    | Estimated
    | UserFact
)
Decision = Launch | Stop | Pause | Close | Finish | EndRun
Record = Fact | Decision
Entry = tuple[Fact, tuple[Decision, ...]]

_OWN = (Started, Suggested, Resumed, Began, Reported, Checkpointed, Noted, Ended, Lost, Cancelled, Ticked, Estimated)
TIMELESS = (Ticked, Cancelled, *USER_FACTS)
"""Facts that move no clock: ticks are mostly not recorded, and requests are recorded without a driver, too."""
_FACTS: dict[str, type[Any]] = {c.__name__: c for c in (*_OWN, *USER_FACTS)}
_DECISIONS = {c.__name__: c for c in (Launch, Stop, Pause, Close, Finish, EndRun)}
_KINDS: dict[str, type[Any]] = {**_FACTS, **_DECISIONS}
_FIELDS = {name: tuple(f.name for f in fields(kind)) for name, kind in _KINDS.items()}
_SCALARS = frozenset({float, int, str, bool, type(None)})


def to_json(record: Record) -> dict[str, Any]:
    """Returns a record as a JSON object with a ``kind``; fields that have their default are left out."""
    name = type(record).__name__
    out: dict[str, Any] = {"kind": name}
    for key in _FIELDS[name]:
        value = getattr(record, key)
        if value.__class__ is tuple:  # texts
            value = list(value) or None
        if value is None or value == "" or value is False or (value == {} and key not in _MAY_BE_NONE[name]):
            continue
        out[key] = value if value.__class__ is str else encoded(value)
    return out


def from_json(raw: Mapping[str, Any]) -> Record:
    """Returns the record that ``to_json`` wrote.

    Raises:
        JournalError: If the kind is unknown, as when a newer raydrive wrote it.
        JournalError: If a field is missing that is never left out, or is of another type than ``to_json`` writes.
    """
    spec = _READING.get(raw.get("kind", ""))
    if spec is None:
        raise JournalError(f"unknown record kind {raw.get('kind')!r}; known: {', '.join(_KINDS)}")
    kind, keys = spec
    values = []
    for key, default, classes in keys:
        value = raw.get(key, default)
        if value is MISSING:
            raise JournalError(f"a {kind.__name__} without {key!r}: {raw!r:.200}")
        if value.__class__ is list and classes is _TEXTS and all(item.__class__ is str for item in value):
            value = tuple(value)
        elif (value.__class__ is dict and value) or value.__class__ is list:
            value = decoded(value)
        if value.__class__ not in classes or (key in _COUNTS and value is not None and cast(int, value) < 0):
            raise JournalError(f"a {kind.__name__} with {key!r} {value!r:.80}: {raw!r:.200}")
        values.append(value)
    return kind(*values)  # type: ignore[no-any-return]


def dump(fact: Fact, decisions: Iterable[Decision]) -> str:
    """Returns one journal line, newline included: a JSON array of the fact and its decisions.

    Raises:
        TypeError: If a record holds something that has no JSON form.
    """
    head = _report_text(fact) if type(fact) is Reported else _text(to_json(fact))
    tail = "".join([f",{_text(to_json(decision))}" for decision in decisions])
    return f"[{head}{tail}]\n"


def _report_text(fact: Reported) -> str:
    """The JSON text of a report, to the letter what ``to_json`` gives; nearly all lines are of this kind."""
    at, value = fact.at, fact.value
    # Not isinstance: True is an int, and numpy's floats write themselves in another way. x - x is 0 for finite x only.
    if at.__class__ is not float or at - at != 0.0:
        return _text(to_json(fact))
    line = (
        f'{{"kind":"Reported","at":{at!r},"trial":{fact.trial},"attempt":{fact.attempt},"seq":{fact.seq},'
        f'"interval":{fact.interval}'
    )
    if value.__class__ is float and value - value == 0.0:
        line += f',"value":{value!r}'
    elif value is not None:
        line += f',"value":{_text(encoded(value))}'
    if fact.metrics:
        line += f',"metrics":{_metrics_text(fact.metrics)}'
    if fact.step is not None:
        line += f',"step":{_text(encoded(fact.step))}'
    if fact.tags:
        line += f',"tags":{_text(encoded(fact.tags))}'
    return line + "}"


def _metrics_text(metrics: Mapping[str, Any]) -> str:
    """The JSON text of metrics; most are finite numbers, which are written as they are."""
    if (
        metrics.__class__ is dict
        and _SCALARS.issuperset(map(type, metrics.values()))
        and (len(metrics) > 1 or MARKS.isdisjoint(metrics))
    ):
        try:
            return _text(metrics)
        except ValueError:  # NaN, an infinity, or a number of too many digits is among them
            return _text(encoded(metrics))
    return _text(encoded(metrics))


def load(line: str | bytes) -> Entry:
    """Returns the entry that ``dump`` wrote.

    Raises:
        JournalError: If the line is not a whole entry.
    """
    try:
        rows = _parse(line.decode() if isinstance(line, bytes) else line)
        if len(rows) == 1 and rows[0].get("kind") == "Reported":
            return _report(rows[0]), ()
        records = [from_json(row) for row in rows]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise JournalError(f"not a journal entry: {line[:80]!r} ({error})") from error
    if not records or type(records[0]).__name__ not in _FACTS:
        raise JournalError(f"a journal entry begins with a fact, found {line[:80]!r}")
    if any(type(record).__name__ not in _DECISIONS for record in records[1:]):
        raise JournalError(f"the fact of a journal entry is followed by decisions, found {line[:200]!r}")
    return cast(Entry, (records[0], tuple(records[1:])))


def _parse(text: str) -> Any:
    """Returns what ``json.loads`` does, faster: a line of ours has no encoding to find out and no space around it."""
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        end = -1
    return value if end == len(text) else json.loads(text)


def _report(raw: Any) -> Reported:
    """Returns what ``from_json`` does for a report; nearly all lines are of this kind."""
    value, step = raw.get("value"), raw.get("step")
    metrics, tags = raw.get("metrics", _NOTHING), raw.get("tags", _NOTHING)
    if metrics:
        metrics = decoded(metrics)
    if value.__class__ is dict:
        value = decoded(value)
    if step.__class__ is dict:
        step = decoded(step)
    if tags:
        tags = decoded(tags)
    at, trial, attempt = raw.get("at"), raw.get("trial"), raw.get("attempt")
    seq, interval = raw.get("seq"), raw.get("interval")
    sound = (
        (at.__class__ is float or at.__class__ is int)
        and trial.__class__ is attempt.__class__ is seq.__class__ is interval.__class__ is int
        and trial >= 0 <= attempt
        and seq >= 0 <= interval
        and (value is None or value.__class__ is float or value.__class__ is int)
        and metrics.__class__ is tags.__class__ is dict
    )
    # The long way decodes what is rare, and names what is wrong.
    if not sound:
        return cast(Reported, from_json(raw))
    return Reported(at, trial, attempt, seq, interval, value, metrics, step, tags)


def _reading() -> dict[str, tuple[type[Any], tuple[tuple[str, Any, frozenset[type]], ...]]]:
    """Each kind with its fields, what a left-out one means (MISSING: it never is), and the classes it may be of."""
    table = {}
    for name, kind in _KINDS.items():
        keys = []
        for spec in fields(kind):
            text = str(spec.type)
            default = spec.default
            if text.startswith("Mapping") or text == "Params":
                default = {}  # one for all, as records are never changed
            elif "None" in text:
                default = None
            elif text == "str" or text.startswith("Sequence"):
                default = "" if text == "str" else ()
            elif text == "bool":
                default = False
            keys.append((spec.name, default, _classes(text, spec.name)))
        table[name] = (kind, tuple(keys))
    return table


def _classes(text: str, name: str) -> frozenset[type]:
    """The classes of what a field may hold, by its annotation."""
    if name == "step":  # once it was not looked at, and nothing folds it
        return frozenset({int, float, str, bool, list, dict, type(None)})
    if text.startswith("Sequence"):
        return _TEXTS
    if text == "bool":
        return frozenset({bool})
    found: set[type] = {type(None)} if "None" in text else set()
    for word, classes in (("Mapping", {dict}), ("Params", {dict}), ("float", {float, int, bool})):
        if text.startswith(word):
            return frozenset(found | classes)
    return frozenset(found | {int if text.startswith("int") else str})


_TEXTS = frozenset({tuple})
"""The class of a field that holds texts, in a list in JSON."""
_COUNTS = frozenset({"trial", "attempt", "seq", "interval", "epoch", "revision", "until", "source", "source_interval"})
"""Fields that are never negative."""
_scan = cast(Any, make_scanner)(json.JSONDecoder())
_NOTHING: dict[str, Any] = {}
_READING = _reading()
_MAY_BE_NONE = {
    name: frozenset(key for key, default, _ in keys if default is None) for name, (_, keys) in _READING.items()
}
"""Fields that read as None when left out: an empty mapping in one of them has to be written."""
_text = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
