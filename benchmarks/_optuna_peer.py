"""Trivial trials on Optuna with processes; run by ``bookkeeping.py`` in the environment named by ``--peers-python``.

    python _optuna_peer.py TRIALS PROCESSES

The processes share a study in a journal file, as Optuna's documentation advises for one machine; a trial has no process
of its own there. Prints ``RESULT`` and one JSON object: seconds per trial.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import tempfile
import time

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend


def _objective(trial: optuna.Trial) -> float:
    return trial.suggest_float("x", 0, 1)


def _work(path: str, trials: int) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.load_study(
        study_name="trivial", storage=JournalStorage(JournalFileBackend(path)), sampler=optuna.samplers.RandomSampler()
    )
    study.optimize(_objective, n_trials=trials)


def main() -> None:
    """Measures."""
    trials, processes = int(sys.argv[1]), int(sys.argv[2])
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    path = tempfile.mkdtemp() + "/journal.log"
    optuna.create_study(study_name="trivial", storage=JournalStorage(JournalFileBackend(path)))
    workers = [multiprocessing.Process(target=_work, args=(path, trials // processes)) for _ in range(processes)]
    began = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    took = time.perf_counter() - began
    print("RESULT " + json.dumps({"optuna": optuna.__version__, "s": took / trials}))


if __name__ == "__main__":
    main()
