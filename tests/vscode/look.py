"""Opens raydrive's notebooks in the real VS Code and looks at what its notebook editor shows. `make vscode` runs it.

VS Code is code-server from npm's registry, with its own extensions and none from a marketplace. Its notebooks are run
by ``extension/``, which does with a real kernel's messages what the Jupyter extension does.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
HERE = Path(__file__).parent
sys.path[:0] = [str(ROOT / "tests" / "studio"), str(ROOT)]

from recorded import PARAMS, VSCODE, by_hand, config, create, record, write  # noqa: E402

from raydrive.core.early_stopping.policies import BanditPolicy  # noqa: E402

ENTRY = "node_modules/code-server/out/node/entry.js"
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
FLAGS += ["--no-first-run", "--disable-quic", "--disable-background-networking", "--disable-component-update"]
FLAGS += ["--disable-sync"]
CELLS = {
    "details": ["RunDetails(run).show()"],
    "tables": ["run", "run.rows()", "next(iter(run.get_children()))"],
    "figures": ["run.plot_metrics()", "run.plot_parallel()", "run.plot_scatter(z='momentum')"],
}
FIGURES = {"scatter", "parcoords", "scatter3d"}
"""What the figures draw."""
"""Notebooks and the cells they are looked at for."""
KIND = """() => {
  const node = document.querySelector(".js-plotly-plot");
  return node && node._fullLayout && node.querySelector(".main-svg") ? node.data[0].type : null;
}"""
"""What a figure draws first; null until it has."""
PROBE = """() => {
  const seen = [];
  document.addEventListener("securitypolicyviolation", (event) => seen.push(event.originalPolicy));
  for (const kind of ["script", "iframe"]) {
    const node = document.createElement(kind);
    node.src = "http://127.0.0.1:9/nothing";
    document.body.append(node);
    setTimeout(() => node.remove(), 900);
  }
  return new Promise((done) => setTimeout(() => done([...new Set(seen)]), 1000));
}"""
"""Asks a document for its policy: something that a policy would refuse."""


def check(what: str, right: bool, found: object = "") -> None:
    """Says what was looked at; the first that is not right ends it."""
    print(f"{'ok  ' if right else 'NOT '} {what}{f': {found}' if found != '' else ''}", flush=True)
    if not right:
        raise SystemExit(1)


def until(what: Callable[[], Any], timeout_s: float = 60.0) -> Any:
    """Returns what a function says as soon as it is true; what it says at last when it never is."""
    end = time.monotonic() + timeout_s
    while not (found := what()) and time.monotonic() < end:
        time.sleep(0.2)
    return found


@contextlib.contextmanager
def serving(code_server: Path, folder: Path, work: Path) -> Iterator[str]:
    """Runs VS Code on a port of loopback; yields its address."""
    settings = {"notebook.experimental.enableCsp": True, "security.workspace.trust.enabled": False}
    settings |= {"extensions.autoUpdate": False, "extensions.ignoreRecommendations": True}
    user = folder / "user" / "User"
    user.mkdir(parents=True)
    (user / "settings.json").write_text(json.dumps(settings))
    shutil.copytree(HERE / "extension", folder / "extensions" / "raydrive.raydrive-kernel-0.0.1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["node", str(code_server / ENTRY), "--auth", "none", "--bind-addr", f"127.0.0.1:{port}"]
    command += ["--config", str(folder / "config.yaml"), "--disable-telemetry", "--disable-update-check"]
    command += ["--user-data-dir", str(folder / "user"), "--extensions-dir", str(folder / "extensions"), str(work)]
    about = {"RAYDRIVE_PYTHON": sys.executable, "RAYDRIVE_BRIDGE": str(HERE / "bridge.py")}
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(command, env={**os.environ, **about}, stdout=log, stderr=log, start_new_session=True)
    try:
        up = until(lambda: server.poll() is not None or _answers(port), 60)
        said = (folder / "server.log").read_text()
        check("code-server listens", bool(up) and server.poll() is None, re.findall("with Code .*|$", said)[0] or said)
        yield f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, 15)
        server.wait(30)


def _answers(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


class Editor:
    """VS Code in a browser, and all it asked of the network or complained about.

    Args:
        browser: The browser.
        url: Address of the server.
        work: The folder to open.
    """

    def __init__(self, browser: Any, url: str, work: Path) -> None:
        self.url = url
        self.errors: list[str] = []
        self.requests: list[tuple[str, str]] = []
        """Address of the document that asked, and what it asked for."""
        self.page = browser.new_context(viewport={"width": 1400, "height": 1000}).new_page()
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda asked: self.requests.append((asked.frame.url, asked.url)))
        self.page.goto(f"{url}/?folder={work}")
        self.page.locator(".explorer-folders-view").wait_for(timeout=90_000)

    def _said(self, note: Any) -> None:
        where = note.location.get("url", "")
        # What VS Code says of itself is not ours: a marketplace that is not there, a search tool that is not installed.
        if note.type == "error" and not where.startswith((f"{self.url}/stable-", "https://open-vsx.org/")):
            self.errors.append(f"{where[:80]}: {note.text}")

    def open(self, name: str) -> Any:
        """Opens a notebook."""
        rows = self.page.locator(".notebookOverlay .monaco-list-row")
        text = self.page.locator(".editor-container .view-lines")
        for _ in range(10):
            self.page.get_by_role("treeitem", name=f"{name}.ipynb").first.dblclick()
            until(lambda: rows.count() or text.count(), 30)
            if until(rows.count, 2):
                break
            self.close()  # opened as text: its extensions had not been read yet
        check(f"{name}.ipynb is open in the notebook editor", rows.count() > 0)

    def webview(self) -> Any:
        """Returns the document of the open notebook's outputs."""
        found = until(self._webview)
        check("with a webview", found is not None)
        return found

    def _webview(self) -> Any:
        found = [one for one in self.page.frames if "/webview/browser/pre/fake.html" in one.url]
        return found[-1] if found else None

    def close(self) -> None:
        """Closes the open notebook without saving."""
        self.page.keyboard.press("Escape")
        self.page.locator(".tab.active .codicon-close").first.click()
        dont = self.page.get_by_role("button", name="Don't Save")
        until(lambda: dont.count() or not self.page.locator(".notebookOverlay .monaco-list-row").count(), 10)
        if dont.count():
            dont.click()

    def wheel(self, by: int) -> None:
        """Turns the wheel over the notebook."""
        self.page.mouse.move(500, 250)
        self.page.mouse.wheel(0, by)

    def picture(self, folder: Path, name: str) -> None:
        """Takes a picture of the window."""
        self.page.screenshot(path=folder / f"{name}.jpg", type="jpeg", quality=80)

    def frames(self, webview: Any) -> list[Any]:
        """Returns our documents within a webview."""
        return [found for one in webview.query_selector_all("iframe") if (found := one.content_frame())]

    @property
    def outside(self) -> list[str]:
        """What was asked of other machines by a webview or a document of ours."""
        own = ("data:", "blob:", "about:", "http://127.0.0.1:")
        return [
            f"{who[:60]} asked for {what}"
            for who, what in self.requests
            if who == "about:srcdoc" or "/webview/" in who
            if not what.startswith(own) and ".vscode-resource.vscode-cdn.net/" not in what
        ]


