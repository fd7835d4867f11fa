"""``RaydriveSearchCV`` and ``RaydriveGridSearchCV``: scikit-learn's searches with trials, policies and samplers."""

import sklearn

if tuple(int(part) for part in sklearn.__version__.split(".")[:2]) < (1, 5):
    raise ImportError(
        f"raydrive's searches: found scikit-learn {sklearn.__version__}; expected 1.5 or newer: "
        "pip install 'scikit-learn>=1.5'"
    )
