"""Names of files as stores take them.

A name of a Linux file is any bytes but ``/`` and NUL. An object store wants UTF-8, and some take less: control
characters cannot be listed, a backslash becomes a slash on Azure, a dot at the end of a part is dropped there, and a
key has 1,024 bytes. Such a name is *escaped*: each byte in the way, and each ``%``, becomes ``%`` and two hexadecimal
digits.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import string

LONGEST_PART = 240
"""Bytes of one part of an escaped name, at most: file systems take 255."""
LONGEST = 480
"""Bytes of a portable name, at most."""
_PORTABLE = frozenset(string.ascii_letters + string.digits + "._-+=@,/")
_TAIL = 60
_TEMPORARY = re.compile(r"\..*\.(\d+-[0-9a-f]+|[0-9a-f]{12})\.tmp", re.DOTALL)


def to_bytes(name: str) -> bytes:
    """Returns the bytes of a name as the operating system has them."""
    try:
        return os.fsencode(name)
    except UnicodeEncodeError:  # half of a surrogate pair: of no file system
        return name.encode("utf-8", "surrogatepass")


def temporary(name: str) -> str:
    """Returns a new name to write a file under before it gets its own."""
    start = os.fsdecode(to_bytes(name)[:100])
    return f".{start}.{os.getpid()}-{secrets.token_hex(4)}.tmp"


def is_temporary(name: str) -> bool:
    """Returns whether a file of this name is a write that has not ended (or never will)."""
    return name.startswith(".") and name.endswith(".tmp") and _TEMPORARY.fullmatch(name) is not None


def legible(name: str) -> str:
    r"""Returns a name fit for messages, logs and terminals: what cannot be printed is escaped with a backslash.

    >>> legible("caf\udce9.txt"), legible("two\nlines")
    ('caf\\xe9.txt', 'two\\nlines')
    """
    text = to_bytes(name).decode("utf-8", "backslashreplace")
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def is_text(name: str) -> bool:
    """Whether a name is UTF-8, so that it can be in a message, a table or a URL."""
    return name.isascii() or not any(0xD800 <= ord(one) < 0xE000 for one in name)


def storable(name: str) -> str:
    r"""Returns a name under which every object store keeps a file and lists it again; most names as they are.

    >>> storable("model.bin"), storable("caf\udce9.txt"), storable("100%.\n")
    ('model.bin', 'caf%E9.txt', '100%25.%0A')
    """
    if _is_storable(name):
        return name
    parts = []
    for part in name.split("/"):
        text = "".join(_escaped(one) if _is_odd(one) or one == "%" else one for one in part)
        text = text[:-1] + "%2E" if text.endswith(".") else text
        parts.append("%2E" + text[1:] if is_temporary(text) else text)
    return "/".join(parts)


def portable(name: str, most: int = LONGEST) -> str:
    r"""Returns a short name of nothing but plain characters, for a store that takes neither of the others.

    Args:
        name: The file's name.
        most: Bytes that the name may have.

    >>> portable("a:b ż/x.bin")
    'a%3Ab%20%C5%BC/x.bin'
    """
    text = "".join(one if one in _PORTABLE else _escaped(one) for one in name)
    parts = [part[:-1] + "%2E" if part.endswith(".") else part for part in text.split("/")]
    whole = "/".join(parts)
    if len(whole) <= most and all(len(part) <= LONGEST_PART for part in parts):
        return whole
    digest = hashlib.sha256(to_bytes(name)).hexdigest()[:16]
    return f"long-{digest}-{parts[-1][-_TAIL:]}"[:most]


def _is_storable(name: str) -> bool:
    parts = name.split("/")
    return not any(map(_is_odd, name)) and not any(part.endswith(".") or is_temporary(part) for part in parts)


def _is_odd(one: str) -> bool:
    code = ord(one)
    control = code < 0x20 or 0x7F <= code < 0xA0
    return control or one == "\\" or 0xD800 <= code < 0xE000 or code & 0xFFFE == 0xFFFE


def _escaped(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in to_bytes(text))
