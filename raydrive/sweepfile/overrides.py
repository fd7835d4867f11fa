"""``--set KEY=VALUE``: changes of single values of a sweep file, given on the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence

from raydrive.core.errors import ConfigError, Problem, did_you_mean, show
from raydrive.settings.tree import Node
from raydrive.settings.yaml_source import parse_value
from raydrive.sweepfile.spellings import canonical_key


def apply_override(root: Node, text: str, problems: list[Problem]) -> Node:
    """Returns the tree with one ``KEY=VALUE`` applied, or the tree itself after noting why it cannot be.

    Args:
        root: The sweep file with its site files.
        text: Such as ``limits.max_total_trials=5``; the value is YAML.
        problems: Gets what is wrong.
    """
    key, equals, value = text.partition("=")
    key = canonical_key(key.strip())
    place = f"--set {key}"
    if not equals or not key:
        allowed = "KEY=VALUE, such as limits.max_total_trials=5"
        problems.append(Problem("--set", show(text), allowed, place=f"--set {text}"))
        return root
    try:
        node = parse_value(value, place)
    except ConfigError as error:
        problems.extend(error.problems)
        return root
    return _placed(root, key, node, problems)


def _placed(root: Node, key: str, node: Node, problems: list[Problem]) -> Node:
    keys, rest = root.keys_of(key)
    above = _at(root, keys)
    shorthand = {"sampling_algorithm": "type", "early_termination": "type"}.get(".".join(map(str, keys)))
    if rest and shorthand and isinstance(above.value, str):
        above = Node({shorthand: above}, above.place, above.key_place)
        root = root.with_value(keys, above)
    place = node.place
    if not rest:
        return root.with_value(keys, node)
    here = ".".join(map(str, keys)) or "the file"
    if isinstance(above.value, list):
        allowed = f"{here} has the items 0 to {len(above.value) - 1}"
        problems.append(Problem(key, f"no item {rest!r}", allowed, place=place))
        return root
    if above.value is not None and not isinstance(above.value, dict):
        problems.append(Problem(key, f"{here} is {show(above.value)}", "a key below a mapping", place=place))
        return root
    parts = re.split(r"\.", rest)
    # A search space's names are the user's own, and a new one comes with its whole expression: this is a misspelling.
    if keys == ["search_space"] and len(parts) > 1:
        names = list(above.value or {})
        fix = did_you_mean(parts[0], names)
        problems.append(Problem(key, f"no parameter {parts[0]!r}", ", ".join(names) or "none", fix, place))
        return root
    if keys[:1] == ["search_space"] and len(keys) == 1:
        parts = [rest]
    return root.with_value([*keys, *parts], node)


def _at(root: Node, keys: Sequence[str | int]) -> Node:
    for key in keys:
        root = root.value[key]
    return root
