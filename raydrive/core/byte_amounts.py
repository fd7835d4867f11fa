"""Amounts of memory as people write them: bytes, or a number with a unit."""

from __future__ import annotations

import re

from raydrive.core.numbers import is_number

_UNITS = {"": 1, "b": 1} | {
    f"{letter}{suffix}": base**power
    for power, letter in enumerate("kmgt", 1)
    for suffix, base in (("", 1000), ("b", 1000), ("i", 1024), ("ib", 1024))
}
ALLOWED = "bytes, or an amount such as 4GB or 512MiB"


def bytes_of(value: object) -> float | int | None:
    """Returns an amount in bytes, None for what is none.

    >>> bytes_of("4GB"), bytes_of("4GiB"), bytes_of(512), bytes_of("much")
    (4000000000, 4294967296, 512, None)
    """
    number, factor = value, 1
    if isinstance(value, str):
        match = re.fullmatch(r"\s*([0-9.]+(?:e[0-9]+)?)\s*([a-zA-Z]*)\s*", value)
        unit = _UNITS.get(match[2].casefold()) if match else None
        if match is None or unit is None:
            return None
        number, factor = _number(match[1]), unit
    if not is_number(number) or number < 0:  # type: ignore[operator]
        return None
    found: float | int = number * factor  # type: ignore[operator]
    return found


def amount_text(amount: float) -> str:
    """Returns an amount as people write it, with three digits that count.

    >>> amount_text(8 * 2**30), amount_text(1.5 * 2**20), amount_text(100)
    ('8 GiB', '1.5 MiB', '100 bytes')
    """
    for power, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB")):
        if amount >= 1024**power:
            return f"{amount / 1024**power:.3g} {unit}"
    return f"{amount:g} bytes"


def _number(text: str) -> float | int | None:
    for plain in (int, float):
        try:
            return plain(text)
        except ValueError:
            continue
    return None
