"""What the benchmarks share: figures with what they are held against, an embedded Ray, and under what they ran."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import cache_from_source, find_spec
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """Something measured, and where there is one what it is held against, measured in the same run."""

    key: str
    """Names it for good: stored ratios are found by it."""
    what: str
    values: list[float]
    """One for each repetition."""
    unit: str
    peer: str = ""
    """What the ratio is to; empty where there is nothing to compare with."""
    peer_values: list[float] | None = None
    reach: str = ""
    """What is to be reached: ``>= 0.7`` or ``<= 20`` of the ratio, or of the value where there is no peer."""

    @property
    def value(self) -> float:
        """The median."""
        return statistics.median(self.values)

    @property
    def ratio(self) -> float | None:
        """Median to the peer's median."""
        return self.value / statistics.median(self.peer_values) if self.peer_values else None

    @property
    def reached(self) -> bool | None:
        """Whether it is; None where nothing is asked."""
        if not self.reach:
            return None
        sign, bound = self.reach.split()
        found = self.value if self.ratio is None else self.ratio
        return found >= float(bound) if sign == ">=" else found <= float(bound)

    def line(self) -> str:
        """Returns it for people."""
        digits = 0 if self.value >= 1000 else 1 if self.value >= 10 else 3
        text = f"{self.what:<54} {spread(self.values, digits)} {self.unit}"
        if self.peer_values:
            text += f"; {self.peer}: {spread(self.peer_values, digits)}; ratio {self.ratio:.3g}"
        if self.reach:
            text += f" (reach {self.reach}: {'yes' if self.reached else 'NO'})"
        return text


Say = Callable[[Figure], None]


def benchmark(description: str, measure: Callable[[argparse.Namespace, Say], None], add: Any = None) -> None:
    """Runs a benchmark's command line: prints each figure when it is known, and writes all of them as JSON if asked.

    Args:
        description: What is measured; the module's docstring.
        measure: Is given the options and a function that takes each figure.
        add: Adds options of the benchmark's own to the parser.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers-python", default="", help="interpreter of an environment with Ray Tune and Optuna")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, smaller sizes")
    parser.add_argument("--rounds", type=int, default=3, help="repetitions of what is short; 1 with --quick")
    parser.add_argument("--json", default="", metavar="FILE", help="write the figures there, too")
    if add is not None:
        add(parser)
    options = parser.parse_args()
    options.rounds = 1 if options.quick else options.rounds
    figures: list[Figure] = []
    began = os.getloadavg()[0]

    def say(figure: Figure) -> None:
        figures.append(figure)
        print(figure.line(), flush=True)

    print(setting(), flush=True)
    measure(options, say)
    load = f"{began:.1f} to {os.getloadavg()[0]:.1f}"
    print(f"load {load}")
    if options.json:
        record = {"setting": setting(), "load": load, "figures": [asdict(figure) for figure in figures]}
        Path(options.json).write_text(json.dumps(record))


SHORT_ROUNDS = 3
"""What takes less than a second or two is measured at least so often: a busy moment of the machine is as long."""


def short_rounds(options: argparse.Namespace) -> int:
    """Returns how often to repeat what is short."""
    return 1 if options.quick else max(SHORT_ROUNDS, options.rounds)


def peer(python: str, script: str, *arguments: object) -> dict[str, Any]:
    """Returns what a peer's script measured, run in the peers' environment.

    Args:
        python: Interpreter of that environment.
        script: File beside this one; prints ``RESULT`` and a JSON object.
        arguments: Passed on as text.
    """
    command = [os.path.abspath(python), str(Path(__file__).with_name(script)), *map(str, arguments)]
    env = {**os.environ, "PYTHONWARNINGS": "ignore", "RAY_USAGE_STATS_ENABLED": "0"}
    env.pop("PYTHONPATH", None)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=env, check=False)
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            answer: dict[str, Any] = json.loads(line[7:])
            return answer
    raise SystemExit(f"{' '.join(command)}: {done.stderr.strip()[-800:]}")


def setting() -> str:
    """Returns versions, machine, load and bytecode state: without them no figure means anything."""
    spec = find_spec("ray")
    compiled = spec is not None and spec.origin is not None and os.path.exists(cache_from_source(spec.origin))
    if sys.dont_write_bytecode and not compiled:
        bytecode = "NOT COMPILED: every process compiles its imports again, these figures are worthless"
    else:
        bytecode = "compiled" if compiled else "not compiled yet (run it twice)"
    return (
        f"raydrive {metadata.version('raydrive')}, ray {metadata.version('ray')}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores, load {' '.join(f'{load:.1f}' for load in os.getloadavg())}, bytecode {bytecode}"
    )


@contextlib.contextmanager
def embedded_ray(cpus: int = 8) -> Iterator[None]:
    """Starts a Ray of its own, as raydrive does, and ends it; ``cpus`` is what Ray counts, not what there is."""
    import ray

    from raydrive.runtime.ray_cluster.embedded_ray import start_ray

    start_ray(cpus, log_to_driver=False, logging_level="ERROR", namespace="raydrive")
    try:
        yield
    finally:
        ray.shutdown()


def facts_of(run: Any) -> list[Any]:
    """Returns the facts of a run, from its journal: what counts is what is durable."""
    from raydrive.storage.journal.writer import JournalReader

    return [fact for fact, _ in JournalReader(run.layout.journal).read()]


def sweep_of(
    run_config: Any, trials: int, at_once: int, *, cpus: float = 1.0, space: dict[str, Any] | None = None, **more: Any
) -> Any:
    """Returns the configuration of a run: random sampling of ``space`` (else of a number x), the most of ``score``."""
    from raydrive import HyperDriveConfig, RandomParameterSampling, Resources, uniform

    sampling = RandomParameterSampling(space if space is not None else {"x": uniform(0, 1)})
    named = {"run_config": run_config, "seed": 0, "resources": Resources(cpus=cpus), **more}
    return HyperDriveConfig(sampling, "score", "maximize", trials, at_once, **named)


def ends_of(facts: Sequence[Any]) -> list[tuple[float, str]]:
    """Returns when each trial ended, in that order, and the name of its actor."""
    actors = {fact.trial: fact.actor for fact in facts if type(fact).__name__ == "Began"}
    return [(fact.at, actors[fact.trial]) for fact in facts if type(fact).__name__ == "Ended"]


def ends_when_all_work(facts: Sequence[Any], warm: int = 1, left: int = 0) -> list[float]:
    """Returns when trials ended, from when every actor has had one on: many actors that start at once say nothing.

    Args:
        facts: Of the run.
        warm: At least so many trials end before.
        left: An actor that works only when so many trials are left is not waited for.
    """
    ends = ends_of(facts)
    first: dict[str, float] = {}
    for end, actor in ends[: len(ends) - left]:
        first.setdefault(actor, end)
    begin = max(*first.values(), ends[warm - 1][0])
    return [end for end, _ in ends if end >= begin]


def percentile(values: Sequence[float], percent: float) -> float:
    """Returns the nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(percent / 100 * (len(ordered) - 1)))]


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Returns median, smallest and largest as text."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"
