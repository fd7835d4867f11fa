"""Which files of a working directory are kept beside ``outputs`` and ``logs``: patterns as in ``.gitignore``."""

from __future__ import annotations

from collections.abc import Sequence

from raydrive.core.errors import Problem

ALLOWED = "a pattern as in .gitignore, relative to the trial's working directory, such as wandb/** or *.csv"


class Patterns:
    """Decides over names; the last pattern that matches one counts.

    Args:
        patterns: Patterns in the syntax of ``.gitignore``, without problems.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        import pathspec  # lazy: pathspec, 0.01 s

        self._spec = pathspec.GitIgnoreSpec.from_lines(map(_relative, patterns))

    def decide(self, name: str) -> bool | None:
        """Whether a file is kept; False where ``!pattern`` names it, without a notice; None if none names it.

        Args:
            name: Relative to the working directory, with slashes.
        """
        return self._spec.check_file(name).include


def _relative(pattern: str) -> str:
    """A pattern without the ``./`` that people write before a path, and with which it would match nothing."""
    mark = "!" * pattern.startswith("!")
    return mark + pattern.removeprefix(mark).removeprefix("./")


def check_patterns(patterns: object, where: str) -> list[Problem]:
    """Returns what is wrong with patterns.

    Args:
        patterns: As given.
        where: What they are called.
    """
    if isinstance(patterns, str) or not isinstance(patterns, Sequence):
        fix = f"Write [{patterns!r}]." if isinstance(patterns, str) else ""
        return [Problem(where, repr(patterns), "a list of patterns", fix)]
    problems = []
    for index, pattern in enumerate(patterns):
        advice = _fix(pattern)
        if advice is not None:
            problems.append(Problem(f"{where}[{index}]", repr(pattern), ALLOWED, advice))
    return problems


def _fix(pattern: object) -> str | None:
    """What to do about a pattern that can match nothing; None where it is fine."""
    import pathspec  # lazy: pathspec, 0.01 s

    if not isinstance(pattern, str) or not pattern.strip():
        return ""
    bare = pattern.removeprefix("!")
    if bare.startswith("#"):
        return f"This is a comment; for a name that begins with # write '\\{bare}'."
    if bare.startswith("~") or ".." in bare.split("/"):
        return "Files outside the working directory stay where they are."
    try:
        pathspec.GitIgnoreSpec.from_lines([pattern])
    except ValueError as error:
        return f"{error}."
    return None
