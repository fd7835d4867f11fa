"""Finds the primary metric in a script's output by its name, without a pattern: ``metric_from_stdout``."""

from __future__ import annotations

from raydrive.core.config.stdout_metrics import FOUND
from raydrive.core.reports.printed_pairs import ALONE, PrintedPair, PrintedPairs, pairs_of
from raydrive.core.reports.stdout_parser import Message, PrintedReader

MOST_BYTES = 1 << 20
"""Bytes of output that are kept until the metric is found in them."""


class FindingReader:
    """Looks for the primary metric in what arrives, and reads it as ``PrintedReader`` does once it is found.

    A name that is printed exactly as the primary metric is taken at once; one that is like it when something is printed
    for the second time, so that a better one of the same epoch had its turn.

    Args:
        primary: Name of the primary metric.
        python: Whether the run was configured in Python, for the setting that is reported; else in a sweep file.
    """

    def __init__(self, primary: str, python: bool) -> None:
        self._primary, self._python = primary, python
        self._pairs = PrintedPairs()
        self._kept = b""
        self._line = b""
        """The line that has not ended yet."""
        self._reader: PrintedReader | None = None
        self._told: list[tuple[str, bool]] = []

    def feed(self, data: bytes, *, last: bool = False) -> list[Message]:
        """Returns what the lines that are now complete log; see ``PrintedReader.feed``."""
        if self._reader is not None:
            return self._reader.feed(data, last=last)
        self._kept = (self._kept + data)[-MOST_BYTES:]
        *lines, self._line = (self._line + data).replace(b"\r", b"\n").split(b"\n")
        self._line = self._line[-MOST_BYTES:]
        if last and self._line:
            lines.append(self._line)
        before = self._pairs.lines
        for line in lines:
            self._pairs.add(line.decode("utf-8", "replace"))
            if self._pairs.is_surely(self._primary):
                break
        if self._pairs.lines == before and not last:
            return []  # as at the last call: a script that prints more than is looked at must not pay for each chunk
        found = self._pairs.found(self._primary)
        if found is None or not (last or self._pairs.repeated or self._pairs.is_surely(self._primary)):
            return []
        self._reader = PrintedReader(found.spec(), self._primary)
        self._told = [
            (f"{FOUND[self._python]} {found.name!r} by {found.setting(self._python)}", True)
        ]  # its user has to hear it
        kept, self._kept = self._kept, b""
        return self._reader.feed(kept, last=last)

    def notices(self) -> list[tuple[str, bool]]:
        """Returns what the trial's log should say, each once, and whether something is lost by it."""
        told, self._told = self._told, []
        return told + (self._reader.notices() if self._reader is not None else [])

    def skipped(self) -> None:
        """Notes that a part of the output could not be looked at."""
        self._kept = self._line = b""
        if self._reader is not None:
            self._reader.skipped()

    def nearly(self) -> str:
        """Returns why the primary metric was not found."""
        if self._reader is not None:
            return self._reader.nearly()
        names = ", ".join(map(repr, self._pairs.names()[:8]))
        printed = f"the names printed with a number are {names}" if names else "no number was printed with a name"
        setting = "metric_from_stdout" if self._python else "format: auto"
        return f"{setting} found no {self._primary!r} in {_lines(self._pairs.lines)}: {printed}"


def proposal(log: str, primary: str, *, python: bool, logged: bool) -> str:
    """Returns how to read the primary metric of a script that only prints; empty where its log tells nothing.

    Args:
        log: What the script has printed.
        primary: Name of the primary metric.
        python: Whether the run was configured in Python; else in a sweep file.
        logged: Whether the script has logged something: then only what is called like the primary metric is reported.
    """
    pairs = pairs_of(log.splitlines())
    found = pairs.found(primary) or (None if logged else pairs.alone(primary))
    if found is not None:
        return f"it printed {_where(found, pairs)}; {_how(found, python)}"
    names = pairs.names()
    if logged or not names:
        return ""
    other = pairs.found(names[0])
    listed = ", ".join(map(repr, names[:8]))
    if other is None:
        return ""
    tune = f"to tune for {names[0]!r}, make it the primary metric, and {_how(other, python)}"
    return f"it printed numbers with the names {listed}; {tune}"


def _where(found: PrintedPair, pairs: PrintedPairs) -> str:
    values = ", ".join(found.values) + (", ..." if found.lines > len(found.values) else "")
    return f"{_named(found.name)} in {found.lines} of {_lines(pairs.lines)} ({values})"


def _named(name: str) -> str:
    return name if name == ALONE else repr(name)


def _how(found: PrintedPair, python: bool) -> str:
    if python:
        return f"give HyperDriveConfig metric_from_stdout=True, or ScriptRunConfig {found.setting(True)}"
    return f"submit with --metric-from-stdout, or write under raydrive: {found.setting(False)}"


def _lines(count: int) -> str:
    return f"{count} line{'s' * (count != 1)}"
