"""The samplings by name: how a recorded one is built again."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from raydrive.core.errors import ConfigError, Problem, did_you_mean, show
from raydrive.core.search.protocol import SamplingSpec

SAMPLINGS: dict[str, str] = {
    "random": "raydrive.core.search.random_search:RandomParameterSampling",
    "grid": "raydrive.core.search.grid_search:GridParameterSampling",
    "bayesian": "raydrive.core.search.bayesian.sampling:BayesianParameterSampling",
}
"""Where the classes of the ways of sampling are, by the name of their type in lower case."""
"""Where the class of each type lives; imported when first needed, as a model brings scipy along."""


def register_sampling(name: str, target: str) -> None:
    """Makes a further type known to ``sampling_from_json``, in this process; an entry point does it in all of them.

    Args:
        name: The ``type`` in its JSON.
        target: ``module:class`` of a ``SamplingSpec`` with a class method ``from_json(raw)``.
    """
    SAMPLINGS[name] = target


def is_registered(name: str) -> bool:
    """Whether a type is known in this process without a look at what is installed."""
    return name.casefold() in SAMPLINGS


def sampling_class(name: str) -> Any:
    """Returns the class of a registered type, None where there is none or its package is not installed."""
    module, _, attribute = SAMPLINGS.get(name, "").partition(":")
    if not module:
        return None
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        return None


def sampling_from_json(raw: Mapping[str, Any]) -> SamplingSpec:
    """Returns the sampling object that ``to_json`` wrote.

    Raises:
        ConfigError: If the type is unknown, or the object was edited into something invalid.
    """
    kind = raw.get("type") if isinstance(raw, Mapping) else raw
    folded = kind.casefold() if isinstance(kind, str) else ""
    found = sampling_class(folded)
    if found is None:
        known = [name for name in SAMPLINGS if sampling_class(name) is not None]
        fix = did_you_mean(folded, known)
        if folded == "sobol":
            fix = 'Sobol is a rule of random sampling: {"type": "random", "rule": "sobol"}.'
        raise ConfigError(Problem("sampling.type", show(kind), f"one of {', '.join(known)}", fix))
    made: SamplingSpec = found.from_json(raw)
    return made
