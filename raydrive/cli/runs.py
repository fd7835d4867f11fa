"""What several commands do with a run: find it, follow it, print its best trial, say what its end means to a shell."""

from __future__ import annotations

import contextlib
import errno
import signal
import sys
from typing import TYPE_CHECKING

from raydrive.api.display.text import best_interval_text
from raydrive.cli.console import (
    EXIT_INTERRUPTED,
    PARAMS,
    Format,
    emit,
    emit_json,
    emit_one,
    only_data,
    resolve,
    say,
    silence,
)
from raydrive.core.errors import RaydriveError, StorageError
from raydrive.core.records import CANCELED, FAILED

if TYPE_CHECKING:
    from raydrive.api.display.console import Seen
    from raydrive.api.run import HyperDriveRun, Run
    from raydrive.api.workspace import Workspace

EXIT_UNREADABLE = 5
"""Exit code where a run, the cluster or the storage cannot be read or reached."""
STOP_MARGIN_S = 10.0
"""How long a driver may take beyond the grace period to end its trials before its cluster is stopped all the same."""


def workspace(storage: str | None) -> Workspace:
    """Returns the workspace the flag, the environment or ``raydrive.toml`` names."""
    from raydrive.api.workspace import Workspace  # lazy: raydrive.api.workspace, 0.006 s
    from raydrive.settings.nearest import read_place  # lazy: raydrive.settings.nearest, 0.001 s

    return Workspace(resolve(storage, "RAYDRIVE_STORAGE", "--storage", read_place().storage))


def open_run(name: str, storage: str | None) -> HyperDriveRun:
    """Returns the run a user named."""
    run = workspace(storage).get_run(name)
    if run.damage:
        say(f"Note: {run.damage}")
    return run


def print_best(run: HyperDriveRun, output: Format) -> None:
    """Prints the best trial of a run; of one without, JSON has its id and a trial that is null."""
    from raydrive.core.config.command_line import shown, trial_argv  # lazy: raydrive.core.config.command_line, 0.006 s

    child = run.get_best_run_by_primary_metric(include_resume_from_runs=False)
    found = run.sweep.best
    if child is None or found is None:
        if output is Format.JSON:
            emit_json({"run": run.id, "trial": None})
        return
    spec = run.config.trial
    line = ""
    if spec.kind != "function":
        line = shown(trial_argv(spec, child.params, python=spec.python or "python"))
    row = {
        "run": run.id,
        "trial": child.number,
        "id": child.id,
        "status": child.get_status(),
        "metric": run.config.metric.name,
        "objective": run.config.metric.value,
        "value": found.value if child.number == found.trial else run.sweep.curves.objective(child.number),
        "interval": found.interval
        if child.number == found.trial
        else run.sweep.curves.objective_interval(child.number),
        "artifacts": run.reader.layout.outputs(child.number).uri,
        "command": line,
        "notice": "; ".join(filter(None, [best_interval_text(run.reader), *child.notes])),
        PARAMS: dict(child.params),
    }
    emit_one({**row, "files": _file_names(child)} if output is Format.JSON else row, output)


def print_schedule(run: HyperDriveRun, output: Format) -> None:
    """Prints what the best trial was trained with up to its best interval, as ``population.schedule`` takes it."""
    from raydrive.core.population.shown import schedule_json  # lazy: raydrive.core.population.shown, 0.01 s

    found = run.sweep.best
    if found is None:
        return
    row = {
        "run": run.id,
        "trial": found.trial,
        "metric": run.config.metric.name,
        "value": found.value,
        "interval": found.interval,
        **schedule_json(run.sweep.trained_with(found.trial, found.interval)),
    }
    if output is Format.JSON:
        emit_json(row)
    elif output is Format.CSV:
        rows = [{"interval": one["interval"], PARAMS: one["params"]} for one in row["schedule"]]
        emit(rows, output, name="schedule", columns=["interval", PARAMS])
    else:
        from raydrive.settings.schedule_file import schedule_text  # lazy: raydrive.settings, 0.1 s

        print(schedule_text(row), end="")


def _file_names(child: Run) -> list[str]:
    """The files of a trial; what keeps them from being listed does not keep the rest from being shown."""
    try:
        return child.get_file_names()
    except StorageError as error:
        say(f"Note: {error}")
        return []


