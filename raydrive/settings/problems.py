"""What is wrong with a file of settings, said in our words: where, what was found, what is allowed, what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from raydrive.core.errors import MOST_PROBLEMS, Problem, did_you_mean, nearest, show
from raydrive.settings.fields import Section
from raydrive.settings.tree import Node

MOST_KEYS = 12
"""Keys that are listed beside an advice; of more, their number."""


ONLY_MISSPELT = 0.9
"""Likeness of two names, from 0 to 1, above which one is the other one with a slip of the pen."""


def _nowhere(where: str) -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to do about the mistakes that users make in one kind of file."""

    file: str = ""
    """Its name, where it has too many keys at the top to list them all: ``a sweep file``."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Advice for an unknown key, by its path."""
    home_of: Callable[[str], str] = _nowhere
    """Returns advice for a key that belongs elsewhere, by its name; empty for one that is known nowhere."""
    meant: Callable[[str], str] = _nowhere
    """Returns the path of the key that is meant by another name; empty where that is not known."""
    needed: Mapping[str, str] = field(default_factory=dict)
    """What a key needs, by its path or name, for one that is missing."""
    values: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Advice for a value that is not allowed, by path and value as it is shown."""
    no_mapping: Mapping[str, str] = field(default_factory=dict)
    """Advice for what should be a mapping, by its path."""


NO_ADVICE = Advice()


def path_of(loc: tuple[int | str, ...]) -> str:
    """Returns ``search_space.lr.values[1]`` for a location as pydantic gives it.

    >>> path_of(("raydrive", "preload", 1))
    'raydrive.preload[1]'
    """
    out = ""
    for part in loc:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else part
    return out


def problems_of(
    error: ValidationError, root: Node, model: type[Section], base: str = "", advice: Advice = NO_ADVICE
) -> Iterator[Problem]:
    """Yields what pydantic found, in our words and with places.

    Args:
        error: From validating ``model``.
        root: The whole file.
        model: The model of the mapping at ``base``.
        base: Path of the validated mapping; empty for the whole file.
        advice: What to do about mistakes in such a file.
    """
    for number, details in enumerate(error.errors(include_url=False)):
        # What is not shown needs no advice, which takes a millisecond.
        yield _problem(details, root, model, base, advice if number < MOST_PROBLEMS else None)


def _problem(details: ErrorDetails, root: Node, model: type[Section], base: str, advice: Advice | None) -> Problem:
    loc, kind = details["loc"], details["type"]
    where = path_of((base, *loc) if base else loc) or "the file"
    if kind == "extra_forbidden":
        return _unknown_key(where, loc, root, model, base, advice)
    advice = advice or NO_ADVICE
    if kind == "missing":
        needed = advice.needed.get(where) or advice.needed.get(str(loc[-1]), "a value")
        return Problem(where, "nothing", needed, "", root.locate(where))
    context = details.get("ctx", {})
    found, place = show(details["input"]) if details["input"] is not None else "null", root.locate(where)
    if kind == "raydrive":
        fix = context["fix"] or advice.values.get((where, found), "")
        return Problem(where, found, context["allowed"], fix, place)
    allowed = {
        "dict_type": "a mapping of keys to values",
        "model_type": "a mapping of keys to values",
        "list_type": "a list",
        "string_type": "text",
        "bool_type": "true or false",
        "bool_parsing": "true or false",
    }.get(kind, details["msg"])
    fix = advice.no_mapping.get(where, "") if kind in ("dict_type", "model_type") else ""
    if kind == "list_type" and isinstance(details["input"], str):
        fix = f"Write [{details['input']}]."
    return Problem(where, found, allowed, fix, place)


def _unknown_key(
    where: str, loc: tuple[int | str, ...], root: Node, model: type[Section], base: str, advice: Advice | None
) -> Problem:
    known, key = keys_of(model_at(model, loc[:-1])), str(loc[-1])
    fix, file = "", ""
    if advice is not None:
        fix = advice.renamed.get(where) or advice.home_of(key) or _meant(where, known, advice)
        file = advice.file
    home = where.rpartition(".")[0] or file
    allowed = f"one of the {len(known)} keys of {home}" if fix and home and len(known) > MOST_KEYS else ", ".join(known)
    return Problem(where, "an unknown key", allowed, fix, root.locate(where, key=True))


def _meant(where: str, known: Sequence[str], advice: Advice) -> str:
    """What somebody may mean by an unknown key: one with nearly this name, or another one by another name."""
    above, _, key = where.rpartition(".")
    near = nearest(key, known)
    misspelt = bool(near) and SequenceMatcher(None, key, near).ratio() >= ONLY_MISSPELT
    meant = "" if misspelt else advice.meant(key)
    home, _, name = meant.rpartition(".")
    if meant and (home == above or name in known):
        return f"Did you mean {name!r}?"
    return f"The key is {meant}." if meant else did_you_mean(key, known)


def without_echoes(problems: Iterable[Problem]) -> Iterator[Problem]:
    """Yields problems, less those of keys that are missing only because they are misspelt: one mistake, one message."""
    problems = list(problems)
    meant = set()
    for problem in problems:
        if problem.found == "an unknown key" or problem.allowed.startswith("no such key"):
            above = problem.where.rpartition(".")[0]
            for near, renamed in re.findall(r"Did you mean '(.+)'\?|It is (?:called )?(\S+) here", problem.fix):
                meant.add(renamed or f"{above}.{near}".lstrip("."))
    for problem in problems:
        parts = problem.where.split(".")
        if problem.found == "nothing" and any(".".join(parts[:n]) in meant for n in range(1, len(parts) + 1)):
            continue
        yield problem


def keys_of(model: type[BaseModel] | None) -> list[str]:
    """Returns the keys of a mapping as a file spells them."""
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def model_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> type[BaseModel] | None:
    """Returns the model of the mapping at a location, None where there is none."""
    found: type[BaseModel] | None = model
    for part in loc:
        field = found.model_fields.get(str(part)) if found else None
        found = model_in(field.annotation) if field else None
    return found


def model_in(annotation: Any) -> type[BaseModel] | None:
    """Returns the model in ``Model`` or ``Model | None``; None for any other annotation."""
    # On Python 3.10 ``list[str]`` passes for a class: only what has no origin is one.
    candidates = [each for each in (annotation, *get_args(annotation)) if get_origin(each) is None]
    return next((each for each in candidates if isinstance(each, type) and issubclass(each, BaseModel)), None)


def in_order(problems: Sequence[Problem], name: str) -> Iterator[Problem]:
    """Yields problems by line and column, those of the file ``name`` first; the same one twice only once."""

    def position(problem: Problem) -> tuple[bool, str, int, int]:
        match = re.fullmatch(r"(.*):(\d+):(\d+)", problem.place)
        file, line, column = (match[1], int(match[2]), int(match[3])) if match else (problem.place, 0, 0)
        return file != name, file, line, column

    seen = set[object]()
    for problem in sorted(without_echoes(problems), key=position):
        # A settings file is checked by itself, and again with what it is laid over.
        same = (problem.where, problem.place) if problem.found == "an unknown key" else problem
        if same not in seen:
            yield problem
        seen.add(same)
