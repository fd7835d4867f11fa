"""Errors of scripts that were written for older libraries: which library it is, and the last version that has the name.

The versions are those of the release notes of scikit-learn, NumPy, pandas, TensorFlow, Keras and Python.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_LONGEST_LINE = 2_000
"""Characters of a line that are searched."""
_ERROR = re.compile(r"[\w.]*(?:Error|Exception)\b")
"""The beginning of the line of a traceback that names the error."""


_SIGNS: tuple[tuple[str, str], ...] = tuple(
    (sign, version)
    for version, signs in {
        "scikit-learn before 0.23": (
            r"No module named 'sklearn\.externals\.(?:joblib|six)'",
            r"cannot import name '(?:joblib|six)' from 'sklearn\.externals'",
        ),
        "scikit-learn before 0.24": (
            r"No module named 'sklearn\.(?:utils\.testing|metrics\.scorer|ensemble\.forest)'",
        ),
        "scikit-learn before 1.2": (
            r"unexpected keyword argument 'normalize'",
            r"`load_boston` has been removed",
            r"cannot import name '(?:load_boston|plot_confusion_matrix|plot_roc_curve|plot_precision_recall_curve)'",
            r"object has no attribute 'get_feature_names'",
        ),
        "scikit-learn before 1.3": (r"The 'max_features' parameter of \w+ must be .*Got 'auto' instead",),
        "scikit-learn before 1.4": (
            r"The 'penalty' parameter of \w+ must be .*Got 'none' instead",
            r"(?:OneHotEncoder|__init__)\S* got an unexpected keyword argument 'sparse'",
            r"unexpected keyword argument 'base_estimator'",
        ),
        "scikit-learn before 1.6": (r"unexpected keyword argument 'squared'",),
        "scikit-learn before 1.7": (r"LogisticRegression\S* got an unexpected keyword argument 'multi_class'",),
        "numpy before 1.24": (r"module 'numpy' has no attribute '(?:float|int|bool|object|str|complex|long)'",),
        "numpy before 2.0": (r"was removed in the NumPy 2\.0 release",),
        "pandas before 2.0": (
            r"'(?:DataFrame|Series)' object has no attribute '(?:append|iteritems|mad)'",
            r"module 'pandas' has no attribute '(?:Int64Index|Float64Index|Panel)'",
        ),
        "TensorFlow before 2.0": (
            r"module 'tensorflow' has no attribute '(?:Session|placeholder|get_default_graph|set_random_seed|app|flags|"
            r"global_variables_initializer|ConfigProto|layers|truncated_normal|contrib)'",
            r"No module named 'tensorflow\.(?:examples|contrib)'",
        ),
        "Keras before 3 (TensorFlow before 2.16)": (
            r"Argument\(s\) not recognized: \{'(?:lr|decay)'",
            r"No module named 'keras\.(?:wrappers|layers\.\w+|utils\.np_utils|preprocessing\.image|optimizers\.\w+)'",
            r"cannot import name 'np_utils' from 'keras",
            r"The filepath provided must end in `\.keras`",
        ),
        "Python before 3.10": (
            r"cannot import name '\w+' from 'collections'",
            r"module 'collections' has no attribute",
        ),
        "Python before 3.12": (r"No module named '(?:imp|distutils)(?:\.\w+)*'",),
    }.items()
    for sign in signs
)


def of_older_library(lines: Sequence[str]) -> tuple[str, str] | None:
    """Returns the line of an error that an older library would not raise, and what has the name.

    Args:
        lines: The last lines of a log, the newest last; errors may have several.

    Returns:
        The line, and such as ``numpy before 1.24``; None where no line is known.

    >>> of_older_library(["AttributeError: module 'numpy' has no attribute 'float'.", "", "notes: https://numpy.org"])[1]
    'numpy before 1.24'
    """
    for line in reversed(lines):
        if _ERROR.match(line):
            found = (version for sign, version in _SIGNS if re.search(sign, line[:_LONGEST_LINE]))
            return next(((line.strip(), version) for version in found), None)
    return None
