"""Concepts and synonyms that people ask for, with the keys of a sweep file that belong to them: ``concepts.toml``."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any

from raydrive.settings.packaged_toml import read_packaged
from raydrive.sweepfile.reference.key_reference import find_keys, key_reference


@dataclass(frozen=True, slots=True)
class Concept:
    """What people ask for by another name than that of a key."""

    title: str
    names: tuple[str, ...]
    """What is typed, in small letters, with single blanks."""
    text: str
    keys: tuple[str, ...]
    """Paths of keys that belong to it, the nearest one first."""
    commands: tuple[str, ...]
    """Lines for a shell."""
    example: str
    """YAML, or empty."""
    python: str
    """Python, or empty."""


@functools.cache
def concepts() -> tuple[Concept, ...]:
    """Returns all concepts."""
    raw: dict[str, dict[str, Any]] = read_packaged(__file__, "concepts.toml")
    return tuple(
        Concept(
            title=one["names"][0],
            names=tuple(one["names"]),
            text=one["text"],
            keys=tuple(one["keys"]),
            commands=tuple(one.get("commands", ())),
            example=one.get("example", "").strip(),
            python=one.get("python", "").strip(),
        )
        for one in raw.values()
    )


def plain_words(text: str) -> str:
    """Returns a name as concepts have it: small letters, single blanks, no ``-`` and ``_``."""
    return " ".join(re.sub(r"[-_\s]+", " ", text.casefold()).split())


def concept_named(text: str) -> Concept | None:
    """Returns the concept of a name, in the singular or plural; None where there is none.

    Args:
        text: What somebody typed.
    """
    words = plain_words(text)
    wanted = (words, words.removesuffix("s"), f"{words}s")
    return next((one for name in wanted for one in concepts() if name in one.names), None)


def meant_key(name: str) -> str:
    """Returns the path of the key that somebody means by an unknown one; empty where that is not known.

    Args:
        name: The unknown key, without what is above it.
    """
    named = [one.key for one in find_keys(name) if "NAME" not in one.key and not _is_form(one.key)]
    if len(named) == 1 and plain_words(name) not in ("trials", "mode"):
        return named[0]
    concept = concept_named(name)
    return concept.keys[0] if concept is not None and concept.keys and concept.keys[0] in key_reference() else ""


def _is_form(key: str) -> bool:
    """Whether an entry describes a value, such as a policy or an expression, and not a key."""
    return key_reference()[key].type.startswith(("a policy", "an expression"))
