"""What the benchmarks share: an embedded Ray, what a run's journal says, and the line that says under what they ran."""

from __future__ import annotations

import contextlib
import os
import platform
import statistics
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from importlib.util import cache_from_source, find_spec
from typing import Any


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
    """Starts a Ray of its own and ends it; the number of CPUs is what Ray counts, not what there is."""
    import ray

    ray.init(
        "local",
        num_cpus=cpus,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        namespace="raydrive",
    )
    try:
        yield
    finally:
        ray.shutdown()


def facts_of(run: Any) -> list[Any]:
    """Returns the facts of a run, from its journal: what counts is what is durable."""
    from raydrive.storage.journal import JournalReader

    return [fact for fact, _ in JournalReader(run.layout.journal).read()]


def percentile(values: Sequence[float], percent: float) -> float:
    """Returns the nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(percent / 100 * (len(ordered) - 1)))]


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Returns median, smallest and largest as text."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"
