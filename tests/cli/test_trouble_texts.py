"""What a user reads of a run whose trials log another metric, fail, or run out of time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from recorded_trouble import AT, RUN, begun, config, expect, recorded

from raydrive.api.display.console import events, last_words
from raydrive.api.display.live_view import LiveView
from raydrive.api.run import HyperDriveRun
from raydrive.cli.app import run as raydrive
from raydrive.cli.runs import exit_code
from raydrive.core.config.run_config import RunConfig
from raydrive.core.records import Ended, Fact, Reported, Ticked
from raydrive.studio.data.page_data import Documents
from raydrive.studio.data.run_history import open_history


def silent(trial: int, *names: str, reports: int = 3) -> list[Fact]:
    """Reports of a trial without the primary metric."""
    metrics = {name: 0.5 for name in names}
    return [Reported(AT + 2 + k, trial, 1, k, 0, None, metrics) for k in range(1, reports + 1)]


def valued(trial: int, *values: float) -> list[Fact]:
    return [Reported(AT + 2 + k, trial, 1, k, k, value) for k, value in enumerate(values, start=1)]


def failed(*trials: int) -> list[Fact]:
    return [Ended(AT + 20 + trial, trial, 1, 1, "ValueError: no such optimizer: adamm") for trial in trials]


def ended(*trials: int) -> list[Fact]:
    return [Ended(AT + 20 + trial, trial, 1, 0) for trial in trials]


def timed_out(*trials: int) -> list[Fact]:
    stopped = [Ticked(AT + 40)]
    return [*stopped, *(Ended(AT + 41 + trial, trial, 1, -15) for trial in trials)]


LOG = "epoch 1\nTraceback (most recent call last):\nValueError: no such optimizer: adamm\n"
WRONG_NAME = [*begun(0, 1), *silent(0, "loss", "val_acc"), *silent(1, "loss", "val_acc")]
HALF = [*begun(0, 1, 2, 3), *valued(0, 0.5, 0.7), *valued(1, 0.6), *ended(0, 1), *failed(2, 3)]
FEW = [*begun(0, 1, 2), *valued(0, 0.5), *valued(1, 0.6), *ended(0, 1), *failed(2)]
LATE = [*begun(0, 1), *timed_out(0, 1)]
STRICT = [*begun(0, 1), *silent(0, "val_acc", reports=2), *timed_out(0, 1)[1:]]
CASES: dict[str, tuple[RunConfig, Sequence[Fact]]] = {
    "wrong_metric_running": (config(8), WRONG_NAME),
    "wrong_metric_function": (config(8, kind="function"), WRONG_NAME),
    "wrong_metric_over": (config(2), [*WRONG_NAME, *ended(0, 1)]),
    "wrong_metric_strict": (config(8, strict=1), STRICT),
    "not_a_number": (config(8, metric="val_acc"), [*begun(0), *silent(0, "val_acc")]),
    "half_failed": (config(4), HALF),
    "few_failed": (config(3), FEW),
    "all_timed_out": (config(2, trial_timeout_s=30.0), LATE),
    "some_failed_some_late": (config(2, trial_timeout_s=30.0), [*begun(0, 1), *failed(0), *timed_out(1)]),
}


def texts(run: HyperDriveRun, storage: Path, capfd: pytest.CaptureFixture[str]) -> str:
    """What the terminal, ``status`` and the studio's page tell of a run."""
    assert raydrive(["status", RUN, "--storage", str(storage)]) == 0
    rows = [line for line in capfd.readouterr().out.splitlines() if line.split(" ")[0] in ("status", "why", "notice")]
    live = LiveView(run.reader)
    picture = (
        live.draw_end(run.refresh(), 80, 30)
        if run.sweep.finished
        else live.draw(run.refresh(), run.reader.last_heartbeat(), 80, 30)
    )
    head = Documents(open_history(run.reader.layout)).head(AT + 60)
    page: list[Any] = [head["missing_metric"], head["failing"]]
    parts = {"live table": [line.plain for line in picture[:5]], "status": rows, "studio": map(str, page)}
    if run.sweep.finished:
        parts["last words"] = last_words(run.reader)
    else:
        lines = events(run.reader)
        parts["lines"] = [line for line in lines if "launched" not in line]
    text = "\n".join(f"--- {name}\n" + "\n".join(lines) for name, lines in parts.items())
    return re.sub(r" *\b\d+:\d\d:\d\d\b", " ELAPSED", text)


@pytest.mark.parametrize("name", CASES)
def test_it_is_told_everywhere(tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str) -> None:
    given, facts = CASES[name]
    run = recorded(tmp_path, given, facts, dict.fromkeys(range(1, 4), LOG))
    expect(name, texts(run, tmp_path, capfd), storage=tmp_path)


@pytest.mark.parametrize(
    ("given", "facts", "code"),
    [
        (config(4), HALF, 0),
        (config(2, trial_timeout_s=30.0), LATE, 3),
        (config(2), [*begun(0, 1), *valued(0, 0.5), *failed(0, 1)], 1),
        (config(2, trial_timeout_s=30.0), [*begun(0, 1), *valued(0, 0.5), *failed(0), *timed_out(1)], 1),
        (config(2, trial_timeout_s=30.0), [*begun(0, 1), *valued(0, 0.5), *timed_out(0, 1)], 0),
        (config(2), [*WRONG_NAME, *ended(0, 1)], 3),
        (config(8, strict=1), STRICT, 3),
    ],
)
def test_the_exit_code_is_0_only_where_a_trial_is_good(
    tmp_path: Path, given: RunConfig, facts: Sequence[Fact], code: int
) -> None:
    assert exit_code(recorded(tmp_path, given, facts)) == code
