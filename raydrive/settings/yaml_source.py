"""YAML with places, as a tree of ``Node``.

YAML is read as YAML 1.2 (core schema): ``1e-4`` is a number, ``yes`` is text, a duplicate key is an error. Only this
module uses ruamel.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from raydrive.core.argument_checks import unusable
from raydrive.core.errors import ConfigError, Problem
from raydrive.settings.tree import Node

MOST_NODES = 200_000
"""Values of a document; more are refused. A choice over 100,000 file names is half of that."""
MOST_LEVELS = 100
"""Levels of nesting of a document."""
MOST_BYTES = 32_000_000
"""Characters of a document."""
MOST_DIGITS = 1_000
"""Digits of a whole number."""
_MOST_MARKS = 10 * MOST_NODES
"""Commas and line ends of a document. Each value needs one, so that an enormous list is refused before it is parsed."""

_MOST_VALUES = f"at most {_MOST_MARKS:,} of them, and {MOST_NODES:,} values"

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"([-+]?)\.(?:inf|Inf|INF)")
_WORDS: Mapping[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}


def core_value(text: str) -> Any:
    """Returns what an unquoted scalar means in YAML 1.2: null, bool, int, float or text.

    >>> core_value("1e-4"), core_value("yes"), core_value("010"), core_value("True"), core_value("~")
    (0.0001, 'yes', 10, True, None)
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        base = 8 if text.startswith("0o") else 16 if text.startswith("0x") else 10
        return int(text, base) if len(text) <= MOST_DIGITS else text
    if _FLOAT.fullmatch(text):
        return float(text)
    infinite = _INFINITE.fullmatch(text)
    return float(f"{infinite[1]}inf") if infinite else text


def parse_yaml(text: str, name: str) -> tuple[Node, list[Problem]]:
    """Returns the tree of a YAML document, and problems that leave it readable (duplicate keys, unknown tags).

    Args:
        text: The document.
        name: What to call the file in places.

    Raises:
        ConfigError: If the text is not YAML, or holds several documents, or nothing.
    """
    from ruamel.yaml import YAML  # lazy: ruamel, 0.008 s
    from ruamel.yaml.error import MarkedYAMLError, YAMLError  # lazy: ruamel, 0.009 s

    _refuse_enormous(text, name)
    yaml = YAML(typ="safe", pure=True)
    yaml.Parser = _bounded_parser(name)
    try:
        root = yaml.compose(text)
    except ConfigError:
        raise
    except MarkedYAMLError as error:
        raise ConfigError(_syntax_problem(error, name)) from None
    except RecursionError:
        raise ConfigError(_too_deep(name)) from None
    except YAMLError as error:
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        found = f"the character {chr(error.character)!r}" if hasattr(error, "character") else str(error)
        raise ConfigError(Problem("YAML", found, "printable text", place=f"{name}:{line}:1")) from None
    except (ValueError, TypeError, AttributeError, OverflowError) as error:  # of ruamel, for what is not YAML
        raise ConfigError(Problem("YAML", str(error), "YAML", place=name)) from None
    if root is None:
        fix = "A sweep file begins with 'type: sweep'; see configs/digits.yaml."
        raise ConfigError(Problem("the file", "an empty file", "a mapping of keys to values", fix, f"{name}:1:1"))
    builder = _Builder(text, name)
    return builder.build(root, "", ""), builder.problems


def _refuse_enormous(text: str, name: str) -> None:
    if len(text) > MOST_BYTES:
        found = f"{len(text):,} characters"
        raise ConfigError(Problem("the file", found, f"at most {MOST_BYTES:,}", _ENORMOUS, f"{name}:1:1"))
    marks = text.count("\n") + text.count(",")
    if marks > _MOST_MARKS:
        found = f"{marks:,} lines and commas"
        raise ConfigError(Problem("the file", found, _MOST_VALUES, _ENORMOUS, f"{name}:1:1"))


def _too_deep(place: str) -> Problem:
    return Problem("the file", "values nested too deeply", f"at most {MOST_LEVELS} levels", place=place)


def _too_many(place: str) -> Problem:
    return Problem("the file", "too many values", f"at most {MOST_NODES:,}", _ENORMOUS, place)


