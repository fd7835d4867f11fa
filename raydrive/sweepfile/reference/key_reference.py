"""The reference of a sweep file's keys: texts of ``keys.toml``, types and defaults of the models that check it."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from raydrive.core.early_stopping.policies import policy_keys
from raydrive.core.space.expressions import field_names
from raydrive.core.space.parsing import EXPRESSIONS, LOG_RANGE
from raydrive.settings.packaged_toml import read_packaged
from raydrive.settings.problems import model_in
from raydrive.sweepfile.schema import InputKeys, OutputKeys, SweepKeys
from raydrive.sweepfile.spellings import OF_LIMITS

SAME_AS = {"resources": "trial.resources", "distribution": "trial.distribution"}
"""Sections that a file may have in two places; they are described in the second one."""
NAMED: dict[str, type[BaseModel]] = {"inputs": InputKeys, "outputs": OutputKeys}
"""Sections whose keys are names of the user's, with what each name has."""


@dataclass(frozen=True, slots=True)
class KeyReference:
    """One key of a sweep file."""

    key: str
    """Its path, such as ``limits.timeout``; ``NAME`` stands for a name of the user's."""
    type: str
    """What may stand there."""
    required: bool
    default: str
    """What holds without it; empty = nothing does."""
    text: str
    example: str
    """YAML, or empty."""
    azure: str
    """``same``, ``ignored``, ``none``, or a sentence about Azure ML's equivalent."""

    @property
    def in_azure(self) -> str:
        """What Azure ML has, as a sentence."""
        known = {
            "same": "the same key",
            "ignored": "accepted from Azure's files, without effect here",
            "none": "no equivalent",
        }
        word, _, rest = self.azure.partition(";")
        return f"{known.get(word, word)};{rest}" if rest else known.get(self.azure, self.azure)


@functools.cache
def key_reference() -> dict[str, KeyReference]:
    """Returns every described key of a sweep file by its path: those of the models, then policies and expressions."""
    entries = key_texts()
    return {key: _entry(key, entries[key], field) for key, field in known_keys().items() if key in entries}


def known_keys() -> dict[str, _Field]:
    """Returns what a sweep file may have, by its path; the tests see to it that ``keys.toml`` describes all of it."""
    found = dict(_fields(SweepKeys, ""))
    found |= {key: _Field("a whole number of 1 or more") for key in _other_limits()}
    return found | {key: _Field(form) for key, form in _forms()}


def find_keys(word: str) -> list[KeyReference]:
    """Returns the keys that a word may mean: the one of that path, or all whose last part it is.

    Args:
        word: A path as errors write it (``search_space.lr.min_value``, ``inputs.data.path``), or the end of one
            (``gpus``, ``resources.gpus``).
    """
    known = key_reference()
    given = word.strip().strip(".").replace("-", "_")
    path = described_at(given) if described_at(given) in known else given
    parts = path.split(".")
    if path not in known and len(parts) > 1 and parts[0] in NAMED:
        path = ".".join([parts[0], "NAME", *parts[2:]]) if len(parts) > 2 else parts[0]
    if path not in known and len(parts) > 1 and parts[0] == "search_space":
        path = "search_space"  # a name of the user's, and what it has
    if path in known:
        return [known[path]]
    folded = path.casefold()
    return [entry for key, entry in known.items() if key.casefold().endswith(f".{folded}") or key.casefold() == folded]


def keys_below(key: str) -> list[str]:
    """Returns the last parts of the keys directly below one.

    Args:
        key: A path.
    """
    start = f"{described_at(f'{key}.x')[:-2]}."
    return [one[len(start) :] for one in key_reference() if one.startswith(start) and "." not in one[len(start) :]]


def described_at(key: str) -> str:
    """Returns the path under which a key is described: ``trial.distribution.type`` for ``distribution.type``.

    Args:
        key: The path of a key.
    """
    first, _, rest = key.partition(".")
    place = SAME_AS.get(first)
    return f"{place}.{rest}" if place and rest else key


@dataclass(frozen=True, slots=True)
class _Field:
    type: str
    required: bool = False
    default: str = ""


def key_texts() -> dict[str, dict[str, str]]:
    """Returns what ``keys.toml`` has, by key."""
    return read_packaged(__file__, "keys.toml")


