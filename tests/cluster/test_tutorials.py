"""The tutorials: every command runs, and prints what the page shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from doc_pages import ROOT, not_printed, run_page

TUTORIALS = ROOT / "docs" / "tutorials"
ON_A_CLUSTER = "on-a-cluster.md"
LOCAL = sorted(page.name for page in TUTORIALS.glob("*.md") if page.name not in (ON_A_CLUSTER, "README.md"))


def problems(page: str, folder: Path, replaced: dict[str, str]) -> list[str]:
    steps = run_page(TUTORIALS / page, folder, replaced)
    assert len(steps) >= 6
    return [f"{step.command}: {line}" for step in steps for line in not_printed(step)]


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(900)  # several runs, each with a Ray of its own
@pytest.mark.parametrize("page", LOCAL)
def test_a_tutorial_runs_as_it_stands(page: str, tmp_path: Path) -> None:
    assert problems(page, tmp_path, {}) == []


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(900)  # several runs, each with a Ray of its own
def test_the_page_about_changes_of_a_run_runs_as_it_stands(tmp_path: Path) -> None:
    assert problems("../steering.md", tmp_path, {}) == []


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(900)  # several runs, each with a Ray of its own
def test_the_tutorial_of_a_cluster_runs_on_one(cluster: str, tmp_path: Path) -> None:
    storage = tmp_path / "shared"
    assert problems(ON_A_CLUSTER, tmp_path, {"HEAD:6379": cluster, "/mnt/shared/runs": str(storage)}) == []
    assert list(storage.glob("logs/logs-*/journal"))
