"""A notebook that is really executed, whose cell follows a run while it goes on."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from recorded import PARAMS, by_hand, config, create, record, write

from raydrive.studio.cell import run_cell
from raydrive.studio.notebook import RunDetails, frame
from raydrive.studio.story import Story, open_story


def test_the_cell_is_text_without_scripts(storage: Path) -> None:
    run_config = config(2, metric="<script>alert(1)</script>")
    layout = create(storage, run_config)
    hostile = {**PARAMS, "optimizer": "<img src=x onerror=alert(1)>\n\n# $x$"}
    write(layout, by_hand(run_config, [(hostile, [0.5, 0.6], 0, ""), (hostile, [], 1, "</table><script>")]))
    text = run_cell(open_story(layout))
    assert "<script" not in text
    assert "<img" not in text
    assert "\n\n" not in text
    assert "$" not in text
    assert "<polyline" in text


def test_the_frame_holds_the_page(story: Story) -> None:
    text = frame(story)
    assert text.startswith("<iframe srcdoc=")
    assert "allow-same-origin" not in text
    assert "<script" not in text, "the page is inside an attribute"


def test_outside_a_notebook_it_prints_a_line(storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from raydrive.api.run import HyperDriveRun

    RunDetails(HyperDriveRun(record(storage, config(2)))).show()
    assert "Completed" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of jupyter_client and nbclient, not ours
def test_a_cell_follows_a_run(storage: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    run_config = config(6)
    lines = by_hand(run_config, [(PARAMS | {"momentum": i / 10}, [0.1 * i, 0.6], 0, "") for i in range(6)])
    layout = create(storage, run_config)
    write(layout, lines[:8])

    def go_on() -> None:
        time.sleep(1.0)
        while not (storage / "go").exists():
            time.sleep(0.1)
        write(layout, lines[8:])

    thread = threading.Thread(target=go_on)
    thread.start()
    book = nbformat.v4.new_notebook()
    book.cells = [
        nbformat.v4.new_code_cell(
            "from raydrive import HyperDriveRun, RunDetails\n"
            f"run = HyperDriveRun.open({layout.uri!r})\ndetails = RunDetails(run)\ndetails.show(page=False)"
        ),
        nbformat.v4.new_code_cell(
            f"import pathlib\nbefore = run.get_status()\npathlib.Path({str(storage / 'go')!r}).touch()\n"
            "done = details.wait(60)\nprint(before, done)"
        ),
        nbformat.v4.new_code_cell("run"),
        nbformat.v4.new_code_cell("run.rows()"),
    ]
    NotebookClient(book, timeout=100, kernel_name="python3").execute()
    thread.join()
    assert book.cells[1].outputs[0]["text"].strip() == "Running True"
    (cell,) = book.cells[0].outputs
    assert "trials 6 of 6" in cell["data"]["text/html"], "the first cell shows the end of the run"
    assert "Completed" in cell["data"]["text/html"]
    for last in book.cells[2:]:
        assert last.outputs[0]["data"]["text/html"].startswith("<table")


VSCODE = (
    "default-src 'none'; script-src https://*.vscode-cdn.net 'unsafe-inline' 'unsafe-eval'; "
    "style-src https://*.vscode-cdn.net 'unsafe-inline'; img-src https://*.vscode-cdn.net https: http: data:; "
    "font-src https://*.vscode-cdn.net https:; connect-src https:; child-src https: data: blob:"
)
"""What VS Code's webview of a notebook's outputs allows, as far as we know.

A frame without an address of its own takes it over."""


def test_cell_and_page_stand_a_webview_like_that_of_vs_code(browser: Any, story: Story, tmp_path: Path) -> None:
    """HTML put into a page of such a policy: no require.js, no comms, and only the frame's own scripts run."""
    (tmp_path / "cell.html").write_text(run_cell(story) + frame(story))
    host = tmp_path / "webview.html"
    host.write_text(
        f'<!DOCTYPE html><meta http-equiv="Content-Security-Policy" content="{VSCODE}"><div id="output"></div>'
    )
    page = browser.new_page()
    errors: list[str] = []
    page.on("console", lambda note: note.type == "error" and errors.append(note.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(host.as_uri())
    page.evaluate(
        "html => { document.getElementById('output').innerHTML = html; }", (tmp_path / "cell.html").read_text()
    )
    assert page.locator("#output svg polyline").count() > 0
    assert page.locator("#output > div table").first.is_visible()
    inside = page.frame_locator("#output iframe")
    page.evaluate("document.querySelector('#output iframe').scrollIntoView()")  # what is not looked at is not drawn
    inside.locator("#chart-metrics .main-svg").first.wait_for(timeout=60_000)
    assert errors == []
    page.close()
