"""Errors of scripts for older libraries are recognised by the line that names them, and by nothing else."""

from __future__ import annotations

import pytest

from raydrive.core.reports.older_libraries import of_older_library


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("ModuleNotFoundError: No module named 'sklearn.externals.joblib'", "scikit-learn before 0.23"),
        ("ImportError: cannot import name 'joblib' from 'sklearn.externals' (/x.py)", "scikit-learn before 0.23"),
        ("TypeError: got an unexpected keyword argument 'squared'", "scikit-learn before 1.6"),
        (
            "sklearn.utils._param_validation.InvalidParameterError: The 'penalty' parameter of LogisticRegression must "
            "be a str among {'l1', 'l2'} or None. Got 'none' instead.",
            "scikit-learn before 1.4",
        ),
        (
            "sklearn.utils._param_validation.InvalidParameterError: The 'max_features' parameter of "
            "RandomForestRegressor must be an int in the range [1, inf). Got 'auto' instead.",
            "scikit-learn before 1.3",
        ),
        (
            "TypeError: LinearRegression.__init__() got an unexpected keyword argument 'normalize'",
            "scikit-learn before 1.2",
        ),
        ("TypeError: OneHotEncoder.__init__() got an unexpected keyword argument 'sparse'", "scikit-learn before 1.4"),
        ("AttributeError: module 'numpy' has no attribute 'float'.", "numpy before 1.24"),
        ("AttributeError: 'DataFrame' object has no attribute 'append'. Did you mean: '_append'?", "pandas before 2.0"),
        ("AttributeError: module 'tensorflow' has no attribute 'Session'", "TensorFlow before 2.0"),
        ("ValueError: Argument(s) not recognized: {'lr': 0.1}", "Keras before 3 (TensorFlow before 2.16)"),
        ("ModuleNotFoundError: No module named 'distutils'", "Python before 3.12"),
        ("ImportError: cannot import name 'Mapping' from 'collections' (/x.py)", "Python before 3.10"),
    ],
)
def test_the_library_is_named(line: str, version: str) -> None:
    assert of_older_library(["Traceback (most recent call last):", '  File "train.py", line 3', line]) == (
        line,
        version,
    )


def test_an_error_of_several_lines_is_its_first() -> None:
    lines = [
        "AttributeError: module 'numpy' has no attribute 'int'.",
        "`np.int` was an alias.",
        "    https://numpy.org/",
    ]
    assert of_older_library(lines) == (lines[0], "numpy before 1.24")


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["ValueError: x"],
        ["AttributeError: module 'numpy' has no attribute 'nothing'"],
        ["AttributeError: module 'numpy' has no attribute 'float'.", "", "During handling", "KeyError: 'acc'"],
        ["print: module 'numpy' has no attribute 'float'"],
    ],
)
def test_other_ends_are_left_alone(lines: list[str]) -> None:
    assert of_older_library(lines) is None
