"""The search that ``search_cv.py`` and ``_search_peer.py`` do: a support vector machine, and a space with much to stop.

scikit-learn only: no raydrive.
"""

from __future__ import annotations

from typing import Any

from scipy.stats import loguniform
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

AT_ONCE, FOLDS = 2, 5
SPACE = {"C": loguniform(1e-3, 1e4), "gamma": loguniform(1e-7, 1e1)}
TRIVIAL_SPACE = {"c": loguniform(1e-3, 1.0)}


class Trivial(ClassifierMixin, BaseEstimator):
    """Costs nothing to fit: what is left is the search itself."""

    def __init__(self, c: float = 0.0) -> None:
        self.c = c

    def fit(self, X: Any, y: Any) -> Trivial:
        """Does nothing."""
        self.classes_ = [0, 1]
        return self

    def predict(self, X: Any) -> Any:
        """Returns zeros."""
        return [0] * len(X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Returns the parameter."""
        return self.c


def samples() -> tuple[Any, Any, Any, Any]:
    """Returns X and y to search on, X and y to test the best model on."""
    X, y = make_classification(4000, 30, n_informative=12, n_classes=4, class_sep=0.8, flip_y=0.05, random_state=0)
    X, X_test, y, y_test = train_test_split(X, y, test_size=1500, random_state=0, stratify=y)
    return X, y, X_test, y_test


def estimator() -> Any:
    """Returns what is tuned."""
    return SVC()