def _bounded_parser(name: str) -> type[Any]:
    """Returns ruamel's parser, which then stops where a document is too deep or has too many values."""
    from ruamel.yaml import events, parser  # lazy: ruamel, 0.008 s

    class Bounded(parser.Parser):  # type: ignore[misc, unused-ignore]
        depth = count = 0

        def get_event(self) -> Any:
            event = super().get_event()
            if isinstance(event, events.NodeEvent):
                self.count += 1
                self.depth += isinstance(event, events.CollectionStartEvent)
                if self.depth > MOST_LEVELS or self.count > MOST_NODES:
                    place = f"{name}:{event.start_mark.line + 1}:{event.start_mark.column + 1}"
                    raise ConfigError(_too_deep(place) if self.depth > MOST_LEVELS else _too_many(place))
            elif isinstance(event, events.CollectionEndEvent):
                self.depth -= 1
            return event

    return Bounded


def parse_value(text: str, place: str) -> Node:
    """Returns a value given on the command line, read as YAML; everything in it has the same place.

    Raises:
        ConfigError: If it is not YAML.
    """
    if not text.strip():
        return Node(None, place, place, "")
    try:
        node, problems = parse_yaml(text, place)
    except ConfigError as error:
        raise ConfigError(replace(problem, place=place) for problem in error.problems) from None
    if problems:
        raise ConfigError(replace(problem, place=place) for problem in problems)
    return _moved(node, place)


def _moved(node: Node, place: str) -> Node:
    value = node.value
    if isinstance(value, dict):
        value = {key: _moved(item, place) for key, item in value.items()}
    elif isinstance(value, list):
        value = [_moved(item, place) for item in value]
    return replace(node, value=value, place=place, key_place=place)


class _Builder:
    """Turns ruamel's graph into a tree, noting what is wrong on the way."""

    def __init__(self, text: str, name: str) -> None:
        self.text = text
        self.name = name
        self.problems: list[Problem] = []
        self._open: set[int] = set()
        self._count = 0

    def _place(self, node: Any) -> str:
        return f"{self.name}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"

    def _wrong(self, node: Any, where: str, found: str, allowed: str, fix: str = "") -> None:
        self.problems.append(Problem(where or "the file", found, allowed, fix, self._place(node)))

    def build(self, node: Any, where: str, key_place: str) -> Node:
        place = self._place(node)
        self._count += 1
        if self._count > MOST_NODES:
            raise ConfigError(_too_many(place))
        if len(self._open) > MOST_LEVELS:  # aliases of aliases
            raise ConfigError(_too_deep(place))
        if isinstance(node.value, str):
            return self._scalar(node, where, place, key_place)
        if id(node) in self._open:
            self._wrong(node, where, "an alias of a value that contains it", "aliases of other values")
            return Node(None, place, key_place)
        self._open.add(id(node))
        value: Any
        if _is_mapping(node):
            self._refuse_tag(node, where, "!!map")
            value = self._mapping(node, where)
        else:
            self._refuse_tag(node, where, "!!seq")
            value = [self.build(item, f"{where}[{index}]", "") for index, item in enumerate(node.value)]
        self._open.discard(id(node))
        return Node(value, place, key_place)

    def _scalar(self, node: Any, where: str, place: str, key_place: str) -> Node:
        raw = self.text[node.start_mark.index : node.end_mark.index]
        tag = re.match(r"(?:&\S+\s+)?(!\S*)", raw)
        if tag and tag[1] not in ("!!str", "!!int", "!!float", "!!bool", "!!null", "!"):
            self._wrong(node, where, f"the tag {tag[1]}", "values without a tag", "Remove it, or quote the value.")
        wrong = unusable(node.value)
        if wrong:
            self._wrong(node, where, wrong, "text that a file name and a command line can hold")
            return Node("", place, key_place, None, raw)
        if node.style is None and len(node.value) > MOST_DIGITS and _INT.fullmatch(node.value):
            fix = "Quote it if it is text."
            self._wrong(node, where, f"a number of {len(node.value):,} digits", f"at most {MOST_DIGITS:,}", fix)
        if node.style is not None or (tag and tag[1] in ("!!str", "!")):
            return Node(node.value, place, key_place, None, raw)
        return Node(core_value(node.value), place, key_place, node.value, raw)

    def _refuse_tag(self, node: Any, where: str, natural: str) -> None:
        """Notes a tag that makes something else of a mapping or a list: ``!!set``, ``!!omap``, one of another tool."""
        handle, suffix = str(node.ctag.handle or ""), str(node.ctag.suffix or "")
        tag = f"{handle}{suffix}".replace("tag:yaml.org,2002:", "!!")
        if tag not in ("", "!", natural):
            found = "mappings" if natural == "!!map" else "lists"
            self._wrong(node, where, f"the tag {tag}", f"{found} without a tag", "Remove it.")

    def _mapping(self, node: Any, where: str) -> dict[str, Node]:
        out: dict[str, Node] = {}
        inherited: dict[str, Node] = {}
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node.value, str):
                self._wrong(key_node, where, "a mapping or list as a key", "a name")
                continue
            key = key_node.value
            wrong = unusable(key)
            if wrong:
                self._wrong(key_node, where, f"a key with {wrong}", "text that a file name and a command line can hold")
                continue
            inner = f"{where}.{key}" if where else key
            child = self.build(value_node, inner, self._place(key_node))
            if key == "<<" and key_node.style is None:
                inherited = {**inherited, **_inherit(child)}
            elif key in out:
                fix = f"It is already on line {first[key]}; remove one of the two."
                self._wrong(key_node, inner, f"the key {key!r} a second time", "each key once", fix)
            else:
                out[key] = child
                first[key] = key_node.start_mark.line + 1
        return {**{key: child for key, child in inherited.items() if key not in out}, **out}


