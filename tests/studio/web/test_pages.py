"""Pages of other runs in a real browser: hostile, small, warm-started, retried and very large ones."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import pytest
from page_charts import CHARTS, traces
from recorded import PARAMS, START, Watched, by_hand, config, create, learning, record, retried, warm_started, write

from raydrive.api.display.self_contained_html import as_data
from raydrive.core.early_stopping.policies import BanditPolicy
from raydrive.core.records import Began, Ended, Reported, Started, Suggested, dump
from raydrive.core.space.search_space import choice, uniform
from raydrive.core.sweep.sweep import Sweep
from raydrive.storage.run_layout import RunLayout
from raydrive.studio.data.run_history import open_history
from raydrive.studio.notebook.cell import run_cell
from raydrive.studio.web.page import MODULES, bundle, report_page, static
from raydrive.studio.web.report import report_data, write_report

HOSTILE = "<img src=x onerror=alert(1)>"
SCRIPT = "</script><script>alert(2)</script>"


def opened(watched: Watched, layout: RunLayout, folder: Path, place: str = "", *, advance: bool = False) -> Any:
    path = folder / "r.html"
    path.write_text(report_page(report_data(open_history(layout), advance=advance), "a run"))
    return watched.open(path.as_uri() + place)


def test_a_hostile_run_is_shown_as_text(watched: Watched, tmp_path: Path) -> None:
    space = {HOSTILE: uniform(0, 1), "<b>bold</b>": choice(SCRIPT, "javascript:alert(3)", "=1+1"), "$x$": uniform(0, 1)}
    policy = BanditPolicy(slack_amount=0.3)
    run_config = config(
        4, space=space, policy=policy, metric=f"acc{SCRIPT}", display_name=HOSTILE, tags={SCRIPT: HOSTILE}
    )
    kinds = (SCRIPT, "javascript:alert(3)", "=1+1", SCRIPT)
    params = [{HOSTILE: 0.1 * i, "<b>bold</b>": kind, "$x$": 0.3} for i, kind in enumerate(kinds)]
    lines = by_hand(run_config, [(one, [0.9 - 0.25 * i] * 3, i % 2, HOSTILE) for i, one in enumerate(params)])
    lines = [line.replace('"loss"', json.dumps(f"loss{HOSTILE}")).replace("node-1", "<i>node</i>") for line in lines]
    layout = create(tmp_path / "storage", run_config)
    write(layout, lines)
    layout.attempt(0, 1).write_whole("log.txt", f"{HOSTILE}\n{SCRIPT}\n\x1b[31mred\x00".encode(), durable=False)
    path = tmp_path / "hostile.html"
    write_report(open_history(layout), path)
    page = watched.open(path.as_uri())
    for chart in CHARTS:
        watched.see(chart)
    for number in (3, 2, 1, 0):
        page.evaluate(f"location.hash = '#/trial/{number}'")
        page.wait_for_function(f"document.querySelector('.trial h2')?.textContent.includes('Trial {number}')")
    page.wait_for_function("document.querySelector('pre.log')?.textContent.includes('onerror')")
    watched.settle()
    assert watched.dialogs == []
    assert watched.outside == []
    assert page.locator("#app img, #app script, .plot a").count() == 0
    assert not [error for error in watched.errors if "Content Security" not in error]
    page.evaluate("location.hash = '#/'")
    assert HOSTILE in page.locator("h1").inner_text()
    watched.see("chart-parallel")
    assert page.locator("#chart-parallel .axis-title").first.text_content() == HOSTILE[:21] + "…"


@pytest.mark.parametrize("kind", ["empty", "one", "failed"])
def test_small_runs_have_a_page_too(watched: Watched, tmp_path: Path, kind: str) -> None:
    run_config = config(8)
    if kind == "one":
        layout = record(tmp_path / "s", config(1))
    else:
        layout = create(tmp_path / "s", run_config)
        failed = [
            ({"learning_rate": 0.1, "momentum": 0.1 * i, "units": 16, "optimizer": "sgd"}, [], 1, "boom")
            for i in range(8)
        ]
        write(layout, [dump(Started(START, 1), ())] if kind == "empty" else by_hand(run_config, failed))
    page = opened(watched, layout, tmp_path, advance=True)
    for place in (800, 1600, 3000):
        page.evaluate(f"scrollTo(0, {place})")
        watched.settle()
    assert watched.errors == []
    text = page.locator("#app").inner_text()
    assert {"empty": "No trials yet.", "one": "1 of 1", "failed": "8 failed"}[kind] in text
    assert "NaN" not in text
    assert "undefined" not in text


def test_one_value_per_trial_is_a_scatter_with_the_best_so_far(watched: Watched, tmp_path: Path) -> None:
    page = opened(watched, record(tmp_path / "s", config(30), learning(1)), tmp_path)
    watched.see("chart-metrics")
    modes = traces(page, "chart-metrics", "[t.name, t.mode]")
    assert ["Completed", "markers"] in modes
    assert ["best so far", "lines"] in modes


def test_everything_about_a_trial_that_was_tried_again(watched: Watched, tmp_path: Path) -> None:
    page = opened(watched, retried(tmp_path / "s"), tmp_path, "#/trial/0")
    page.wait_for_selector("pre.log")
    text = page.locator(".trial").inner_text()
    for words in (
        *("lost: node node-1 died", "exit code 1: MemoryError: out of memory", "ended by itself", "checkpoint 1"),
        *("predicted mean", "0.58", "predicted deviation", "0.62, 2 deviations above what was predicted"),
        *("1 CPU, 0.5 GPU", "checkpoint 1 at interval 2", "outputs/model.pkl 2 kB", "epoch 3"),
        *("checkpoints/00001/files/weights.bin", "Log of attempt 3", "/trials/00000"),
    ):
        assert words in text, words
    page.get_by_text("The end of the log of attempt 2").click()
    assert "MemoryError: out of memory" in page.locator("details pre").first.inner_text()
    assert watched.errors == []


def test_where_a_warm_started_run_comes_from(watched: Watched, tmp_path: Path) -> None:
    storage = tmp_path / "s"
    first = record(storage, config(6, experiment="first"))
    second = warm_started(storage, config(6, experiment="second"), first, going_on=0)
    other = record(storage, config(5, experiment="other"))
    layout = warm_started(storage, config(8, experiment="third"), second, other, going_on=1)
    page = opened(watched, layout, tmp_path)
    watched.see("chart-metrics")
    assert "earlier runs (10)" in traces(page, "chart-metrics", "t.name")
    page.locator("#lineage").scroll_into_view_if_needed()
    boxes = page.locator("#lineage .name").all_text_contents()
    assert sorted(box.split("-")[0] for box in boxes) == ["first", "other", "second", "third"]
    assert page.locator("#lineage .tie").count() == 3
    assert f"trial 0 continues {second.run_id}_0: from its checkpoint 1, after 5 intervals" in page.inner_text("main")
    page.evaluate("location.hash = '#/trial/0'")
    page.wait_for_selector(".trial h2")
    assert "continues a trial of an earlier run" in page.inner_text(".trial")
    assert watched.errors == []


def test_an_interruption_is_no_time_and_its_trials_do_not_run(watched: Watched, tmp_path: Path) -> None:
    """Worked on for 30 s, left alone for 1,000 s, worked on for 20 s and interrupted again."""
    run_config = config(3)
    sweep, lines = Sweep(run_config), []
    for fact in (
        Started(START, 1),
        Suggested(START, 0, PARAMS, "random"),
        Began(START + 1, 0, 1, "node-1", 5, "0"),
        Reported(START + 10, 0, 1, 1, 1, 0.5),
        Suggested(START + 12, 1, PARAMS, "random"),
        Began(START + 13, 1, 1, "node-1", 6, "0"),
        Reported(START + 30, 1, 1, 1, 1, 0.6),
        Started(START + 1030, 2),
        Reported(START + 1040, 1, 1, 2, 2, 0.7),
        Ended(START + 1045, 1, 1, 0),
    ):
        lines.append(dump(fact, sweep.handle(fact)))
    layout = create(tmp_path / "s", run_config)
    write(layout, lines)
    layout.write_driver(json.dumps({"state": "Interrupted", "epoch": 2, "at": START + 1050}).encode())
    page = opened(watched, layout, tmp_path)
    assert page.inner_text("#run-state") == "Interrupted"
    tiles = page.inner_text(".tiles")
    assert "1 of 3" in tiles
    assert "1 interrupted, 1 completed" in tiles
    assert "50.0s" in tiles, "elapsed"
    watched.see("chart-best")
    assert page.evaluate("document.getElementById('chart-best').data[1].x") == [10, 30, 40, 45]
    assert page.evaluate("document.getElementById('chart-best').data[0].x") == [50, 45]
    assert page.locator("#trials .state.interrupted").count() == 1
    assert "Interrupted" in run_cell(open_history(layout))
    assert watched.errors == []


def test_a_run_without_parents_has_no_lineage(watched: Watched, tmp_path: Path) -> None:
    page = opened(watched, record(tmp_path / "s", config(2)), tmp_path)
    assert not page.get_by_role("heading", name="Where this run comes from").is_visible()


def spent(session: Any) -> float:
    """Seconds of the page's thread so far."""
    found = session.send("Performance.getMetrics")["metrics"]
    return next(one["value"] for one in found if one["name"] == "TaskDuration")


