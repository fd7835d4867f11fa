"""``on_oom``: what happens to a trial that runs out of memory, as its user wrote it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raydrive.core.byte_amounts import ALLOWED, bytes_of
from raydrive.core.errors import ConfigError, Problem, show, unknown_keys
from raydrive.core.numbers import is_number, is_whole
from raydrive.core.out_of_memory.recognition import GPU

KEYS = ("memory", "up_to", "attempts")
FACTOR = "a factor above 1, such as x1.5"
_FACTOR = re.compile(r"[x*]\s*([0-9.]+)|([0-9.]+)\s*[x*]?")
SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "What happens to a trial that runs out of memory: it restarts with more, or its configuration"
    " counts as infeasible.",
    "additionalProperties": False,
    "properties": {
        "memory": {"anyOf": [{"type": "string", "pattern": r"^[x*]?\s*[0-9.]+$"}, {"type": "number"}]},
        "up_to": {"type": ["number", "string"]},
        "attempts": {"type": "integer", "minimum": 1},
    },
}
"""As JSON Schema, for editors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnOom:
    """What happens to a trial that runs out of memory."""

    memory: float | None = None
    """Factor by which its next attempt reserves more memory, above 1; None = it gets no other attempt."""
    up_to: float | None = None
    """Bytes of memory that it reserves at most; None = any number."""
    attempts: int = 3
    """Attempts that may run out of the node's memory, 1 or more; then the configuration is infeasible."""

    def to_json(self) -> dict[str, Any]:
        """Returns it as a sweep file has it; ``on_oom_of`` gives back an equal object."""
        out: dict[str, Any] = {"attempts": self.attempts}
        if self.memory is not None:
            out["memory"] = f"x{self.memory!r}"
        if self.up_to is not None:
            out["up_to"] = self.up_to
        return out

    def next_memory(self, kind: str, reserved: float | None, times: int) -> float | None:
        """Returns the bytes that the next attempt of a trial reserves; None = its configuration is infeasible.

        Args:
            kind: Whose memory it has run out of. More of the node's is of no use where it was a GPU's.
            reserved: Bytes that the last attempt reserved; None = none.
            times: Attempts that have run out of the node's memory so far, the last one included.
        """
        if kind == GPU or self.memory is None or reserved is None or times >= self.attempts:
            return None
        most = math.inf if self.up_to is None else self.up_to
        return min(reserved * self.memory, most) if reserved < most else None


def on_oom_of(given: OnOom | Mapping[str, Any] | None, where: str = "on_oom") -> OnOom | None:
    """Returns the rule that a mapping stands for; None and an object of the class are returned as they are.

    Args:
        given: Such as ``{"memory": "x1.5", "up_to": "64GiB", "attempts": 3}``.
        where: Path of it, for errors.

    Raises:
        ConfigError: If a key is unknown or a value cannot be used; all problems at once.
    """
    if given is None or isinstance(given, OnOom):
        return given
    if not isinstance(given, Mapping):
        raise ConfigError(Problem(where, show(given), "a mapping such as {memory: x1.5, up_to: 64GiB, attempts: 3}"))
    problems = unknown_keys(given, KEYS, where)
    factor, up_to, attempts = _factor(given.get("memory")), given.get("up_to"), given.get("attempts")
    attempts = 3 if attempts is None else attempts
    if factor is not None and not 1.0 < factor < math.inf:
        problems.append(Problem(f"{where}.memory", show(given["memory"]), FACTOR))
    most = None if up_to is None else bytes_of(up_to)
    if up_to is not None and not most:
        problems.append(Problem(f"{where}.up_to", show(up_to), ALLOWED))
    if not is_whole(attempts, 1):
        problems.append(Problem(f"{where}.attempts", show(attempts), "a whole number of 1 or more"))
    if problems:
        raise ConfigError(problems)
    return OnOom(memory=factor, up_to=most, attempts=attempts)


def misfits(rule: OnOom, memory: float | None) -> list[Problem]:
    """Returns what of the rule does not fit what a trial reserves.

    Args:
        rule: The rule.
        memory: Bytes that a trial reserves; None = memory is not counted.
    """
    if rule.memory is not None and not memory:
        fix = "Reserve memory for a trial, such as memory: 8GiB in its resources, or remove this key."
        return [Problem("on_oom.memory", f"x{rule.memory:g} of no memory", "a factor of the reserved amount", fix)]
    if rule.up_to is not None and memory and rule.up_to < memory:
        found = f"{rule.up_to:g} bytes, less than the {memory:g} that a trial reserves"
        return [Problem("on_oom.up_to", found, "an amount above the reserved one")]
    return []


def _factor(given: object) -> float | None:
    """A factor as it is written: ``x1.5``, ``1.5x`` or 1.5; NaN for what is none, None for nothing."""
    if given is None:
        return None
    if is_number(given):
        return float(given)  # type: ignore[arg-type]
    match = _FACTOR.fullmatch(given.strip()) if isinstance(given, str) else None
    try:
        return float(match[1] or match[2]) if match else math.nan
    except ValueError:
        return math.nan
