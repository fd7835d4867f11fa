"""The JSON Schema of a sweep file: what an editor completes from and underlines by.

Made from the models that check the file, from the expressions and from the policies, so that it cannot fall behind
them. It is more lenient than they are: what depends on another value (min below max) only they see.
"""

from __future__ import annotations

from typing import Any

from raydrive.core.early_stopping.halving_policy import MODES
from raydrive.core.early_stopping.policies import policy_keys
from raydrive.core.space.expressions import field_names
from raydrive.core.space.parsing import EXPRESSIONS, LOG_RANGE
from raydrive.core.space.plain_bounds import PLAIN, Spelling
from raydrive.core.user_classes import REFERENCE
from raydrive.runtime.entry_points import POLICIES, SAMPLINGS, installed
from raydrive.settings.fields import any_case
from raydrive.sweepfile.schema import TEXTS, InputKeys, OutputKeys, SweepKeys
from raydrive.sweepfile.spellings import OF_LIMITS

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_NUMBER = {"type": ["number", "string"]}
_PLAIN = {"type": ["string", "number", "boolean", "null"]}


def json_schema() -> dict[str, Any]:
    """Returns the schema of a sweep file (``type: sweep``), JSON Schema draft 2020-12."""
    made = SweepKeys.model_json_schema(by_alias=True, ref_template="#/$defs/{model}")
    data = {model.__name__: model.model_json_schema() for model in (InputKeys, OutputKeys)}
    definitions = {**made.pop("$defs"), **data, "Expression": _expression()}
    properties = made["properties"]
    properties["search_space"]["additionalProperties"] = {"$ref": "#/$defs/Expression"}
    properties["search_space"]["minProperties"] = 1
    properties["early_termination"] = {**_early_termination(), "description": "When a trial is stopped before its end."}
    properties["inputs"] = _or_null({"additionalProperties": {"anyOf": [_PLAIN, {"$ref": "#/$defs/InputKeys"}]}})
    properties["outputs"] = _or_null({"additionalProperties": {"anyOf": [_PLAIN, {"$ref": "#/$defs/OutputKeys"}]}})
    # A component may be in place of the trial: its file by name, or written out with inputs or outputs of its own.
    component = {"type": "object", "anyOf": [{"required": ["inputs"]}, {"required": ["outputs"]}]}
    properties["trial"] = {"anyOf": [properties["trial"], {"type": "string"}, component]}
    algorithm = properties["sampling_algorithm"]
    kinds = definitions["SamplingKeys"]["properties"]["type"]
    forms = [{"$ref": "#/$defs/SamplingKeys"}, kinds, *_user_forms(SAMPLINGS)]
    properties["sampling_algorithm"] = {"anyOf": forms, "default": "random"}
    if "description" in algorithm:
        properties["sampling_algorithm"]["description"] = algorithm["description"]
    limits = definitions["LimitKeys"]["properties"]
    limits.update({other: limits[name] for name, others in OF_LIMITS.items() for other in others})
    schema = {"$schema": DRAFT, **made, "title": "raydrive sweep", "$defs": definitions}
    for where in TEXTS:
        _accept_plain(schema, where)
    return schema


def _or_null(mapping: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [{"type": "object", **mapping}, {"type": "null"}], "default": None}


def _expression() -> dict[str, Any]:
    """An expression as a mapping, in the list form of SDK v1, or as a mapping with its name as the only key."""
    forms: list[dict[str, Any]] = []
    for name, kind in {**EXPRESSIONS, LOG_RANGE: EXPRESSIONS["loguniform"]}.items():
        keys = field_names(kind)
        values: dict[str, Any] = {key: {"type": "array", "minItems": 1} if key == "values" else _NUMBER for key in keys}
        spelt = Spelling.of(kind, {"low": 0, "high": 0}, plain=False)
        bounds = {key: {"type": "string", "pattern": any_case(PLAIN)} for key in spelt.extra}
        given = [({**values, **bounds}, keys)]
        if spelt.keys:
            renamed = {spelt.key(key): value for key, value in values.items()}
            given.append(({**renamed, **bounds}, tuple(renamed)))
        for properties, required in given:
            form = _form(name, properties, required)
            forms += [form, _short({**form, "required": list(required)}, name)]
        forms.append(_short({"type": ["array", *(["number", "string"] if len(keys) == 1 else [])]}, name))
    names = [{"pattern": any_case(name)} for name in (*EXPRESSIONS, LOG_RANGE)]
    listed = {"type": "array", "prefixItems": [{"type": "string", "anyOf": names}, {"type": "array"}], "minItems": 2}
    return {"anyOf": [*forms, {**listed, "maxItems": 2}]}


def _short(given: dict[str, Any], name: str) -> dict[str, Any]:
    """A mapping whose only key is the name of an expression."""
    return {
        "type": "object",
        "title": f"{name}: ...",
        "properties": {name: given},
        "patternProperties": {any_case(name): given},
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }


_POLICY_VALUES: dict[str, dict[str, Any]] = {"mode": {"enum": list(MODES)}, "restart": {"type": "boolean"}}
"""Values of keys of policies that are not numbers."""


def _early_termination() -> dict[str, Any]:
    kinds = policy_keys()
    forms = [
        _form(name, {key: _POLICY_VALUES.get(key, _NUMBER) for key in keys}, required)
        for name, (keys, required) in kinds.items()
    ]
    known = [*kinds, "default", "no_termination"]
    names = [{"enum": list(kinds)}, *({"type": "string", "pattern": any_case(name)} for name in known)]
    return {"anyOf": [*forms, *names, *_user_forms(POLICIES), {"type": "null"}], "default": None}


def _user_forms(group: str) -> list[dict[str, Any]]:
    """A class of the user's, ``module:Class``, or one that an installed package offers: with any parameters."""
    known = sorted(installed(group))
    kinds: list[dict[str, Any]] = [{"type": "string", "pattern": REFERENCE}, *([{"enum": known}] if known else [])]
    mapping: dict[str, Any] = {"type": "object", "title": "module:Class", "required": ["type"]}
    return [{**mapping, "properties": {"type": {"anyOf": kinds}}}, *kinds]


def _form(name: str, properties: dict[str, Any], required: tuple[str, ...]) -> dict[str, Any]:
    """A mapping of the type ``name``."""
    kind = {"anyOf": [{"const": name}, {"type": "string", "pattern": any_case(name)}]}
    return {
        "type": "object",
        "title": name,
        "properties": {"type": kind, **properties},
        "required": ["type", *required],
        "additionalProperties": False,
    }


def _accept_plain(schema: dict[str, Any], where: str) -> None:
    """Accepts numbers and truth values where they are read as their text (``OMP_NUM_THREADS: 4``)."""
    found: Any = schema
    for key in where.split("."):
        found = _resolved(schema, found)["properties"][key]
    found = _resolved(schema, found)
    text = found.get("additionalProperties", found)
    text["type"] = ["string", "number", "boolean"]


def _resolved(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """Follows a reference, and takes what may also be null for what it is otherwise."""
    while "$ref" in node or "anyOf" in node:
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rpartition("/")[2]]
        else:
            node = next(each for each in node["anyOf"] if each.get("type") != "null")
    return node
