"""Policies and samplings of other people's classes in a sweep file: ``type: mypackage.policies:Patience``.

Nothing is imported here: a submission is checked as a whole by building them in a process of its own
(``api/submit/user_classes.py``), and what is wrong gets the places that are noted here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from raydrive.core.early_stopping.policies import policy_keys
from raydrive.core.early_stopping.policy_record import RecordedPolicy
from raydrive.core.search.protocol import RESERVED
from raydrive.core.search.registry import is_registered
from raydrive.core.search.sampling_record import RecordedSampling
from raydrive.core.space.search_space import Space
from raydrive.core.user_classes import is_reference, recorded_parameters
from raydrive.runtime.entry_points import POLICIES, SAMPLINGS, installed
from raydrive.settings.tree import Node

_SECTIONS = ("early_termination", "sampling_algorithm")


def user_policy(raw: object) -> RecordedPolicy | None:
    """Returns ``early_termination`` as a record, where its type is none of raydrive's own."""
    kind = _type_of(raw)
    if not kind:
        return None
    if not is_reference(kind):
        known = {re.sub("[_-]", "", name) for name in policy_keys()}
        folded = re.sub("[_-]", "", kind.casefold())
        if folded in known or kind.casefold() not in installed(POLICIES):
            return None
    return RecordedPolicy({**(raw if isinstance(raw, Mapping) else {}), "type": kind})


def is_user_sampling(raw: object) -> bool:
    """Whether the type of ``sampling_algorithm`` is none of raydrive's own."""
    kind = _type_of(raw)
    name = kind.casefold()
    return is_reference(kind) or (
        name not in ("", "sobol") and not is_registered(name) and name in installed(SAMPLINGS)
    )


def user_sampling(raw: object, space: Space) -> RecordedSampling:
    """Returns ``sampling_algorithm`` as a record.

    Raises:
        ConfigError: If the search space cannot be recorded.
    """
    given = raw if isinstance(raw, Mapping) else {}
    parameters = recorded_parameters(given, RESERVED)
    return RecordedSampling({"type": _type_of(raw), **parameters, "seed": None, "space": space.to_json()})


def masked(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns a sweep file for the schema, which has only raydrive's own samplings."""
    given = raw.get("sampling_algorithm")
    if not is_user_sampling(given):
        return raw
    seed = {"seed": given["seed"]} if isinstance(given, Mapping) and "seed" in given else {}
    return {**raw, "sampling_algorithm": {"type": "random", **seed}}


def places(root: Node, raw: Mapping[str, Any]) -> dict[str, str]:
    """Returns ``file:line:column`` of the values of the two sections, and of a key itself by ``key NAME``."""
    found = {}
    for section in _SECTIONS:
        given = raw.get(section)
        keys = [section, *(f"{section}.{key}" for key in (given if isinstance(given, Mapping) else {}))]
        found.update({key: root.locate(key) for key in keys})
        found.update({f"key {key}": root.locate(key, key=True) for key in keys})
    return found


def _type_of(raw: object) -> str:
    kind = raw.get("type") if isinstance(raw, Mapping) else raw
    return kind.strip() if isinstance(kind, str) else ""
