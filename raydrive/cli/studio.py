"""``report``, ``studio``, ``whatif``, ``export``: seeing a run and taking it elsewhere. These read storage only."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raydrive.api.display.text import size
from raydrive.cli.completion import export_kinds, run_ids
from raydrive.cli.console import (
    AddressOption,
    Format,
    OutputOption,
    RunArgument,
    StorageOption,
    command,
    emit,
    emit_json,
    resolve,
    say,
    tell,
)
from raydrive.cli.runs import workspace
from raydrive.cli.user_requests.answers import dashboard
from raydrive.core.errors import ConfigError, Problem, did_you_mean, show

if TYPE_CHECKING:
    from raydrive.core.early_stopping.policies import Policy
    from raydrive.studio.data.run_history import RunHistory
    from raydrive.studio.data.whatif import WhatIfResult

DEFAULT_PORT = 8421


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for function in (report, studio, whatif, export):
        command(app, function)


def _storage(flag: str | None) -> str:
    return workspace(flag).storage


def open_story(name: str, storage: str | None) -> RunHistory:
    """Returns the run a user named, folded for showing."""
    from raydrive.storage.run_layout import RunLayout, find_run  # lazy: raydrive.storage.run_layout, 0.009 s
    from raydrive.studio.data.run_history import open_history as read  # lazy: raydrive.studio.data.run_history, 0.05 s

    history = read(RunLayout.open(find_run(_storage(storage), name).folder))
    for text in [history.trouble, *history.journal.notices]:
        if text:
            say(f"Note: {text}")
    return history


def report(
    run_name: RunArgument = "last",
    storage: StorageOption = None,
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", help="The file to write; default: <run>.html in the current folder.", show_default=False
        ),
    ] = "",
    logs: Annotated[bool, typer.Option(help="Include the last lines of each trial's log.")] = True,
) -> int:
    """Write a run as one HTML file that needs no network and can be shared."""
    from raydrive.studio.web.report import write_report  # lazy: numpy, 0.2 s

    history = open_story(run_name, storage)
    target = output or f"{history.layout.run_id}.html"
    if os.path.isdir(target):
        raise ConfigError(Problem("--output", f"{show(target)}, which is a folder", "the name of a file"))
    written = write_report(history, target, logs=logs)
    say(f"{len(history.sweep.trials)} trials, {size(written)}. Open it in a browser.")
    print(target)
    return 0


def studio(
    run_name: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN",
            help="The run to open; default: the list of runs.",
            show_default=False,
            autocompletion=run_ids,
        ),
    ] = None,
    storage: StorageOption = None,
    host: Annotated[
        str, typer.Option(metavar="HOST", help="Address to listen on; any other than 127.0.0.1 requires a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 = any free one.", min=0, max=65535)] = DEFAULT_PORT,
    token: Annotated[
        str | None,
        typer.Option(help="Require this token from every viewer.", show_default=False),
    ] = None,
    allow_control: Annotated[
        bool,
        typer.Option("--allow-control", help="Let viewers change runs: pause, edit, cancel; stop and retry trials."),
    ] = False,
    allow_cancel: Annotated[bool, typer.Option("--allow-cancel", hidden=True, help="Same as --allow-control.")] = False,
    address: AddressOption = None,
    browser: Annotated[bool, typer.Option(help="Open a browser window.")] = True,
) -> int:
    """Watch runs live in a browser, on this machine or through a port-forward.

    The token may also be set in the variable RAYDRIVE_STUDIO_TOKEN, which does not appear in a process list.
    """
    from raydrive.storage.run_layout import find_run  # lazy: raydrive.storage.run_layout, 0.009 s
    from raydrive.studio.web.server import ServerSettings, serve  # lazy: aiohttp, 0.2 s

    if allow_cancel:
        say("--allow-cancel is now --allow-control, which also lets viewers pause and edit runs.")
    place = _storage(storage)
    path = ""
    if run_name is not None:
        info = find_run(place, run_name)
        path = f"runs/{info.experiment}/{info.run_id}"
    settings = ServerSettings(
        storage=place,
        host=host,
        port=port,
        token=resolve(token, "RAYDRIVE_STUDIO_TOKEN", "--token") or "",
        allow_control=allow_control or allow_cancel,
        address=dashboard(address),
    )
    return serve(settings, path, open_browser=browser, say=say)


def whatif(
    run_name: RunArgument = "last",
    policy: Annotated[
        str,
        typer.Option(
            "--policy",
            "-p",
            help='A policy as in a sweep file, such as {"type": "bandit", "slack_factor": 0.2}, or a type.',
        ),
    ] = "",
    run_code: Annotated[
        bool,
        typer.Option("--run-code", help="Load a policy's class from the run's code; this executes that code here."),
    ] = False,
    storage: StorageOption = None,
    output: OutputOption = Format.TABLE,
) -> int:
    """Show what another policy would have stopped, saved and lost, using the recorded curves of this run."""
    from raydrive.core.early_stopping.policy_record import (
        RecordedPolicy,
        policy_record,
    )  # lazy: raydrive.core.early_stopping.policy_record, 0.005 s
    from raydrive.studio.data.whatif import choices, outcomes  # lazy: raydrive.studio.data.whatif, 0.06 s

    given = _asked_policy(policy)
    history = open_story(run_name, storage)
    given, own = _with_code(history, given, run_code)
    if given is None and isinstance(own, RecordedPolicy):
        say(
            f"Note: what {own.kind} would do is not shown, because its code was submitted with the run. --run-code "
            "executes that code here."
        )
    found = outcomes(history, choices(own), own) if given is None else outcomes(history, [given])
    if output is Format.JSON:
        emit_json({"run": history.layout.run_id, "outcomes": [one.to_json() for one in found]})
        return 0
    rows = [_row(one, as_it_was=not policy and one.policy == policy_record(own)) for one in found]
    emit(rows, output, name="outcomes")
    if len(found) == 1 and output is Format.TABLE:
        for trial, interval, why in found[0].stopped:
            tell(f"trial {trial} at interval {interval}: {why}")
    for text in _unknown(found):
        say(text)
    return 0


def _asked_policy(policy: str) -> Policy | None:
    """The policy of ``--policy``, None without one; of another class than raydrive's as its record.

    Raises:
        ConfigError: If it is not JSON, or no policy.
    """
    from raydrive.api.named_parts import user_policy  # lazy: raydrive.api.named_parts, 0.03 s
    from raydrive.core.early_stopping.policies import (
        policy_from_json,  # lazy: raydrive.core.early_stopping.policies, 0.005 s
    )

    if not policy:
        return None
    raw: Any = policy
    if policy.strip()[:1] in '{["':
        try:
            raw = json.loads(policy)
        except (ValueError, RecursionError) as error:
            allowed = 'JSON such as {"type": "bandit", "slack_factor": 0.2}'
            raise ConfigError(
                Problem("--policy", repr(policy[:200]), allowed, f"It is not valid JSON: {error}.")
            ) from error
    return user_policy(raw) or policy_from_json(raw, "--policy")


def _with_code(history: RunHistory, given: Policy | None, run_code: bool) -> tuple[Policy | None, Policy]:
    """The policy asked for, and the run's own; of the user's classes as far as their code may be executed.

    Raises:
        ConfigError: If the class of the policy asked for is not there.
    """
    import tempfile  # lazy: tempfile, 0.001 s

    from raydrive.core.early_stopping.policy_record import (
        RecordedPolicy,  # lazy: raydrive.core.early_stopping.policy_record, 0.005 s
    )
    from raydrive.runtime.user_classes import UserClasses, run_classes  # lazy: raydrive.runtime.user_classes, 0.06 s

    own = history.config.policy
    if not run_code:
        if not isinstance(given, RecordedPolicy):
            return given, own
        sys.path.append(
            str(Path.cwd())
        )  # the class that the user names may stand beside; what is installed comes first
        try:
            found = UserClasses({}, None).policy(given.raw)
        except ConfigError as error:
            hint = "A module in this folder is found, too; one that came with the run is with --run-code."
            problems = [replace(one, fix=one.fix or hint * one.where.endswith(".type")) for one in error.problems]
            raise ConfigError(problems) from error
        say(f"Note: {given.kind} is the class in {sys.modules[type(found).__module__].__file__}.")
        return found, own
    folder = tempfile.mkdtemp(prefix="raydrive-classes-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # the classes may import more of the code later
    classes = run_classes(history.config, history.layout, Path(folder))
    loaded = [classes.policy(one.raw) if isinstance(one, RecordedPolicy) else one for one in (given or own, own)]
    return loaded[0] if given is not None else None, loaded[1]


def _row(one: WhatIfResult, *, as_it_was: bool) -> dict[str, Any]:
    return {
        "policy": f"{one.text} (as it was)" if as_it_was else one.text,
        "would stop": len(one.stopped),
        "trains_s": round(one.trained_s, 1),
        "saves_s": round(one.saved_s, 1),
        "between_s": f"{one.saved_low_s:.1f} and {one.saved_high_s:.1f}",
        "intervals": f"{one.saved_share:.0%} saved" if one.all_s else "-",
        "best": one.best,
        "best trial": one.best_trial,
        "best lost": "yes" if one.lost_best else "no",
        "unknown": one.unknown,
    }


def _unknown(found: list[WhatIfResult]) -> list[str]:
    """What cannot be known, in words."""
    gap, texts = found[0].no_estimate, []
    if any(one.unknown for one in found):
        texts.append(
            "unknown: trials that this run stopped and the policy would not have. What they would have reached "
            "is not known" + ("." if gap else "; the further training they would have cost is estimated.")
        )
    if gap:
        texts.append(f"No figure includes how long the stopped trials would have continued: {gap}.")
    return texts


def export(
    run_name: RunArgument = "last",
    to: Annotated[
        str,
        typer.Option(
            "--to",
            help="Format: csv, json, parquet, optuna, tensorboard or mlflow.",
            show_default=False,
            autocompletion=export_kinds,
        ),
    ] = "",
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            help="File or folder; for optuna a storage URL (sqlite:///x.db), for mlflow a tracking URI.",
            show_default=False,
        ),
    ] = "",
    storage: StorageOption = None,
) -> int:
    """Export a run for other tools."""
    from raydrive.studio.export.export import KINDS, export_run  # lazy: raydrive.studio.export.export, 0.05 s

    if to not in KINDS:
        raise ConfigError(
            Problem("--to", repr(to) if to else "nothing", ", ".join(KINDS), did_you_mean(to, list(KINDS)))
        )
    history = open_story(run_name, storage)
    for text in export_run(history, to, output):
        if text.startswith("Note: "):
            say(text)
        else:
            print(text)
    return 0
