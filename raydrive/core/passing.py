"""Which values of a search space can be passed to a script or command at all."""

from __future__ import annotations

from collections.abc import Iterator

from raydrive.core.errors import Problem, show
from raydrive.core.expressions import Choice, Expression
from raydrive.core.space import Space
from raydrive.core.wanted import unusable


def unpassable(space: Space) -> list[Problem]:
    """Returns a problem for each name and each option of a choice that no command line can hold."""
    problems = []
    for name, expression in space.expressions.items():
        where = f"search_space.{name}"
        for text in (name, *_texts(expression)):
            if wrong := unusable(text):
                allowed = "text that a command line can hold"
                problems.append(Problem(where, f"{show(text)}, with {wrong}", allowed, "A function can get it."))
    return problems


def _texts(expression: Expression) -> Iterator[str]:
    """The texts of a choice that stand alone; inside a dict or list they are passed as JSON, which escapes them."""
    if isinstance(expression, Choice):
        yield from (option for option in expression.values if isinstance(option, str))
