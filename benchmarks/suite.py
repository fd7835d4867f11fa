"""All benchmarks one after the other, and what came of them.

    python benchmarks/suite.py                      prints
    python benchmarks/suite.py --write              and writes docs/performance.md (--peers-python P: beside peers)
    python benchmarks/suite.py --quick --compare    names the ratios that got worse; two minutes
    python benchmarks/suite.py --quick --store      stores the ratios to compare with

A comparison looks at ratios only, each measured within one run, and calls one worse that lost a third: machines are
noisy, and a guard that cries wolf is not listened to.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _common import Figure

HERE = Path(__file__).parent
STORED = HERE / "ratios.json"
PAGE = HERE.parent / "docs" / "performance.md"
BEGIN, END = "<!-- figures: written by benchmarks/suite.py -->", "<!-- /figures -->"
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
    "resume",
    "long_run",
]
QUICK = ["startup", "bookkeeping", "sleepers", "early_stop", "scripts"]
WORSE = 1.5


def main() -> int:
    """Runs, prints, writes; returns 1 when something got worse."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="names of benchmarks, with commas")
    parser.add_argument("--peers-python", default="", help="interpreter of an environment with Ray Tune and Optuna")
    parser.add_argument("--quick", action="store_true", help="few of them, small")
    parser.add_argument("--write", action="store_true", help=f"write the figures into {PAGE.name}")
    parser.add_argument("--compare", action="store_true", help=f"compare the ratios with {STORED.name}")
    parser.add_argument("--store", action="store_true", help=f"store the ratios in {STORED.name}")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else QUICK if options.quick else ALL
    records = {name: run(name, options) for name in names}
    figures = [figure for record in records.values() for figure in record["figures"]]
    if options.write:
        write_page(records)
    if options.store:
        STORED.write_text(json.dumps(ratios(figures), indent=1) + "\n")
    missed = [figure for figure in figures if figure.reached is False]
    print(f"\n{sum(figure.reached is True for figure in figures)} reached, {len(missed)} not")
    for figure in missed:
        print(f"not reached: {figure.line()}")
    return report_worse(figures) if options.compare else 0


def run(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Runs one benchmark in a process of its own and returns what it measured."""
    print(f"\n== {name}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "figures.json")
        command = [sys.executable, str(HERE / f"{name}.py"), "--json", str(file)]
        command += ["--quick"] * options.quick
        if options.peers_python:
            command += ["--peers-python", options.peers_python]
        began = time.monotonic()
        done = subprocess.run(command, check=False)
        print(f"took {time.monotonic() - began:.0f} s", flush=True)
        if done.returncode:
            raise SystemExit(f"{name} ended with {done.returncode}")
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


def write_page(records: dict[str, dict[str, Any]]) -> None:
    """Puts tables of all figures between the marks of the page."""
    first = next(iter(records.values()))
    lines = [BEGIN, "", f"{first['setting'].split(', load')[0]}, {platform.machine()}, bytecode compiled.", ""]
    for name, record in records.items():
        lines += [
            f"### `benchmarks/{name}.py` (load {record['load']})",
            "",
            "| what | median (range) | beside it | ratio | reach |",
        ]
        lines += ["|---|---|---|---|---|", *map(row, record["figures"]), ""]
    text = PAGE.read_text()
    PAGE.write_text(text[: text.index(BEGIN)] + "\n".join([*lines, END]) + text[text.index(END) + len(END) :])
    print(f"wrote {os.path.relpath(PAGE)}")


def row(figure: Figure) -> str:
    """Returns a figure as a row of the page's table."""
    beside = f"{figure.peer}: {number(figure.peer_values or [])}" if figure.peer_values else ""
    ratio = "" if figure.ratio is None else f"{figure.ratio:.3g}"
    reach = "" if figure.reached is None else f"{figure.reach}: {'yes' if figure.reached else '**no**'}"
    return f"| {figure.what} | {number(figure.values)} {figure.unit} | {beside} | {ratio} | {reach} |"


def number(values: list[float]) -> str:
    """Returns the median, and the range where there is one, with three digits that count."""
    ordered = sorted(values)
    median = f"{ordered[len(ordered) // 2]:.4g}"
    return median if len(values) == 1 else f"{median} ({ordered[0]:.3g} to {ordered[-1]:.3g})"


if __name__ == "__main__":
    raise SystemExit(main())