def floor(page: Any, session: Any) -> float:
    """Seconds of the page's thread for a fixed amount of work like a chart's: objects, texts and numbers."""
    before = spent(session)
    page.evaluate(
        """() => {
            const rows = [];
            for (let k = 0; k < 300000; k++) rows.push({x: k % 1000, y: Math.sin(k), text: `trial ${k}`});
            rows.sort((a, b) => a.x - b.x || a.y - b.y);
            return JSON.stringify(rows).length;
        }"""
    )
    return spent(session) - before


@pytest.mark.slow
@pytest.mark.parametrize(("trials", "intervals"), [(1000, 100), (10_000, 4)])
def test_large_runs_open(watched: Watched, tmp_path: Path, trials: int, intervals: int) -> None:
    """Processor time of the page's thread until the first charts stand, in floors: a clock tells of the machine."""
    layout = record(tmp_path / "s", config(trials, concurrent=64), learning(intervals), extra={})
    session = watched.page.context.new_cdp_session(watched.page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    page = opened(watched, layout, tmp_path)
    page.wait_for_function("document.getElementById('chart-metrics')?.data", timeout=100_000)
    took_s = spent(session)
    assert watched.errors == []
    assert {t for t in traces(page, "chart-metrics", "t.type") if t} == {"scattergl"}, "lines above the crowd, too"
    floor_s = statistics.median(floor(page, session) for _ in range(5))
    assert took_s < 20 * floor_s, "7 to 13 floors here"


def test_the_modules_are_one_script_in_the_order_of_their_imports() -> None:
    seen: set[str] = set()
    for name in MODULES:
        text = static(name)
        needed = {line.split('"./')[1].split('"')[0] for line in text.splitlines() if line.startswith("import ")}
        assert needed <= seen, f"{name} imports what comes later: {needed - seen}"
        assert "innerHTML" not in text
        assert "insertAdjacentHTML" not in text
        assert "http://" not in text.replace("http://www.w3.org", "")
        seen.add(name)
    assert "import {" not in bundle()
    assert "export " not in bundle().replace("// ", "")


def test_data_cannot_end_its_element() -> None:
    assert "<" not in as_data({"</script>": "<!--<script>", "x": ["\u2028"]})
    assert json.loads(as_data({"a": "</script>"})) == {"a": "</script>"}
