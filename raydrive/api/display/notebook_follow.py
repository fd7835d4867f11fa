"""Watching a run in a notebook: one table in the cell, renewed in place until the run has ended."""

from __future__ import annotations

import html
import sys
from typing import TYPE_CHECKING, Any

from raydrive.api.display.notebook_html import run_html
from raydrive.api.display.text import headline

if TYPE_CHECKING:
    from collections.abc import Callable

    from raydrive.storage.run_reader import RunReader

REFRESH_S = 1.0
"""Seconds between two looks at the run."""
RUNNING_SHOWN = 8
"""Running trials that the table shows above the best ones."""


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook; a terminal's IPython is none."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None else None
    return getattr(shell, "kernel", None) is not None


def follow_in_cell(run: RunReader, last_words: Callable[[RunReader, bool], list[str]]) -> None:
    """Shows a run in the cell that is executed, until it ends or its driver is gone.

    Args:
        run: The run.
        last_words: Gives the lines that are below the table in the end, with or without the state of the run.
    """
    from IPython.display import display  # lazy: optional dependency

    shown = ""
    handle: Any = None
    for summary in run.watch(REFRESH_S):
        table = run_html(run, running=RUNNING_SHOWN)
        if table == shown:
            continue
        shown, output = table, {"text/html": table, "text/plain": headline(run, summary)}
        if handle is None:
            handle = display(output, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            handle.update(output, raw=True)
    words = "\n".join(last_words(run, False)).strip()
    # No dollar: Jupyter takes what is between two for mathematics.
    below = f"<pre>{html.escape(words).replace('$', '&#36;')}</pre>"
    end = {"text/html": run_html(run) + below, "text/plain": "\n".join(last_words(run, True)).strip()}
    if handle is None:
        display(end, raw=True)  # type: ignore[no-untyped-call]
    else:
        handle.update(end, raw=True)
