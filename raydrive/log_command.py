"""``raydrive log``: metrics from a command line, for programs that are no Python."""

from __future__ import annotations

import os
import sys
from typing import Sequence  # noqa: UP035  (Python 3.8)

from raydrive import ranks, wire
from raydrive.context_values import parse_log

_USAGE = "usage: raydrive log NAME=VALUE [NAME=VALUE ...] [--step N]"


def log_main(argv: Sequence[str] | None = None) -> int:
    """Logs metrics from a command line: ``raydrive log accuracy=0.93 loss=0.2 --step 3``.

    Args:
        argv: The arguments after ``raydrive log``; those of this process when None.

    Returns:
        Exit code: 0 logged (or printed, outside a trial), 2 wrong arguments, 5 the channel cannot be reached.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    if arguments in (["--help"], ["-h"]):
        print(_USAGE)
        return 0
    values, step, complaints = parse_log(arguments)
    if complaints:
        print("\n".join([f"raydrive log: {line}" for line in complaints] + [_USAGE]), file=sys.stderr)
        return 2
    path = os.environ.get(wire.CHANNEL, "")
    if not path:
        for name, value in values.items():
            print(f"Attempted to log scalar metric {name}:\n{value}")
        return 0
    return 0 if wire.Client(path).send(wire.metrics_message(values, step, rank=ranks.rank_of(os.environ))) else 5


if __name__ == "__main__":
    raise SystemExit(log_main())
