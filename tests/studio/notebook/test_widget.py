"""A notebook that is really executed, whose cell follows a run while it goes on."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from recorded import PARAMS, VSCODE, by_hand, config, create, record, write

from raydrive.studio.data.run_history import RunHistory, open_history
from raydrive.studio.notebook.cell import run_cell
from raydrive.studio.notebook.widget import RunDetails, frame


def test_the_cell_is_text_without_scripts(storage: Path) -> None:
    run_config = config(2, metric="<script>alert(1)</script>")
    layout = create(storage, run_config)
    hostile = {**PARAMS, "optimizer": "<img src=x onerror=alert(1)>\n\n# $x$"}
    write(layout, by_hand(run_config, [(hostile, [0.5, 0.6], 0, ""), (hostile, [], 1, "</table><script>")]))
    text = run_cell(open_history(layout))
    assert "<script" not in text
    assert "<img" not in text
    assert "\n\n" not in text
    assert "$" not in text
    assert "<polyline" in text


def test_the_frame_holds_the_page(story: RunHistory) -> None:
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
            f"run = HyperDriveRun.open({layout.uri!r})\ndetails = RunDetails(run)\ndetails.show()"
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
    cell, page = book.cells[0].outputs
    assert "trials 6 of 6" in cell["data"]["text/html"], "the first cell shows the end of the run"
    assert "Completed" in cell["data"]["text/html"]
    assert page["data"]["text/html"].startswith("<iframe"), "and the page stands below it"
    for last in book.cells[2:]:
        assert last.outputs[0]["data"]["text/html"].startswith("<table")


def test_cell_page_and_figure_stand_the_policy_of_vs_codes_webview(
    browser: Any, story: RunHistory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTML put into a page of such a policy: no require.js, no comms, and only the frames' own scripts run."""
    from raydrive.api.run import HyperDriveRun

    in_a_kernel(monkeypatch)
    figure = HyperDriveRun(story.layout).plot_metrics()._repr_mimebundle_()["text/html"]
    host = tmp_path / "webview.html"
    host.write_text(
        f'<!DOCTYPE html><meta http-equiv="Content-Security-Policy" content="{VSCODE}"><div id="output"></div>'
    )
    page = browser.new_page()
    errors: list[str] = []
    asked: list[str] = []
    page.on("console", lambda note: note.type == "error" and errors.append(note.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(host.as_uri())
    page.evaluate(
        "html => { document.getElementById('output').innerHTML = html; }", run_cell(story) + frame(story) + figure
    )
    assert page.locator("#output svg polyline").count() > 0
    assert page.locator("#output > div table").first.is_visible()
    for number, chart in enumerate(("#chart-metrics", "#figure")):
        frames = page.locator("#output iframe")
        frames.nth(number).scroll_into_view_if_needed()  # what is not looked at is not drawn
        inside = page.frame_locator("#output iframe").nth(number)
        inside.locator(f"{chart} .main-svg").first.wait_for(timeout=60_000)
    assert errors == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:", "about:"))] == []
    page.close()


def in_a_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a notebook's kernel where nobody has chosen how plotly shows its figures."""
    import plotly.io as pio

    monkeypatch.delenv("PLOTLY_RENDERER", raising=False)
    monkeypatch.setattr(pio.renderers, "_default_name", "plotly_mimetype")


def test_a_figure_brings_plotlys_output_and_html(story: RunHistory, monkeypatch: pytest.MonkeyPatch) -> None:
    import plotly.io as pio

    from raydrive.api.run import HyperDriveRun

    figure = HyperDriveRun(story.layout).plot_best()
    in_a_kernel(monkeypatch)
    bundle = figure._repr_mimebundle_()
    assert list(bundle) == ["application/vnd.plotly.v1+json", "text/html", "text/plain"]
    assert bundle["application/vnd.plotly.v1+json"]["config"]["showSendToCloud"] is False
    assert len(bundle["text/html"]) < 2_500_000
    with monkeypatch.context() as chosen:  # what somebody has chosen stands
        chosen.setattr(pio.renderers, "_default_name", "json")
        assert list(figure._repr_mimebundle_()) == ["application/json"]
    monkeypatch.setenv("PLOTLY_RENDERER", "plotly_mimetype")
    assert "text/html" not in figure._repr_mimebundle_()
    assert "cdn.plot.ly" not in figure._repr_html_()[-2000:]
