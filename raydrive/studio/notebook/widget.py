"""A run in a notebook: one cell that updates while it trains, and the whole page once it has ended.

Nothing is installed in the front end: the cell is plain HTML with an inline SVG, replaced through its display handle,
so it works in Jupyter, JupyterLab, VS Code and Databricks alike, in trusted and untrusted notebooks. The page is a
frame with its document inside.
"""

from __future__ import annotations

import html
import threading
from typing import TYPE_CHECKING, Any

from raydrive.api.argument_types import RUN_OBJECT
from raydrive.api.display.self_contained_html import frame_html
from raydrive.core.argument_checks import checks_arguments
from raydrive.core.errors import RaydriveError
from raydrive.studio.data.run_history import RunHistory, open_history
from raydrive.studio.notebook.cell import run_cell

if TYPE_CHECKING:
    from raydrive.api.run import HyperDriveRun

UPDATE_S = 1.0
PAGE_HEIGHT = 900


@checks_arguments(run=RUN_OBJECT)
class RunDetails:
    """HyperDrive's notebook widget.

    Args:
        run: The run to show.
    """

    def __init__(self, run: HyperDriveRun) -> None:
        self.run = run
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def show(self, render_lib: object = None, widget_settings: object = None, page: bool | None = None) -> None:
        """Shows the run in this cell and keeps it up to date until it ends; returns at once.

        Outside a notebook, prints one line about the run.

        Args:
            render_lib: Accepted for HyperDrive's sake.
            widget_settings: Accepted for HyperDrive's sake.
            page: Also show the whole page with all charts (about 3 MB in the notebook): at once (True), never (False),
                or once the run has ended (None).
        """
        try:
            from IPython import get_ipython  # lazy: optional dependency
            from IPython.display import display  # lazy: optional dependency
        except ImportError:
            get_ipython = None
        if get_ipython is None or get_ipython() is None:
            print(repr(self.run))
            return
        history = open_history(self.run.layout)
        handle = display(self._output(run_cell(history)), raw=True, display_id=True)  # type: ignore[no-untyped-call]
        over = history.sweep.finished is not None
        below: Any = None
        if page or (page is None and over):
            display(self._output(frame(history)), raw=True)  # type: ignore[no-untyped-call]
        elif page is None:
            below = display(self._output(""), raw=True, display_id=True)  # type: ignore[no-untyped-call]
        if over or handle is None:
            return
        self._closed.clear()
        self._thread = threading.Thread(
            target=self._follow, args=(history, handle, below), name="raydrive-run-details", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stops updating the cell."""
        self._closed.set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Waits until the cell has shown the end of the run.

        Args:
            timeout_s: Seconds to wait at most; None = as long as it takes.

        Returns:
            Whether it has.
        """
        if self._thread is not None:
            self._thread.join(timeout_s)
        return self._thread is None or not self._thread.is_alive()

    def _output(self, text: str) -> dict[str, str]:
        """An output of a cell; not as IPython's ``HTML``, which warns of frames wherever it sees one."""
        return {"text/html": text, "text/plain": repr(self.run)}

    def _follow(self, history: RunHistory, handle: Any, below: Any) -> None:
        shown = ""
        while True:
            ended = self._closed.wait(UPDATE_S)
            try:
                history.refresh()
                text = run_cell(history)
                if text != shown:
                    handle.update(self._output(text), raw=True)
                    shown = text
                if history.sweep.finished is not None and below is not None and not ended:
                    below.update(self._output(frame(history)), raw=True)
            except RaydriveError as error:  # a storage that is away for a moment comes back
                handle.update(self._output(f"{shown}<p>{html.escape(str(error))}</p>"), raw=True)
            if ended or history.sweep.finished is not None:
                return


def frame(history: RunHistory, height: int = PAGE_HEIGHT) -> str:
    """Returns the whole page of a run as an element for a notebook.

    Args:
        history: The run.
        height: Pixels.
    """
    from raydrive.studio.web.page import report_page  # lazy: raydrive.studio.web.page, 0.002 s
    from raydrive.studio.web.report import report_data  # lazy: numpy, 0.09 s

    return frame_html(report_page(report_data(history), history.layout.run_id, packed=True), height)
