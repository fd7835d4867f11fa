"""What tests of the studio start from: a recorded run, a real browser, a server."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from recorded import Served, Watched, config, record

from raydrive.studio.data.run_history import RunHistory, open_history


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    return tmp_path / "storage"


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> RunHistory:
    """60 trials of 20 intervals under a bandit."""
    from raydrive.core.early_stopping.policies import BanditPolicy

    policy = BanditPolicy(slack_factor=0.1, delay_evaluation=5)
    return open_history(
        record(tmp_path_factory.mktemp("s"), config(60, policy=policy), run_id="study-20261119-120000-0060")
    )


def chromium() -> str:
    """The browser of the machine; where there is none, tests in a real browser fail and say why: nothing is skipped."""
    found = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
    )
    if not found:
        pytest.fail("no chromium on PATH. `make browser` installs it (Debian, Ubuntu: apt-get install chromium)")
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One for each file: as long as it is open, playwright holds an event loop that shuts out any other here."""
    from playwright.sync_api import sync_playwright

    # Software WebGL: parallel coordinates and 3-D scatter need it, and test machines have no GPU.
    flags = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
    # And nothing that a browser does of its own accord on the network.
    flags += ["--no-first-run", "--disable-quic", "--disable-background-networking", "--disable-component-update"]
    flags += ["--disable-sync"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=flags)
        yield browser
        browser.close()


@pytest.fixture
def watched(browser: Any) -> Iterator[Watched]:
    watching = Watched(browser)
    yield watching
    watching.page.close()


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Served]]:
    monkeypatch.setattr("raydrive.studio.web.live_feed.POLL_S", 0.2)
    opened: list[Served] = []

    def start(storage: Path, at: int = 0, **more: Any) -> Served:
        from raydrive.studio.web.server import ServerSettings

        opened.append(Served(ServerSettings(storage=str(storage), **more), at))
        return opened[-1]

    yield start
    for one in opened:
        if not one.loop.is_closed():
            one.close()
