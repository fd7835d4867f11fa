"""The ``raydrive`` command: stdout is data, stderr is talk."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Runs the command line and exits with its code."""
    if len(sys.argv) > 1 and sys.argv[1] == "log" and not {"--help", "-h"} & {*sys.argv}:
        # Called once per value by scripts in any language: no typer, no ray, nothing that takes time to import.
        from raydrive.wire import log_main

        sys.exit(log_main(sys.argv[2:]))
    from raydrive.cli.app import run

    sys.exit(run())
