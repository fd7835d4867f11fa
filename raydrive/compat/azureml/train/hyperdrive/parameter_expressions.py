"""``azureml.train.hyperdrive.parameter_expressions``, with the SDK's signatures."""

import raydrive
from raydrive.compat.azureml._names import complete
from raydrive.core.space.distributions import LogUniform, QLogUniform
from raydrive.core.space.search_space import (
    choice,
    lognormal,
    normal,
    qlognormal,
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


def loguniform(min_value: float, max_value: float) -> LogUniform:
    """Returns exp(uniform(min_value, max_value)); see ``raydrive.loguniform``.

    Raises:
        ConfigError: If a bound cannot be one, or can only be a value meant as such.
    """
    return raydrive.loguniform(min_value, max_value)


def qloguniform(min_value: float, max_value: float, q: float) -> QLogUniform:
    """Returns round(exp(uniform(min_value, max_value)) / q) * q; see ``raydrive.qloguniform``.

    Raises:
        ConfigError: If an argument cannot be one, or a bound can only be a value meant as such.
    """
    return raydrive.qloguniform(min_value, max_value, q)


__getattr__ = complete(__name__)
