"""Searches inside scikit-learn, two candidates at a time: seconds of ``fit``, and the best model on other samples.

python benchmarks/search_cv.py --peers-python .venv-integrations/bin/python

Each has the same number of candidates, and starts its workers in ``fit``; the Ray that raydrive connects to is there.
Without ``--peers-python`` scikit-learn's own searches are measured in this environment, and Optuna's is left out.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from typing import Any

from _common import Figure, Say, benchmark, embedded_ray, peer
from _search_task import AT_ONCE, FOLDS, SPACE, TRIVIAL_SPACE, Trivial, estimator, samples

CANDIDATES, FEW, MANY = 40, 4, 204
PEER, RANDOM = "_search_peer.py", "RandomizedSearchCV"
BANDIT = {"type": "bandit", "slack_amount": 0.02, "delay_evaluation": 1}


def measure(options: argparse.Namespace, say: Say) -> None:
    """Measures in turns with the peers."""
    python = options.peers_python or sys.executable
    names = ["RandomizedSearchCV", "HalvingRandomSearchCV", *(["OptunaSearchCV"] if options.peers_python else [])]
    candidates = 12 if options.quick else CANDIDATES
    few, further, their_few, their_further = [], [], [], []
    ours: list[dict[str, float]] = []
    theirs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    with embedded_ray(AT_ONCE), tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for seed in range(options.rounds):
            for starts, each, fit in (
                (few, further, lambda count: search(folder, Trivial(), TRIVIAL_SPACE, count, seed, 2, None)),  # noqa: B023
                (their_few, their_further, lambda count: peer(python, PEER, RANDOM, count, seed, "trivial")),  # noqa: B023
            ):
                short, long = fit(FEW)["fit_s"], fit(MANY)["fit_s"]
                starts.append(short)
                each.append(1000 * (long - short) / (MANY - FEW))
            ours.append(search(folder, estimator(), SPACE, candidates, seed, FOLDS, BANDIT))
            for name in names:
                theirs[name].append(peer(python, PEER, name, candidates, seed))
    say(Figure("search_cv.start", f"{FEW} candidates that cost nothing", few, "s", RANDOM, their_few))
    say(Figure("search_cv.each", "each further one", further, "ms", RANDOM, their_further))
    say(Figure("search_cv.cost", "the same", further, "ms", reach="<= 10"))
    for name, found in theirs.items():
        what, key = f"{candidates} candidates of {FOLDS} folds, tpe and bandit", name.removesuffix("SearchCV").lower()
        times, their_times = [one["fit_s"] for one in ours], [one["fit_s"] for one in found]
        say(Figure(f"search_cv.{key}", what, times, "s", name, their_times, "<= 1" if "Halving" not in name else ""))
        what = "the best model on other samples, accuracy"
        scores, their_scores = [one["score"] for one in ours], [one["score"] for one in found]
        say(Figure(f"search_cv.{key}_score", what, scores, "", name, their_scores, ">= 0.99"))


def search(
    folder: str, model: Any, space: dict[str, Any], candidates: int, seed: int, folds: int, policy: Any
) -> dict[str, float]:
    """Returns what raydrive's search took and found."""
    from raydrive import RaydriveSearchCV

    X, y, X_test, y_test = samples()
    made = RaydriveSearchCV(
        model,
        space,
        n_trials=candidates,
        sampling="random" if policy is None else "tpe",
        cv=folds,
        policy=policy,
        max_concurrent_runs=AT_ONCE,
        storage=folder,
        random_state=seed,
    )
    began = time.perf_counter()
    made.fit(X, y)
    seconds = time.perf_counter() - began
    return {"fit_s": seconds, "score": float(made.score(X_test, y_test))}


if __name__ == "__main__":
    benchmark(__doc__ or "", measure)
