"""A way of sampling in the record of a run: its JSON form, and what a reader makes of one that it has no class for."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from raydrive.core.errors import ConfigError, Problem, UserCodeError, show
from raydrive.core.search.protocol import RESERVED, Sampler, SamplingSpec
from raydrive.core.search.registry import is_registered, sampling_from_json
from raydrive.core.space.search_space import space_from_json
from raydrive.core.user_classes import (
    FindClass,
    class_of,
    is_own,
    parameters_of,
    rebuilt,
    recorded_parameters,
    type_name,
)


class RecordedSampling(SamplingSpec):
    """A way of sampling as it is in the record, where its class is not loaded: its space can be shown.

    Args:
        raw: ``{"type": "mypackage.samplers:Mine", "space": {...}, "seed": None, ...}``.

    Raises:
        ConfigError: If its search space was edited into something invalid.
    """

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = dict(raw)
        super().__init__(space_from_json(raw.get("space")), seed=raw.get("seed"))
        self.name = str(raw.get("type"))
        self.learns = raw.get("learns") is True

    @property
    def parameters(self) -> dict[str, Any]:
        """The recorded parameters by name."""
        return recorded_parameters(self.raw, RESERVED)

    def to_json(self) -> dict[str, Any]:
        """Returns the record."""
        return dict(self.raw)

    def build(self, seed: int, maximize: bool) -> Sampler:
        """Builds nothing.

        Raises:
            UserCodeError: Always.
        """
        raise UserCodeError(f"the sampling {self.name} is code that only the run's driver loads")


def sampling_record(sampling: SamplingSpec) -> dict[str, Any]:
    """Returns the JSON form of a way of sampling, as ``config.json`` holds it.

    Raises:
        ConfigError: If it is of a user's class and its parameters cannot be recorded.
    """
    kind = type(sampling)
    if isinstance(sampling, RecordedSampling):
        return sampling.to_json()
    if is_own(kind):
        found = sampling.to_json()
        # A reader has the class only where the type is one of core's.
        return found if is_registered(found["type"]) or not sampling.learns else {**found, "learns": True}
    return {
        "type": type_name(kind),
        **parameters_of(sampling, RESERVED, "sampling"),
        "seed": sampling.seed,
        "space": sampling.space.to_json(),
        **({"learns": True} if sampling.learns else {}),
    }


def recorded_sampling(raw: Mapping[str, Any]) -> SamplingSpec:
    """Returns the way of sampling of a recorded run, for a reader: nothing of other people's is imported.

    Raises:
        ConfigError: If it was edited into something invalid.
    """
    name = raw.get("type") if isinstance(raw, Mapping) else None
    if not isinstance(name, str) or not name or is_registered(name):
        return sampling_from_json(raw)
    return RecordedSampling(raw)


def built_sampling(raw: Mapping[str, Any], find: FindClass, where: str = "sampling") -> SamplingSpec:
    """Returns the way of sampling of a user's class from its record.

    Args:
        raw: The record.
        find: Returns the class.
        where: Path of the record, for errors.

    Raises:
        ConfigError: If there is no such class, it is not a sampling, or it does not take the parameters.
    """
    kind = class_of(
        raw,
        find,
        where,
        "sampling",
        fits=lambda kind: isinstance(kind, type) and issubclass(kind, SamplingSpec),
        allowed="a subclass of raydrive's SamplingSpec",
    )
    space = space_from_json(raw.get("space"))
    arguments = {"parameter_space": space, **recorded_parameters(raw, RESERVED)}
    if raw.get("seed") is not None or "seed" in inspect.signature(kind).parameters:
        arguments["seed"] = raw.get("seed")
    sampling = rebuilt(kind, raw, arguments, where)
    if not isinstance(sampling, SamplingSpec):
        raise ConfigError(Problem(where, f"{raw['type']}.from_json, which returns {show(sampling)}", "a SamplingSpec"))
    return sampling
