"""``pause``, ``unpause``, ``add``, ``retry``, ``stop``, ``cancel`` and ``note``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from raydrive.cli.completion import run_ids, trial_numbers
from raydrive.cli.console import (
    AddressOption,
    Format,
    OutputOption,
    RunArgument,
    StorageOption,
    TrialArgument,
    only_data,
)
from raydrive.cli.runs import open_run
from raydrive.cli.user_requests.answers import dashboard, print_answer
from raydrive.core.errors import ConfigError, Problem, show

ReasonOption = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="The reason, which is recorded.", show_default=False)
]


def pause(
    run_name: RunArgument,
    now: Annotated[
        bool, typer.Option("--now", help="Also pause running trials; they continue later from their last checkpoints.")
    ] = False,
    reason: ReasonOption = "",
    storage: StorageOption = None,
    address: AddressOption = None,
    output: OutputOption = Format.TABLE,
) -> int:
    """Start no further trials of a run until `raydrive unpause`."""
    return _ask(run_name, {"do": "pause", "now": now, "why": reason}, storage, address, output)


def unpause(
    run_name: RunArgument,
    storage: StorageOption = None,
    address: AddressOption = None,
    output: OutputOption = Format.TABLE,
) -> int:
    """Continue a paused run."""
    return _ask(run_name, {"do": "unpause"}, storage, address, output)


def add(
    run_name: RunArgument,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A value of one configuration, such as lr=0.003. Repeatable."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", metavar="POINTS", help="A file with a list of configurations: YAML or CSV."),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(metavar="TRIAL", help="Take the other values from this trial, or from the best one: best."),
    ] = None,
    from_run: Annotated[
        str | None, typer.Option(metavar="RUN", help="The best configurations of another run.", autocompletion=run_ids)
    ] = None,
    best: Annotated[int, typer.Option(metavar="N", help="With --from-run: how many.", min=1)] = 1,
    storage: StorageOption = None,
    address: AddressOption = None,
    output: OutputOption = Format.TABLE,
) -> int:
    """Try these configurations next; they count towards the limit of trials."""
    from raydrive.api.user_requests.points import (  # lazy: raydrive.api.user_requests.points, 0.06 s
        completed,
        points_of_run,
    )
    from raydrive.sweepfile.edits.points import points_of_file, values_of_settings  # lazy: pydantic, 0.1 s

    if sum(map(bool, (settings, file, from_run))) != 1:
        allowed = "one of: --set NAME=VALUE, -f POINTS, --from-run RUN"
        raise ConfigError(Problem("add", "several" if settings or file or from_run else "no configuration", allowed))
    run = open_run(run_name, storage)
    space = run.sweep.config.sampling.space
    if from_run:
        points: list[dict[str, Any]] = points_of_run(open_run(from_run, storage).reader, best, space)
    elif file is not None:
        if not file.is_file():
            place = "" if file.is_absolute() else f"The current folder is {Path.cwd()}."
            raise ConfigError(Problem(str(file), "no such file", "a CSV or YAML file of configurations", place))
        points = points_of_file(file, space)
    else:
        points = [{"params": values_of_settings(settings or (), space)}]
    points = completed(run.reader, points, like)
    return _ask(run_name, {"do": "add", "points": points}, storage, address, output)


def retry(
    run_name: RunArgument,
    trials: Annotated[
        list[int] | None,
        typer.Argument(metavar="TRIAL...", help="Numbers of trials.", show_default=False, autocompletion=trial_numbers),
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="All failed trials.")] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Restart from the beginning, not from the last checkpoint.")
    ] = False,
    storage: StorageOption = None,
    address: AddressOption = None,
    output: OutputOption = Format.TABLE,
) -> int:
    """Retry trials that have ended, each from its last checkpoint."""
    request = {"do": "retry", "trials": list(trials or ()), "failed": failed, "fresh": fresh}
    return _ask(run_name, request, storage, address, output)


def stop(
    run_name: RunArgument,
    trial: TrialArgument,
    reason: ReasonOption = "",
    storage: StorageOption = None,
    address: AddressOption = None,
    output: OutputOption = Format.TABLE,
) -> int:
    """Stop a trial as a policy would: it does not count as failed, and its curve is still compared."""
    return _ask(run_name, {"do": "stop", "trial": trial, "why": reason}, storage, address, output)


def cancel(
    run_name: RunArgument,
    trial: Annotated[
        int | None,
        typer.Argument(
            metavar="TRIAL", help="Only this trial.", min=0, show_default=False, autocompletion=trial_numbers
        ),
    ] = None,
    reason: ReasonOption = "",
    storage: StorageOption = None,
    address: AddressOption = None,
    output: OutputOption = Format.TABLE,
) -> int:
    """End a run, or one trial of it."""
    return _ask(run_name, {"do": "cancel", "trial": trial, "why": reason}, storage, address, output)


def note(
    run_name: RunArgument,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="TEXT", help="The note, preceded by the number of the trial it is about, if any."),
    ] = None,
    tags: Annotated[
        list[str] | None, typer.Option("--tag", metavar="KEY=VALUE", help="A tag of the note. Repeatable.")
    ] = None,
    storage: StorageOption = None,
    address: AddressOption = None,
    output: OutputOption = Format.TABLE,
) -> int:
    """Note something about a run, or about a trial of it."""
    trial, text = _trial_and_text(list(words or ()))
    return _ask(
        run_name, {"do": "note", "trial": trial, "text": text, "tags": _tags(tags or ())}, storage, address, output
    )


def _trial_and_text(words: list[str]) -> tuple[int | None, str]:
    if words and words[0].isascii() and words[0].isdecimal() and len(words[0]) < 18:
        return int(words[0]), " ".join(words[1:])
    return None, " ".join(words)


def _tags(given: list[str] | tuple[str, ...]) -> dict[str, str]:
    found = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise ConfigError(Problem("--tag", show(text), "KEY=VALUE, such as --tag cause=learning-rate"))
        found[key.strip()] = value
    return found


def _ask(run_name: str, request: dict[str, Any], storage: str | None, address: str | None, output: Format) -> int:
    from raydrive.api.user_requests.steer import steer  # lazy: raydrive.api.user_requests.steer, 0.05 s

    run = open_run(run_name, storage)
    with only_data():
        answer = steer(run.reader, request, address=dashboard(address))
    return print_answer(run.id, answer, output)
