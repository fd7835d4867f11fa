"""A driver's heartbeat: what ``driver.json`` holds, read whatever is there.

It is not a part of the record. A damaged one is worth nothing and harms nothing; the next one follows in two seconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from zlib import crc32

from raydrive.core.numbers import is_number

TURN = "until another trial of this run ends"
"""How the reason begins why a trial waits, where the run's own trials use what it needs: nothing is wrong then."""
DAMAGED = "driver.json is damaged; a live driver rewrites it within seconds"
_CHECKSUM = "checksum"
_TEXTS = ("state", "address", "actor", "trouble", "notice")
_COUNTS = ("epoch", "entries", "pid")
_MOST_S = 1e12
"""Seconds since the epoch that no clock shows."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A driver's heartbeat; false where there is none."""

    state: str = ""
    """``Running``, ``Interrupted``, or the state that the run ended in."""
    at: float = 0.0
    """When it was written, in seconds since the epoch, by the clock of the driver's machine."""
    epoch: int = 0
    """The driver's."""
    entries: int = 0
    """Entries that the journal held."""
    actor: str = ""
    """Name of the driver's actor."""
    pid: int = 0
    address: str = ""
    """Of the driver's Ray cluster."""
    waiting: Mapping[str, str] = field(default_factory=dict)
    """Why trials wait, by their numbers."""
    trouble: str = ""
    """What keeps the driver from continuing."""
    notice: str = ""
    """What its user must not miss."""
    telling: bool = False
    """Whether notices of the run's end are still on their way."""
    gpu_use: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """What trials use of their GPUs now, by their numbers, as ``core.reports.gpu_use.joint`` has it."""

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Heartbeat:
        """Returns the heartbeat that a mapping holds; a value of another type than its field's counts as missing."""
        waiting = found.get("waiting")
        known: dict[str, Any] = {name: _text(found.get(name)) for name in _TEXTS}
        known |= {name: _count(found.get(name)) for name in _COUNTS}
        known["waiting"] = {str(k): _text(v) for k, v in waiting.items()} if isinstance(waiting, dict) else {}
        known["telling"] = found.get("telling") is True
        known["gpu_use"] = _use(found.get("gpu_use"))
        return cls(at=_seconds(found.get("at")), **known)

    def __bool__(self) -> bool:
        return bool(self.state or self.at or self.trouble)

    def age_s(self, now: float) -> float:
        """Returns its age in seconds; 0 where the clock of the driver's machine is ahead of this one's."""
        return max(0.0, now - self.at)

    def to_json(self) -> dict[str, Any]:
        """Returns it as a JSON object; an empty one for none."""
        return asdict(self) if self else {}


NO_HEARTBEAT = Heartbeat()
"""Of a run that has never had a driver."""


def dump_heartbeat(view: Mapping[str, Any]) -> bytes:
    """Returns a heartbeat as the content of ``driver.json``, with a checksum."""
    return json.dumps({**view, _CHECKSUM: _checksum(view)}).encode()


def parse_heartbeat(raw: bytes | None) -> Heartbeat:
    """Returns the heartbeat in the content of ``driver.json``; one with nothing but a ``trouble`` if that is damaged.

    Args:
        raw: The content; None where there is no such file.
    """
    if not raw:
        return NO_HEARTBEAT
    try:
        found = json.loads(raw)
        if not isinstance(found, dict):
            return Heartbeat(trouble=DAMAGED)
        checksum = found.pop(_CHECKSUM, None)
        if checksum is not None and checksum != _checksum(found):
            return Heartbeat(trouble=DAMAGED)
    except (ValueError, RecursionError):
        return Heartbeat(trouble=DAMAGED)
    return Heartbeat.of(found)


def _checksum(view: Mapping[str, Any]) -> str:
    return f"{crc32(json.dumps(dict(view), sort_keys=True).encode()):08x}"


def _use(value: object) -> dict[str, dict[str, float]]:
    """Numbers by name of each trial; what is none is left out."""
    rows = value.items() if isinstance(value, dict) else ()
    return {
        str(trial): {str(name): float(one) for name, one in row.items() if is_number(one)}
        for trial, row in rows
        if isinstance(row, dict)
    }


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, int | float) and abs(value) < _MOST_S else 0.0  # NaN is not less


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int:
    return value if type(value) is int and 0 <= value < 1 << 53 else 0
