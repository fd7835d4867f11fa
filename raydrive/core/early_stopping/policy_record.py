"""A policy in the record of a run: its JSON form, and what a reader makes of one whose class is not raydrive's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from raydrive.core.early_stopping.curves import Curves
from raydrive.core.early_stopping.policies import Policy, policy_from_json
from raydrive.core.early_stopping.verdict import Verdict
from raydrive.core.errors import UserCodeError
from raydrive.core.user_classes import (
    FindClass,
    class_of,
    is_own,
    is_reference,
    parameters_of,
    rebuilt,
    recorded_parameters,
    type_name,
)

RESERVED = ("type",)
"""Keys of the record that are not parameters of the policy."""


class RecordedPolicy:
    """A policy as it is in the record, where its class is not loaded: it can be shown, and judges nothing.

    Args:
        raw: ``{"type": "mypackage.policies:Patience", "patience": 3}``.
    """

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = dict(raw)

    @property
    def kind(self) -> str:
        """The recorded type, ``module:QualName``."""
        return str(self.raw["type"])

    @property
    def parameters(self) -> dict[str, Any]:
        """The recorded parameters by name."""
        return recorded_parameters(self.raw, RESERVED)

    def judge(self, trial: int, interval: int, curves: Curves) -> Verdict | None:
        """Judges nothing.

        Raises:
            UserCodeError: Always.
        """
        raise UserCodeError(f"the policy {self.kind} is code submitted with the run: only the run's driver loads it")

    def to_json(self) -> dict[str, Any]:
        """Returns the record."""
        return dict(self.raw)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RecordedPolicy) and self.raw == other.raw

    def __hash__(self) -> int:
        return hash(json.dumps(self.raw, sort_keys=True))

    def __repr__(self) -> str:
        return f"RecordedPolicy({self.raw!r})"


def policy_record(policy: Policy) -> dict[str, Any]:
    """Returns the JSON form of a policy, as ``config.json`` holds it.

    Raises:
        ConfigError: If it is of a user's class and its parameters cannot be recorded.
    """
    kind = type(policy)
    if is_own(kind):
        found: dict[str, Any] = policy.to_json()  # type: ignore[attr-defined]
        return found
    return {"type": type_name(kind), **parameters_of(policy, RESERVED, "policy")}


def recorded_policy(raw: object) -> Policy:
    """Returns the policy of a recorded run, for a reader: nothing is imported.

    Raises:
        ConfigError: If it is of one of raydrive's own types, and edited into something invalid.
    """
    if isinstance(raw, Mapping) and is_reference(raw.get("type")):
        return RecordedPolicy(raw)
    return policy_from_json(raw)


def built_policy(raw: Mapping[str, Any], find: FindClass, where: str = "policy") -> Policy:
    """Returns the policy of a user's class from its record.

    Args:
        raw: The record.
        find: Returns the class.
        where: Path of the record, for errors.

    Raises:
        ConfigError: If there is no such class, it is not a policy, or it does not take the parameters.
    """
    kind = class_of(
        raw,
        find,
        where,
        "policy",
        fits=lambda kind: callable(getattr(kind, "judge", None)),
        allowed="a class with judge(trial, interval, curves)",
    )
    policy: Policy = rebuilt(kind, raw, recorded_parameters(raw, RESERVED), where)
    return policy
