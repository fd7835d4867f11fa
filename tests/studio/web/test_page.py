"""The page in a real browser: one report, opened once, used as people use it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from page_charts import CHARTS, traces
from recorded import Watched
from waiting import wait_until

from raydrive.api.display import text
from raydrive.studio.data.run_history import RunHistory
from raydrive.studio.web.report import write_report


@pytest.fixture(scope="module")
def opened(browser: Any, story: RunHistory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """The report of a run; whatever the tests did to it, it asked nothing of the network and broke nowhere."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(story, path)
    watching = Watched(browser)
    watching.open(path.as_uri())
    yield watching
    assert watching.outside == []
    assert watching.errors == []
    watching.page.close()


@pytest.fixture
def report(opened: Watched) -> Watched:
    """The report as it looks when it is opened."""
    opened.page.evaluate("location.hash = '#/'; raydrive.store.clear()")
    opened.page.wait_for_selector("main:not([hidden])")
    opened.page.locator('input[type="search"]').fill("")
    opened.page.wait_for_function("raydrive.charts.table.filter === ''")
    return opened


def selected(page: Any) -> list[int]:
    return sorted(page.evaluate("[...(raydrive.store.selection.set || [])]"))


def test_durations_and_sizes_are_written_as_in_the_terminal(browser: Any) -> None:
    source = resources.files("raydrive.studio").joinpath("static", "util.js").read_text(encoding="utf-8")
    seconds = [0, 4.21, 9.96, 31.4, 59.94, 60, 187, 3723, 90_000]
    counts = [0, 999, 1000, 2048, 9_990, 999_400, 999_600, 16_000_000, 1_234_000_000, 5 * 10**15]
    page = browser.new_page()  # an empty one: the report runs nothing from elsewhere
    clocks, roughly, sizes = page.evaluate(
        """async ([source, seconds, counts]) => {
            const { clock, rough, bytes } = await import("data:text/javascript," + encodeURIComponent(source));
            return [seconds.map(clock), seconds.map(rough), counts.map(bytes)];
        }""",
        [source, seconds, counts],
    )
    page.close()
    assert clocks == [text.clock(each) for each in seconds]
    assert roughly == [text.rough(each) for each in seconds]
    assert sizes == [text.size(each) for each in counts]


def test_every_chart_is_drawn(report: Watched) -> None:
    page = report.page
    for chart in CHARTS:
        report.see(chart)
    assert page.locator("#trials tbody tr").count() == 50
    page.locator("#slices").scroll_into_view_if_needed()
    page.wait_for_function("document.querySelectorAll('#slices .js-plotly-plot').length === 4")
    for words in ("Share", "Cloud", "Chart Studio"):
        assert page.locator(f'[data-title*="{words}"]').count() == 0
    names = traces(page, "chart-metrics", "t.name")
    assert {"Completed", "Canceled", "best: trial 34"} <= set(names)
    assert "bandit, slack factor 0.1, from interval 5" in names
    assert any(name.startswith("stopped by the policy") for name in names)
    assert page.locator("#importance .name").first.inner_text() == "learning_rate"
    lanes = page.evaluate("document.getElementById('chart-timeline').layout.yaxis.ticktext")
    assert lanes == [f"gpu-node-{node} · GPU {gpu}" for node in (1, 2) for gpu in (0, 1)]


def test_metrics_are_smoothed_on_a_log_axis_of_another_metric(report: Watched) -> None:
    page = report.page
    report.see("chart-metrics")
    page.locator("#chart-metrics").scroll_into_view_if_needed()
    rough = traces(page, "chart-metrics", "t.y")[0]
    page.get_by_label("Smoothing").evaluate("e => { e.value = 0.9; e.dispatchEvent(new Event('input')); }")
    report.settle()
    smooth = traces(page, "chart-metrics", "t.y")[0]
    assert smooth[0] == rough[0]
    assert smooth[1:10] != rough[1:10]
    page.get_by_label("Smoothing").evaluate("e => { e.value = 0; e.dispatchEvent(new Event('input')); }")
    page.get_by_label("log axis").check()
    page.wait_for_function("document.getElementById('chart-metrics').layout.yaxis.type === 'log'")
    page.get_by_label("log axis").uncheck()
    page.get_by_label("Metric", exact=True).select_option("loss")
    page.wait_for_function("document.getElementById('chart-metrics').layout.yaxis.title.text === 'loss'")
    page.get_by_label("Metric", exact=True).select_option("accuracy", force=True)
    page.get_by_label("Trials", exact=True).select_option("10")
    page.wait_for_function("document.getElementById('chart-metrics').layout.yaxis.title.text === 'accuracy'")
    report.settle()
    numbers = traces(page, "chart-metrics", "t.name && t.customdata || []")
    assert len({number for some in numbers for number in some} - {None}) <= 10
    page.get_by_label("Trials", exact=True).select_option("all")


