"""``azureml.train.hyperdrive.parameter_expressions``."""

from raydrive.compat.azureml._names import complete
from raydrive.core.space.search_space import (
    choice,
    lognormal,
    loguniform,
    normal,
    qlognormal,
    qloguniform,
    qnormal,
    quniform,
    randint,
    uniform,
)

__all__ = [
    "choice",
    "lognormal",
    "loguniform",
    "normal",
    "qlognormal",
    "qloguniform",
    "qnormal",
    "quniform",
    "randint",
    "uniform",
]

__getattr__ = complete(__name__)
