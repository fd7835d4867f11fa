"""The pages on a phone, with the keyboard, with a screen reader: axe-core finds nothing, everything is reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from recorded import PARAMS, Served, Watched, by_hand, config, create, record, write

from raydrive.studio.data.run_history import RunHistory, open_history
from raydrive.studio.notebook.cell import run_cell
from raydrive.studio.web.report import write_report

AXE = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
DESKTOP, PHONE = (1400, 900), (390, 844)
SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])
INVISIBLE = "\u200b\u200c"
"""What ticks are made of that only give brushes a place to end."""


def problems(page: Any) -> list[str]:
    """What axe-core finds serious or critical, a line each: rule, element, what is wrong."""
    page.evaluate("source => { (0, eval)(source); }", AXE)
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    assert found["passes"], "axe has looked at the page"
    return [
        f"{rule['id']}: {node['target'][0]}: {node['failureSummary']}"
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def whole(page: Any, width: int) -> None:
    """Makes the window as high as the page, opens its menus, and waits until every chart in it is drawn."""
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.evaluate("document.querySelectorAll('.folded > h2 > .fold').forEach((one) => one.click())")
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": width, "height": min(height + 400, 9000)})
    plots = "[...document.querySelectorAll('main:not([hidden]) .plot:not(.nothing)')]"
    page.wait_for_function(f"{plots}.every((node) => node._fullLayout || node.offsetParent === null)")


@pytest.fixture(scope="module")
def reports(story: RunHistory, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Addresses of two reports: of a usual run, and of one of which every trial failed."""
    folder = tmp_path_factory.mktemp("reports")
    run_config = config(8, experiment="failed")
    failed = create(folder / "storage", run_config)
    write(failed, by_hand(run_config, [(PARAMS, [], 1, "ModuleNotFoundError: No module named 'torch'")] * 8))
    found = {}
    for name, history in (("run", story), ("failed", open_history(failed))):
        write_report(history, folder / f"{name}.html")
        found[name] = (folder / f"{name}.html").as_uri()
    return found


