"""The page in a real browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from recorded import START, Watched, by_hand, config, create, learning, record, write

from raydrive.core.policies import BanditPolicy
from raydrive.core.records import Started, dump
from raydrive.core.space import choice, uniform
from raydrive.studio.page import MODULES, as_data, bundle, static
from raydrive.studio.report import write_report
from raydrive.studio.story import Story, open_story

CHARTS = ("chart-metrics", "chart-best", "chart-parallel", "chart-scatter2", "chart-scatter3", "chart-timeline")


@pytest.fixture(scope="module")
def report(story: Story, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(story, path)
    return path.as_uri()


def selected(page: Any) -> list[int]:
    return sorted(page.evaluate("[...(raydrive.store.selection.set || [])]"))


def test_every_chart_is_drawn_and_nothing_is_asked_of_the_network(watched: Watched, report: str) -> None:
    page = watched.open(report)
    for chart in CHARTS:
        watched.see(chart)
    assert page.locator("#trials tbody tr").count() == 50
    assert page.locator(".js-plotly-plot").count() >= 10
    assert watched.outside == []
    assert watched.errors == []
    for words in ("Share", "Cloud", "Chart Studio"):
        assert page.locator(f'[data-title*="{words}"]').count() == 0
    names = page.evaluate("document.getElementById('chart-metrics').data.map(t => t.name)")
    assert "bandit, slack factor 0.1, from interval 5" in names
    assert any(name.startswith("stopped by the policy") for name in names)


def test_an_axis_is_dragged_to_another_place(watched: Watched, report: str) -> None:
    page = watched.open(report)
    watched.see("chart-parallel")
    before = page.evaluate("raydrive.charts.parallel.keys")
    label = page.locator("#chart-parallel .axis-title").first
    box = label.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 500, box["y"] + 5, steps=12)
    page.mouse.up()
    page.wait_for_function(f"JSON.stringify(raydrive.charts.parallel.keys) !== JSON.stringify({json.dumps(before)})")
    after = page.evaluate("raydrive.charts.parallel.keys")
    assert sorted(after) == sorted(before)
    assert after[0] != before[0]


def test_a_range_is_brushed_and_everything_follows(watched: Watched, report: str) -> None:
    page = watched.open(report)
    watched.see("chart-parallel")
    box = page.locator("#chart-parallel .axis-brush").last.bounding_box()
    x = box["x"] + box["width"] / 2
    page.mouse.move(x, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(x, box["y"] + 90, steps=10)
    page.mouse.up()
    page.wait_for_function("raydrive.store.selection.source === 'parallel'")
    chosen = selected(page)
    assert 0 < len(chosen) < 60
    (low, high) = page.evaluate("raydrive.charts.parallel.brushes.best")
    inside = page.evaluate(
        f"raydrive.store.trials.filter(t => t.best !== null && t.best >= {low} && t.best <= {high}).map(t => t.number)"
    )
    assert chosen == inside
    shown = page.locator("#trials tbody tr").count()
    assert shown == min(50, len(chosen)), "the table shows what was brushed"
    watched.see("chart-scatter2")
    assert page.evaluate("document.getElementById('chart-scatter2').data[0].selectedpoints.length") == len(chosen)
    page.locator("#clear-selection").click()
    assert page.locator("#trials tbody tr").count() == 50


def test_a_box_in_the_scatter_selects_and_the_table_selects_back(watched: Watched, report: str) -> None:
    page = watched.open(report)
    watched.see("chart-scatter2")
    box = page.locator("#chart-scatter2 .nsewdrag").first.bounding_box()
    page.mouse.move(box["x"] + 4, box["y"] + 4)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.7, steps=8)
    page.mouse.up()
    page.wait_for_function("raydrive.store.selection.source === 'scatter'")
    assert 0 < len(selected(page)) < 60
    page.locator("#clear-selection").click()
    page.locator("#trials tbody input").nth(2).click()
    assert len(selected(page)) == 1
    watched.see("chart-parallel")
    colours = page.evaluate("document.getElementById('chart-parallel').data[0].line.color")
    assert sum(colour >= 0 for colour in colours) == 1


def test_the_3d_scatter_rotates(watched: Watched, report: str) -> None:
    page = watched.open(report)
    watched.see("chart-scatter3")
    camera = "JSON.stringify(document.getElementById('chart-scatter3')._fullLayout.scene._scene.getCamera().eye)"
    before = page.evaluate(camera)
    box = page.locator("#chart-scatter3").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 160, box["y"] + box["height"] / 2 + 30, steps=10)
    page.mouse.up()
    page.wait_for_function(f"{camera} !== {json.dumps(before)}")


def test_the_table_sorts_filters_and_gives_csv(watched: Watched, report: str) -> None:
    page = watched.open(report)
    page.locator("#trials th button", has_text="learning_rate").click()
    rates = page.evaluate("raydrive.charts.table.shown.map(t => t.p.learning_rate)")
    assert rates == sorted(rates)
    page.locator("#trials th button", has_text="learning_rate").click()
    assert page.evaluate("raydrive.charts.table.shown.map(t => t.p.learning_rate)") == rates[::-1]
    page.locator('input[type="search"]').fill("state:canceled learning_rate<0.01")
    page.wait_for_function("raydrive.charts.table.filter !== ''")
    shown = page.evaluate("raydrive.charts.table.shown.map(t => [t.state, t.p.learning_rate])")
    assert shown
    assert all(state == "Canceled" and rate < 0.01 for state, rate in shown)
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert len(lines) == len(shown) + 1
    assert lines[0].startswith("trial,state,accuracy")


def test_a_trial_s_page(watched: Watched, report: str, story: Story) -> None:
    page = watched.open(report + "#/trial/7")
    page.wait_for_selector(".trial h2")
    text = page.locator(".trial").inner_text()
    assert "Trial 7" in text
    assert "python train.py" in text
    assert story.sweep.trials[7].why in text
    assert "gpu-node" in text
    page.get_by_text("All trials").click()
    page.wait_for_selector("main:not([hidden])")
    assert watched.errors == []


def test_what_if_choices_of_a_report(watched: Watched, report: str) -> None:
    page = watched.open(report)
    page.locator("#whatif-result").scroll_into_view_if_needed()
    assert "would stop" in page.locator("#whatif-result").inner_text()
    page.get_by_label("Policy", exact=True).select_option(index=2)
    page.get_by_role("button", name="Select these trials").click()
    assert len(selected(page)) == page.evaluate("raydrive.store.selection.set.size") > 0


HOSTILE = "<img src=x onerror=alert(1)>"
SCRIPT = "</script><script>alert(2)</script>"


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
    write_report(open_story(layout), path)
    page = watched.open(path.as_uri())
    for chart in CHARTS:
        watched.see(chart)
    for number in range(4):
        page.evaluate(f"location.hash = '#/trial/{number}'")
        page.wait_for_function(f"document.querySelector('.trial h2')?.textContent.includes('Trial {number}')")
    page.evaluate("location.hash = '#/trial/0'")
    page.wait_for_function("document.querySelector('pre.log')?.textContent.includes('onerror')")
    page.wait_for_timeout(300)
    assert watched.dialogs == []
    assert watched.outside == []
    assert page.locator("#app img, #app script, .plot a").count() == 0
    assert not [error for error in watched.errors if "Content Security" not in error]
    page.evaluate("location.hash = '#/'")
    assert HOSTILE in page.locator("h1").inner_text()
    watched.see("chart-parallel")
    assert page.locator("#chart-parallel .axis-title").first.text_content() == HOSTILE[:21] + "…"


def test_the_policy_of_the_page_stops_a_script_that_got_in(watched: Watched, report: str) -> None:
    page = watched.open(report)
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.pwned = 1\">')")
    page.evaluate("fetch('https://example.com/').catch(() => { window.blocked = 1 })")
    page.wait_for_function("window.blocked === 1")
    assert page.evaluate("window.pwned") is None


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
    path = tmp_path / "r.html"
    write_report(open_story(layout), path)
    page = watched.open(path.as_uri())
    page.evaluate("scrollTo(0, 800)")
    page.wait_for_timeout(500)
    page.evaluate("scrollTo(0, 3000)")
    page.wait_for_timeout(500)
    assert watched.errors == []
    text = page.locator("#app").inner_text()
    assert {"empty": "No trials yet.", "one": "1 of 1", "failed": "8 failed"}[kind] in text
    assert "NaN" not in text
    assert "undefined" not in text


def test_one_value_per_trial_is_a_scatter_with_the_best_so_far(watched: Watched, tmp_path: Path) -> None:
    layout = record(tmp_path / "s", config(30), learning(1))
    path = tmp_path / "r.html"
    write_report(open_story(layout), path)
    watched.open(path.as_uri())
    watched.see("chart-metrics")
    modes = watched.page.evaluate("document.getElementById('chart-metrics').data.map(t => [t.name, t.mode])")
    assert ["Completed", "markers"] in modes
    assert ["best so far", "lines"] in modes


@pytest.mark.slow
@pytest.mark.parametrize(("trials", "intervals", "limit_s"), [(1000, 100, 3.0), (10_000, 10, 6.0)])
def test_large_runs_open(browser: Any, tmp_path: Path, trials: int, intervals: int, limit_s: float) -> None:
    """Processor time of the page's thread until the first charts stand: the clock says more about the test machine."""
    layout = record(tmp_path / "s", config(trials, concurrent=64), learning(intervals))
    path = tmp_path / "r.html"
    write_report(open_story(layout), path)
    watching = Watched(browser)
    session = watching.page.context.new_cdp_session(watching.page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    watching.open(path.as_uri())
    watching.page.wait_for_function("document.getElementById('chart-metrics')?.data", timeout=100_000)
    metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    watching.page.close()
    assert watching.errors == []
    assert metrics["TaskDuration"] < limit_s, metrics


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