def test_the_best_so_far_over_trials(report: Watched) -> None:
    report.see("chart-best")
    report.page.get_by_label("Over", exact=True).select_option("trials")
    report.page.wait_for_function("document.getElementById('chart-best').layout.xaxis.title.text === 'trial'")
    steps = traces(report.page, "chart-best", "t.y")[1]
    assert steps == sorted(steps)
    report.page.get_by_label("Over", exact=True).select_option("time")


def test_an_axis_is_dragged_to_another_place(report: Watched) -> None:
    page = report.page
    report.see("chart-parallel")
    before = page.evaluate("raydrive.charts.parallel.keys")
    box = page.locator("#chart-parallel .axis-title").first.bounding_box()
    report.drag((box["x"] + box["width"] / 2, box["y"] + box["height"] / 2), (box["x"] + 500, box["y"] + 5))
    page.wait_for_function(f"JSON.stringify(raydrive.charts.parallel.keys) !== JSON.stringify({json.dumps(before)})")
    after = page.evaluate("raydrive.charts.parallel.keys")
    assert sorted(after) == sorted(before)
    assert after[0] != before[0]


def test_a_range_is_brushed_and_everything_follows(report: Watched) -> None:
    page = report.page
    report.see("chart-parallel")
    names = page.evaluate("document.getElementById('chart-parallel').data[0].dimensions.map(d => d.name)")
    box = page.locator("#chart-parallel .axis-brush").nth(names.index("best")).bounding_box()
    x = box["x"] + box["width"] / 2
    report.drag((x, box["y"] + 30), (x, box["y"] + 90))
    page.wait_for_function("raydrive.store.selection.source === 'parallel'")
    chosen = selected(page)
    assert 0 < len(chosen) < 60
    (low, high) = page.evaluate("raydrive.charts.parallel.brushes.best")
    bottom, top = page.evaluate(
        "document.getElementById('chart-parallel').data[0].dimensions.find(d => d.name === 'best').range"
    )
    near = pytest.approx
    assert high == near(top - (top - bottom) * 26 / 310, abs=0.01), "exactly what was dragged over, not ticks near it"
    assert low == near(top - (top - bottom) * 86 / 310, abs=0.01)
    inside = page.evaluate(
        f"raydrive.store.trials.filter(t => t.best !== null && t.best >= {low} && t.best <= {high}).map(t => t.number)"
    )
    assert chosen == inside
    shown = page.locator("#trials tbody tr").count()
    assert shown == min(50, len(chosen)), "the table shows what was brushed"
    report.see("chart-scatter2")
    assert page.evaluate("document.getElementById('chart-scatter2').data[0].selectedpoints.length") == len(chosen)
    report.see("chart-scatter3")
    colours = page.evaluate("document.getElementById('chart-scatter3').data[0].marker.color")
    assert sum(colour.endswith(",1)") for colour in colours) == len(chosen)
    page.locator("#clear-selection").click()
    assert page.locator("#trials tbody tr").count() == 50


def test_a_box_in_the_scatter_selects(report: Watched) -> None:
    page = report.page
    report.see("chart-scatter2")
    box = page.locator("#chart-scatter2 .nsewdrag").first.bounding_box()
    report.drag((box["x"] + 4, box["y"] + 4), (box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.7))
    page.wait_for_function("raydrive.store.selection.source === 'scatter'")
    chosen = selected(page)
    assert 0 < len(chosen) < 60
    assert page.locator("#trials tbody tr").count() == min(50, len(chosen))


def test_the_table_brushes_the_charts(report: Watched) -> None:
    page = report.page
    page.locator("#trials tbody input").nth(2).click()
    assert len(selected(page)) == 1
    page.locator("#trials tbody input").nth(6).click(modifiers=["Shift"])
    assert len(selected(page)) == 5, "everything between the two"
    report.see("chart-parallel")
    colours = page.evaluate("document.getElementById('chart-parallel').data[0].line.color")
    assert sum(colour >= 0 for colour in colours) == 5
    report.see("chart-scatter2")
    assert page.evaluate("document.getElementById('chart-scatter2').data[0].selectedpoints.length") == 5
    page.locator("#clear-selection").click()
    page.locator('input[type="search"]').fill("optimizer:adam")
    page.wait_for_function("raydrive.charts.table.filter !== ''")
    page.locator("#select-all").click()
    wanted = page.evaluate("raydrive.store.trials.filter(t => t.p.optimizer === 'adam').map(t => t.number)")
    assert selected(page) == wanted


def test_the_3d_scatter_rotates(report: Watched) -> None:
    page = report.page
    report.see("chart-scatter3")
    camera = "JSON.stringify(document.getElementById('chart-scatter3')._fullLayout.scene._scene.getCamera().eye)"
    before = page.evaluate(camera)

    def turned() -> bool:
        """Drags; a scene that was not yet listening, or a chart that moved meanwhile, is dragged again."""
        box = page.locator("#chart-scatter3").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        report.drag((x, y), (x + 160, y + 30))
        page.wait_for_timeout(500)
        return bool(page.evaluate(camera) != before)

    wait_until(turned, "the camera has moved")


