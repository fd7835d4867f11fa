"""``raydrive log``: metrics from a command line, for programs that are no Python."""

from __future__ import annotations

import os
import re
import sys
from typing import Sequence  # noqa: UP035  (Python 3.8)

from raydrive import ranks, wire
from raydrive.context_values import say_value, shown

_USAGE = "usage: raydrive log NAME=VALUE [NAME=VALUE ...] [--step N]"
_BEYOND = 1 << 63
"""Steps are below it, and above it with the other sign: 64 bits are what files of numbers hold."""
_NEARLY_NUMBERS = r"(?ai)[-+]?(\d*,\d+|\d{1,3}(,\d{3})+\.\d+|\d+(_\d+)+)(e[-+]?\d+)?|[-+]?(\d+\.?\d*|\.\d+) *%"
"""What people write for numbers and no program reads as one: ``1,5``, ``1,234.5``, ``1_000``, ``93 %``."""


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
            say_value(name, value, step)
        return 0
    return 0 if wire.Client(path).send(wire.metrics_message(values, step, rank=ranks.rank_of(os.environ))) else 5


def parse_log(arguments: Sequence[str]) -> tuple[dict[str, wire.Scalar], float | None, list[str]]:
    """Splits the arguments of ``raydrive log`` into values, step and complaints."""
    values: dict[str, wire.Scalar] = {}
    steps: list[float] = []
    complaints: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--step" or word.startswith("--step="):
            text = word[7:] if "=" in word else (rest.pop(0) if rest else "")
            step = wire.parse_scalar(text.strip())
            if isinstance(step, str) or not -_BEYOND <= step < _BEYOND:
                complaints.append(f"--step: found {shown(text)}; allowed: a number, finite and of 64 bits")
            elif steps:
                complaints.append(f"--step: found a second one, {shown(text)}; allowed: one")
            else:
                steps.append(step)
            continue
        name, equals, text = (part.strip() for part in word.partition("="))
        if not equals or not name or name.startswith("--"):
            complaints.append(f"found {shown(word)}; allowed: NAME=VALUE, such as accuracy=0.93, and --step N")
        elif name in values:
            complaints.append(f"{name}: found a second value, {shown(text)}; allowed: one in each call")
        elif not text or re.fullmatch(_NEARLY_NUMBERS, text):
            found = f"{shown(text)}, which is not a number" if text else "no value"
            complaints.append(f"{name}: found {found}; allowed: a number, such as 0.93, 1500 or 1e-3, or a string")
        else:
            values[name] = wire.parse_scalar(text)
    if not values and not complaints:
        complaints.append("no metric given")
    return values, steps[0] if steps else None, complaints


if __name__ == "__main__":
    raise SystemExit(log_main())
