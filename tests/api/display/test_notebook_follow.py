"""A notebook whose cell waits for a run: one table that is renewed, no line per event."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from recorded import PARAMS, by_hand, config, create, write

from raydrive.api.display.notebook_follow import in_notebook


def test_a_terminal_is_no_notebook() -> None:
    assert not in_notebook()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of jupyter_client and nbclient, not ours
def test_a_cell_that_waits_holds_one_table(tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    run_config = config(4, metric="a$b$<i>")
    lines = by_hand(run_config, [(PARAMS | {"momentum": i / 10}, [0.1 * i, 0.6], 0, "") for i in range(4)])
    layout = create(tmp_path, run_config)
    write(layout, lines[:8])
    book = nbformat.v4.new_notebook()
    book.cells = [
        nbformat.v4.new_code_cell(
            f"from raydrive import HyperDriveRun\nrun = HyperDriveRun.open({layout.uri!r})\n"
            "found = run.wait_for_completion(show_output=True)"
        )
    ]
    tables: list[str] = []
    client = NotebookClient(book, timeout=100, kernel_name="python3")
    seen = threading.Event()
    take = client.process_message

    def watch(message, cell, index):  # type: ignore[no-untyped-def]
        text = message.get("content", {}).get("data", {}).get("text/html")
        if text:
            tables.append(text)
            seen.set()
        return take(message, cell, index)

    client.process_message = watch  # what a front end gets, in order
    thread = threading.Thread(target=lambda: (seen.wait(60), write(layout, lines[8:])))
    thread.start()
    client.execute()
    thread.join()
    (output,) = book.cells[0].outputs
    assert output["output_type"] == "display_data"
    assert "<td>Running</td>" in tables[0], "while it goes on, with its running trials"
    assert "4 of 4" in output["data"]["text/html"]
    assert "Best trial: 0" in output["data"]["text/html"]
    assert "$" not in output["data"]["text/html"]
    assert "<i>" not in output["data"]["text/html"]
    assert "Best trial: 0" in output["data"]["text/plain"]
