"""Where Azure reads a YAML scalar differently: it uses PyYAML (YAML 1.1), raydrive reads YAML 1.2.

``yes`` is true there and text here, ``010`` is 8 there and 10 here, ``12:30:45`` is 45045, ``1e-5`` is text. Among the
values of a choice that is another search, without a word; hence the warnings.
"""

from __future__ import annotations

import re
from typing import Any

from raydrive.core.errors import show

# The resolvers of PyYAML 6 (yaml/resolver.py).
_BOOL = {
    **dict.fromkeys(("yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
}
_FLOAT = re.compile(
    r"[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+][0-9]+)?"
    r"|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?"
    r"|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_INT = re.compile(
    r"[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+"
    r"|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+"
)
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?"
    r"(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?"
)


def pyyaml_value(text: str) -> Any:
    """Returns what PyYAML makes of an unquoted scalar; for dates and times, the text ``"the date ..."``.

    >>> pyyaml_value("yes"), pyyaml_value("010"), pyyaml_value("12:30:45"), pyyaml_value("1e-5")
    (True, 8, 45045, '1e-5')
    """
    if text in _BOOL:
        return _BOOL[text]
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if _INT.fullmatch(text):
        return _int(text.replace("_", ""))
    if _FLOAT.fullmatch(text):
        return _float(text.replace("_", "").lower())
    return f"the date {text}" if _TIMESTAMP.fullmatch(text) else text


def reading(text: str, value: Any) -> str:
    """Returns how Azure's reading of an unquoted scalar differs from ``value``, or an empty string.

    >>> reading("yes", "yes")
    "PyYAML (Azure) reads this as True, here it is the text 'yes'"
    >>> reading("0.1", 0.1)
    ''
    """
    theirs = pyyaml_value(text)
    same_kind = isinstance(theirs, int | float) == isinstance(value, int | float)
    same_kind = same_kind and isinstance(theirs, bool) == isinstance(value, bool)
    if same_kind and (theirs == value or (theirs != theirs and value != value)):
        return ""
    return f"PyYAML (Azure) reads this as {_named(theirs)}, here it is {_named(value)}"


def _named(value: Any) -> str:
    if isinstance(value, str):
        return value if value.startswith("the date ") else f"the text {show(value)}"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"the number {show(value)}" if is_number else show(value)


def _int(text: str) -> int:
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if ":" in digits:
        return sign * int(_base60(digits))
    if digits.startswith(("0b", "0x")):
        return sign * int(digits, 0)
    return sign * int(digits, 8 if digits.startswith("0") and digits != "0" else 10)


def _float(text: str) -> float:
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if ":" in digits:
        return sign * _base60(digits)
    return sign * float(digits.removeprefix(".") if digits in (".inf", ".nan") else digits)


def _base60(digits: str) -> float:
    total = 0.0
    for part in digits.split(":"):
        total = total * 60 + float(part)
    return total
