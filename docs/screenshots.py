"""Makes the pictures of docs/studio.md: recorded runs, a real browser, light and dark. `make screenshots` runs it.

Look at what it made before it is committed: labels have to be readable, and nothing may lie over anything else.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests" / "studio"), str(ROOT)]

from recorded import SPACE, by_hand, config, create, learning, record, retried, warm_started, write  # noqa: E402

from raydrive.core.early_stopping.halving_policy import SuccessiveHalvingPolicy  # noqa: E402
from raydrive.core.early_stopping.policies import BanditPolicy, MedianStoppingPolicy  # noqa: E402
from raydrive.core.records import Started, dump  # noqa: E402
from raydrive.core.search.bayesian.sampling import BayesianParameterSampling  # noqa: E402
from raydrive.storage.run_layout import RunLayout  # noqa: E402
from raydrive.studio.data.run_history import open_history  # noqa: E402
from raydrive.studio.web.report import write_report  # noqa: E402

FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
FLAGS += ["--no-first-run", "--disable-quic", "--disable-background-networking", "--disable-component-update"]
IMAGES = ROOT / "docs" / "images"
WIDTH, MOST_HEIGHT, MOST_BYTES = 1440, 5000, 290_000
TRACEBACK = (
    "Traceback (most recent call last):\n  File 'train.py', line 1\nModuleNotFoundError: No module named 'torch'"
)


def runs(storage: Path) -> dict[str, RunLayout]:
    """Returns the runs to show, by name."""
    bandit = BanditPolicy(slack_factor=0.1, delay_evaluation=5)
    empty = create(storage, config(20, experiment="empty"))
    write(empty, [dump(Started(time.time() - 2.0, 1), ())])
    failed_config = config(8, experiment="failed")
    failed = create(storage, failed_config)
    params = [{"learning_rate": 0.1, "momentum": i / 10, "units": 16, "optimizer": "sgd"} for i in range(8)]
    write(failed, by_hand(failed_config, [(one, [], 1, TRACEBACK) for one in params]))
    first = record(storage, config(30, policy=bandit), run_id="digits-20261102-091500-3f2a")
    second = record(storage, config(20, policy=bandit), run_id="digits-20261105-140200-b81c")
    bayesian = BayesianParameterSampling(SPACE)
    last = config(40, policy=bandit, experiment="digits", sampling=bayesian)
    return {
        "run": record(storage, config(60, policy=bandit, experiment="digits-random")),
        "warm": warm_started(storage, last, first, second, going_on=2),
        "thousand": record(
            storage,
            config(1000, policy=MedianStoppingPolicy(delay_evaluation=10), concurrent=16, experiment="thousand"),
            learning(100),
        ),
        "halving": record(
            storage,
            config(
                27,
                policy=SuccessiveHalvingPolicy(min_intervals=1, max_intervals=27),
                experiment="digits-halving",
                concurrent=4,
            ),
            learning(27),
        ),
        "one": record(storage, config(1, experiment="one")),
        "empty": empty,
        "failed": failed,
        "retried": retried(storage),
    }


def shoot(browser: Any, path: Path, name: str, **how: Any) -> None:
    """Takes one picture of a page, as good as fits into ``MOST_BYTES``.

    Args:
        browser: The browser.
        path: The report.
        name: Name of the picture.
        how: ``dark``: in the dark theme; ``place``: fragment of the page; ``brush``: whether a range of the metric is
            brushed first; ``parts``: selectors of the first and last element to show, all where there is none.
    """
    scheme = "dark" if how.get("dark") else "light"
    page = browser.new_page(viewport={"width": WIDTH, "height": 1000}, color_scheme=scheme)
    page.goto(path.as_uri() + how.get("place", ""))
    page.wait_for_function("window.raydrive && raydrive.store.head")
    # Charts are drawn when seen: make the window as high as the page.
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": WIDTH, "height": min(height + 200, MOST_HEIGHT)})
    drawn = "[...document.querySelectorAll('main:not([hidden]) .plot:not(.nothing)')].every((node) => node._fullLayout)"
    page.wait_for_function(drawn, timeout=120_000)
    page.wait_for_timeout(3000)  # WebGL comes after plotly's own end of drawing
    if how.get("brush"):
        box = page.locator("#chart-parallel .axis-brush").last.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 26)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 66, steps=8)
        page.mouse.up()
        page.wait_for_timeout(3000)
    clip = _clip(page, how.get("parts"))
    for quality in (88, 80, 70, 60, 50):
        picture = page.screenshot(type="jpeg", quality=quality, clip=clip, full_page=True)
        if len(picture) <= MOST_BYTES:
            break
    page.close()
    (IMAGES / f"studio-{name}.jpg").write_bytes(picture)
    print(IMAGES / f"studio-{name}.jpg", len(picture), "bytes, quality", quality)


def _clip(page: Any, parts: tuple[str, str] | None) -> dict[str, float]:
    """The part of a page from one element to another, all of its width."""
    height = page.evaluate("document.querySelector('#app').getBoundingClientRect().height")
    top, bottom = 0.0, height
    if parts:
        first, last = (page.locator(one).first.bounding_box() for one in parts)
        top, bottom = max(0.0, first["y"] - 10), min(height, last["y"] + last["height"] + 10)
    return {"x": 0, "y": top, "width": WIDTH, "height": bottom - top}


def main() -> None:
    """Makes all pictures."""
    from playwright.sync_api import sync_playwright

    IMAGES.mkdir(exist_ok=True)
    upper = ("header", "section.card:has(#chart-scatter2)")
    lower = ("section.card:has(#trials)", "section.card:has(#chart-timeline)")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        pages = {}
        for name, layout in runs(Path(folder) / "storage").items():
            pages[name] = Path(folder) / f"{name}.html"
            write_report(open_history(layout), pages[name])
        found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        shoot(browser, pages["run"], "run", parts=upper)
        shoot(browser, pages["run"], "run-more", parts=lower)
        shoot(browser, pages["run"], "run-dark", parts=upper, dark=True)
        shoot(browser, pages["run"], "brushed", parts=upper, brush=True)
        shoot(browser, pages["thousand"], "thousand", parts=upper)
        shoot(browser, pages["thousand"], "thousand-dark", parts=upper, dark=True)
        curves, timeline = "section.card:has(#chart-metrics)", "section.card:has(#chart-timeline)"
        shoot(browser, pages["halving"], "halving-curves", parts=(curves, curves))
        shoot(browser, pages["halving"], "halving", parts=(timeline, timeline))
        lineage = "section.card:has(#lineage)"
        shoot(browser, pages["warm"], "lineage", parts=(lineage, lineage))

        shoot(browser, pages["retried"], "trial", place="#/trial/0")
        for name in ("one", "empty", "failed"):
            shoot(browser, pages[name], name)
        shoot(browser, pages["failed"], "failed-dark", dark=True)
        browser.close()


if __name__ == "__main__":
    main()
