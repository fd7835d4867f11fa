"""The Python of the how-to pages runs, on runs that these tests make."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from doc_pages import ROOT, blocks

import raydrive

PAGES = (
    *("checkpoints", "debug-a-trial", "extend", "notebooks", "reproduce", "results"),
    *("search-spaces", "sklearn-search"),
)
"""Pages whose Python runs as it stands; that of trackers.md needs an account of Weights & Biases."""


def train(params: dict[str, Any]) -> None:
    """Leaves a model, as the scripts of the pages do."""
    Path("outputs").mkdir(exist_ok=True)
    Path("outputs", "model.joblib").write_text("model")
    for step in range(3):
        raydrive.Run.get_context().log("accuracy", params["x"] + step / 10, step=step)


@pytest.fixture(scope="module")
def storage(cluster: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A storage with one run of three trials."""
    folder = str(tmp_path_factory.mktemp("how-to"))
    space = {"x": raydrive.uniform(0, 1)}
    raydrive.tune(
        train, space, metric="accuracy", max_total_runs=3, storage=folder, show_output=False, resources={"cpus": 0.5}
    )
    return folder


@pytest.mark.ray
@pytest.mark.parametrize("page", [*(f"how-to/{name}" for name in PAGES), "gallery"])
def test_python_of_a_page(page: str, storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(storage, tmp_path / "runs")  # pages mean the last run, and some of them make one
    monkeypatch.setenv("RAYDRIVE_STORAGE", str(tmp_path / "runs"))
    found = [one for one in blocks(ROOT / "docs" / f"{page}.md") if one.language == "python"]
    assert found
    for block in found:
        text = block.body
        with contextlib.redirect_stdout(sys.stderr):
            exec(compile(text, f"docs/{page}.md:{block.line}", "exec"), {"__name__": "__main__"})
    if page == "gallery":
        assert {"metrics.html", "best.html", "parallel.html", "timeline.html"} <= set(os.listdir())
