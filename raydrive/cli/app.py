"""The commands and what becomes of their errors."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence

import typer

from raydrive.cli import control, reading, running, studying, submitting
from raydrive.cli.output import EXIT_INTERRUPTED, say
from raydrive.core.errors import ConfigError, RaydriveError
from raydrive.storage.here import current_folder

app = typer.Typer(
    name="raydrive",
    help="HyperDrive's hyperparameter tuning on your own Ray cluster.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
submitting.register(app)
reading.register(app)
control.register(app)
studying.register(app)
running.register(app)


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: Without the program's name; None = those of this process.

    Returns:
        The exit code: 0 done, 1 the run failed, 2 wrong usage or config, 3 no trial has a finite value of the primary
        metric, 4 cancelled without a result, 5 cluster or storage unreachable, 130 interrupted.
    """
    try:
        if not {"--help", "-h"} & {*(sys.argv[1:] if arguments is None else arguments)}:
            current_folder()  # without one nothing works: no settings are found, and Ray does not start
        app(args=None if arguments is None else list(arguments), prog_name="raydrive")
    except SystemExit as ended:
        if type(sys.stdout).__name__ == "PacifyFlushWrapper":
            return 0  # the reader (head, less) has gone: that is its right, and no failure of ours
        return ended.code if isinstance(ended.code, int) else 0
    except ConfigError as error:
        count = len(error.problems)
        say(f"{count} problem{'s' * (count != 1)}:" if count > 1 else "1 problem:")
        for line in error.lines():
            say(f"  {line}")
        return error.exit_code
    except RaydriveError as error:
        say(f"Error: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        say("Interrupted.")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has gone: that is its right. Keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a full disk, a folder that is none: the system's answer is the user's to read
        if error.filename is not None:
            say(f"Error: {error.filename}: {error.strerror or error}")
        else:
            say(f"Error: {error.strerror or error}. The traceback is in {_keep_traceback()}")
        return 1
    except Exception as error:  # a bug of ours: the user gets a sentence, the traceback goes to a file
        say(f"Error: raydrive failed with {type(error).__name__}: {error}")
        say(f"This is a bug of raydrive. The traceback is in {_keep_traceback()}")
        return 1
    return 0


def _keep_traceback() -> str:
    with tempfile.NamedTemporaryFile("w", prefix="raydrive-traceback-", suffix=".txt", delete=False) as file:
        traceback.print_exc(file=file)
    return file.name
