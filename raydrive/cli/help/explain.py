"""``explain``: the reference of the sweep file's keys, in the terminal."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raydrive.cli.completion import sweep_keys
from raydrive.cli.console import Format, OutputOption, command, emit, tell
from raydrive.cli.help.error_reference import entry_named, error_entries
from raydrive.core.errors import ConfigError, Problem, did_you_mean, show

if TYPE_CHECKING:
    from raydrive.cli.help.error_reference import ErrorEntry
    from raydrive.sweepfile.reference.concepts import Concept
    from raydrive.sweepfile.reference.key_reference import KeyReference

KeyArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY",
        show_default=False,
        autocompletion=sweep_keys,
        help="A key of a sweep file, a policy, an expression, a concept, or the id of an error: limits.timeout, gpus, "
        "bandit, log scale, run-not-found. Without it: all keys.",
    ),
]


def register(app: typer.Typer) -> None:
    """Adds the command."""
    command(app, explain)


def explain(words: KeyArgument = None, output: OutputOption = Format.TABLE) -> int:
    """Explain a KEY of a sweep file: meaning, allowed values, default, an example, Azure ML's equivalent.

    For a concept, such as log scale or time limit: what to write, and its keys. For the id of an error: what it means,
    and what to do.
    """
    from raydrive.sweepfile.reference.concepts import (
        concept_named,
        concepts,
        plain_words,
    )  # lazy: raydrive.sweepfile, 0.1 s
    from raydrive.sweepfile.reference.key_reference import (  # lazy: raydrive.sweepfile, 0.1 s
        find_keys,
        key_reference,
    )

    key = " ".join(words or ())
    if not key:
        rows = [_row(one) for one in key_reference().values()]
        emit(rows, output, name="keys", columns=("key", "text") if output is Format.TABLE else ())
        return 0
    entry = entry_named(key)
    concept = concept_named(key)
    found = find_keys(key.replace(" ", "_"))
    if entry is not None and not found:
        _print_error(entry, output)
        return 0
    if concept is not None and (not found or plain_words(key) in concept.names):
        _print_concept(concept, output)
        return 0
    if not found:
        known = list(key_reference())
        near = [*known, *(one.rpartition(".")[2] for one in known), *(one.id for one in error_entries())]
        near += [name for one in concepts() for name in one.names]
        allowed = "a key of a sweep file, a concept, or the id of an error; `raydrive explain` lists the keys"
        raise ConfigError(Problem("KEY", show(key), allowed, did_you_mean(key, near)))
    if output is not Format.TABLE:
        emit([_row(one) for one in found], output, name="keys")
        return 0
    for number, one in enumerate(found):
        if number:
            tell("")
        _print(one)
    return 0


def _print_concept(concept: Concept, output: Format) -> None:
    """Prints what a concept is, what to write, and the reference of its keys."""
    from raydrive.sweepfile.reference.key_reference import key_reference  # lazy: raydrive.sweepfile, 0.1 s

    entries = [key_reference()[key] for key in concept.keys]
    if output is not Format.TABLE:
        row = {
            "concept": concept.title,
            "text": concept.text,
            "commands": list(concept.commands),
            "example": concept.example,
            "python": concept.python,
            "keys": list(concept.keys),
        }
        emit([row], output, name="concepts")
        return
    tell(concept.title)
    tell(f"  {concept.text}")
    parts = {"example": concept.example, "Python": concept.python, "commands": "\n".join(concept.commands)}
    for name, text in parts.items():
        if text:
            tell(f"  {name}:")
            print("\n".join(f"    {line}".rstrip() for line in text.splitlines()))
    for entry in entries:
        tell("")
        _print(entry)


def _print_error(entry: ErrorEntry, output: Format) -> None:
    if output is not Format.TABLE:
        emit([{"id": entry.id, "text": entry.text, "remedy": entry.remedy}], output, name="errors")
        return
    tell(entry.id)
    tell(f"  {entry.text}")
    tell(f"  What to do: {entry.remedy}")


def _row(entry: KeyReference) -> dict[str, Any]:
    return {**dataclasses.asdict(entry), "azure": entry.in_azure}


def _print(entry: KeyReference) -> None:
    from raydrive.sweepfile.reference.key_reference import keys_below  # lazy: raydrive.sweepfile, 0.1 s

    tell(entry.key)
    tell(f"  {entry.text}")
    lines = {
        "type": entry.type,
        "default": "none: it is required" if entry.required else entry.default or "-",
        "Azure ML": entry.in_azure,
        "below it": ", ".join(keys_below(entry.key)),
    }
    for name, value in lines.items():
        if value:
            tell(f"  {name + ':':<10}{value}")
    if entry.example:
        tell("  example:")
        for line in entry.example.splitlines():
            print(f"    {line}")
