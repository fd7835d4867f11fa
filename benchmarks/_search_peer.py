"""The same search by scikit-learn's and Optuna's classes; run by ``search_cv.py``.

    python _search_peer.py CLASS CANDIDATES SEED [trivial]

CLASS is RandomizedSearchCV, HalvingRandomSearchCV or OptunaSearchCV. Its workers start in ``fit``. Prints ``RESULT``
and one JSON object: seconds of ``fit``, the score of the best model on other samples.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from typing import Any

from _search_task import AT_ONCE, FOLDS, SPACE, TRIVIAL_SPACE, Trivial, estimator, samples
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  (allows the next import)
from sklearn.model_selection import HalvingRandomSearchCV, RandomizedSearchCV


def made(name: str, model: Any, space: dict[str, Any], candidates: int, seed: int, folds: int) -> Any:
    """Returns the search."""
    options: dict[str, Any] = {"cv": folds, "n_jobs": AT_ONCE, "random_state": seed}
    if name == "RandomizedSearchCV":
        return RandomizedSearchCV(model, space, n_iter=candidates, **options)
    if name == "HalvingRandomSearchCV":
        return HalvingRandomSearchCV(model, space, n_candidates=candidates, min_resources=100, **options)
    import optuna
    from optuna_integration import OptunaSearchCV

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    bounds = {name: optuna.distributions.FloatDistribution(*one.support(), log=True) for name, one in space.items()}
    return OptunaSearchCV(model, bounds, n_trials=candidates, **options)


def main() -> None:
    """Measures."""
    warnings.simplefilter("ignore")
    name, candidates, seed, trivial = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:] == ["trivial"]
    X, y, X_test, y_test = samples()
    model, space, folds = (Trivial(), TRIVIAL_SPACE, 2) if trivial else (estimator(), SPACE, FOLDS)
    search = made(name, model, space, candidates, seed, folds)
    began = time.perf_counter()
    search.fit(X, y)
    seconds = time.perf_counter() - began
    print("RESULT " + json.dumps({"fit_s": seconds, "score": float(search.score(X_test, y_test))}), flush=True)


if __name__ == "__main__":
    main()
