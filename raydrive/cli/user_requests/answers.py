"""How these commands answer: what was recorded, and when it takes effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raydrive.cli.console import Format, emit, emit_json, resolve, say, tell

if TYPE_CHECKING:
    from raydrive.api.user_requests.steer import Answer


def dashboard(address: str | None) -> str | None:
    """Returns the address of the cluster: the flag, else the environment, else the nearest raydrive.toml."""
    from raydrive.settings.nearest import read_place  # lazy: raydrive.settings.nearest, 0.001 s

    return resolve(address, "RAY_ADDRESS", "--address", read_place().address)


def print_answer(run: str, answer: Answer, output: Format, *, dry_run: bool = False) -> int:
    """Prints an answer and returns the exit code.

    Args:
        run: Id of the run.
        answer: What became of the request.
        output: How to print.
        dry_run: Whether nothing was recorded.
    """
    if output is Format.JSON:
        emit_json({"run": run, "dry_run": dry_run, **answer.to_json()})
        return 0
    if output is Format.CSV:
        emit([{"recorded": line} for line in answer.recorded], output, name="recorded")
        return 0
    for line in answer.recorded:
        tell(line)
    for note in answer.notes:
        say(f"Note: {note}")
    if not answer.recorded:
        say("Nothing was recorded.")
        return 0
    head = "Nothing was recorded. It would take effect" if dry_run else "Recorded. It takes effect"
    say(f"{head}: {answer.effect}.")
    return 0
