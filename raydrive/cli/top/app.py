"""The application: a list of runs, and a screen for each run; reads the storage as ``status`` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import App, ComposeResult
from textual.screen import Screen
from textual.widgets import DataTable, Footer, Static

from raydrive.api.display.text import clock, number
from raydrive.cli.top.run_screen import RunScreen
from raydrive.core.errors import RaydriveError

if TYPE_CHECKING:
    from raydrive.api.run import HyperDriveRun
    from raydrive.api.workspace import Workspace

MOST_RUNS = 50
"""Runs in the list, the newest first."""
REFRESH_S = 2.0
"""Seconds between two looks at the list of runs."""


class RunsScreen(Screen[None]):
    """The runs of a workspace.

    Args:
        workspace: Where they are.
        address: That of a dashboard, where nothing else of the cluster can be reached.
    """

    BINDINGS: ClassVar[list[Any]] = [("enter", "open_run", "Open"), ("q", "app.quit", "Quit")]

    def __init__(self, workspace: Workspace, address: str | None = None) -> None:
        super().__init__()
        self._workspace = workspace
        self._address = address
        self._runs: dict[str, HyperDriveRun] = {}

    def compose(self) -> ComposeResult:
        """Yields its parts."""
        yield Static(f"Runs in {self._workspace.storage}", id="title")
        yield DataTable(id="runs", cursor_type="row", zebra_stripes=True)
        yield Static("", id="told")
        yield Footer()

    def on_mount(self) -> None:
        """Begins to look."""
        table = self.query_one("#runs", DataTable)
        for name in ("run", "status", "trials", "best", "elapsed"):
            table.add_column(name, key=name)
        table.focus()
        self._look()
        self.set_interval(REFRESH_S, self._look)

    def on_screen_resume(self) -> None:
        """Looks again when a run was left."""
        self._look()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Opens the run of a row."""
        run = self._runs.get(str(event.row_key.value))
        if run is not None:
            self.app.push_screen(RunScreen(run, self._address))

    def action_open_run(self) -> None:
        """Opens the run under the cursor."""
        self.query_one("#runs", DataTable).action_select_cursor()

    def _look(self) -> None:
        self.run_worker(self._read, thread=True, exclusive=True, group="look")

    def _read(self) -> None:
        """In a thread: the storage may be slow."""
        problems: list[str] = []
        rows: list[tuple[str, tuple[str, ...]]] = []
        try:
            for run in self._workspace.runs(unreadable=lambda name, error: problems.append(f"{name}: {error}")):
                known = self._runs.setdefault(run.id, run)
                known.refresh()
                rows.append((run.id, _cells(known)))
                if len(rows) == MOST_RUNS:
                    break
        except RaydriveError as error:
            problems.append(str(error))
        self.app.call_from_thread(self._show, rows, problems)

    def _show(self, rows: list[tuple[str, tuple[str, ...]]], problems: list[str]) -> None:
        if not self.is_mounted:
            return
        table = self.query_one("#runs", DataTable)
        keys = [row.key.value for row in table.ordered_rows]
        if keys != [key for key, _ in rows]:  # a new run is first
            place = table.cursor_row
            table.clear()
            for key, cells in rows:
                table.add_row(*cells, key=key)
            table.move_cursor(row=place)
        else:
            for key, cells in rows:
                for column, cell in zip(("run", "status", "trials", "best", "elapsed"), cells, strict=True):
                    table.update_cell(key, column, cell)
        empty = "" if rows else "No runs yet: raydrive submit sweep.yml"
        self.query_one("#told", Static).update(" ".join([empty, *problems]).strip())


def _cells(run: HyperDriveRun) -> tuple[str, ...]:
    stands = run.reader.status()
    summary = stands.summary
    best = "" if summary.best is None else number(summary.best.value)
    trials = f"{summary.done}/{summary.max_total_runs}"
    return (run.id, stands.state, trials, best, clock(summary.elapsed_s))


class TopApp(App[None]):
    """Runs, or one of them.

    Args:
        workspace: Where the runs are.
        run: The run to begin with; None = the list.
        address: That of a dashboard, where nothing else of the cluster can be reached.
    """

    TITLE = "raydrive top"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #title, #summary { height: auto; padding: 0 1; text-style: bold; }
    #told, #rules { height: auto; padding: 0 1; color: $text-muted; }
    #runs, #trials { height: 1fr; }
    #below { height: 40%; min-height: 8; }
    #curve { width: 1fr; height: 1fr; padding: 0 1; }
    #log { width: 1fr; height: 1fr; border-left: solid $primary; padding: 0 1; }
    AskScreen { align: center middle; }
    #ask { width: 70; height: auto; border: thick $warning; padding: 1 2; background: $surface; }
    """

    def __init__(self, workspace: Workspace, run: HyperDriveRun | None = None, address: str | None = None) -> None:
        super().__init__()
        self._workspace = workspace
        self._run = run
        self._address = address

    def on_mount(self) -> None:
        """Shows the list of runs, and above it the run that was named."""
        screens: list[Screen[Any]] = [RunsScreen(self._workspace, self._address)]
        if self._run is not None:
            screens.append(RunScreen(self._run, self._address))
        for screen in screens:
            self.push_screen(screen)
