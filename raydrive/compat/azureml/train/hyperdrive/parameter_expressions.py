"""``azureml.train.hyperdrive.parameter_expressions``, with the SDK's signatures."""

from collections.abc import Callable
from typing import TypeVar

import raydrive
from raydrive.compat.azure_notices import note
from raydrive.compat.azureml._names import complete
from raydrive.core.errors import ConfigError
from raydrive.core.space.distributions import LogNormal, LogUniform, QLogNormal, QLogUniform
from raydrive.core.space.search_space import (
    choice,
    normal,
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


E = TypeVar("E")


def loguniform(min_value: float, max_value: float) -> LogUniform:
    """Returns exp(uniform(min_value, max_value)); bounds that look like values are drawn as HyperDrive drew them.

    Raises:
        ConfigError: If a bound cannot be one.
    """
    return _as_hyperdrive(raydrive.loguniform, LogUniform, min_value, max_value)


def qloguniform(min_value: float, max_value: float, q: float) -> QLogUniform:
    """Returns round(exp(uniform(min_value, max_value)) / q) * q; see ``loguniform``.

    Raises:
        ConfigError: If an argument cannot be one.
    """
    return _as_hyperdrive(raydrive.qloguniform, QLogUniform, min_value, max_value, q)


def lognormal(mu: float, sigma: float) -> LogNormal:
    """Returns exp(normal(mu, sigma)); see ``loguniform``.

    Raises:
        ConfigError: If an argument cannot be one.
    """
    return _as_hyperdrive(raydrive.lognormal, LogNormal, mu, sigma)


def qlognormal(mu: float, sigma: float, q: float) -> QLogNormal:
    """Returns round(exp(normal(mu, sigma)) / q) * q; see ``loguniform``.

    Raises:
        ConfigError: If an argument cannot be one.
    """
    return _as_hyperdrive(raydrive.qlognormal, QLogNormal, mu, sigma, q)


def _as_hyperdrive(checked: Callable[..., E], kind: Callable[..., E], *arguments: float) -> E:
    """The expression of code that is not to be touched: what raydrive would refuse as a mistake is only told."""
    try:
        return checked(*arguments)
    except ConfigError as error:
        made = kind(*arguments)
        note(f"{error} It is drawn as HyperDrive drew it.")
        return made


__getattr__ = complete(__name__)
