"""Layers over a sweep file: site files (``--with``, ``raydrive.toml``) and ``--set KEY=VALUE``.

A site file holds the settings of ``raydrive:``, below that key or on their own, so that an Azure file stays untouched.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from raydrive.core.errors import ConfigError, Problem, did_you_mean, show
from raydrive.storage.folder.current import current_folder
from raydrive.sweepfile.problems import keys_of
from raydrive.sweepfile.schema import TEXTS, OwnKeys, SweepKeys
from raydrive.sweepfile.toml_source import parse_toml
from raydrive.sweepfile.yaml_source import Node, parse_value, parse_yaml


def read_text(path: Path, what: str = "a sweep file") -> str:
    """Returns the text of a file.

    Raises:
        ConfigError: If there is no such file, it is a folder, cannot be read, or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        near = did_you_mean(path.name, [each.name for each in path.parent.glob("*.*")]) if path.parent.is_dir() else ""
        fix = near or f"The current folder is {current_folder()}."
        raise ConfigError(Problem(str(path), "no such file", what, fix)) from None
    except (IsADirectoryError, NotADirectoryError):
        raise ConfigError(Problem(str(path), "a folder", what)) from None
    except UnicodeDecodeError as error:
        found = f"byte 0x{error.object[error.start]:02x} at {error.start}, which is not UTF-8"
        raise ConfigError(Problem(str(path), found, "text in UTF-8", "Save the file as UTF-8.")) from None
    except OSError as error:
        raise ConfigError(Problem(str(path), error.strerror or str(error), "a file that can be read")) from None


def read_site(path: Path, problems: list[Problem]) -> Node | None:
    """Returns the settings in a site file; None after noting why it cannot be used, or when it is empty."""
    try:
        text = read_text(path, "a site file")
        if path.suffix == ".toml":
            root, found = parse_toml(text, str(path)), list[Problem]()
        elif not text.strip():
            return None
        else:
            root, found = parse_yaml(text, str(path))
    except ConfigError as error:
        problems.extend(error.problems)
        return None
    problems.extend(found)
    if root.value is None:
        return None
    if not isinstance(root.value, dict):
        allowed = f"a mapping of settings: {', '.join(keys_of(OwnKeys))}"
        problems.append(Problem("the file", show(root.plain()), allowed, place=root.place))
        return None
    if "raydrive" not in root.value:
        return root
    for key, node in root.value.items():
        if key != "raydrive":
            fix = f"Use --set {key}=... to change the sweep." if key in keys_of(SweepKeys) else ""
            allowed = "only raydrive: in a site file that has it"
            problems.append(Problem(key, "an unknown key", allowed, fix, node.key_place))
    settings: Node = root.value["raydrive"]
    return settings


def with_texts(root: Node) -> Node:
    """Returns the tree with unquoted numbers and words as text where only text makes sense (``version: 1.10``)."""
    for where in TEXTS:
        node = root.get(where)
        keys, _ = root.keys_of(where)
        if node is None:
            continue
        if isinstance(node.value, dict):
            texts = {name: _as_text(item) for name, item in node.value.items()}
            root = root.with_value(keys, replace(node, value=texts))
        elif node.text and node.value is not None:
            root = root.with_value(keys, _as_text(node))
    return root


def _as_text(node: Node) -> Node:
    return replace(node, value=node.text) if node.text and node.value is not None else node


def apply_override(root: Node, text: str, problems: list[Problem]) -> Node:
    """Returns the tree with one ``KEY=VALUE`` applied, or the tree itself after noting why it cannot be.

    Args:
        root: The sweep file with its site files.
        text: Such as ``limits.max_total_trials=5``; the value is YAML.
        problems: Gets what is wrong.
    """
    key, equals, value = text.partition("=")
    key = key.strip()
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
