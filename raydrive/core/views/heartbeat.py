"""A driver's sign of life as it stands in ``driver.json``: what everybody reads of it, whatever stands there.

It is no part of the record. A damaged one is worth nothing and harms nothing; the next one follows in two seconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from zlib import crc32

DAMAGED = "driver.json is damaged; a driver that is alive writes it again within seconds"
_CHECKSUM = "checksum"
_TEXTS = ("state", "address", "actor", "trouble", "notice")
_COUNTS = ("epoch", "entries", "pid")
_MOST_S = 1e12
"""Seconds since the epoch that no clock shows."""


def dump_heartbeat(view: Mapping[str, Any]) -> bytes:
    """Returns a sign of life as the content of ``driver.json``, with a checksum."""
    return json.dumps({**view, _CHECKSUM: _checksum(view)}).encode()


def parse_heartbeat(raw: bytes | None) -> dict[str, Any]:
    """Returns a sign of life with every value of its own type; empty where there has never been one.

    Args:
        raw: Content of ``driver.json``.

    Returns:
        ``state``, ``at`` (seconds since the epoch), ``epoch``, ``entries`` (what the journal held), ``pid``,
        ``address``, ``actor``, ``waiting`` (texts by trial), ``trouble`` and ``notice``.
    """
    if not raw:
        return {}
    try:
        found = json.loads(raw)
        if not isinstance(found, dict):
            return _sound({"trouble": DAMAGED})
        checksum = found.pop(_CHECKSUM, None)
        if checksum is not None and checksum != _checksum(found):
            return _sound({"trouble": DAMAGED})
    except (ValueError, RecursionError):
        return _sound({"trouble": DAMAGED})
    return _sound(found)


def age_s(beat: Mapping[str, Any], now: float) -> float:
    """Returns how many seconds ago a driver was heard of; 0 where its machine's clock is ahead of this one's."""
    return max(0.0, now - float(beat.get("at", 0.0)))


def _checksum(view: Mapping[str, Any]) -> str:
    return f"{crc32(json.dumps(dict(view), sort_keys=True).encode()):08x}"


def _sound(found: Mapping[str, Any]) -> dict[str, Any]:
    at, waiting = found.get("at"), found.get("waiting")
    known: dict[str, Any] = {name: _text(found.get(name)) for name in _TEXTS}
    known |= {name: _count(found.get(name)) for name in _COUNTS}
    known["at"] = _seconds(at)
    known["waiting"] = {str(k): _text(v) for k, v in waiting.items()} if isinstance(waiting, dict) else {}
    return known


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, int | float) and abs(value) < _MOST_S else 0.0  # NaN is not less


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int:
    return value if type(value) is int and 0 <= value < 1 << 53 else 0
