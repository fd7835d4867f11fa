"""Hyperparameters and inputs as environment variables: JSON, in a file beyond a size, with the places of tuples.

Linux takes no string of more than 131,071 bytes among the arguments and variables of a program, and no more than some
2 MB of all of them together: a process with more cannot be started, whether it looks at them or not.

Standard library only, nothing newer than Python 3.8: training scripts import this in environments of their own.
"""

from __future__ import annotations

import json
import os
from typing import Any, Iterator, List, Mapping, Union  # noqa: UP035  (aliases used at run time)

LONGEST_BYTES = 131_071
"""Most bytes of ``NAME=value``, or of one argument of a program, on Linux."""
IN_A_FILE_BYTES = 100_000
"""A value of ours that is longer is in a file; ``NAME_FILE`` is its path, and ``NAME`` is not set."""
ALL_BYTES = 1_000_000
"""Most bytes, together, of those variables that only repeat what can be read elsewhere."""
FILE = "_FILE"
"""What the name of the variable with a file's path ends with."""

Path = List[Union[str, int]]  # noqa: UP006, UP007
"""Keys and indices that lead to a value."""

_encode = json.JSONEncoder(separators=(",", ":")).encode


def tuples_in(value: Any) -> list[Path]:
    """Returns the places of all tuples in a value: JSON makes lists of them.

    >>> tuples_in({"ngram_range": (1, 2), "layers": [(64, 3), 10]})
    [['ngram_range'], ['layers', 0]]
    """
    return list(_tuples(value, []))


def _tuples(value: Any, path: Path) -> Iterator[Path]:
    if isinstance(value, dict):
        items: Any = value.items()
    elif isinstance(value, (list, tuple)):
        items = enumerate(value)
    else:
        return
    if isinstance(value, tuple):
        yield path
    for key, item in items:
        if isinstance(item, (dict, list, tuple)):
            yield from _tuples(item, [*path, key])


def with_tuples(value: Any, paths: list[Path]) -> Any:
    """Makes tuples again of the lists at these places; returns the value, which is changed.

    Args:
        value: As JSON gave it back, a dict.
        paths: What ``tuples_in`` found.
    """
    for path in sorted(paths, key=len, reverse=True):  # the innermost first: a tuple cannot be changed
        holder = value
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = tuple(holder[path[-1]])
    return value


def read(name: str, otherwise: str) -> Any:
    """Returns the JSON value of an environment variable, or of the file that stands for it.

    Args:
        name: The variable.
        otherwise: The JSON text to take where neither is set.

    Raises:
        OSError: The file cannot be read.
    """
    text = os.environ.get(name, "")
    path = os.environ.get(name + FILE, "")
    if not text and path:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    return json.loads(text or otherwise)


def read_with_tuples(name: str, tuples: str) -> dict[str, Any]:
    """Returns the JSON object of a variable, with its tuples.

    Args:
        name: The variable; where it is not set the object is empty.
        tuples: The variable that says where they are.

    Raises:
        OSError: A file that stands for one of them cannot be read.
    """
    value: dict[str, Any] = with_tuples(read(name, "{}"), read(tuples, "[]"))
    return value


def spill(environment: dict[str, str], names: tuple[str, ...], folder: str) -> None:
    """Writes values that are too long for a variable into files, and names these instead.

    Args:
        environment: The variables; changed.
        names: Those that may be in a file.
        folder: Where the files are made; empty = nothing is written.

    Raises:
        OSError: A file cannot be written.
    """
    for name in names if folder else ():
        text = environment.get(name, "")
        if len(text) * 4 <= IN_A_FILE_BYTES or size(name, text) <= IN_A_FILE_BYTES:
            continue
        path = os.path.join(folder, name.lower() + ".json")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        del environment[name]
        environment[name + FILE] = path


def fitting(variables: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Returns the variables that a program can be started with, and the names of those left out, the longest first."""
    sizes = {name: size(name, text) for name, text in variables.items()}
    total, left_out = sum(sizes.values()), []
    for name in sorted(sizes, key=lambda name: -sizes[name]):
        if sizes[name] <= LONGEST_BYTES and total <= ALL_BYTES:
            break
        left_out.append(name)
        total -= sizes[name]
    out = set(left_out)
    return {name: text for name, text in variables.items() if name not in out}, left_out


def size(name: str, text: str) -> int:
    """Bytes of ``NAME=value``."""
    return len(os.fsencode(name)) + 1 + len(text.encode("utf-8", "surrogateescape"))


def too_long(argv: list[str], environment: Mapping[str, str]) -> str:
    """Returns the longest part of a command line that the system refused as too long, and what to do."""
    arguments = [(len(os.fsencode(text)), f"its argument {number}") for number, text in enumerate(argv)]
    variables = [(size(name, text), f"the environment variable {name}") for name, text in environment.items()]
    longest, what = max([*arguments, *variables], key=lambda pair: pair[0])
    total = sum(count for count, _ in arguments) + sum(count for count, _ in variables)
    return (
        f"argument list too long: arguments and environment variables have {total:,} bytes, of which {what} has "
        f"{longest:,}; Linux allows {LONGEST_BYTES:,} for one of them and some 2 MB in total. Read large "
        "hyperparameters with Run.get_context().params instead of naming them in the command, or choose among names "
        "or files"
    )
