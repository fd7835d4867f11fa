"""What a value of a settings file may be: pydantic's types, with our words for what is allowed.

pydantic checks shapes and ranges at this border; a sweep file is made of the same types.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError

from raydrive.core.errors import did_you_mean
from raydrive.core.numbers import is_number


def refusal(allowed: str, fix: str = "") -> PydanticCustomError:
    """Returns what a check raises for a value that is not allowed.

    Args:
        allowed: What is.
        fix: What to do about it; a sentence.
    """
    return PydanticCustomError("raydrive", "{allowed}", {"allowed": allowed, "fix": fix})


@dataclass(frozen=True, slots=True, eq=False)
class Check(BeforeValidator):
    """A check that says in JSON Schema what it accepts.

    Each is equal to itself only: ``typing`` takes equal annotations for one, and a function may be in several checks.
    """

    accepts: dict[str, Any] = field(default_factory=dict)
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return dict(self.accepts)


def from_text(value: Any) -> Any:
    """Returns the number that a text stands for, as v2 allows; anything else as it is."""
    if isinstance(value, str):
        for plain in (int, float):
            try:
                return plain(value.strip())
            except ValueError:
                continue
    return value


def _number(allowed: str, accept: Callable[[float], bool], *, whole: bool = False) -> Check:
    def check(value: Any) -> Any:
        number = from_text(value)
        if not is_number(number):
            raise refusal(allowed)
        if (whole and number != int(number)) or not accept(number):
            raise refusal(allowed)
        return int(number) if whole else number

    return Check(check, accepts={"type": ["integer" if whole else "number", "string"], "description": allowed})


def _text(value: Any) -> str:
    if isinstance(value, bool | int | float):
        raise refusal("text", f"Put it in quotes: '{value}'.")
    if not isinstance(value, str) or not value.strip():
        raise refusal("text that is not empty")
    return value


def any_case(name: str) -> str:
    """Returns a regular expression for an enum's name as v2 accepts it: any case, PascalCase included.

    >>> any_case("ro_mount")
    '^[rR][oO][_-]?[mM][oO][uU][nN][tT]$'
    """
    letters = ("[_-]?" if letter in "_-" else f"[{letter.lower()}{letter.upper()}]" for letter in name)
    return f"^{''.join(letters)}$"


def one_of(*known: str) -> Check:
    """Returns the check of an enum of v2: any case, PascalCase included."""
    folded = {re.sub("[_-]", "", name.casefold()): name for name in known}

    def check(value: Any) -> str:
        name = folded.get(re.sub("[_-]", "", value.strip().casefold())) if isinstance(value, str) else None
        if name is None:
            raise refusal(", ".join(known), did_you_mean(value, known) if isinstance(value, str) else "")
        return name

    patterns = [{"type": "string", "pattern": any_case(name)} for name in known]
    # An editor offers the names; any spelling of them is valid.
    return Check(check, accepts={"anyOf": [{"enum": list(known)}, *patterns]})


Text = Annotated[str, Check(_text, accepts={"type": "string", "pattern": "\\S"})]
Count = Annotated[int, _number("a whole number of 1 or more", lambda n: n >= 1, whole=True)]
CountOrNone = Annotated[int, _number("a whole number of 0 or more", lambda n: n >= 0, whole=True)]
Seconds = Annotated[float, _number("a number of seconds above 0", lambda n: n > 0)]
Amount = Annotated[float, _number("a number of 0 or more", lambda n: n >= 0)]


class Section(BaseModel):
    """A mapping of the file whose keys are all known."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())
