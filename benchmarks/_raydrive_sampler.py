"""raydrive's samplers as the loop of ``_ask_tell.py`` takes them."""

from __future__ import annotations

from typing import Any

from _spaces import expression

from raydrive.core.search.bayesian.sampling import BayesianParameterSampling
from raydrive.core.search.trial_record import TrialRecord


class Raydrive:
    """A raydrive sampler as ask and tell."""

    def __init__(self, space: list[dict[str, Any]], seed: int, algorithm: str) -> None:
        sampling = BayesianParameterSampling({d["name"]: expression(d) for d in space}, algorithm=algorithm)
        self._sampler = sampling.build(seed, maximize=False)
        self.history: list[TrialRecord] = []

    def ask(self) -> tuple[int, dict[str, Any]] | None:
        """Returns a handle and a configuration, None when there is none left."""
        number = len(self.history)
        suggestion = self._sampler.ask(number, self.history)
        if suggestion is None:
            return None
        self.history.append(TrialRecord(number, suggestion.params, None, "Running"))
        return number, dict(suggestion.params)

    def tell(self, handle: int, value: float) -> None:
        """Takes the outcome of a configuration."""
        self.history[handle] = TrialRecord(handle, self.history[handle].params, value, "Completed")
