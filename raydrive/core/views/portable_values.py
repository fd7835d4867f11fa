"""Values as other programs take them: text that is Unicode, numbers that fit, names that a tool allows.

What a trial logs and what a user chooses may be anything that Python holds: a whole number of 400 digits, half of a
surrogate pair (bytes of a file name that were no UTF-8), a step that is infinite, a name with ``@`` in it.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable
from typing import Any

MOST_WHOLE = 2**63 - 1
"""The largest whole number that tables and other tools keep."""
NO_SURROGATES = r"[^\ud800-\udfff]"
"""A character of a name that any program can write."""
LAST_MOMENT_S = 253_402_300_799.0
"""The end of the year 9999, seconds since the epoch: later times have no date."""


def as_text(value: object) -> str:
    r"""Returns a value as text that every program can write; half of a surrogate pair becomes a backslash escape.

    >>> as_text("caf\udce9")
    'caf\\udce9'
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return whole_text(value)
    return str(value).encode("utf-8", "backslashreplace").decode()


def whole_text(value: int) -> str:
    """Returns a whole number's digits; of one with more than Python writes (4,300), how large it is.

    >>> whole_text(-12)
    '-12'
    """
    try:
        return str(value)
    except ValueError:
        return f"{'-' if value < 0 else ''}2^{abs(value).bit_length() - 1} or more"


def json_text(value: object) -> str:
    """Returns a value as JSON text; what JSON has no form for becomes text."""
    try:
        return json.dumps(value, default=as_text)
    except (ValueError, TypeError, RecursionError):
        return json.dumps(as_text(value) if isinstance(value, int) else type(value).__name__)


def as_step(value: float | None) -> int | None:
    """Returns a step as a whole number of 64 bits; None for one that is infinite, no number or too large.

    >>> as_step(3.7), as_step(10**400), as_step(float("nan"))
    (3, None, None)
    """
    if value is None or not abs(value) <= MOST_WHOLE or (isinstance(value, float) and not math.isfinite(value)):
        return None
    step = int(value)
    return step if abs(step) <= MOST_WHOLE else None


def as_moment(seconds: float | None) -> float:
    """Returns a time that has a date, seconds since the epoch; one that is none becomes the nearest one.

    >>> as_moment(12.5), as_moment(float("nan")), as_moment(1e300)
    (12.5, 0.0, 253402300799.0)
    """
    if seconds is None or seconds != seconds:
        return 0.0
    return float(min(max(seconds, 0.0), LAST_MOMENT_S))


class Names:
    """Gives each name one that a tool allows, no two the same.

    Args:
        allowed: Matches a character that the tool takes; every other becomes ``_``.
        longest: Characters that a name may have, 20 or more.
        is_path: Whether the tool takes names for paths: then no part between slashes is empty, ``.`` or ``..``.
        is_file: Whether it makes files of them: then no name is the folder of another one.
        known: Names that come first: those of them that are allowed stay as they are.
    """

    def __init__(
        self, allowed: str, longest: int, *, is_path: bool = False, is_file: bool = False, known: Iterable[str] = ()
    ) -> None:
        self._allowed = re.compile(allowed)
        self._longest = longest
        self._is_path, self._is_file = is_path, is_file
        self._given: dict[str, str] = {}
        self._taken: set[str] = set()
        for name in known:
            if self._plain(name) == name:
                self.of(name)

    def of(self, name: str) -> str:
        """Returns the name that a name goes by; the same one each time."""
        if name not in self._given:
            wanted = found = self._plain(name)
            if self._is_file and any(wanted.startswith(f"{other}/") for other in self._taken):
                wanted = found = wanted.replace("/", "_")
            count = 1
            while found in self._taken or (
                self._is_file and any(other.startswith(f"{found}/") for other in self._taken)
            ):
                count += 1
                ending = f"_{count}"
                found = wanted[: self._longest - len(ending)] + ending
            self._taken.add(found)
            self._given[name] = found
        return self._given[name]

    def changed(self) -> dict[str, str]:
        """Returns the names that go by another one, and that one."""
        return {name: given for name, given in self._given.items() if name != given}

    def _plain(self, name: str) -> str:
        text = "".join(char if self._allowed.fullmatch(char) else "_" for char in name)
        if self._is_path:
            text = "/".join("_" * max(1, len(part)) if part.strip(".") == "" else part for part in text.split("/"))
            text = re.sub(r"^\.\.+", "_", text)
        if len(text) > self._longest:
            digest = hashlib.sha256(name.encode("utf-8", "backslashreplace")).hexdigest()[:8]
            text = f"{text[: self._longest - 9]}_{digest}"
        return text or "_"


def cut(text: str, longest: int, told: Callable[[], Any]) -> str:
    """Returns a text of at most this many characters, the end cut off; ``told`` is called if it was."""
    if len(text) <= longest:
        return text
    told()
    return f"{text[: longest - 3]}..."
