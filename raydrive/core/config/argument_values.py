"""How values of a search space pass to a script or command: which cannot at all, and which are options.

Azure ML writes a value into the command as it is, and a shell splits the line: ``choice ["--amp", ""]`` is a flag that
is there or not. Here a value is quoted, so that it is one argument whatever it holds. The exception are parameters
whose options are all ``""`` or begin with ``-x`` or ``--name`` and have no character that means something to a shell.
Where such a parameter is a whole word of the command, without quotes, its value becomes as many words as it has.
"""

from __future__ import annotations

from collections.abc import Iterator

from raydrive.core.argument_checks import unusable
from raydrive.core.config.command_line import is_options, quotes_of, references, whole_word
from raydrive.core.config.option_words import unusable_options
from raydrive.core.errors import Problem, show
from raydrive.core.space.expressions import Choice, Expression
from raydrive.core.space.search_space import Space

LONGEST_NAME = 200
"""Characters of the name of a parameter, an input or an output: of a variable, and of a folder."""
LONGEST_TITLE = 1_000
"""Characters of the name of a metric, and of a run as it is displayed."""
LONGEST_PATH = 4_096
"""Characters of a path or an address."""


def too_long(text: object, longest: int, where: str) -> list[Problem]:
    """Returns a problem when a text is longer than what it names can be."""
    if not isinstance(text, str) or len(text) <= longest:
        return []
    return [Problem(where, show(text), f"at most {longest:,} characters", f"It has {len(text):,}.")]


def long_names(metric: object, space: Space) -> list[Problem]:
    """Returns a problem for each name of metric and parameters that is too long."""
    problems = too_long(metric, LONGEST_TITLE, "primary_metric_name")
    for name in space.expressions:
        problems += too_long(name, LONGEST_NAME, f"search_space.{name}")
    return problems


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


def unflattenable(space: Space, command: str, *, flatten: bool) -> list[Problem]:
    """Returns a problem for each key of a nested choice that is to be an option of its own, and cannot be one."""
    flags = {reference.name.lstrip("-") for reference in references(command) if reference.scope == "flag"}
    return [
        problem
        for name, found in space.expressions.items()
        if isinstance(found, Choice) and (flatten or name.lstrip("-") in flags)
        for problem in unusable_options(name, found.values, [other for other in space.expressions if other != name])
    ]


_ONE_WORD = (
    "arrives as one word, where Azure's shell would split or drop it. If one word is meant, put the reference in "
    "quotes; options of the command line are split where all of the choice begin with '-' or are empty, and the "
    "reference is a word of its own"
)


def flag_parameters(space: Space) -> tuple[str, ...]:
    """Returns the parameters whose values are options of a command line."""
    return tuple(name for name, found in space.expressions.items() if isinstance(found, Choice) and _are_flags(found))


def _are_flags(choice: Choice) -> bool:
    return any(choice.values) and all(is_options(value) for value in choice.values)


def quoted_notes(command: str, space: Space) -> Iterator[tuple[str, str]]:
    """Yields path and note of each parameter whose values Azure's shell would split, and that arrive as one word."""
    flags, quotes, seen = flag_parameters(space), quotes_of(command), set[str]()
    for reference in references(command):
        name = next((key for key in space.expressions if key.lstrip("-") == reference.name.lstrip("-")), "")
        if reference.scope != "search_space" or not name or quotes[reference.start] or name in seen:
            continue
        if name in flags and whole_word(command, reference):
            continue
        split = [text for text in _texts(space.expressions[name]) if not text.strip() or len(text.split()) > 1]
        if split:
            seen.add(name)
            yield f"search_space.{name}", f"{show(split[0])} {_ONE_WORD}"


def _texts(expression: Expression) -> Iterator[str]:
    """The texts of a choice that stand alone; inside a dict or list they are passed as JSON, which escapes them."""
    if isinstance(expression, Choice):
        yield from (option for option in expression.values if isinstance(option, str))
