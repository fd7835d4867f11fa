"""Import circles, and what the imports inside functions save: what the contracts of import-linter cannot see."""

from __future__ import annotations

import textwrap

from import_graph import circles, files, graph

CIRCLES: list[list[str]] = []
"""Circles that are there today. The list only shrinks: a circle that is gone, or smaller, has to go from it."""


def test_no_import_circle_of_any_kind() -> None:
    """Imports inside functions and for types count too: they hide what is above what."""
    found = circles(graph(files()))
    new = [circle for circle in found if circle not in CIRCLES]
    gone = [circle for circle in CIRCLES if circle not in found]
    told = [f"a new circle: {', '.join(circle)}" for circle in new]
    told += [f"no circle any more, take it from the list: {', '.join(circle)}" for circle in gone]
    assert not told, "\n".join(textwrap.fill(line, 118, subsequent_indent="    ") for line in told)


def test_circles_are_found() -> None:
    edges = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": {"d"}, "f": {"a"}, "g": set()}
    assert circles(edges) == [["a", "b", "c"], ["d", "e"]]
    assert circles({"a": {"b"}, "b": set()}) == []
