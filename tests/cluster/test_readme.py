"""What people copy from docs/overview.md runs as it stands there (with fewer trials)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SNIPPETS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "overview.md").read_text(), flags=re.DOTALL)


@pytest.mark.ray
@pytest.mark.parametrize("text", SNIPPETS, ids=["config", "tune"])
def test_python_of_the_readme(text: str, cluster: str, storage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("RAYDRIVE_STORAGE", storage)
    assert "max_total_runs=20" in text
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(text.replace("max_total_runs=20", "max_total_runs=3"), "overview.md", "exec"), names)
    run = names["run"]
    assert run.get_status() == "Completed"
    assert len(list(run.get_children())) == 3
    assert run.get_best_run_by_primary_metric() is not None
