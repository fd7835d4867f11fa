"""``submit``, ``resume``, ``schema``: from a file to a run."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raydrive.api.display.text import time_left_text
from raydrive.cli.completion import run_ids
from raydrive.cli.console import (
    PARAMS,
    AddressOption,
    Format,
    OutputOption,
    RunArgument,
    StorageOption,
    command,
    emit,
    emit_json,
    only_data,
    resolve,
    say,
)
from raydrive.cli.runs import attend, open_run, workspace
from raydrive.core.errors import ConfigError
from raydrive.core.records import QUEUED

if TYPE_CHECKING:
    from raydrive.api.run import HyperDriveRun
    from raydrive.core.config.run_config import RunConfig
    from raydrive.core.sweep.warm_start_data import WarmStartData
    from raydrive.sweepfile.loader import Loaded

DRY_RUNS = 10

ConfigArgument = Annotated[Path, typer.Argument(metavar="CONFIG", help="A sweep YAML file.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the file, such as limits.max_total_trials=5."),
]
WithOption = Annotated[
    list[Path] | None,
    typer.Option("--with", metavar="SITE.yml", help="A file of site settings, which override the sweep file."),
]

NodeOption = Annotated[
    str, typer.Option("--node", metavar="NAME", help="The sweep node, if CONFIG is a pipeline.", show_default=False)
]
MoreOption = Annotated[
    int | None,
    typer.Option("--more", metavar="N", help="Raise the limit of trials by N.", min=1, show_default=False),
]
UpToOption = Annotated[
    int | None,
    typer.Option(
        metavar="ENTRY",
        help="Resume a damaged journal from this entry. All later entries are discarded for good.",
        min=0,
        show_default=False,
    ),
]


TotalOption = Annotated[int | None, typer.Option(help="The new total limit of trials.", show_default=False)]
ConcurrentOption = Annotated[int | None, typer.Option(help="The new limit of concurrent trials.", show_default=False)]
HiddenOption = Annotated[int | None, typer.Option(hidden=True, help="Same, under HyperDrive's name.")]
"""HyperDrive's name of a limit."""


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    command(app, submit, outlives_reader=True)
    command(app, resume, outlives_reader=True)
    command(app, schema)


def submit(
    config: ConfigArgument,
    address: AddressOption = None,
    storage: StorageOption = None,
    changes: SetOption = None,
    site: WithOption = None,
    node: NodeOption = "",
    strict: Annotated[
        bool, typer.Option("--strict", help="End the run as soon as trials log metrics but not the primary one.")
    ] = False,
    from_stdout: Annotated[
        bool,
        typer.Option("--metric-from-stdout", help="Find the primary metric by its name in the output of the trials."),
    ] = False,
    from_run: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Try the best configurations of this run first.", autocompletion=run_ids),
    ] = None,
    best: Annotated[int, typer.Option(metavar="N", help="With --from-run: how many.", min=1)] = 1,
    detach: Annotated[bool, typer.Option("--detach", help="Return as soon as the driver is running.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print sampled configurations and their exact commands; run nothing.")
    ] = False,
    output: OutputOption = Format.TABLE,
) -> int:
    """Run a sweep: on an embedded local Ray, or on the cluster at --address."""
    flags = ["raydrive.strict=true"] if strict else []
    flags += ["raydrive.metrics={format: auto}"] if from_stdout else []
    loaded = load(config, [*(changes or ()), *flags], site or (), node)
    where, target = place_of(loaded, storage, address)
    if from_run is not None:
        loaded = _with_best_of(loaded, from_run, best, where)
    if dry_run:
        _dry_run(loaded, where, target, output)
        return 0
    from raydrive.api.display.command_text import in_commands  # lazy: raydrive.api.display.command_text, 0.01 s
    from raydrive.api.run import HyperDriveRun  # lazy: raydrive.api.run, 0.06 s
    from raydrive.api.submit.launch import launch  # lazy: raydrive.api.submit.launch, 0.06 s

    if detach and target in (None, "local"):
        raise typer.BadParameter(
            "a detached run needs a cluster: pass --address auto or HOST:PORT", param_hint="--detach"
        )
    with only_data():
        run = HyperDriveRun(
            launch(loaded.submission, storage=where, address=target, plain_ray=loaded.settings.plain_ray)
        )
    say(f"Run {run.id} in {run.uri}")
    if run.config.trial.resources.world_size > 1:
        say(reserved(run.config))
    if detach:
        for line in run.lineage.lines():
            say(line)
        _print_run(run, output)
        name = in_commands(run.layout)
        say(f"It runs on its own. To watch it: raydrive watch {name}    To cancel it: raydrive cancel {name}")
        return 0
    return attend(run, output)


