"""All benchmarks one after the other, and what came of them.

    python benchmarks/suite.py                      prints
    python benchmarks/suite.py --write              and writes benchmarks/LOG.md
    python benchmarks/suite.py --write --times 3    three times in a row: medians, ranges, how often each was reached
    python benchmarks/suite.py --peers-python P     those that have a peer, beside Ray Tune and Optuna
    python benchmarks/suite.py --quick --compare    names the ratios that got worse; two minutes
    python benchmarks/suite.py --quick --store      stores the ratios to compare with

The page is written after each time, so that what was measured stands there when the next one is interrupted. When a
benchmark fails the others go on, and it is said at the end. A comparison looks at ratios only, each measured within one
run, and calls one worse that lost a third: machines are noisy, and a guard that cries wolf is not listened to.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _common import Figure

HERE = Path(__file__).parent
STORED = HERE / "ratios.json"
PAGE = HERE / "LOG.md"
MARKS = ("<!-- figures: written by benchmarks/suite.py -->", "<!-- /figures -->")
PEER_MARKS = ("<!-- peers: written by benchmarks/suite.py -->", "<!-- /peers -->")
ALL = [
    "startup",
    "bookkeeping",
    "sleepers",
    "reports",
    "crowd",
    "many_at_once",
    "early_stop",
    "first_result",
    "scripts",
    "unmodified",
    "memory",
    "checkpoints",
    "resume",
    "long_run",
    "repeats",
    "search_cv",
]
PEERED = ["bookkeeping", "sleepers", "reports", "first_result", "checkpoints", "resume"]
QUICK = ["startup", "bookkeeping", "sleepers", "early_stop", "scripts"]
WORSE = 1.5
Records = dict[str, dict[str, Any]]
"""What benchmarks measured at one time, by name."""


def main() -> int:
    """Runs, prints, writes; returns 1 when something got worse."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="names of benchmarks, with commas")
    parser.add_argument("--peers-python", default="", help="interpreter of an environment with Ray Tune and Optuna")
    parser.add_argument("--quick", action="store_true", help="few of them, small")
    parser.add_argument("--write", action="store_true", help=f"write the figures into {PAGE.name}")
    parser.add_argument("--compare", action="store_true", help=f"compare the ratios with {STORED.name}")
    parser.add_argument("--store", action="store_true", help=f"store the ratios in {STORED.name}")
    parser.add_argument("--times", type=int, default=1, help="how often to run everything")
    parser.add_argument("--rounds", type=int, default=1, help="repetitions within each benchmark")
    options = parser.parse_args()
    names = QUICK if options.quick else PEERED if options.peers_python else ALL
    names = options.only.split(",") if options.only else names
    passes: list[Records] = []
    failed: list[str] = []
    for number in range(options.times):
        began = time.monotonic()
        passes.append({})
        for name in names:
            record = run(name, options)
            if record is None:
                failed.append(name)
            else:
                passes[-1][name] = record
        print(f"\ntime {number + 1} of {options.times} took {(time.monotonic() - began) / 60:.1f} min", flush=True)
        if options.write and any(passes):
            write_page(passes, PEER_MARKS if options.peers_python else MARKS)
    return conclude(passes, failed, options)


def conclude(passes: list[Records], failed: list[str], options: argparse.Namespace) -> int:
    """Says what was reached and stores or compares; returns how the process is to end."""
    groups = [group for name in names_of(passes) for group in grouped(passes, name)]
    figures = [group[0] for group in groups]
    if options.store:
        STORED.write_text(json.dumps(ratios(figures), indent=1) + "\n")
    missed = [group for group in groups if any(figure.reached is False for figure in group)]
    asked = sum(group[0].reached is not None for group in groups)
    print(f"\n{asked - len(missed)} reached, {len(missed)} not each time")
    for group in missed:
        print(f"reached in {sum(figure.reached is True for figure in group)} of {len(group)}: {group[0].line()}")
    for name in failed:
        print(f"FAILED: {name}")
    return 1 if failed else report_worse(figures) if options.compare else 0


