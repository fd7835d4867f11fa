"""``notify``: which notices a run sends and where, as its user wrote it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raydrive.core.errors import HIDDEN, ConfigError, Problem, did_you_mean, show, unknown_keys

FINISHED, FAILED, BEST, INTERRUPTED = "finished", "failed", "best", "interrupted"
EVENTS = (FINISHED, FAILED, BEST, INTERRUPTED)
DEFAULT = (FINISHED, FAILED, INTERRUPTED)
KEYS = ("command", "webhook", "on")
WEBHOOK = "RAYDRIVE_NOTIFY_WEBHOOK"
"""Name under which the address of a webhook travels with the secrets of a run; no trial gets it."""
_SOURCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+")
_ADDRESS = re.compile(r"https?://([^\s/@]*@)?(\[[0-9a-fA-F:.]+\]|[^\s/@:?#\[\]]+)(:[0-9]+)?([/?#]\S*)?")
SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "Where the run sends notices of its end and of new best trials.",
    "additionalProperties": False,
    "properties": {
        "command": {"type": "string", "pattern": "\\S"},
        "webhook": {"type": "string", "pattern": "^(https?://|env:|file:)"},
        "on": {"type": "array", "items": {"enum": list(EVENTS)}, "minItems": 1},
    },
    "anyOf": [{"required": ["command"]}, {"required": ["webhook"]}],
}
"""As JSON Schema, for editors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """Whom a run tells, and of what."""

    command: str = ""
    """A shell line that the driver runs; empty = none."""
    webhook: str = ""
    """Where a JSON object is sent by POST: an http or https address, or ``env:NAME`` or ``file:PATH``, which is read
    where the run is submitted or resumed; empty = nowhere."""
    on: tuple[str, ...] = DEFAULT
    """Names among ``EVENTS``."""

    @property
    def source(self) -> str:
        """Where the webhook's address is read when the run is submitted; empty where it is in the configuration."""
        return self.webhook if _SOURCE.fullmatch(self.webhook) else ""

    def to_json(self) -> dict[str, Any]:
        """Returns it as a sweep file has it; ``notify_of`` gives back an equal object."""
        given = {"command": self.command, "webhook": self.webhook}
        return {**{name: value for name, value in given.items() if value}, "on": list(self.on)}


def shared(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what ``to_json`` gives as it may be shown: addresses of webhooks and commands may hold secrets."""
    webhook = raw.get("webhook", "")
    kept = {} if not webhook else {"webhook": webhook if _SOURCE.fullmatch(webhook) else HIDDEN}
    return {**raw, **kept, **({"command": HIDDEN} if raw.get("command") else {})}


def notify_of(given: Notify | Mapping[str, Any] | str | None, where: str = "notify") -> Notify | None:
    """Returns what a mapping stands for; None and an object of the class are returned as they are.

    Args:
        given: Such as ``{"command": "mail -s done me@example.org", "on": ["finished", "failed"]}``.
        where: Path of it, for errors.

    Raises:
        ConfigError: If a key is unknown or a value cannot be used; all problems at once.
    """
    if given is None or isinstance(given, Notify):
        return given
    if not isinstance(given, Mapping):
        fix = 'Write {command: "..."} or {webhook: "https://..."}.'
        raise ConfigError(Problem(where, HIDDEN, f"a mapping with {', '.join(KEYS)}", fix))
    problems = unknown_keys(given, KEYS, where)
    command, webhook, on = given.get("command"), given.get("webhook"), given.get("on")
    if command is not None and (not isinstance(command, str) or not command.strip()):
        problems.append(Problem(f"{where}.command", show(command), "a shell command"))
    if webhook is not None and not (isinstance(webhook, str) and _is_address(webhook)):
        allowed = "an address that begins with https:// or http://, or env:NAME, or file:PATH"
        problems.append(Problem(f"{where}.webhook", HIDDEN, allowed))  # what is here may be a secret
    if command is None and webhook is None and not problems:
        problems.append(Problem(where, "neither a command nor a webhook", "one of the two, or both"))
    events = [on] if isinstance(on, str) else DEFAULT if on is None else on
    if not isinstance(events, list | tuple) or not events:
        problems.append(Problem(f"{where}.on", show(on), f"a list of {', '.join(EVENTS)}"))
        events = DEFAULT
    for event in events:
        if event not in EVENTS:
            fix = did_you_mean(event, EVENTS) if isinstance(event, str) else ""
            problems.append(Problem(f"{where}.on", show(event), ", ".join(EVENTS), fix))
    if problems:
        raise ConfigError(problems)
    return Notify(command=command or "", webhook=webhook or "", on=tuple(dict.fromkeys(events)))


def _is_address(text: str) -> bool:
    return bool(_SOURCE.fullmatch(text) or _ADDRESS.fullmatch(text))
