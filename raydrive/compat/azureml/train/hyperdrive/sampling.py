"""``azureml.train.hyperdrive.sampling``."""

from raydrive.core.bayes import BayesianParameterSampling
from raydrive.core.samplers import GridParameterSampling, RandomParameterSampling
from raydrive.core.samplers import Sampling as HyperParameterSampling

__all__ = [
    "BayesianParameterSampling",
    "GridParameterSampling",
    "HyperParameterSampling",
    "RandomParameterSampling",
]
