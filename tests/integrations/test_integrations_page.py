"""The code of docs/integrations.md beside Ray Tune's and Optuna's: Python, counted right, never the longest."""

from __future__ import annotations

import importlib
import importlib.util
import re
import textwrap
from pathlib import Path

import pytest

PAGE = (Path(__file__).parent.parent.parent / "docs" / "integrations.md").read_text()
TOOLS = ("raydrive", "Ray Tune", "Optuna")


def jobs() -> dict[str, dict[str, str]]:
    """The code for each library by tool."""
    part = PAGE.partition("## The same beside")[2].partition("\n## ")[0]
    found = {}
    for title, body in re.findall(r"(?ms)^### (.*?)\n(.*?)(?=^### |\Z)", part):
        found[title] = dict(re.findall(r"(?ms)^(raydrive|Optuna|Ray Tune)[^\n]*:\n\n```python\n(.*?)^```", body))
    return found


JOBS = jobs()


@pytest.mark.parametrize("library", JOBS)
def test_raydrive_is_never_the_longest_and_the_table_is_right(library: str) -> None:
    counts = [sum(bool(line.strip()) for line in JOBS[library][tool].splitlines()) for tool in TOOLS]
    row = next(line for line in PAGE.splitlines() if re.match(rf"\| {library} \| \d", line))
    assert [int(cell) for cell in row.strip("| ").split(" | ")[1:]] == counts
    assert counts[0] <= min(counts)


@pytest.mark.parametrize("library", JOBS)
def test_the_code_is_python(library: str) -> None:
    for tool in TOOLS:
        compile(f"def train():\n{textwrap.indent(JOBS[library][tool], '    ')}", f"{library}, {tool}", "exec")


def test_what_the_page_names_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    names = re.findall(r"`raydrive\.integrations\.(\w+)\.(\w+)`", PAGE)
    assert len(names) == 8
    for module, name in names:
        if importlib.util.find_spec(module) is not None:
            assert hasattr(importlib.import_module(f"raydrive.integrations.{module}"), name)
