"""``run-script``, ``run-notebook``, ``convert``: files written for Azure ML's SDK, unchanged."""

from __future__ import annotations

import runpy
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer

from raydrive.cli.console import command, say, unbroken
from raydrive.cli.help.command_groups import group_of
from raydrive.cli.submit import WithOption
from raydrive.core.errors import ConfigError, Problem, RaydriveError
from raydrive.storage.folder.current import absolute, current_folder

FileArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        exists=True,
        dir_okay=False,
        show_default=False,
        help="The file to read: .py, .ipynb or, for convert, .yml.",
    ),
]


TrialsOption = Annotated[
    int | None,
    typer.Option(
        "--trials", min=1, show_default=False, help="Trials of each run at most, for a first try; before FILE."
    ),
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    more = {"allow_extra_args": True, "ignore_unknown_options": True}
    app.command("run-script", context_settings=more, rich_help_panel=group_of("run-script"))(_run_script)
    command(app, run_notebook, "run-notebook", outlives_reader=True)
    command(app, convert)


def _run_script(context: typer.Context, file: FileArgument, trials: TrialsOption = None) -> None:
    """Run a Python FILE that uses Azure ML's SDK, Ray Tune, Optuna or wandb.agent, with raydrive under its names.

    Words after FILE are its arguments. Storage, cluster and resources come from raydrive.toml.
    """
    with unbroken():
        code = run_script(file, context.args, trials)
    raise typer.Exit(code)


def run_script(file: Path, arguments: list[str], trials: int | None = None) -> int:
    """Runs a file as ``__main__`` and waits for the runs it started; returns the exit code."""
    from raydrive.compat import azure_sdk  # lazy: raydrive.compat.azure_sdk, 0.05 s
    from raydrive.compat.tuners.scripts import stand_in  # lazy: raydrive.compat.tuners.scripts, 0.005 s

    azure_sdk.install(trials)
    stand_in(file, arguments)
    sys.argv = [str(file), *arguments]
    sys.path.insert(0, str(file.parent.absolute()))
    code = 0
    try:
        runpy.run_path(str(file), run_name="__main__")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            say(end.code)
    except RaydriveError:
        raise
    except Exception as error:  # the file's own: its traceback, as Python would print it
        frames = traceback.extract_tb(error.__traceback__)
        own = next((place for place, frame in enumerate(frames) if frame.filename == str(file)), 0)
        say("Traceback (most recent call last):\n" + "".join(traceback.format_list(frames[own:])).rstrip())
        say("".join(traceback.format_exception_only(error)).rstrip())
        if isinstance(error, ModuleNotFoundError) and (error.name or "").startswith("azureml"):
            say(f"{error.name} is not provided by raydrive; see docs/coming-from-azure.md")
        elif isinstance(error, ModuleNotFoundError) and error.name:
            say(f"Install it into the Python that runs raydrive: pip install {error.name.partition('.')[0]}")
        code = 1
    return code if azure_sdk.finish() else code or 1


def run_notebook(
    file: FileArgument,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Default: FILE.executed.ipynb.", show_default=False)
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="List what would happen to each cell; run nothing.")] = False,
    allow_installs: Annotated[
        bool,
        typer.Option("--allow-installs", help="Also run %pip, !pip and !conda, which change the Python of raydrive."),
    ] = False,
    trials: TrialsOption = None,
) -> int:
    """Run a notebook of Azure ML's SDK, Ray Tune, Optuna or wandb.agent with raydrive under its names; keep outputs.

    Its cells run in this environment's own kernel, in the notebook's folder. A cell that needs Azure's service
    ends with a message, and the notebook continues.
    """
    from raydrive.compat.notebook_cells import (  # lazy: raydrive.compat.notebook_cells, 0.01 s
        code_cells,
        installs,
        plan_of,
    )

    if plan:
        for line in plan_of(code_cells(file), allow_installs):
            print(line)
        return 0
    try:
        import nbclient  # lazy: optional dependency
        import nbformat  # lazy: optional dependency
    except ImportError:
        say("Error: notebooks need nbclient: pip install 'raydrive[notebook]'")
        return 1
    formats: Any = nbformat  # published without types
    try:
        notebook = formats.read(str(file), as_version=4)
    except (ValueError, TypeError, KeyError, AttributeError, formats.ValidationError) as error:
        found = str(error).strip().partition("\n")[0][:200]
        raise ConfigError(
            Problem(str(file), found, "a notebook (.ipynb)", "Jupyter writes files of this format.")
        ) from error
    from raydrive.compat.notebook_run import executed  # lazy: raydrive.compat.notebook_run, 0.01 s

    if not allow_installs and sys.stdin.isatty() and any(installs(cell.source) for cell in code_cells(file)):
        allow_installs = typer.confirm("Some cells install packages into the Python that runs raydrive. Run them?")
    target = output or file.with_name(f"{file.stem}.executed.ipynb")
    failed, answers = executed(nbclient, notebook, file.absolute(), allow_installs, trials)
    formats.write(notebook, str(target))
    if answers:
        say("Only Azure's service can do this:\n" + "\n".join(f"  {answer}" for answer in answers))
    if failed:
        say(f"Error: {failed}")
    print(target)
    return int(bool(failed))


def convert(
    file: FileArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file to write; default: print the result.", show_default=False),
    ] = None,
    node: Annotated[
        str, typer.Option(metavar="NAME", help="The sweep node, if FILE is a pipeline.", show_default=False)
    ] = "",
    site: WithOption = None,
) -> int:
    """Turn a script or notebook, a v2 YAML or another tool's sweep file into a sweep file, and list what changed.

    A script or notebook (Azure ML's SDK v1, Ray Tune, Optuna, wandb.agent) is executed up to the first sweep that it
    starts, since only that shows what it would submit.

    No run is started, but all code before that line is executed.
    """
    from raydrive.compat.convert import (  # lazy: pydantic, 0.2 s
        converted,
        recorded,
        sweep_of_tuner,
        wanted_from,
    )
    from raydrive.compat.tuners.scripts import tunes  # lazy: raydrive.compat.tuners.scripts, 0.005 s

    base = absolute(output.parent) if output else current_folder()
    if file.suffix.lower() in (".yml", ".yaml"):
        text, report = wanted_from(file, node, base, site or ())
    elif tunes(file):
        text, report = sweep_of_tuner(file.absolute(), base, site or ())
    else:
        text, report = converted(recorded(file.absolute()), base)
    if output:
        output.write_text(text, encoding="utf-8")
        print(output)
    else:
        print(text, end="")
    for line in report:
        say(f"- {line}")
    return 0