def _is_mapping(node: Any) -> bool:
    return type(node).__name__ == "MappingNode"


def _inherit(node: Node) -> dict[str, Node]:
    """What ``<<`` brings in: a mapping, or a list of mappings of which the first wins."""
    if isinstance(node.value, dict):
        return dict(node.value)
    out: dict[str, Node] = {}
    for item in reversed(node.value if isinstance(node.value, list) else []):
        out.update(item.value if isinstance(item.value, dict) else {})
    return out


_ENORMOUS = "Write many numbers as randint or quniform; aliases (*name) repeat the value they refer to."
_INDENTATION = "Check the indentation of this line and the one above; keys of one mapping have the same indentation."
# Begins of ruamel's messages: found, allowed, fix, and whether the place is where it began rather than where it failed.
_SYNTAX: tuple[tuple[str, str, str, str, bool], ...] = (
    (
        "mapping values are not allowed",
        "a ':' where a key cannot end",
        "one 'key: value' per line, with nested keys indented below it",
        "Quote a value that contains ': ', or check the indentation.",
        False,
    ),
    ("found character '\\t'", "a tab", "spaces", "Indent YAML with spaces only.", False),
    (
        "found undefined alias",
        "a value that begins with '*'",
        "aliases of an anchor (&name)",
        "Quote the value.",
        False,
    ),
    ("found unexpected end of stream", "a quote that is never closed", "the same quote at the end", "", True),
    ("expected ',' or ']'", "a '[' that is never closed, or a ',' missing", "[a, b, c]", "", True),
    ("expected ',' or '}'", "a '{' that is never closed, or a ',' missing", "{key: value, other: value}", "", True),
    (
        "expected <block end>",
        "a line that does not fit the lines above it",
        "keys of one mapping",
        _INDENTATION,
        False,
    ),
    ("could not find expected ':'", "a line without ':'", "key: value", _INDENTATION, True),
    ("but found another document", "a second document ('---')", "one document per file", "", False),
    ("found incompatible YAML", "a %YAML version other than 1.x", "YAML 1.2", "Remove the %YAML line.", False),
)


def _syntax_problem(error: Any, name: str) -> Problem:
    message = str(error.problem)
    mark, began = error.problem_mark, error.context_mark
    character = re.match(r"found character ('[^\t]'|\"'\") that cannot start", message)
    if character:
        row = (f"a value that begins with {character[1]}", "such a value in quotes", "Put it in quotes.", False)
    else:
        row = next((row[1:] for row in _SYNTAX if message.startswith(row[0])), (message, "YAML", "", False))
    found, allowed, fix, at_begin = row
    mark = began if at_begin and began is not None else mark
    place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark is not None else name
    return Problem("YAML", found, allowed, fix, place)