def run(name: str, options: argparse.Namespace) -> dict[str, Any] | None:
    """Runs one benchmark in a process of its own and returns what it measured; None when it failed."""
    print(f"\n== {name}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "figures.json")
        command = [sys.executable, str(HERE / f"{name}.py"), "--json", str(file), "--rounds", str(options.rounds)]
        command += ["--quick"] * options.quick
        if options.peers_python:
            command += ["--peers-python", options.peers_python]
        began = time.monotonic()
        done = subprocess.run(command, check=False)
        print(f"took {time.monotonic() - began:.0f} s", flush=True)
        if done.returncode:
            print(f"{name} ended with {done.returncode}", flush=True)
            return None
        record: dict[str, Any] = json.loads(file.read_text())
    record["figures"] = [Figure(**figure) for figure in record["figures"]]
    return record


def ratios(figures: list[Figure]) -> dict[str, float]:
    """Returns by key how far each figure with something to compare is from the good end: larger is better."""
    found = {}
    for figure in figures:
        if figure.ratio is not None and figure.reach:
            found[figure.key] = round(figure.ratio if figure.reach.startswith(">") else 1 / figure.ratio, 4)
    return found


def report_worse(figures: list[Figure]) -> int:
    """Prints the ratios that got worse than the stored ones; returns how the process is to end."""
    stored, worse = json.loads(STORED.read_text()), 0
    for key, now in ratios(figures).items():
        if key in stored and now * WORSE < stored[key]:
            worse += 1
            print(f"worse: {key} was {stored[key]:g}, is {now:g} (larger is better)")
    print(f"{worse} ratios got worse than {1 / WORSE:.2f} of those stored")
    return 1 if worse else 0


def names_of(passes: list[Records]) -> list[str]:
    """Returns the benchmarks that were run, in order."""
    return list(dict.fromkeys(name for records in passes for name in records))


def grouped(passes: list[Records], name: str) -> list[list[Figure]]:
    """Returns the figures of a benchmark; those of the same thing together, one for each time it was measured."""
    found: dict[str, list[Figure]] = {}
    for records in passes:
        for figure in records[name]["figures"] if name in records else ():
            found.setdefault(figure.key, []).append(figure)
    return list(found.values())


def write_page(passes: list[Records], marks: tuple[str, str]) -> None:
    """Puts tables of all figures between the marks of the page."""
    first = next(record for records in passes for record in records.values())
    often = "once" if len(passes) == 1 else f"{len(passes)} times in a row"
    setting = f"{first['setting'].split(', load')[0]}, {platform.machine()}, bytecode compiled; run {often}."
    lines = [marks[0], "", setting, ""]
    for name in names_of(passes):
        loads = ", ".join(records[name]["load"] for records in passes if name in records)
        lines += [f"#### `benchmarks/{name}.py` (load {loads})", ""]
        lines += ["| what | median (range) | beside it | ratio | reach |", "|---|---|---|---|---|"]
        lines += [*map(row, grouped(passes, name)), ""]
    text, (begin, end) = PAGE.read_text(), marks
    PAGE.write_text(text[: text.index(begin)] + "\n".join([*lines, end]) + text[text.index(end) + len(end) :])
    print(f"wrote {os.path.relpath(PAGE)}", flush=True)


def row(group: list[Figure]) -> str:
    """Returns a figure as a row of the page's table.

    Args:
        group: The figure, each time it was measured; the range of a single time is that of its repetitions.
    """
    first, single = group[0], len(group) == 1
    values = first.values if single else [figure.value for figure in group]
    beside, ratio, reach = "", "", ""
    if first.peer_values:
        others = first.peer_values if single else [statistics.median(figure.peer_values or [0]) for figure in group]
        beside = f"{first.peer}: {number(others)}"
        ratio = number([figure.ratio for figure in group if figure.ratio is not None], 3)
    if first.reached is not None:
        times = sum(figure.reached is True for figure in group)
        said = f"in {times} of {len(group)}" if not single else "yes" if times else "no"
        reach = f"{first.reach}: {said if times == len(group) else f'**{said}**'}"
    return f"| {first.what} | {number(values)} {first.unit} | {beside} | {ratio} | {reach} |"


def number(values: list[float], digits: int = 4) -> str:
    """Returns the median, and the range where there is one, with so many digits that count."""
    median = f"{statistics.median(values):.{digits}g}"
    return median if len(values) == 1 else f"{median} ({min(values):.3g} to {max(values):.3g})"


if __name__ == "__main__":
    raise SystemExit(main())
