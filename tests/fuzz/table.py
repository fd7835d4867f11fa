"""``make fuzz``: every fuzzer for so many seconds, with new seeds; prints the table of docs/reliability.md.

python tests/fuzz/table.py --seconds 600
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import damaged_runs as damage
import test_fuzz_api
import test_fuzz_cli
import test_fuzz_config
import test_fuzz_wire

Row = tuple[int, int, int, int]
"""Cases, silent losses, tracebacks, hangs."""


def of_tally(tally: damage.Tally) -> Row:
    for text in tally.wrong[:5]:
        print(text, file=sys.stderr)
    return tally.cases, len(tally.silent), len(tally.tracebacks), len(tally.hangs)


def of_count(count: Any) -> Row:
    for text in [*count.tracebacks[:5], *count.hangs[:5]]:
        print(text, file=sys.stderr)
    return count.cases, 0, len(count.tracebacks), len(count.hangs)


def in_folder(fuzz: Callable[[Path], Any]) -> Any:
    """Calls a fuzzer with an empty folder that is the current one, and its storage."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["RAYDRIVE_STORAGE"] = f"{folder}/storage"
        try:
            return fuzz(Path(folder))
        finally:
            os.chdir(before)


def stored_runs(place: Path, seed: int) -> dict[str, Row]:
    """One round over a run in segments and one with a snapshot."""
    rows: dict[str, Row] = {}
    for compacted in (False, True):
        base = Path(damage.recorded(place / f"{seed}-{compacted}", compacted=compacted).uri)
        damaged = place / "damaged"
        fuzzers: dict[str, Callable[[], damage.Tally]] = {
            "the last segment cut at each byte": lambda: damage.truncations(base, damaged),  # noqa: B023
            "a bit flipped in journal or snapshot": lambda: damage.flips(base, damaged, "journal/*", 2000, seed),  # noqa: B023
            "a bit flipped in config.json or driver.json": lambda: damage.flips(base, damaged, "*.json", 500, seed),  # noqa: B023
            "zeros or another page in the journal": lambda: damage.holes(base, damaged, 500, seed),  # noqa: B023
            "a file deleted, emptied, exchanged, a folder": lambda: damage.missing_files(base, damaged),  # noqa: B023
            "another type in config.json": lambda: damage.mutations(base, damaged, "config.json", 500, seed),  # noqa: B023
            "another type in driver.json": lambda: damage.mutations(base, damaged, "driver.json", 150, seed),  # noqa: B023
        }
        for name, fuzz in fuzzers.items():
            add(rows, name, of_tally(fuzz()))
    return rows


def add(rows: dict[str, Row], name: str, row: Row) -> None:
    before = rows.get(name, (0, 0, 0, 0))
    rows[name] = (before[0] + row[0], before[1] + row[1], before[2] + row[2], before[3] + row[3])


def main() -> int:
    """Prints the table; the exit code says whether all was well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long to go on with new seeds")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    options = parser.parse_args()
    rows: dict[str, Row] = {}
    end, seed = time.monotonic() + options.seconds, options.seed
    add(rows, "a wrong-typed Python call", of_count(in_folder(test_fuzz_api.run_api_fuzz)))
    add(rows, "an odd argument of a command", of_count(in_folder(test_fuzz_cli.run_cli_fuzz)))
    with tempfile.TemporaryDirectory() as place:
        while seed == options.seed or time.monotonic() < end:
            config = in_folder(lambda folder: test_fuzz_config.run_config_fuzz(folder, seed=seed))  # noqa: B023
            add(rows, "a mutated sweep file, setting or override", of_count(config))
            add(rows, "a line on the socket", of_tally(test_fuzz_wire.run_wire_fuzz(600, seed)))
            for name, row in stored_runs(Path(place), seed).items():
                add(rows, name, row)
            seed += 1
    print("| what is damaged or odd | cases | silent losses | tracebacks | over 10 s |\n|---|---|---|---|---|")
    for name, (cases, *wrong) in rows.items():
        print(f"| {name} | {cases:,} | {' | '.join(map(str, wrong))} |")
    print(f"\n{seed - options.seed} seeds, from {options.seed} on")
    return int(any(sum(row[1:]) for row in rows.values()))


if __name__ == "__main__":
    sys.exit(main())
