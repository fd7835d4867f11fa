"""``azureml.train.hyperdrive.policy``."""

from abc import ABC

from raydrive.compat.azureml._names import complete
from raydrive.core.early_stopping.policies import (
    BanditPolicy,
    MedianStoppingPolicy,
    NoTerminationPolicy,
    TruncationSelectionPolicy,
)


class EarlyTerminationPolicy(ABC):  # noqa: B024 - a name to ask isinstance with
    """What every policy is."""


for _policy in (BanditPolicy, MedianStoppingPolicy, NoTerminationPolicy, TruncationSelectionPolicy):
    EarlyTerminationPolicy.register(_policy)

__all__ = [
    "BanditPolicy",
    "EarlyTerminationPolicy",
    "MedianStoppingPolicy",
    "NoTerminationPolicy",
    "TruncationSelectionPolicy",
]

__getattr__ = complete(__name__)
