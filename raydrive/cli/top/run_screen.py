"""One run: its summary, its trials, the curve and the log of the trial under the cursor, and what keys do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen, Screen
from textual.widgets import DataTable, Footer, Input, Static

from raydrive.api.display.text import harmless, headline, number, one_line, params_text
from raydrive.cli.top.actions import ACTIONS, RUN, TRIAL, Action
from raydrive.cli.top.curve import plot
from raydrive.core.errors import RaydriveError
from raydrive.core.reports.gpu_use import MEMORY, USE
from raydrive.core.user_requests.history import paused_text
from raydrive.core.views.end_rules import rule_states
from raydrive.core.views.summary import Row, ranked, row
from raydrive.storage.rank_logs import last_lines

if TYPE_CHECKING:
    from raydrive.api.run import HyperDriveRun
    from raydrive.core.views.status import RunStatus

REFRESH_S = 1.0
"""Seconds between two looks at a run."""
MOST_CURVES = 60
"""Curves of other trials in the picture, the best ones first."""
LOG_LINES = 40
COLUMNS = ("trial", "state", "value", "last", "intervals", "seconds", "parameters", "why")
GPU_COLUMNS = ("GPU %", "GPU GB")
"""What a trial uses of its GPUs; before the parameters, in runs whose trials have some."""


class AskScreen(ModalScreen[str | None]):
    """Asks before an action: y or n, or a text and Enter; answers None for no.

    Args:
        question: What is asked.
        prompt: What text is asked for; empty = none.
    """

    BINDINGS: ClassVar[list[Any]] = [Binding("y", "answer(True)", "Yes"), Binding("n,escape", "answer(False)", "No")]

    def __init__(self, question: str, prompt: str = "") -> None:
        super().__init__()
        self._question, self._prompt = question, prompt

    def compose(self) -> ComposeResult:
        """Yields its parts."""
        with Vertical(id="ask"):
            yield Static(f"{self._question} {'' if self._prompt else '(y/n)'}", id="question")
            if self._prompt:
                yield Input(placeholder=self._prompt, id="answer")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Takes the text."""
        self.dismiss(event.value)

    def action_answer(self, yes: bool) -> None:
        """Answers; where a text is asked for, only Enter does."""
        if not yes or not self._prompt:
            self.dismiss("" if yes else None)