def executed(name: str, uri: str, cells: list[str]) -> Any:
    """Returns a notebook after its cells were run."""
    import nbformat
    from nbclient import NotebookClient

    first = f"from raydrive import HyperDriveRun, RunDetails\nrun = HyperDriveRun.open({uri!r})\n"
    texts = [first + cells[0], *cells[1:]]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in texts])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        NotebookClient(book, timeout=100, kernel_name="python3").execute()
    kinds = [sorted(one.get("data", {"?": one})) for cell in book.cells for one in cell.outputs]
    check(f"{name}.ipynb was run", all("text/html" in kind for kind in kinds), kinds)
    return book


def look_at_details(editor: Editor, pictures: Path) -> None:
    """The cell of a run that is over, and the page below it."""
    editor.open("details")
    webview = editor.webview()
    until(lambda: webview.locator("svg polyline").count())
    check("the cell is drawn", webview.locator("svg polyline").count() > 30, webview.locator("svg polyline").count())
    editor.picture(pictures, "vscode-cell")
    complaints = len(editor.errors)
    policies = [" ".join(policy.split()).rstrip(";") for policy in webview.evaluate(PROBE)]
    del editor.errors[complaints:]  # about the probe
    check("the webview's policy is the one of tests/studio", policies == [VSCODE], policies)
    frame = until(lambda: next(iter(editor.frames(webview)), None))
    check("the page is there", frame is not None)
    for chart in ("metrics", "best"):
        there = f"document.querySelector('#chart-{chart} .main-svg') !== null"
        for _ in range(20):
            if until(lambda there=there: frame.evaluate(there), 1):
                break
            editor.wheel(250)
        check(f"the page has drawn the chart {chart}", frame.evaluate(there))
    time.sleep(2)  # WebGL comes after plotly's own end of drawing; only for the picture
    editor.picture(pictures, "vscode-page")
    editor.close()


