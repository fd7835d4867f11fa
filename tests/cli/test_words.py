"""One word for one thing in all that a user reads: a trial is a trial; HyperDrive's v1 names stand in v1 code only."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from raydrive.cli.app import app

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "raydrive"
OLD = re.compile(
    r"\bchild(ren)?[ _-]?runs?\b|\bmax_(total|concurrent)_runs\b|\bsub-?runs?\b|\blaunched\b|\battempted to\b",
    re.IGNORECASE,
)
"""HyperDrive's names of trials and of their limits, ``launched`` for what is only queued, and an attempt to log."""
V1 = ("compat/azureml/", "compat/azure_notices.py", "compat/azure_sdk.py", "compat/convert.py", "shims/")
"""What a user of v1 code reads of that code."""
ALLOWED = {
    ("core/sweep/next_attempt.py", "max_total_runs of "): "the journal's words since 0.1.0; a reader translates them",
    ("core/views/summary.py", "max_total_runs of "): "that translation",
    ("testing/runners.py", "max_total_runs of "): "the journal's words",
}
V1_DOCS = {"coming-from-azure.md", "unmodified-scripts.md", "concepts.md"}
"""Pages that explain HyperDrive's words."""


def messages(path: Path) -> Iterator[tuple[int, str]]:
    """Yields the texts of a module that are more than one word, and no docstrings."""
    tree = ast.parse(path.read_text())
    docstrings = {
        id(first.value)
        for node in ast.walk(tree)
        for first in (getattr(node, "body", None) if isinstance(getattr(node, "body", None), list) else [])
        if isinstance(first, ast.Expr)
    }
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) and id(node) not in docstrings else None
        if isinstance(text, str) and " " in text:
            yield getattr(node, "lineno", 0), text


def test_messages_have_one_word_for_a_trial() -> None:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        where = path.relative_to(PACKAGE).as_posix()
        if where.startswith(V1):
            continue
        for line, text in messages(path):
            if OLD.search(text) and not any(where == file and part in text for file, part in ALLOWED):
                found.append(f"{where}:{line}: {text!r}")
    assert found == []


def test_every_exception_is_needed() -> None:
    for file, part in ALLOWED:
        assert part in (PACKAGE / file).read_text(), (file, part)


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("studio/static/*.js")), ids=lambda path: path.name)
def test_pages_have_one_word_for_a_trial(path: Path) -> None:
    quoted = re.findall(r'"[^"\n]*"|`[^`]*`', path.read_text())
    assert [text for text in quoted if OLD.search(text)] == []


def commands() -> Iterator[tuple[str, str]]:
    """Yields the name of each command and of each of its options, with its help."""
    for name, command in get_command(app).commands.items():
        yield name, command.help or ""
        for parameter in (each for each in command.params if not getattr(each, "hidden", False)):
            yield f"{name} {parameter.name}", getattr(parameter, "help", None) or ""


def test_help_has_one_word_for_a_trial() -> None:
    found = dict(commands())
    assert len(found) > 40
    assert {name: text for name, text in found.items() if OLD.search(text) or OLD.search(name)} == {}


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda path: path.name
)
def test_docs_have_one_word_for_a_trial(path: Path) -> None:
    """Python arguments keep HyperDrive's names, and stand in code."""
    if path.name in V1_DOCS:
        return
    text = re.sub(r"(?ms)^```.*?^```|^(?: {4,}|\t).*?$|`[^`]*`", "", path.read_text())
    assert [line for line in text.splitlines() if OLD.search(line)] == []
