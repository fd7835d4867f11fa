"""``azureml.train.hyperdrive.sampling``."""

from raydrive.compat.azureml._names import complete
from raydrive.core.search.bayesian.sampling import BayesianParameterSampling
from raydrive.core.search.grid_search import GridParameterSampling
from raydrive.core.search.protocol import SamplingSpec as HyperParameterSampling
from raydrive.core.search.random_search import RandomParameterSampling

__all__ = [
    "BayesianParameterSampling",
    "GridParameterSampling",
    "HyperParameterSampling",
    "RandomParameterSampling",
]

__getattr__ = complete(__name__)
