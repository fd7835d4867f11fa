"""Import circles, and what the imports inside functions save: what the contracts of import-linter cannot see."""

from __future__ import annotations

import textwrap

from import_graph import circles, files, graph
from lazy_imports import LEAST_SAVED_S, OPTIONAL, lazy_imports

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


def test_each_import_inside_a_function_tells_what_it_saves() -> None:
    """``# lazy: plotly, 0.3 s``: what is not imported before it is needed, and what that saves; true, and no less."""
    told = []
    for lazy in lazy_imports():
        comment = lazy.comment
        tops = {each.name.split(".")[0] for each in lazy.imports}
        if not lazy.saved:
            told.append(f"{lazy.place} saves nothing: all of it is imported before; move it to the top")
        elif comment is None:
            told.append(f"{lazy.place} does not tell what it saves: # lazy: NAME, SECONDS s")
        elif comment["reason"]:
            if not tops <= OPTIONAL:
                told.append(f"{lazy.place}: {', '.join(sorted(tops - OPTIONAL))} is no optional dependency")
        elif comment["name"] not in lazy.saved:
            told.append(f"{lazy.place}: {comment['name']} is not among what it saves: {', '.join(sorted(lazy.saved))}")
        elif float(comment["seconds"]) < LEAST_SAVED_S:
            told.append(f"{lazy.place} saves less than {LEAST_SAVED_S} s: move it to the top")
    assert not told, "\n".join(told)