def test_the_table_sorts_filters_and_gives_csv(report: Watched) -> None:
    page = report.page
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


def test_columns_are_chosen_and_rows_copied(report: Watched) -> None:
    page = report.page
    heads = page.locator("#trials th").all_inner_texts()
    page.get_by_text("Columns (").click()
    page.locator(".sheet label", has_text="attempt").click()
    page.locator(".sheet label", has_text="momentum").last.click()
    page.get_by_text("Columns (").click()
    now = page.locator("#trials th").all_inner_texts()
    assert set(now) ^ set(heads) == {"attempt", "momentum"}
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    page.get_by_role("button", name="Copy").first.click()
    page.wait_for_function("window.copied")
    assert len(page.evaluate("window.copied").splitlines()) == 61


def test_a_chart_becomes_a_picture(report: Watched) -> None:
    report.see("chart-best")
    button = report.page.locator('#chart-best [data-title*="ownload"]')
    report.page.locator("#chart-best").hover()
    with report.page.expect_download() as download:
        button.click()
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")


def test_a_trial_s_page(report: Watched, story: RunHistory) -> None:
    page = report.page
    page.locator("#trials tbody a", has_text="7").first.click()
    page.wait_for_selector(".trial h2")
    number = int(page.evaluate("location.hash").rpartition("/")[2])
    text = page.locator(".trial").inner_text()
    assert f"Trial {number}" in text
    params = story.sweep.trials[number].params
    assert f"python train.py --learning-rate {params['learning_rate']} --momentum {params['momentum']}" in text
    assert story.sweep.trials[number].why in text
    assert "gpu-node" in text
    assert "drawn at random" in text
    assert "What the policy says of it" in text
    assert page.locator(".trial .js-plotly-plot").count() == 2
    page.get_by_text("All trials").click()
    page.wait_for_selector("main:not([hidden])")


def test_what_a_trial_uses_of_its_gpus_is_in_the_table_and_on_its_page(report: Watched) -> None:
    page = report.page
    assert "GPU use %" not in page.locator("#trials thead").inner_text()
    page.evaluate(
        """() => {
            const { store } = raydrive, trial = store.trials[34];
            Object.assign(trial, { before: trial.state, state: "Running" });
            const nodes = { "gpu_percent@0": 99, "gpu_percent@1": 77, "gpu_memory_bytes@1": 31.2e9 };
            store.head.run.gpu_use = { 34: { gpu_percent: 88, gpu_memory_bytes: 31.2e9, ...nodes } };
            store.trials[6].usage = { gpu_percent: 41 };
            store.tell("data");
        }"""
    )
    page.wait_for_function("document.querySelector('#trials thead').innerText.includes('GPU use %')")
    cells = page.locator("#trials tbody").inner_text()
    assert "88" in cells
    assert text.size(31_200_000_000) in cells
    page.evaluate("location.hash = '#/trial/34'")
    page.wait_for_function("document.body.innerText.includes('88 % now')")
    shown = page.locator("body").inner_text()
    assert f"{text.size(31_200_000_000)} now" in shown
    assert "GPUs of node 0" in shown
    assert f"77 %, {text.size(31_200_000_000)}" in shown
    page.evaluate(
        """() => {
            const { store } = raydrive, trial = store.trials[34];
            trial.state = trial.before; delete store.head.run.gpu_use; store.trials[6].usage = {}; store.tell("data");
        }"""
    )


def test_what_if_choices_of_a_report(report: Watched) -> None:
    page = report.page
    page.locator("#whatif-result").scroll_into_view_if_needed()
    assert "would stop" in page.locator("#whatif-result").inner_text()
    page.get_by_label("Policy", exact=True).select_option(index=2)
    page.get_by_role("button", name="Select these trials").click()
    assert len(selected(page)) == page.evaluate("raydrive.store.selection.set.size") > 0


def test_light_and_dark(report: Watched) -> None:
    page = report.page
    colour = "getComputedStyle(document.body).backgroundColor"
    shown = {}
    for _ in range(3):
        page.locator("#theme").click()
        shown[page.locator("#theme").inner_text().split()[-1]] = page.evaluate(colour)
    assert shown["light"] == shown["auto"] != shown["dark"]


def test_the_policy_of_the_page_stops_a_script_that_got_in(browser: Any, opened: Watched) -> None:
    watching = Watched(browser)
    page = watching.open(opened.page.url.split("#")[0])
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.pwned = 1\">')")
    page.evaluate("fetch('https://example.com/').catch(() => { window.blocked = 1 })")
    page.wait_for_function("window.blocked === 1")
    assert page.evaluate("window.pwned") is None
    page.close()