def _entry(key: str, texts: dict[str, str], field: _Field) -> KeyReference:
    return KeyReference(
        key=key,
        type=texts.get("type", field.type),
        required=field.required,
        default=texts.get("default", field.default),
        text=texts["text"],
        example=texts.get("example", "").strip(),
        azure=texts["azure"],
    )


def _fields(model: type[BaseModel], above: str) -> Iterator[tuple[str, _Field]]:
    """Yields the keys of a model and of the models in it."""
    schema = model.model_json_schema()
    for name, field in model.model_fields.items():
        key = field.alias or name
        path = f"{above}.{key}" if above else key
        inner = NAMED.get(path) or model_in(field.annotation)
        node = schema["properties"][key]
        plain = field.default if isinstance(field.default, str | int | float) else None
        default = "" if plain is None else str(plain).lower() if isinstance(plain, bool) else str(plain)
        kind = "a mapping of names" if path in NAMED else "a mapping" if inner else _type_of(node)
        yield path, _Field(kind, field.is_required(), default)
        if inner is not None and path not in SAME_AS:
            yield from _fields(inner, f"{path}.NAME" if path in NAMED else path)
        elif inner is None:
            yield from _properties(node, path)


def _properties(node: dict[str, Any], above: str) -> Iterator[tuple[str, _Field]]:
    """Yields the keys of a mapping that the core checks: the model has only its JSON Schema."""
    for form in (node, *node.get("anyOf", ())):
        for name, inner in form.get("properties", {}).items():
            path = f"{above}.{name}"
            yield path, _Field(_type_of(inner), name in form.get("required", ()))
            yield from _properties(inner, path)


def _type_of(node: dict[str, Any]) -> str:
    """Returns what a part of the JSON Schema accepts, in words."""
    if node.get("type") == "object" and "properties" in node:
        return "a mapping"
    if "description" in node and "type" in node:
        return str(node["description"])
    if "enum" in node:
        return " or ".join(f"`{str(one).lower() if isinstance(one, bool) else one}`" for one in node["enum"])
    if "anyOf" in node:
        forms = [one for one in node["anyOf"] if one.get("type") != "null"]
        named = [one for one in forms if "enum" in one or one.get("type") != "string" or len(forms) == 1]
        return " or ".join(dict.fromkeys(_type_of(one) for one in named or forms))
    kind = node.get("type")
    if kind in ("number", "integer") and "exclusiveMinimum" in node:
        return f"{'a whole number' if kind == 'integer' else 'a number'} above {node['exclusiveMinimum']}"
    if kind in ("number", "integer") and "minimum" in node:
        return f"{'a whole number' if kind == 'integer' else 'a number'} of {node['minimum']} or more"
    if kind == "array":
        return "a list"
    if kind == "object":
        return "a mapping of names to values"
    if isinstance(kind, list):
        words = {"string": "text", "array": "a list of strings", "number": "a number", "integer": "a whole number",
                 "boolean": "true or false"}  # fmt: skip
        return " or ".join(words[one] for one in kind)
    return {"string": "text", "boolean": "true or false", "integer": "a whole number", "number": "a number"}.get(
        str(kind), "anything"
    )


def _other_limits() -> list[str]:
    return [f"limits.{other}" for others in OF_LIMITS.values() for other in others]


def _forms() -> Iterator[tuple[str, str]]:
    """Yields policies, options of policies, and expressions, with what each takes."""
    kinds = policy_keys()
    for name, (keys, required) in kinds.items():
        needed = f"; required: {', '.join(required)}" if required else ""
        yield f"early_termination.{name}", f"a policy with {', '.join(keys)}{needed}" if keys else "a policy"
    types = {
        "evaluation_interval": "a whole number of 1 or more",
        "delay_evaluation": "a whole number of 0 or more",
        "truncation_percentage": "a whole number from 1 to 99",
        "mode": "promote or stop",
        "min_intervals": "a whole number of 1 or more",
        "max_intervals": "a whole number above min_intervals",
        "reduction_factor": "a whole number of 2 or more",
        "brackets": "a whole number of 1 or more",
        "restart": "true or false",
        "max_paused": "a whole number of 1 or more",
    }
    for key in dict.fromkeys(key for keys, _ in kinds.values() for key in keys):
        yield f"early_termination.{key}", types.get(key, "a number of 0 or more")
    for name, kind in {**EXPRESSIONS, LOG_RANGE: EXPRESSIONS["loguniform"]}.items():
        yield f"search_space.{name}", f"an expression with {', '.join(field_names(kind))}"
