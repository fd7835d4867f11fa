"""Makes the pictures of docs/studio.md: recorded runs, a real browser, light and dark. `make screenshots` runs it."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests" / "studio"), str(ROOT)]

from recorded import START, by_hand, config, create, learning, record, write  # noqa: E402

from raydrive.core.policies import BanditPolicy, MedianStoppingPolicy  # noqa: E402
from raydrive.core.records import Started, dump  # noqa: E402
from raydrive.storage.layout import RunLayout  # noqa: E402
from raydrive.studio.report import write_report  # noqa: E402
from raydrive.studio.story import open_story  # noqa: E402

FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
IMAGES = ROOT / "docs" / "images"


def runs(storage: Path) -> dict[str, RunLayout]:
    """Returns the runs to show, by name."""
    bandit = BanditPolicy(slack_factor=0.1, delay_evaluation=5)
    median = MedianStoppingPolicy(delay_evaluation=10)
    empty = create(storage, config(20, experiment="empty"))
    write(empty, [dump(Started(START, 1), ())])
    failed_config = config(8, experiment="failed")
    traceback = (
        "Traceback (most recent call last):\n  File 'train.py', line 1\nModuleNotFoundError: No module named 'torch'"
    )
    failed = create(storage, failed_config)
    params = [{"learning_rate": 0.1, "momentum": i / 10, "units": 16, "optimizer": "sgd"} for i in range(8)]
    write(failed, by_hand(failed_config, [(one, [], 1, traceback) for one in params]))
    return {
        "run": record(storage, config(60, policy=bandit, experiment="digits")),
        "thousand": record(
            storage, config(1000, policy=median, concurrent=16, experiment="thousand"), learning(100), nodes=4
        ),
        "one": record(storage, config(1, experiment="one")),
        "empty": empty,
        "failed": failed,
    }


def shoot(browser: Any, path: Path, name: str, *, dark: bool = False, place: str = "", brush: bool = False) -> None:
    """Takes one picture of a page.

    Args:
        browser: The browser.
        path: The report.
        name: Name of the picture.
        dark: Whether in the dark theme.
        place: Fragment of the page.
        brush: Whether a range of the metric is brushed first.
    """
    page = browser.new_page(viewport={"width": 1440, "height": 1000}, color_scheme="dark" if dark else "light")
    page.goto(path.as_uri() + place)
    page.wait_for_function("window.raydrive && raydrive.store.head")
    if brush:
        page.wait_for_function("document.getElementById('chart-parallel')?.data")
        page.wait_for_timeout(1500)
        box = page.locator("#chart-parallel .axis-brush").last.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 26)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 66, steps=8)
        page.mouse.up()
    # Charts are drawn when seen: make the window as high as the page.
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": 1440, "height": min(height, 4200)})
    page.wait_for_timeout(6000)
    page.screenshot(path=IMAGES / f"{name}.jpg", type="jpeg", quality=82, full_page=True)
    page.close()
    print(IMAGES / f"{name}.jpg")


def main() -> None:
    """Makes all pictures."""
    import shutil

    from playwright.sync_api import sync_playwright

    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        pages = {}
        for name, layout in runs(Path(folder) / "storage").items():
            pages[name] = Path(folder) / f"{name}.html"
            write_report(open_story(layout), pages[name])
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for name, path in pages.items():
            shoot(browser, path, f"studio-{name}")
        shoot(browser, pages["run"], "studio-run-dark", dark=True)
        shoot(browser, pages["run"], "studio-brushed", brush=True)
        shoot(browser, pages["run"], "studio-trial", place="#/trial/7")
        browser.close()


if __name__ == "__main__":
    main()
