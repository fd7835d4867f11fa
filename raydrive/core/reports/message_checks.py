"""Checks messages of a training process, and converts them to values that can be recorded and read back.

Anybody may write to the socket of a trial, in any language, so anything that JSON can spell may be in a message.
Here is each limit, in one place; the reader (``attempt_reports.py``) reports once what was changed or dropped:

    times      from ``CLOCK_SLACK_S`` before the attempt began to as much after now; else the reader's own time
    names      1 to ``MAX_NAME`` characters without blanks around them; control characters and lone surrogates are
               replaced, anything else is dropped with its value
    numbers    whole numbers of 64 bits; larger ones become floats, infinite beyond those; true and false are 1 and 0
    texts      anything that can be encoded; lone surrogates are replaced
    nesting    ``MAX_DEPTH`` lists or objects in each other; a value with more is dropped
    steps      finite numbers of 64 bits, also as text; else there is no step
    tags       names as above; values become text
"""

from __future__ import annotations

import json
import math
import reprlib
import unicodedata
from collections.abc import Mapping
from typing import Any

from raydrive.core.numbers import as_float

CLOCK_SLACK_S = 60.0
"""Seconds by which a time that was logged may differ from what the reader's clock allows."""
MAX_NAME = 500
"""Longest name of a metric or a tag, in characters."""
MAX_DEPTH = 30
"""Most lists and objects in each other in one value."""
MAX_WHOLE = 1 << 63
"""Whole numbers below it, and above it with the other sign, are kept as they are: 64 bits, as in Parquet and MLflow."""
RESERVED = "$float"
"""A name by which the journal spells what JSON has no numbers for."""
MAX_REASON = 4_000
"""Longest reason that a trial gives for its failure, in characters; the rest is cut off."""

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_shown = reprlib.Repr()
_shown.maxstring = _shown.maxother = _shown.maxlong = 80
_shown.maxlevel = 3


class TooDeepError(ValueError):
    """A value is nested deeper than ``MAX_DEPTH``."""


def shown(value: object) -> str:
    """A value for people, short whatever its size and nesting."""
    return clean_text(_shown.repr(value))


def clean_text(text: str) -> str:
    """The text without lone surrogates, which no file can hold."""
    if text.isascii() or not _has_surrogates(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _has_surrogates(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def clean_name(name: str) -> str:
    """The name as it is recorded; empty for one that cannot be: see the head of this module."""
    name = name.strip()
    if len(name) > MAX_NAME:
        return ""
    if name == RESERVED:
        return f"{_REPLACEMENT}{name[1:]}"
    if name.isprintable():
        return name
    # Zl and Zp: line and paragraph separators. What joins emojis is not a printable character either, and stays.
    bad = ("Cc", "Cs", "Zl", "Zp")
    return "".join([_REPLACEMENT if unicodedata.category(letter) in bad else letter for letter in name])


def checked_value(value: Any, depth: int = 0) -> Any:
    """A logged value as it is recorded: a number, a text, or lists and objects of them.

    Args:
        value: What JSON gave.
        depth: How many lists and objects it is in.

    Raises:
        TooDeepError: It is nested deeper than ``MAX_DEPTH``.
    """
    kind = value.__class__
    if kind is float or value is None:
        return value
    if kind is str:
        return clean_text(value)
    if kind is bool:
        return value if depth else int(value)
    if kind is int:
        return value if -MAX_WHOLE <= value < MAX_WHOLE else as_float(value)
    if depth >= MAX_DEPTH:
        raise TooDeepError
    if isinstance(value, Mapping):
        if len(value) == 1 and (spelled := value.get(RESERVED)).__class__ is str and spelled in _NON_FINITE:
            return _NON_FINITE[spelled]  # the journal spells it so, and would read it so
        return {clean_text(str(key)): checked_value(item, depth + 1) for key, item in value.items()}
    return [checked_value(item, depth + 1) for item in value]


def checked_step(step: Any) -> float | None:
    """A step as it is recorded; None for what is none, a number in a text included as the number."""
    if step.__class__ is str:
        try:
            step = float(step) if len(step) < 100 else None
        except ValueError:
            return None
        if step is not None and step.is_integer():
            step = int(step)
    if step.__class__ not in (int, float) or not -MAX_WHOLE <= step < MAX_WHOLE:  # NaN is in no order
        return None
    return step


def checked_tags(tags: Mapping[str, Any]) -> dict[str, str]:
    """Tags as they are recorded; those whose name cannot be are left out."""
    return {name: _tag_text(value) for key, value in tags.items() if (name := clean_name(key))}


def _tag_text(value: Any) -> str:
    if value.__class__ is str:
        return clean_text(value)
    if value is None:
        return ""
    try:
        return json.dumps(checked_value(value, 1))
    except TooDeepError:
        return shown(value)


def checked_reason(why: Any) -> str:
    """The reason that a trial gives for its failure, as text; empty when it gives none."""
    if why is None or why == "":
        return ""
    return clean_text(why[:MAX_REASON] if why.__class__ is str else _tag_text(why)[:MAX_REASON])


def checked_checkpoint(name: Any) -> str:
    """The name of a folder in the trial's checkpoint folder; empty for what cannot be one."""
    text = str(name) if name.__class__ is int and abs(name) < MAX_WHOLE else name
    if text.__class__ is not str or text in ("", ".", "..") or len(text) > 200:
        return ""
    return "" if "/" in text or "\0" in text or _has_surrogates(text) else text