def resume(
    run_name: RunArgument,
    address: AddressOption = None,
    storage: StorageOption = None,
    max_total_trials: TotalOption = None,
    more: MoreOption = None,
    max_concurrent_trials: ConcurrentOption = None,
    max_total_runs: HiddenOption = None,
    max_concurrent_runs: HiddenOption = None,
    timeout: Annotated[
        float | None, typer.Option(help="The new time limit of the run, in seconds.", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Take over the run even if its driver seems alive.")] = False,
    up_to: UpToOption = None,
    classes: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Load the run's policy or sampler class from this folder.", show_default=False
        ),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Return as soon as the driver is running.")] = False,
    output: OutputOption = Format.TABLE,
) -> int:
    """Continue an interrupted run, or extend one that has ended; only its storage is needed."""
    from raydrive.api.display.console import Seen  # lazy: rich, 0.08 s
    from raydrive.api.submit import launch as launching  # lazy: raydrive.api.submit.launch, 0.06 s
    from raydrive.settings.nearest import read_place  # lazy: raydrive.settings.nearest, 0.002 s

    wanted = {
        "max_total_runs": max_total_runs if max_total_trials is None else max_total_trials,
        "max_concurrent_runs": max_concurrent_runs if max_concurrent_trials is None else max_concurrent_trials,
        "max_duration_s": timeout,
    }
    run = workspace(storage).get_run(run_name)
    seen = Seen(run.reader)
    left = "" if timeout is not None else time_left_text(run.reader)
    place = read_place()
    target = resolve(address, "RAY_ADDRESS", "--address", place.address)
    limits = {name: value for name, value in wanted.items() if value is not None}
    with only_data(), _names_of_options():
        launching.resume(
            run.reader,
            address=target,
            plain_ray=place.plain_ray,
            limits=limits,
            more=more,
            force=force,
            up_to=up_to,
            classes=classes,
        )
    say(f"Run {run.id} continues.")
    if left:
        say(left)
    for text in run.notices:
        say(f"Note: {text}")
    if detach:
        _print_run(run, output)
        return 0
    return attend(run, output, seen)


def _with_best_of(loaded: Loaded, name: str, most: int, storage: str) -> Loaded:
    """A sweep whose first configurations are the best ones of another run, before those that its file gives."""
    from raydrive.api.user_requests.points import points_of_run  # lazy: raydrive.api.user_requests.points, 0.06 s
    from raydrive.core.config.given_points import GivenPoints  # lazy: raydrive.core.config.given_points, 0.01 s

    config = loaded.submission.config
    found = points_of_run(open_run(name, storage).reader, most, config.sampling.space)
    own = config.rules.points.points if config.rules.points else ()
    points = GivenPoints((*(point["params"] for point in found), *own))
    config = dataclasses.replace(config, rules=dataclasses.replace(config.rules, points=points))
    return dataclasses.replace(loaded, submission=dataclasses.replace(loaded.submission, config=config))


@contextlib.contextmanager
def _names_of_options() -> Iterator[None]:
    """Reports the limits of a resume under the names of their options.

    Raises:
        ConfigError: The one that was raised, so renamed.
    """
    options = {
        "max_total_runs": "--max-total-trials",
        "max_concurrent_runs": "--max-concurrent-trials",
        "max_duration_s": "--timeout",
    }
    try:
        yield
    except ConfigError as error:
        problems = [dataclasses.replace(one, where=options.get(one.where, one.where)) for one in error.problems]
        raise ConfigError(problems) from error


def _print_run(run: HyperDriveRun, output: Format) -> None:
    """Prints which run continues by itself."""
    if output is Format.JSON:
        emit_json({"run": run.id, "experiment": run.experiment, "storage": run.uri})
    else:
        print(run.id)


def schema() -> int:
    """Print the JSON Schema of a sweep file, with which editors complete keys and mark errors."""
    from raydrive.sweepfile.json_schema import json_schema  # lazy: pydantic, 0.1 s

    print(json.dumps(json_schema(), indent=1))
    say("Save it to a file, and name that file in the first line of a sweep file: # yaml-language-server: $schema=FILE")
    return 0


def load(config: Path, changes: Sequence[str], site: Sequence[Path], node: str = "") -> Loaded:
    """Reads a sweep file, over the settings of the nearest raydrive.toml, and says its warnings."""
    from raydrive.settings.nearest import nearest_settings  # lazy: raydrive.settings.nearest, 0.002 s
    from raydrive.sweepfile.loader import load_sweep  # lazy: pydantic, 0.1 s

    loaded = load_sweep(config, overrides=changes, site=site, node=node, defaults=nearest_settings())
    for warning in loaded.warnings:
        say(f"Warning: {warning}")
    return loaded


def place_of(loaded: Loaded, storage: str | None, address: str | None) -> tuple[str, str | None]:
    """Returns storage and cluster address of a run: the flags, else the environment, else the files."""
    from raydrive.settings.nearest import DEFAULT_STORAGE  # lazy: raydrive.settings.nearest, 0.001 s

    # raydrive.toml is in there: the sweep file lies over it.
    given = loaded.settings
    where = resolve(storage, "RAYDRIVE_STORAGE", "--storage", given.storage, DEFAULT_STORAGE) or DEFAULT_STORAGE
    return where, resolve(address, "RAY_ADDRESS", "--address", given.address)


def checked(loaded: Loaded, storage: str, address: str | None) -> tuple[RunConfig, WarmStartData]:
    """Refuses what ``submit`` refuses without a cluster, and says what earlier runs bring.

    Returns:
        Configuration and warm-start data of the run to be.
    """
    from raydrive.api.submit.preflight import check_submission  # lazy: raydrive.api.submit.preflight, 0.06 s

    submission = loaded.submission
    found = check_submission(submission, storage=storage, address=address)
    found.discard()
    plan = found.plan
    for line in plan.lineage.lines():
        say(line)
    return dataclasses.replace(found.config, lineage=plan.lineage), plan.warm_start


def _dry_run(loaded: Loaded, storage: str, address: str | None, output: Format) -> None:
    from raydrive.core.config.command_line import (  # lazy: raydrive.core.config.command_line, 0.006 s
        shown,
        trial_argv,
        with_resume_argument,
    )
    from raydrive.core.search.sampling_record import (
        RecordedSampling,  # lazy: raydrive.core.search.sampling_record, 0.01 s
    )
    from raydrive.core.search.trial_record import (  # lazy: raydrive.core.search.trial_record, 0.001 s
        Suggestion,
        TrialRecord,
    )
    from raydrive.core.sweep.warm_start_data import sampler_of  # lazy: raydrive.core.sweep.warm_start_data, 0.02 s
    from raydrive.runtime.user_classes import UserClasses  # lazy: raydrive.runtime.user_classes, 0.06 s

    config, warm_start = checked(loaded, storage, address)
    if isinstance(config.sampling, RecordedSampling):  # the user's code: it was loaded elsewhere, to check it
        config = UserClasses({}, loaded.submission.source_directory).filled_in(config)
    sampler = sampler_of(config, warm_start)
    sources = [one.source for one in config.lineage.continued]
    history: list[TrialRecord] = []
    rows: list[dict[str, Any]] = []
    count = min(DRY_RUNS, config.limits.max_total_runs)
    given = list(config.rules.points.points) if config.rules.points else []
    for number in range(count):
        suggestion = None if given and number >= len(sources) else sampler.ask(number, history)
        if suggestion is None and given:
            params = given.pop(0)
        elif isinstance(suggestion, Suggestion):
            params = suggestion.params
        else:  # nothing is left
            break
        history.append(TrialRecord(number=number, params=params, value=None, state=QUEUED, curve=(), stopped=False))
        argv = trial_argv(config.trial, params, python=config.trial.python or "python")
        if config.trial.resume_argument and any(sources[number : number + 1]):
            argv = with_resume_argument(argv, "DIR", config.trial.style)
        rows.append({"trial": number, PARAMS: dict(params), "command": shown(argv)})
    if output is Format.TABLE:
        for row in rows:
            print(row["command"])
    else:
        emit(rows, output, name="trials")
    say(f"{len(rows)} of up to {config.limits.max_total_runs} trials, seed {config.seed}. Nothing was run.")
    say(reserved(config))


def reserved(config: RunConfig) -> str:
    """Returns the sentence about what each trial reserves."""
    from raydrive.core.config.distribution import reservation  # lazy: raydrive.core.config.distribution, 0.005 s

    return f"Each trial reserves {reservation(config.trial.resources)}."