def look_at_tables(editor: Editor, pictures: Path) -> None:
    """A run, its rows, a trial."""
    editor.open("tables")
    webview = editor.webview()
    until(lambda: webview.locator("table").count() >= 4)
    count = webview.locator("table").count()
    check("run, rows and trial are tables", count == 4, count)
    check("with the run's values", "best accuracy" in webview.locator("body").inner_text())
    editor.picture(pictures, "vscode-tables")
    editor.close()


def look_at_figures(editor: Editor, pictures: Path) -> None:
    """Figures, which here have no renderer of plotly's own."""
    editor.open("figures")
    webview = editor.webview()
    kinds: set[str] = set()
    for _ in range(30):
        kinds = {kind for frame in editor.frames(webview) if (kind := frame.evaluate(KIND))}
        if kinds == FIGURES:
            break
        editor.wheel(300)
        time.sleep(1)
    check("the figures are drawn", kinds == FIGURES, sorted(kinds))
    time.sleep(1)  # WebGL comes after plotly's own end of drawing; only for the picture
    editor.picture(pictures, "vscode-figures")
    editor.close()


def look_at_live(editor: Editor, pictures: Path, layout: Any, lines: list[str]) -> None:
    """A cell that is run in VS Code and follows a run that has not ended."""
    write(layout, lines[:8])
    editor.open("live")
    editor.page.get_by_role("button", name="Run All").first.click()
    webview = editor.webview()
    cell = webview.locator(".output_container")

    def says(text: str) -> bool:
        return bool(until(lambda: cell.count() and text in cell.first.inner_text()))

    check("a run that has not ended is shown", says("Running"), cell.first.inner_text()[:90])
    outputs = webview.locator(".output_container .output").count()
    before = webview.locator("svg polyline, svg circle").count()
    write(layout, lines[8:21])
    check("the same cell follows it", says("trials 4 of 6"), cell.first.inner_text()[:90])
    write(layout, lines[21:])
    over = says("trials 6 of 6") and says("Completed")
    check("to its end", over, cell.first.inner_text()[:90])
    check("in the same output", webview.locator(".output_container .output").count() == outputs, outputs)
    check("with more drawn than before", webview.locator("svg polyline").count() > before, before)
    frame = until(lambda: next(iter(editor.frames(webview)), None))
    check("the page has come below it", frame is not None)
    check("and draws", until(lambda: frame.evaluate("window.raydrive?.store.head !== undefined")))
    editor.picture(pictures, "vscode-live")
    editor.close()


def main() -> None:
    """Looks at everything."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--code-server", type=Path, required=True, help="where npm has installed it")
    parser.add_argument("--pictures", type=Path, default=None, help="where to put screenshots")
    given = parser.parse_args()
    import nbformat

    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder, work = Path(name), Path(name) / "work"
        work.mkdir()
        pictures = given.pictures or folder
        pictures.mkdir(exist_ok=True)
        over = record(folder / "storage", config(60, policy=BanditPolicy(slack_factor=0.1, delay_evaluation=5)))
        for name, cells in CELLS.items():
            nbformat.write(executed(name, over.uri, cells), work / f"{name}.ipynb")
        running = config(6, experiment="running")
        lines = by_hand(running, [(PARAMS | {"momentum": i / 10}, [0.1 * i, 0.6], 0, "") for i in range(6)])
        layout = create(folder / "storage", running)
        text = f"from raydrive import HyperDriveRun, RunDetails\nrun = HyperDriveRun.open({layout.uri!r})\n"
        cell = nbformat.v4.new_code_cell(f"{text}RunDetails(run).show()")
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), work / "live.ipynb")
        found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        with serving(given.code_server, folder, work) as url:
            editor = Editor(browser, url, work)
            try:
                look_at_details(editor, pictures)
                look_at_tables(editor, pictures)
                look_at_figures(editor, pictures)
                look_at_live(editor, pictures, layout, lines)
            except BaseException:
                editor.picture(pictures, "vscode-last")
                print("Complaints until then:", *editor.errors, sep="\n", flush=True)
                raise
            check("nothing of ours complained", not editor.errors, editor.errors or "")
            check("nothing of ours asked the network for anything", not editor.outside, editor.outside or "")
            browser.close()
    print("VS Code shows all of it.")


if __name__ == "__main__":
    main()