@pytest.fixture
def window(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens a page in a window of a size and theme; none of them complained in the end."""
    opened: list[Watched] = []

    def open_page(url: str, scheme: str = "light", size: tuple[int, int] = DESKTOP, *, run: bool = True) -> Any:
        watching = Watched(browser, dark=scheme == "dark")
        opened.append(watching)
        watching.page.set_viewport_size({"width": size[0], "height": size[1]})
        if run:
            return watching.open(url)
        watching.page.goto(url)
        return watching.page

    yield open_page
    errors = [error for watching in opened for error in watching.errors]
    for watching in opened:
        watching.page.close()
    assert errors == []


@SCHEMES
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("place", ["run", "failed", "run#/trial/3"])
def test_axe_finds_nothing_on_a_run_s_page(
    window: Callable[..., Any], reports: dict[str, str], place: str, scheme: str, size: tuple[int, int]
) -> None:
    name, _, fragment = place.partition("#")
    page = window(reports[name] + (f"#{fragment}" if fragment else ""), scheme, size)
    whole(page, size[0])
    assert problems(page) == []


@SCHEMES
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_on_the_list_of_runs(
    window: Callable[..., Any], serve: Callable[..., Served], storage: Path, scheme: str, size: tuple[int, int]
) -> None:
    record(storage, config(2), run_id="first-run")
    page = window(serve(storage).url, scheme, size, run=False)
    assert page.locator(".runs td").count() > 0
    assert problems(page) == []


@SCHEMES
def test_axe_finds_nothing_on_a_live_run_s_page(
    window: Callable[..., Any], serve: Callable[..., Served], storage: Path, scheme: str
) -> None:
    layout = record(storage, config(10, experiment="study"), run_id="first-run")
    page = window(f"{serve(storage, allow_control=True).url}/runs/study/{layout.run_id}", scheme)
    whole(page, DESKTOP[0])
    assert problems(page) == []


def test_headings_go_down_one_step_at_a_time(window: Callable[..., Any], reports: dict[str, str]) -> None:
    page = window(reports["run"])
    levels = "[...document.querySelectorAll('h1,h2,h3,h4')].filter(e => e.offsetParent).map(e => Number(e.tagName[1]))"
    assert page.evaluate(levels)[:2] == [1, 2]
    page.evaluate("location.hash = '#/trial/3'")
    page.wait_for_selector(".trial h2")
    found = page.evaluate(levels)
    assert found[:3] == [1, 2, 3]
    assert all(after - before <= 1 for before, after in pairwise(found))


def test_the_filter_is_the_second_stop_of_the_keyboard(window: Callable[..., Any], reports: dict[str, str]) -> None:
    page = window(reports["run"])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the trials"
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.getAttribute('aria-label') === 'Filter the trials'")


def test_a_chart_s_buttons_are_one_stop(window: Callable[..., Any], reports: dict[str, str]) -> None:
    page = window(reports["run"])
    whole(page, DESKTOP[0])
    stops = "[...document.querySelectorAll('#chart-metrics .modebar button')].filter(e => e.tabIndex === 0).length"
    assert page.locator("#chart-metrics .modebar button").count() > 5
    assert page.evaluate(stops) == 1
    page.locator("#chart-metrics .modebar button").first.focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Zoom out"
    assert page.evaluate(stops) == 1


def test_axes_are_brushed_and_moved_by_keys(window: Callable[..., Any], reports: dict[str, str]) -> None:
    page = window(reports["run"])
    whole(page, DESKTOP[0])
    axis = page.get_by_role("slider", name="best accuracy")
    axis.focus()
    assert axis.get_attribute("aria-valuetext") == "all values"
    page.keyboard.press("ArrowDown")
    page.wait_for_function("raydrive.store.selection.source === 'parallel'")
    page.wait_for_function("document.activeElement.getAttribute('aria-valuetext')?.includes(' to ')")
    best = page.evaluate("raydrive.store.trials.map(t => t.best)")
    top = max(best) - 0.2 * (max(best) - min(best))
    chosen = page.evaluate("raydrive.store.selected().map(t => t.best)")
    assert sorted(chosen) == sorted(value for value in best if value >= top)
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("raydrive.charts.parallel.keys.indexOf('best') === 3")
    page.wait_for_function("document.activeElement.getAttribute('aria-label') === 'best accuracy'")
    assert page.evaluate("raydrive.store.selecting"), "the brush moves with its axis"
    page.keyboard.press("Escape")
    page.wait_for_function("!raydrive.store.selecting")
    page.get_by_role("slider", name="optimizer").focus()
    page.keyboard.press("ArrowUp")
    page.wait_for_function("raydrive.store.selecting")
    assert page.evaluate("[...new Set(raydrive.store.selected().map(t => t.p.optimizer))]") == ["sgd"]
    page.wait_for_function("document.activeElement.getAttribute('aria-valuetext') === 'sgd'")


def test_charts_are_pictures_with_names_not_hundreds_of_labels(
    window: Callable[..., Any], reports: dict[str, str]
) -> None:
    page = window(reports["run"])
    whole(page, DESKTOP[0])
    read = page.locator("body").aria_snapshot()
    assert 'img "accuracy of 60 trials over intervals, a line per trial"' in read
    assert 'img "60 trials by learning_rate, momentum, coloured by best accuracy"' in read
    assert not set(INVISIBLE) & set(read)


def test_a_redrawn_table_leaves_the_focus_where_it_was(window: Callable[..., Any], reports: dict[str, str]) -> None:
    page = window(reports["run"])
    page.locator("#trials th button", has_text="momentum").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.textContent") == "momentum ▲"
    page.get_by_label("Select trial 34").focus()
    page.keyboard.press("Space")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Select trial 34"


def test_a_count_of_trials_leads_to_them(window: Callable[..., Any], reports: dict[str, str]) -> None:
    page = window(reports["run"])
    for _ in range(2):  # the second time the address is already there
        page.locator('input[type="search"]').fill("")
        page.get_by_role("link", name="51 canceled").click()
        page.wait_for_function("raydrive.charts.table.filter === 'state:canceled'")
    assert page.evaluate("raydrive.charts.table.shown.length") == 51
    page = window(reports["failed"])
    page.get_by_role("link", name="8 failed").click()
    page.wait_for_function("raydrive.charts.table.filter === 'state:failed'")
    assert page.evaluate("raydrive.charts.table.shown.length") == 8


def test_a_run_fits_a_phone(window: Callable[..., Any], reports: dict[str, str]) -> None:
    page = window(reports["run"], size=PHONE)
    page.wait_for_function("document.getElementById('chart-metrics')._fullLayout")
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
    assert page.evaluate("document.documentElement.scrollHeight") < 2.6 * PHONE[1]
    fold = page.get_by_role("button", name="Timeline")
    assert fold.get_attribute("aria-expanded") == "false"
    fold.click()
    page.wait_for_function("document.getElementById('chart-timeline')._fullLayout")
    assert fold.get_attribute("aria-expanded") == "true"
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]


def test_the_list_of_runs_shows_states_on_a_phone(
    window: Callable[..., Any], serve: Callable[..., Served], storage: Path
) -> None:
    record(storage, config(2), run_id="a-run-with-a-name-that-is-as-long-as-most-20261119-120000-0060")
    page = window(serve(storage).url, size=PHONE, run=False)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
    box = page.locator(".runs .state").bounding_box()
    assert 0 < box["x"] < box["x"] + box["width"] < PHONE[0]


def test_the_list_of_runs_is_renewed_without_a_reload(
    window: Callable[..., Any], browser: Any, serve: Callable[..., Served], storage: Path
) -> None:
    record(storage, config(2), run_id="first-run")
    served = serve(storage)
    page = browser.new_page()
    page.clock.install()
    page.goto(served.url)
    page.get_by_role("link", name="first-run", exact=True).focus()
    record(storage, config(2), run_id="second-run")
    page.clock.run_for(16_000)
    page.get_by_role("link", name="second-run", exact=True).wait_for()
    assert page.evaluate("document.activeElement.textContent") == "first-run"
    page.close()


@pytest.mark.parametrize("colours", ["background:#fff;color:#000", "background:#111;color:#eee"], ids=["light", "dark"])
def test_axe_finds_nothing_in_a_notebook_s_cell(browser: Any, story: RunHistory, colours: str) -> None:
    page = browser.new_page()
    head = '<!DOCTYPE html><html lang="en"><head><title>A notebook</title></head>'
    page.set_content(f'{head}<body style="{colours}"><main>{run_cell(story)}</main></body></html>')
    assert page.locator("svg").count() == 1
    assert problems(page) == []
    page.close()
