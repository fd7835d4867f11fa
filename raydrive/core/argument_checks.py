"""What an argument of a public function may be, and the sentence for what it is not.

``@checked`` compares each argument with the annotation of its parameter, or with what is given for it by name, before
the function runs: a value of the wrong type is a ``ConfigError`` that names the argument, what was found and what is
allowed. A call that does not fit the signature stays Python's own ``TypeError``.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from raydrive.core.errors import ConfigError, Problem, show
from raydrive.core.numbers import is_number

LONGEST_NAME = 4_096
"""Characters of a name or a path; no file system takes a longer one."""
F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type)


def unusable(text: str) -> str:
    r"""Returns why no file name and no command line can hold a text, or an empty string.

    >>> unusable("a b"), unusable("a\0b"), unusable("\ud800")
    ('', 'a NUL character', 'half a character (a lone surrogate)')
    """
    if "\0" in text:
        return "a NUL character"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "half a character (a lone surrogate)"
    return ""


def named(value: object) -> str:
    """Returns a value for an error message, with its type where the value alone does not tell it."""
    if value is None or isinstance(value, bool | int | float | str | bytes | list | tuple | dict | set):
        return show(value)
    return f"{show(value)} ({type(value).__name__})"


@dataclass(frozen=True, slots=True)
class ArgumentRule:
    """What an argument may be."""

    allowed: str
    """In words."""
    problems: Callable[[Any, str], list[Problem]]
    """Returns what is wrong with a value that was found at a place."""

    def __or__(self, other: ArgumentRule) -> ArgumentRule:
        """Either of two."""
        allowed = f"{self.allowed}, or {other.allowed}"

        def problems(value: Any, where: str) -> list[Problem]:
            ours = self.problems(value, where)
            if not ours or not other.problems(value, where):
                return []
            # What is wrong inside a value of the right kind says more than that neither of two fits.
            exact = len(ours) > 1 or ours[0].where != where or ours[0].allowed != self.allowed
            return ours if exact else [Problem(where, ours[0].found, allowed, ours[0].fix)]

        return ArgumentRule(allowed, problems)


def kind(allowed: str, accepts: Callable[[Any], bool]) -> ArgumentRule:
    """Returns what a function accepts."""

    def problems(value: Any, where: str) -> list[Problem]:
        try:
            fits = accepts(value)
        except Exception:  # the value's own code
            fits = False
        return [] if fits else [Problem(where, named(value), allowed)]

    return ArgumentRule(allowed, problems)


def instance(of: type | tuple[type, ...], allowed: str) -> ArgumentRule:
    """Returns objects of a class."""
    return kind(allowed, lambda value: isinstance(value, of))


def lazy(home: str, name: str, allowed: str) -> ArgumentRule:
    """Returns objects of a class that is looked up at the first check, for modules that import each other.

    Args:
        home: The module.
        name: The class.
        allowed: In words.
    """

    def accepts(value: Any) -> bool:
        return isinstance(value, getattr(importlib.import_module(home), name))

    return kind(allowed, accepts)


def _text(value: Any, where: str) -> list[Problem]:
    if not isinstance(value, str):
        return [Problem(where, named(value), "text")]
    wrong = unusable(value)
    allowed = "text that a file name and a command line can hold"
    return [Problem(where, f"{show(value)}, with {wrong}", allowed)] if wrong else []


def _path(value: Any, where: str) -> list[Problem]:
    if isinstance(value, bytes) or not (isinstance(value, str) or hasattr(type(value), "__fspath__")):
        return [Problem(where, named(value), "a path or URI: text, or a pathlib.Path")]
    try:
        text = value if isinstance(value, str) else value.__fspath__()
    except Exception:  # the object's own code
        text = None
    if not isinstance(text, str):
        return [Problem(where, named(value), "a path or URI: text, or a pathlib.Path")]
    if not text:
        return [Problem(where, "empty text", "a path or URI")]
    if len(text) > LONGEST_NAME:
        return [Problem(where, show(text), f"a path or URI of at most {LONGEST_NAME:,} characters")]
    return _text(text, where)


def _is_whole(value: object) -> bool:
    """A whole number that can be printed and kept."""
    return isinstance(value, int) and not isinstance(value, bool) and value.bit_length() < 3_330


def list_of(item: ArgumentRule, several: str) -> ArgumentRule:
    """Returns lists and tuples of something.

    Args:
        item: What each of them is.
        several: The same in words, such as ``texts``.
    """

    def problems(value: Any, where: str) -> list[Problem]:
        if not isinstance(value, list | tuple):
            return [Problem(where, named(value), f"a list of {several}")]
        return [one for i, each in enumerate(value) for one in item.problems(each, f"{where}[{i}]")]

    return ArgumentRule(f"a list of {several}", problems)


def mapping_of(item: ArgumentRule, several: str) -> ArgumentRule:
    """Returns mappings of texts to something.

    Args:
        item: What each value is.
        several: The same in words, such as ``texts``.
    """

    def problems(value: Any, where: str) -> list[Problem]:
        if not isinstance(value, Mapping):
            return [Problem(where, named(value), f"a mapping of names to {several}")]
        found = []
        for key, each in value.items():
            wrong = _text(key, where)
            found += [Problem(where, f"the key {named(key)}", "strings as keys")] if wrong else []
            found += [] if wrong else item.problems(each, f"{where}.{key}")
        return found

    return ArgumentRule(f"a mapping of names to {several}", problems)


ANYTHING = ArgumentRule("anything", lambda value, where: [])
NOTHING = kind("None", lambda value: value is None)
TEXT = ArgumentRule("text", _text)
PATH = ArgumentRule("a path or URI: text, or a pathlib.Path", _path)
FLAG = kind("True or False", lambda value: isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"))
WHOLE = kind("a whole number", lambda value: _is_whole(value))
NUMBER = kind("a number", is_number)
CALLABLE = kind("a function", callable)
TEXTS = mapping_of(TEXT, "texts")
TEXT_LIST = list_of(TEXT, "texts")


def whole(least: int, words: str = "") -> ArgumentRule:
    """Returns whole numbers from ``least`` on."""
    allowed = words or f"a whole number of {least} or more"
    return kind(allowed, lambda value: _is_whole(value) and value >= least)


def above(least: float, words: str) -> ArgumentRule:
    """Returns finite numbers above ``least``."""
    return kind(words, lambda value: is_number(value) and value > least)


_ANNOTATIONS: dict[str, ArgumentRule] = {
    "Any": ANYTHING,
    "object": ANYTHING,
    "str": TEXT,
    "bool": FLAG,
    "int": WHOLE,
    "float": NUMBER,
    "str | None": TEXT | NOTHING,
    "bool | None": FLAG | NOTHING,
    "int | None": WHOLE | NOTHING,
    "float | None": NUMBER | NOTHING,
    "str | os.PathLike[str]": PATH,
    "str | os.PathLike[str] | None": PATH | NOTHING,
    "Sequence[str]": TEXT_LIST,
    "Iterable[str] | None": TEXT_LIST | NOTHING,
    "Mapping[str, str] | None": TEXTS | NOTHING,
    "Callable[..., object]": CALLABLE,
}
"""By the text of an annotation; parameters of another one are named to ``checked``."""


def checked(**wanted: ArgumentRule) -> Callable[[F], F]:
    """Returns a decorator that compares a function's arguments with their annotations.

    Args:
        **wanted: What parameters may be whose annotation is none of the common ones, or not exact enough.

    Raises:
        ConfigError: From the decorated function: if an argument is of the wrong type; all of them at once.
    """

    def decorate(function: F) -> F:
        signature = inspect.signature(function)
        wants = dict(_wants(function, signature, wanted))

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            given = signature.bind(*args, **kwargs).arguments
            problems = [
                one for name, value in given.items() if name in wants for one in wants[name].problems(value, name)
            ]
            if problems:
                raise ConfigError(problems)
            return function(*args, **kwargs)

        return call  # type: ignore[return-value]

    return decorate


def checks_arguments(**wanted: ArgumentRule) -> Callable[[C], C]:
    """Returns a class decorator: each public method and the constructor are ``checked``.

    Args:
        **wanted: As for ``checked``, for parameters of that name in any of the methods.
    """

    def decorate(cls: C) -> C:
        for name, member in list(vars(cls).items()):
            if name.startswith("_") and name != "__init__":
                continue
            if isinstance(member, staticmethod | classmethod):
                setattr(cls, name, type(member)(checked(**wanted)(member.__func__)))
            elif inspect.isfunction(member):
                setattr(cls, name, checked(**wanted)(member))
        return cls

    return decorate


def _wants(function: Any, signature: inspect.Signature, wanted: Mapping[str, ArgumentRule]) -> Any:
    for name, parameter in signature.parameters.items():
        if name in ("self", "cls") or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        want = wanted.get(name) or _ANNOTATIONS.get(str(parameter.annotation))
        if want is None:
            raise TypeError(f"{function.__qualname__}: say to checked() what {name}: {parameter.annotation} may be")
        if want is not ANYTHING:
            yield name, want