def attend(run: HyperDriveRun, output: Format, seen: Seen | None = None) -> int:
    """Follows a run to its end, prints its best trial, and returns the exit code.

    Args:
        run: The run.
        output: How its best trial is printed.
        seen: What was recorded before this command, if it continues a run.
    """
    from raydrive.api.display.console import follow  # lazy: rich, 0.08 s

    interrupt_on_signals()
    try:
        with only_data():
            follow(run.reader, seen=seen)
            run.wait_for_followers()
    except KeyboardInterrupt:
        if not _is_over_after_interrupt(run):
            return EXIT_INTERRUPTED
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        silence(sys.stdout, sys.stderr)  # a terminal that was closed, noticed before its signal came
        if not _is_over_after_interrupt(run):
            return EXIT_INTERRUPTED
    code = exit_code(run)
    if run.sweep.finished and output is not Format.TABLE:
        print_best(run, output)
    return code


def exit_code(run: HyperDriveRun) -> int:
    """Returns what the end of a run means to a shell."""
    from raydrive.core.sweep.missing_metric import BY_STRICT  # lazy: raydrive.core.sweep.missing_metric, 0.03 s
    from raydrive.core.views.trouble import any_good  # lazy: raydrive.core.views.trouble, 0.05 s

    finished = run.sweep.finished
    if finished is None:
        if trouble := run.reader.last_heartbeat().trouble:
            say(f"Error: {trouble}")
        return EXIT_UNREADABLE
    if run.sweep.best is None and finished.state == CANCELED:
        return 4
    if run.sweep.metric_missing or finished.why.startswith(BY_STRICT):
        return 3
    if finished.state == FAILED:
        return 1
    if run.sweep.best is None:
        return 3  # nothing but NaN was logged, or nothing at all
    return 0 if any_good(run.sweep) else 1


def interrupt_on_signals() -> None:
    """Makes SIGTERM and a closed terminal mean what Ctrl-C means: the trials end in order and the run can be resumed.

    To be called after Ray was started, whose own handlers print stack traces.
    """

    def interrupt(number: int, frame: object) -> None:
        if signal.Signals(number).name == "SIGHUP":
            silence(sys.stdout, sys.stderr)  # the terminal is gone: writing to it fails
        raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP"):
        known = getattr(signal, name, None)
        # A signal that is ignored (nohup) stays ignored.
        if known is not None and signal.getsignal(known) is not signal.SIG_IGN:
            signal.signal(known, interrupt)


def _is_over_after_interrupt(run: HyperDriveRun) -> bool:
    """Ctrl-C: a local run is interrupted and can be resumed; one on a cluster continues without us.

    Returns:
        Whether the run had ended by itself meanwhile; then its end has been shown.
    """
    from raydrive.api.display.command_text import in_commands  # lazy: raydrive.api.display.command_text, 0.01 s
    from raydrive.runtime.driver_client import is_ours  # lazy: raydrive.runtime.driver_client, 0.05 s

    ours = is_ours(run.layout)
    if ours:
        _stop_trials(run)
    with contextlib.suppress(KeyboardInterrupt, RaydriveError):
        run.refresh()
        if run.sweep.finished:
            _show_end(run)
            return True
    name = in_commands(run.layout)
    if ours:
        say(f"Interrupted; everything recorded is kept. To resume the run: raydrive resume {name}")
    else:
        commands = f"Watch it: raydrive watch {name}    Cancel it: raydrive cancel {name}"
        say(f"\nThe run continues without this terminal. {commands}")
    return False


def _stop_trials(run: HyperDriveRun) -> None:
    """Ends the training processes of a local run, and the Ray that it had started."""
    from raydrive.runtime.driver_client import call_driver  # lazy: raydrive.runtime.driver_client, 0.05 s
    from raydrive.runtime.ray_cluster import connection  # lazy: raydrive.runtime.ray_cluster.connection, 0.02 s

    say("\nStopping the trials; press Ctrl-C again to kill them at once.")
    try:
        with contextlib.suppress(RaydriveError):
            call_driver(run.layout, "interrupt", timeout_s=run.config.trial.grace_s + STOP_MARGIN_S)
    except KeyboardInterrupt:
        say("\nKilling the trials.")
        with contextlib.suppress(KeyboardInterrupt, RaydriveError):
            call_driver(run.layout, "interrupt", 0.0, timeout_s=STOP_MARGIN_S)
    with contextlib.suppress(KeyboardInterrupt):
        connection.disconnect()


def _show_end(run: HyperDriveRun) -> None:
    from raydrive.api.display.console import last_words  # lazy: rich, 0.08 s

    say("The run ended before its trials could be stopped.")
    for line in last_words(run.reader):
        say(line)
