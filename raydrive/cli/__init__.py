"""The ``raydrive`` command: data goes to stdout, messages go to stderr."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
from typing import NoReturn

__all__ = ["main"]


def main() -> None:
    """Runs the command line and exits with its code."""
    _open_closed_streams()
    if len(sys.argv) > 1 and sys.argv[1] == "log" and not {"--help", "-h"} & {*sys.argv}:
        # Called once per value by scripts in any language: no typer, no ray, nothing that takes time to import.
        from raydrive.log_command import log_main  # lazy: raydrive.log_command, 0.008 s

        sys.exit(log_main(sys.argv[2:]))
    from raydrive.cli.app import run  # lazy: typer, 0.06 s
    from raydrive.cli.console import EXIT_INTERRUPTED  # lazy: typer, 0.08 s

    code = run()
    if code == EXIT_INTERRUPTED and "ray" in sys.modules:
        _leave(code)
    if "pyarrow" in sys.modules:
        _end(code)
    sys.exit(code)


def _open_closed_streams() -> None:
    """Gives this process the streams it was started without (``>&-``): they lead nowhere.

    A file that is opened would else get the number of one, and what is printed would be written into it.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115


def _leave(code: int) -> NoReturn:
    """Ends without the interpreter's own end: Ray's threads, caught in the middle of their start, can crash that.

    Seen with Ray 2.60: SIGSEGV instead of 130. What Ray started ends with this process.
    """
    with contextlib.suppress(Exception, KeyboardInterrupt):
        sys.modules["ray"].shutdown()
    _exit(code)


def _end(code: int) -> NoReturn:
    """Ends as the interpreter does, but for what libraries destroy after that: pyarrow's threads can abort it.

    Seen with pyarrow on a busy machine, in 2 of some 65 commands that had done their work: ``terminate called without
    an active exception``, and SIGABRT instead of 0.
    """
    for step in (threading._shutdown, atexit._run_exitfuncs):  # type: ignore[attr-defined]
        with contextlib.suppress(Exception):
            step()
    _exit(code)


def _exit(code: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
