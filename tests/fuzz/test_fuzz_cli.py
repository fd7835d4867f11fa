"""Odd arguments of every command: an answer, an exit code, no traceback, nothing that takes long or prints for ever."""

from __future__ import annotations

import contextlib
import io
import time
from pathlib import Path

import pytest
from fuzz_run import Count, recorded

from raydrive.cli.app import run

HANG_S = 10.0
LONGEST = 10_000
SWEEP = """\
type: sweep
trial: {command: "true"}
search_space: {lr: {type: choice, values: [1, 2]}}
objective: {goal: maximize, primary_metric: acc}
sampling_algorithm: grid
"""
ODD = (
    "", "x", "-1", "0", "9" * 5000, "nan", "inf", "1e999", "\udcff", "\ud800", "a\0b", "y" * 20_000, "..", "/",
    "~nobody", "s3://", "://", "last", "2", "é", "\x1b[31m", "[[[", "a=b", "http://[", "file://host/x", "a\nb",
)  # fmt: skip
"""A whole number above 3 is not among them: ``resume --max-total-trials 5`` goes on with the run."""
COMMANDS = (
    "status RUN", "trials RUN", "best RUN", "logs RUN X", "cancel RUN X", "resume RUN --max-total-trials X",
    "resume RUN --timeout X", "resume RUN --max-concurrent-trials X", "report RUN --no-logs -o X", "export RUN --to X",
    "export RUN --to csv -o X", "whatif RUN", "list --storage X", "status X", "trials X", "best X", "watch X",
    "logs X 0", "validate X", "validate s.yml --set X", "validate s.yml --with X", "validate s.yml --node X",
    "validate s.yml --storage X", "submit s.yml --dry-run --address X", "submit s.yml --dry-run --storage X",
    "convert X", "trials RUN --sort X", "list -o X", "NOTHING X",
)  # fmt: skip


def run_cli_fuzz(folder: Path) -> Count:
    """Tries every odd argument of every command.

    Args:
        folder: An empty folder; it has to be the current one, and its ``storage`` that of ``RAYDRIVE_STORAGE``.
    """
    run_id = recorded(folder / "storage").run_id
    (folder / "s.yml").write_text(SWEEP)
    count = Count()
    for command in COMMANDS:
        for odd in ODD if "X" in command else ("",):
            one_case([run_id if word == "RUN" else odd if word == "X" else word for word in command.split()], count)
    return count


def one_case(arguments: list[str], count: Count) -> None:
    """Runs one command and notes what comes of it."""
    out = io.TextIOWrapper(io.BytesIO(), "utf-8")
    talk = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace")
    what = f"{[word[:40] for word in arguments]}"
    count.cases += 1
    began = time.monotonic()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(talk):
            code = run(arguments)
    except BaseException as error:
        count.tracebacks.append(f"{what}: {type(error).__name__}: {str(error)[:120]}")
        return
    if time.monotonic() - began > HANG_S:
        count.hangs.append(what)
    talk.flush()
    text = talk.buffer.getvalue().decode()
    count.refused += code != 0
    usage = text.startswith("Usage:")  # typer shows what was typed
    if code not in range(6) or "raceback" in text or (len(text) > LONGEST and not usage):
        count.tracebacks.append(f"{what}: exit code {code}, {len(text):,} characters: {text[:200]}")


def test_no_odd_argument_ends_in_a_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAYDRIVE_STORAGE", str(tmp_path / "storage"))
    count = run_cli_fuzz(tmp_path)
    assert not count.tracebacks, "\n".join(count.tracebacks)
    assert not count.hangs, "\n".join(count.hangs)
    assert count.refused > 400
