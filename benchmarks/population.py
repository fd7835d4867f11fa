"""A population on a real task beside Ray Tune's PBT: accuracy, and seconds of training of all members.

python benchmarks/population.py --peers-python .venv-peers/bin/python --seeds 5

Digits with random features and a linear model, eight members, 40 epochs, compared every 5. The seconds are those of the
training steps alone; what the tools cost beyond them is in the wall-clock time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

from _common import Figure, Say, benchmark, embedded_ray

EXAMPLE = Path(__file__).parents[1] / "examples" / "population"
SIZE, EPOCHS, EVERY = 8, 40, 5


def add(parser: argparse.ArgumentParser) -> None:
    """Adds the benchmark's own options."""
    parser.add_argument("--seeds", type=int, default=5, help="populations of each tool")


def measure(options: argparse.Namespace, say: Say) -> None:
    """Measures and says."""
    seeds = range(1 if options.quick else options.seeds)
    with embedded_ray():
        own = [ours(seed) for seed in seeds]
        chosen = [ours(seed, model="pb2") for seed in seeds]
        without = [ours(seed, population=False) for seed in seeds]
    peers = [peer(options.peers_python, seed) for seed in seeds] if options.peers_python else []

    def of(found: list[dict[str, float]], name: str) -> list[float]:
        return [one[name] for one in found]

    for key, what, unit in (
        ("best", "best accuracy of a population", ""),
        ("last", "best accuracy at the end", ""),
        ("seconds", "training steps of all members", "s"),
        ("wall_s", "wall-clock time", "s"),
    ):
        say(Figure(f"population.{key}", what, of(own, key), unit, "Ray Tune's PBT" if peers else "", of(peers, key)))
        say(Figure(f"population.pb2.{key}", f"{what}, chosen by a model", of(chosen, key), unit))
        say(Figure(f"population.without.{key}", f"{what}, without a population", of(without, key), unit))


def ours(seed: int, *, population: bool = True, model: str | None = None) -> dict[str, float]:
    """Returns what comes of the example with a seed; without a population its trials train as they began."""
    from raydrive import (
        Experiment,
        HyperDriveConfig,
        RandomParameterSampling,
        Resources,
        ScriptRunConfig,
        Workspace,
        loguniform,
    )

    given = {"every": EVERY, "max_intervals": EPOCHS, "model": model} if population else None
    config = HyperDriveConfig(
        RandomParameterSampling({"learning_rate": loguniform(-9, 1), "alpha": loguniform(-16, -4)}),
        # In turns: on few cores processes start at very different times, and such short training is over by then.
        *("accuracy", "maximize", SIZE, SIZE // 2),
        run_config=ScriptRunConfig(
            str(EXAMPLE),
            command="python train.py --learning-rate ${{search_space.learning_rate}} --alpha ${{search_space.alpha}} "
            f"--epochs {EPOCHS}",
            preload=["joblib", "sklearn.linear_model", "sklearn.kernel_approximation", "sklearn.datasets"],
        ),
        resources=Resources(cpus=0.1),
        population=given,
        seed=seed,
    )
    began = time.time()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        run = Experiment(Workspace(folder), "population").submit(config)
        run.wait_for_completion()
        wall_s = time.time() - began
        if run.get_status() != "Completed":
            raise SystemExit(f"the run is {run.get_status()}")
        metrics = run.all_metrics()
        seconds = sum(sum(one["seconds"]) for one in metrics.values())
        last = max(run.sweep.curves.last(trial.number) or 0.0 for trial in run.sweep.trials)
        return {"best": run.sweep.best.value, "last": last, "seconds": seconds, "wall_s": wall_s}


def peer(python: str, seed: int) -> dict[str, float]:
    """Returns the same of Ray Tune."""
    command = [python, str(Path(__file__).with_name("_population_peer.py")), *map(str, (seed, SIZE, EPOCHS, EVERY))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    for line in done.stdout.splitlines():
        if line.startswith("RESULT"):
            found: dict[str, float] = json.loads(line.removeprefix("RESULT"))
            return found
    raise SystemExit(f"Ray Tune: {done.stderr[-2000:]}")


if __name__ == "__main__":
    benchmark(__doc__, measure, add)
