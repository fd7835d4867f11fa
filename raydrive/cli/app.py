"""The commands, and the handling of their errors."""

from __future__ import annotations

import contextlib
import io
import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated

import typer

from raydrive import __version__
from raydrive.cli import azure, compare, control, studio, submit, track, validate
from raydrive.cli import show as show_commands
from raydrive.cli.console import EXIT_INTERRUPTED, say
from raydrive.cli.help import explain, init
from raydrive.cli.help.command_groups import place_of
from raydrive.cli.help.more import say_more
from raydrive.cli.top import command as top
from raydrive.cli.user_requests import register as user_requests
from raydrive.core.errors import ConfigError, Problem, RaydriveError, brief, show
from raydrive.storage.folder.current import current_folder

app = typer.Typer(
    name="raydrive",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_BOXES = app.rich_markup_mode
submit.register(app)
validate.register(app)
show_commands.register(app)
compare.register(app)
control.register(app)
user_requests.register(app)
top.register(app)
studio.register(app)
azure.register(app)
explain.register(app)
init.register(app)
track.register(app)
app.registered_commands.sort(key=lambda one: place_of(str(one.name or getattr(one.callback, "__name__", ""))))


def _print_version(wanted: bool) -> None:
    if wanted:
        try:
            ray = f"Ray {metadata.version('ray')}"  # not imported: that takes a second
        except metadata.PackageNotFoundError:
            ray = "no Ray"
        print(f"raydrive {__version__} (Python {platform.python_version()}, {ray})")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the versions and exit."),
    ] = False,
) -> None:
    """HyperDrive's hyperparameter tuning on your own Ray cluster."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: Without the program's name; None = those of this process.

    Returns:
        The exit code: 0 done, 1 the run failed or all trials with a value did, 2 wrong usage or config, 3 no trial has
        a finite value of the primary metric, 4 cancelled without a result, 5 cluster or storage unreachable, 130
        interrupted.
    """
    for stream in (sys.stdout, sys.stderr):  # what a terminal's encoding lacks is written as its number
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        given = [*(sys.argv[1:] if arguments is None else arguments)]
        _check_texts(given)
        helps = not given or bool({"--help", "-h", "--version", "-V"} & {*given})
        if given and not helps:
            current_folder()  # without one nothing works: no settings are found, and Ray does not start
        # Boxes are for terminals: elsewhere a message about wrong usage stays one line.
        app.rich_markup_mode = _BOXES if helps or sys.stderr.isatty() else None
        app(args=None if arguments is None else list(arguments), prog_name="raydrive")
    except SystemExit as ended:
        if _reader_has_gone(ended):
            _write_nowhere()  # that is its right (head, less), and no failure of ours
            return 0
        return ended.code if isinstance(ended.code, int) else 0
    except ConfigError as error:
        count = len(error.problems)
        say(f"{count} problem{'s' * (count != 1)}:" if count > 1 else "1 problem:")
        for line in error.lines():
            say(f"  {line}")
        say_more(error)
        return error.exit_code
    except RaydriveError as error:
        say(f"Error: {brief(str(error))}")
        say_more(error)
        return error.exit_code
    except KeyboardInterrupt:
        say("Interrupted.")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _write_nowhere()
        return 0
    except OSError as error:  # a full disk, a folder that is none: the system's answer is the user's to read
        if error.filename is not None:
            say(f"Error: {brief(str(error.filename), 400)}: {error.strerror or brief(str(error))}")
        else:
            say(f"Error: {error.strerror or error}. The traceback is in {_keep_traceback()}")
        return 1
    except Exception as error:  # a bug of ours: the user gets a sentence, the traceback goes to a file
        say(f"Error: raydrive failed with {type(error).__name__}: {brief(str(error))}")
        say(f"This is a bug of raydrive. The traceback is in {_keep_traceback()}")
        return 1
    return 0


def _reader_has_gone(ended: BaseException) -> bool:
    """Whether a command ended because the reader of its output has gone: typer and rich turn that into an exit."""
    seen: BaseException | None = ended
    while seen is not None:
        if isinstance(seen, BrokenPipeError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _write_nowhere() -> None:
    """Sends what is still in Python's buffers nowhere, so that it does not complain at its exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _check_texts(arguments: Sequence[str]) -> None:
    """Refuses what no system passes: found where Python code calls ``run``."""
    for number, text in enumerate(arguments, 1):
        try:
            wrong = "a NUL character" if "\0" in text else ""
            os.fsencode(text)
        except UnicodeEncodeError:
            wrong = "half a character"
        if wrong:
            raise ConfigError(Problem(f"argument {number}", f"{show(text)}, with {wrong}", "text"))


def _keep_traceback() -> str:
    with tempfile.NamedTemporaryFile("w", prefix="raydrive-traceback-", suffix=".txt", delete=False) as file:
        traceback.print_exc(file=file)
    return file.name
