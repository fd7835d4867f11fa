"""Nodes and ranks of a trial in a real browser: its page, its logs, and the timeline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from page_charts import traces
from ranked import NODES, ranked_run
from recorded import Served, Watched

from raydrive.storage.run_layout import rank_log
from raydrive.studio.data.run_history import open_history
from raydrive.studio.web.report import write_report


def opened(watched: Watched, served: Served, run: str, place: str = "") -> Any:
    return watched.open(f"{served.url}/runs/study/{run}{place}")


def test_a_trials_page_shows_nodes_ranks_and_the_log_of_each(
    watched: Watched, serve: Callable[..., Served], storage: Path
) -> None:
    layout = ranked_run(storage)
    page = opened(watched, serve(storage), layout.run_id, "#/trial/1")
    page.wait_for_selector("#places")
    rows = page.locator("#places tbody tr").all_inner_texts()
    assert [row.split() for row in rows] == [["0", "node-a", "0", "1"], ["1", "node-b", "2", "3"]]
    with page.expect_download() as download:
        page.locator("#places a", has_text="3").click()
    assert Path(download.value.path()).read_text().startswith("epoch 1 of rank 3\n")
    log = page.locator("pre.log").first
    assert log.inner_text().splitlines()[3:5] == ["[rank 3] epoch 1 of rank 3", "[rank 0] epoch 2 of rank 0"]
    page.locator("#log-rank").select_option("2")
    page.wait_for_function("document.querySelector('pre.log').textContent.startsWith('epoch 1 of rank 2')")
    assert "rank 2 on node-b" in page.locator("#log-rank").inner_text()
    page.locator("#log-rank").select_option("all")
    page.wait_for_function("document.querySelector('pre.log').textContent.startsWith('[rank 0] epoch 1')")
    assert watched.errors == []


def test_metrics_of_other_ranks_are_drawn_when_they_are_opened(
    watched: Watched, serve: Callable[..., Served], storage: Path
) -> None:
    layout = ranked_run(storage)
    page = opened(watched, serve(storage), layout.run_id, "#/trial/1")
    page.wait_for_selector("#rank-metrics")
    assert page.locator("#rank-metrics .plot").count() == 0
    assert "rank_1" not in page.locator(".columns").inner_text()
    page.locator("#rank-metrics summary").click()
    page.wait_for_function("document.querySelectorAll('#rank-metrics .plot .main-svg').length >= 3")
    assert page.locator("#rank-metrics .plot").count() == 3
    assert "node-b" in page.locator("#rank-metrics").inner_text()
    page.evaluate("location.hash = '#/'")
    watched.see("chart-metrics")
    assert page.evaluate("raydrive.store.head.metrics") == ["loss"]
    assert watched.errors == []


def test_the_log_of_all_ranks_is_followed(watched: Watched, serve: Callable[..., Served], storage: Path) -> None:
    layout = ranked_run(storage, running=True)
    page = opened(watched, serve(storage), layout.run_id, "#/trial/2")
    page.wait_for_selector("#places")
    log = Path(str(layout.attempt(2, 1).local_path)) / rank_log(3)
    with log.open("a") as file:
        file.write("one more of rank 3\n")
    page.wait_for_function("document.querySelector('pre.log').textContent.includes('[rank 3] one more of rank 3')")
    page.locator("#log-rank").select_option("3")
    page.wait_for_function("document.querySelector('pre.log').textContent.endsWith('\\none more of rank 3\\n')")
    with log.open("a") as file:
        file.write("and one more\n")
    page.wait_for_function("document.querySelector('pre.log').textContent.endsWith('rank 3\\nand one more\\n')")
    assert watched.errors == []


def test_the_timeline_has_a_bar_for_each_node(watched: Watched, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(open_history(ranked_run(tmp_path / "storage")), path)
    page = watched.open(path.as_uri())
    watched.see("chart-timeline")
    assert traces(page, "chart-timeline", "t.customdata.length") == [6]
    assert page.evaluate("document.getElementById('chart-timeline').layout.yaxis.ticktext") == list(NODES)
    assert "node 2 of 2" in "".join(traces(page, "chart-timeline", "t.hovertext.join()"))
    assert page.locator("#chart-timeline + p").inner_text().startswith("3 attempts in 2 lanes.")
    page.evaluate("location.hash = '#/trial/0'")
    page.wait_for_selector("#places")
    assert page.locator("#places a, #log-rank").count() == 0
    assert "[rank 2] epoch 1 of rank 2" in page.locator("pre.log").first.inner_text()
    assert watched.errors == []
    assert watched.outside == []
