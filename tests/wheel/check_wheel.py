"""Builds the wheel, installs it into an empty environment outside the checkout, and tries it there: `make wheel-test`.

One line per check; the exit code is 1 if one of them fails, and the last line names those that did.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import checks
from installed import ROOT, Installed, build, install, make_environment, outcome

sys.path.insert(0, str(ROOT / "tests"))
import interpreters

OLDEST = "3.10"
"""The oldest Python that pyproject.toml allows: the tests run on another one, as a rule."""


class Results:
    """The checks so far, printed as they end."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    def take(self, name: str, check: Callable[[], str]) -> bool:
        """Does one check; returns whether it passed."""
        start = time.monotonic()
        passed, seen = outcome(check)
        if not passed:
            self.failed.append(name)
        print(f"{'ok  ' if passed else 'FAIL'}  {name:<40} {time.monotonic() - start:5.1f} s  {seen}", flush=True)
        return passed


def try_wheel(results: Results, wheel: Path, place: Path, python: str) -> None:
    """Installs a wheel and does every check of it.

    Args:
        results: Takes what comes of the checks.
        wheel: The wheel.
        place: An empty folder outside the checkout.
        python: Interpreter of the environment.
    """
    here = Installed(place / "environment", place / "home")

    def install_wheel() -> str:
        make_environment(here.environment, python)
        install(here.environment, str(wheel))
        checks.copy_project(here.folder)
        return f"{wheel.name} in {here.environment}, by {python}"

    results.take("wheel_holds_the_package", partial(checks.wheel_holds_the_package, wheel))
    if results.take("install", install_wheel):
        for check in checks.IN_WHEEL_TEST:
            results.take(check.__name__, partial(check, here))


def main() -> int:
    """Builds and tries; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--python", help=f"interpreter of the environment (default: {OLDEST}, or this one)")
    parser.add_argument("--wheel", type=Path, help="try this wheel instead of building one")
    arguments = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it, and so would children
    results = Results()
    with tempfile.TemporaryDirectory(prefix="raydrive-wheel-", ignore_cleanup_errors=True) as name:
        wheels = [arguments.wheel] if arguments.wheel else []

        def build_wheel() -> str:
            wheel, source = build(Path(name) / "dist")
            wheels.append(wheel)
            return f"{wheel.name}; {checks.source_distribution_holds_the_package(source)} in {source.name}"

        if wheels or results.take("build", build_wheel):
            python = arguments.python or interpreters.find(OLDEST) or sys.executable
            try_wheel(results, wheels[0], Path(name), python)
    print(f"Failed: {', '.join(results.failed)}" if results.failed else "The wheel works.")
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main())
