"""A small job from a fresh process: ten scikit-learn fits, two at a time, Ray started and ended.

python benchmarks/first_result.py --peers-python .venv-peers/bin/python
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from typing import Any

from _common import Figure, Say, benchmark, peer, short_rounds


def measure(options: argparse.Namespace, say: Say) -> None:
    """Measures in turns with the peer."""
    first, whole, first_tune, whole_tune = [], [], [], []
    for _ in range(short_rounds(options)):
        ours = raydrive()
        first.append(ours["first_s"])
        whole.append(ours["all_s"])
        if options.peers_python:
            tune = peer(options.peers_python, "_tune_peer.py", "fits", 10)
            first_tune.append(tune["first_s"])
            whole_tune.append(tune["all_s"])
    for key, what, values, others in (
        ("first", "fresh process to the first result, Ray's start included", first, first_tune),
        ("fits", "10 scikit-learn fits from a fresh process", whole, whole_tune),
    ):
        reach = "<= 0.6" if others else ""
        say(Figure(f"first_result.{key}", what, values, "s", "Ray Tune" if others else "", others or None, reach))


def raydrive() -> dict[str, float]:
    """Returns what a fresh process of this file measured."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command = [sys.executable, __file__, "--child", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            answer: dict[str, float] = json.loads(line[7:])
            return answer
    raise SystemExit(f"{' '.join(command)}: {done.stderr.strip()[-800:]}")


def train(params: dict[str, Any]) -> None:
    """One fit."""
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    from raydrive import Run

    data = load_digits()
    model = LogisticRegression(C=params["C"], max_iter=50).fit(data.data[:500], data.target[:500])
    Run.get_context().log("accuracy", float(model.score(data.data[500:], data.target[500:])))


def child(folder: str) -> None:
    """The job itself."""
    started = time.time()
    from _common import facts_of

    import raydrive as rd

    run = rd.tune(
        train,
        {"C": rd.loguniform(-7, 4.6)},
        metric="accuracy",
        goal="maximize",
        max_total_runs=10,
        max_concurrent_runs=2,
        storage=folder,
        show_output=False,
    )
    done = time.time()
    reported = min(fact.at for fact in facts_of(run) if type(fact).__name__ == "Reported")
    print("RESULT " + json.dumps({"first_s": reported - started, "all_s": done - started}), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2])
    else:
        benchmark(__doc__, measure)