class RunScreen(Screen[None]):
    """One run.

    Args:
        run: The run.
        address: That of a dashboard, where nothing else of the cluster can be reached.
    """

    BINDINGS: ClassVar[list[Any]] = [
        *(Binding(action.key, f"act({place})", action.name) for place, action in enumerate(ACTIONS)),
        Binding("s", "sort", "Best first / by number"),
        Binding("escape,b", "back", "Runs"),
        Binding("q", "app.quit", "Quit"),
    ]

    def __init__(self, run: HyperDriveRun, address: str | None = None) -> None:
        super().__init__()
        self._of = run
        self._address = address
        self._by_best = True
        self._columns: tuple[str, ...] = COLUMNS
        self._trial: int | None = None
        """The trial under the cursor."""

    def compose(self) -> ComposeResult:
        """Yields its parts."""
        yield Static("", id="summary")
        yield Static("", id="rules")
        yield DataTable(id="trials", cursor_type="row", zebra_stripes=True)
        with Horizontal(id="below"):
            yield Static("", id="curve")
            yield Static("", id="log", markup=False)
        yield Static("", id="told")
        yield Footer()

    def on_mount(self) -> None:
        """Begins to look."""
        table = self.query_one("#trials", DataTable)
        if self._of.config.trial.resources.gpus:
            at = COLUMNS.index("parameters")
            self._columns = (*COLUMNS[:at], *GPU_COLUMNS, *COLUMNS[at:])
        for name in self._columns:
            table.add_column(name, key=name)
        table.focus()
        self._look()
        self.set_interval(REFRESH_S, self._look)

    # ------------------------------------------------------------------ keys

    def action_back(self) -> None:
        """Goes back to the list of runs."""
        self.app.pop_screen()

    def action_sort(self) -> None:
        """Sorts the trials by their values or by their numbers."""
        self._by_best = not self._by_best
        self._look()

    def action_act(self, place: int) -> None:
        """Asks, and has an action of the table carried out."""
        action, trial = ACTIONS[place], self._trial
        if action.about == TRIAL and trial is None:
            self._tell("There is no trial yet.")
            return
        what = f"run {self._of.id}" if action.about == RUN else f"trial {trial}"

        def answered(text: str | None) -> None:
            if text is not None:
                chosen = trial if action.about == TRIAL else None
                self.run_worker(lambda: self._carry_out(action, chosen, text), thread=True, group="act")

        self.app.push_screen(AskScreen(action.question.format(what=what), action.prompt), answered)

    def _carry_out(self, action: Action, trial: int | None, text: str) -> None:
        """In a thread: the driver may take a moment, and the cluster may have to be reached first."""
        self.app.call_from_thread(self._tell, f"{action.name} ...")
        try:
            told = action.act(self._of, trial, text, self._address)
        except RaydriveError as error:
            told = f"{action.name}: {error}"
        self.app.call_from_thread(self._tell, told)

    def _tell(self, text: str) -> None:
        if self.is_mounted:
            self.query_one("#told", Static).update(Text(text))

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """Shows curve and log of the trial under the cursor."""
        if event.row_key is not None and event.row_key.value is not None:
            self._trial = int(event.row_key.value)
            self._look()

    # ------------------------------------------------------------------ looking

    def _look(self) -> None:
        self.run_worker(self._read, thread=True, exclusive=True, group="look")

    def _read(self) -> None:
        """In a thread: the storage may be slow."""
        run, trial = self._of, self._trial
        log, problem = list[str](), ""
        try:
            run.refresh()
            if trial is not None:
                attempt = max(1, run.sweep.trials[trial].attempt)
                log = last_lines(run.layout, trial, attempt, LOG_LINES)
        except RaydriveError as error:
            problem = str(error)
        self.app.call_from_thread(self._show, trial, log, problem)

    def _show(self, trial: int | None, log: list[str], problem: str) -> None:
        if not self.is_mounted or self.app.screen is not self:
            return
        run, now = self._of, time.time()
        stands = run.reader.status()
        summary = stands.summary
        why = f"\n{one_line(summary.why)}" if summary.why else ""
        self.query_one("#summary", Static).update(Text(headline(run.reader, summary, stands.state) + why))
        rules = [state.text for state in rule_states(run.sweep, stands.now)]
        waiting = sorted(set(stands.beat.waiting.values()))
        told = (paused_text(run.sweep), *rules, *waiting, stands.beat.trouble, stands.beat.notice, problem)
        notes = [text for text in told if text]
        self.query_one("#rules", Static).update(Text("\n".join(notes[:5])))
        self._show_trials(stands, now)
        self._show_curve(trial)
        self.query_one("#log", Static).update(Text("\n".join(harmless(line) for line in log)))

    def _show_trials(self, stands: RunStatus, now: float) -> None:
        sweep, table = self._of.sweep, self.query_one("#trials", DataTable)
        trials = ranked(sweep) if self._by_best else list(sweep.trials)
        known: dict[str, Any] = {"interrupted": stands.interrupted, "gpu_use": stands.beat.gpu_use}
        with_gpus = self._columns != COLUMNS
        rows = {str(one.number): _cells(row(sweep, one, now, **known), with_gpus) for one in trials}
        if [one.key.value for one in table.ordered_rows] == list(rows):
            for key, cells in rows.items():
                for column, cell in zip(self._columns, cells, strict=True):
                    if table.get_cell(key, column) != cell:
                        table.update_cell(key, column, cell)
            return
        under = self._trial
        with self.prevent(DataTable.RowHighlighted):
            table.clear()
            for key, cells in rows.items():
                table.add_row(*cells, key=key)
            if under is not None and str(under) in rows:
                table.move_cursor(row=table.get_row_index(str(under)))
        if under is None and rows:
            self._trial = int(next(iter(rows)))

    def _show_curve(self, trial: int | None) -> None:
        curves, widget = self._of.sweep.curves, self.query_one("#curve", Static)
        others = [list(curves.values(one.number)) for one in ranked(self._of.sweep, top=MOST_CURVES)]
        chosen = [] if trial is None else list(curves.values(trial))
        width, height = max(20, widget.size.width - 2), max(2, widget.size.height - 1)
        title = "" if trial is None else f"{self._of.config.metric.label} of trial {trial}, by interval\n"
        widget.update(Text(title, style="bold") + plot(others, chosen, width, height))


def _cells(item: Row, with_gpus: bool) -> tuple[str, ...]:
    value, why = item.objective[1], one_line(item.why)
    return (
        str(item.number),
        item.state,
        "" if value is None else number(value),
        "" if item.last is None else number(item.last),
        str(item.intervals),
        "" if item.seconds is None else f"{item.seconds:.1f}",
        *(_gpu_cells(item) if with_gpus else ()),
        one_line(params_text(item.params)),
        why,
    )


def _gpu_cells(item: Row) -> tuple[str, str]:
    """What a trial uses of its GPUs while it trains, or used at most."""
    percent, held = (item.usage.get(name) for name in (USE, MEMORY))
    return "" if percent is None else f"{percent:.0f}", "" if held is None else f"{held / 1e9:.2f}"
