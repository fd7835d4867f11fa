"""A sweep node of a pipeline, and trials that are components: both become a sweep file of their own.

The commands of components know swept values as ``${{inputs.x}}``; they are rewritten to ``${{search_space.x}}``. What
a node does not give comes from the component's defaults. ``${{parent.inputs.x}}`` are the pipeline's inputs. The
places of all values stay those of the files that hold them.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from raydrive.core.errors import ConfigError, Problem, did_you_mean, show
from raydrive.core.numbers import is_number
from raydrive.settings.reader import read_text
from raydrive.settings.tree import Node
from raydrive.settings.yaml_source import parse_yaml
from raydrive.storage.folder.current import absolute, current_folder

_PARENT_INPUT = re.compile(r"\$\{\{\s*parent\.inputs\.(\w+)\s*\}\}")
_INPUT = re.compile(r"\$\{\{\s*inputs\.(\w+)\s*\}\}")
_OF_PIPELINE = ("experiment_name", "tags", "raydrive")
"""Keys of a pipeline that count for its sweep node too."""
_UNKNOWN = "${{}}"
"""Stands for a value after its problem was noted: one mistake, one message."""
_OF_COMPONENT = ("command", "code", "environment", "environment_variables", "resources", "distribution")
_NUMBERS = {"number": "a number", "integer": "a whole number"}
_DATA = ("uri_", "mltable", "mlflow", "custom", "triton")
"""How the types of data begin."""


def is_pipeline(root: Node) -> bool:
    """Returns whether a file is a pipeline."""
    kind = root.get("type")
    return kind is not None and str(kind.value).casefold() == "pipeline"


def sweep_of(root: Node, name: str, problems: list[Problem]) -> tuple[Node, str]:
    """Returns a pipeline's sweep node as a sweep file, and a sentence about what is not run.

    Args:
        root: The pipeline.
        name: The node; empty = the only sweep there is.
        problems: Gets what is wrong with the pipeline around the node.

    Raises:
        ConfigError: If it cannot be determined which node is meant.
    """
    jobs = root.get("jobs")
    steps: dict[str, Node] = jobs.value if jobs is not None and isinstance(jobs.value, dict) else {}
    sweeps = [step for step, node in steps.items() if _kind(node) == "sweep"]
    chosen = name or (sweeps[0] if len(sweeps) == 1 else "")
    if chosen not in sweeps:
        listed = f"the name of a sweep node: {', '.join(sweeps)}" if sweeps else "a pipeline with a sweep node"
        if not name:
            found = f"{len(sweeps)} sweep nodes" if sweeps else "no sweep node"
            fix = f"Choose one: --node {sweeps[0]}" if sweeps else ""
            raise ConfigError(Problem("jobs", found, listed, fix, root.locate("jobs")))
        found = f"{name!r}, which is a {_kind(steps[name])} node" if name in steps else show(name)
        raise ConfigError(Problem("--node", found, listed, did_you_mean(name, sweeps), root.locate("jobs")))
    node = steps[chosen]
    parts = dict(node.value)
    for key in _OF_PIPELINE:
        given = root.get(key)
        if given is not None:
            parts[key] = given.merged(parts[key]) if key in parts else given
    above = root.get("inputs")
    inputs = parts.get("inputs")
    if inputs is not None and isinstance(inputs.value, dict):
        known: Mapping[str, Node] = above.value if above is not None and isinstance(above.value, dict) else {}
        bound = {key: _bound(f"inputs.{key}", item, known, problems) for key, item in inputs.value.items()}
        parts["inputs"] = replace(inputs, value=bound)
    parts.setdefault("display_name", Node(chosen, node.place, node.key_place))
    others = [step for step in steps if step != chosen]
    note = f"only this step of the pipeline is run; not {', '.join(others)}" if others else ""
    return replace(node, value=parts), note


def _kind(node: Node) -> str:
    kind = node.value.get("type") if isinstance(node.value, dict) else None
    return str(kind.value).casefold() if kind is not None else "command"


def _bound(where: str, item: Node, known: Mapping[str, Node], problems: list[Problem]) -> Node:
    """What ``${{parent.inputs.x}}`` stands for, as a value or as the path of data."""
    inner = item.value.get("path") if isinstance(item.value, dict) else item
    text = inner.value if inner is not None and isinstance(inner.value, str) else ""
    match = _PARENT_INPUT.fullmatch(text.strip())
    if match is None:
        return item
    found = known.get(match[1])
    if found is None:
        listed = ", ".join(known) or "none"
        allowed = f"an input of the pipeline: {listed}"
        problems.append(Problem(where, text, allowed, did_you_mean(match[1], list(known)), item.place))
        return replace(item, value=_UNKNOWN)
    return replace(found, key_place=item.key_place)


# --- components ------------------------------------------------------------------------------------------------------


def with_component(root: Node, base: Path, problems: list[Problem]) -> Node:
    """Returns a sweep whose trial is written out: a component's file is read, its inputs and outputs are filled in.

    Args:
        root: The sweep.
        base: Folder that relative paths start from.
        problems: Gets what is wrong.
    """
    trial = root.get("trial")
    if trial is None:
        return root
    if isinstance(trial.value, str):
        found = _read_component(trial, base, problems)
        if found is None:
            return root.with_value(["trial"], Node({"command": Node("-", trial.place)}, trial.place, trial.key_place))
        component, home = found
    elif isinstance(trial.value, dict) and ("inputs" in trial.value or "outputs" in trial.value):
        component, home = trial, base
    else:
        return root
    return _merged(root, component, home, problems)


def _read_component(trial: Node, base: Path, problems: list[Problem]) -> tuple[Node, Path] | None:
    text = str(trial.value).removeprefix("file:")
    if text.startswith(("azureml:", "azureml://")):
        fix = "Download it: az ml component show --name NAME --version VERSION > component.yml"
        problems.append(Problem("trial", show(trial.value), "the file of a component", fix, trial.place))
        return None
    path = base / text
    with contextlib.suppress(ValueError):
        path = path.relative_to(current_folder())
    try:
        node, found = parse_yaml(read_text(path, "the file of a component"), str(path))
    except ConfigError as error:
        problems.extend(replace(one, place=one.place or trial.place) for one in error.problems)
        return None
    problems.extend(found)
    kind = node.get("type")
    if not isinstance(node.value, dict) or (kind is not None and str(kind.value).casefold() != "command"):
        shown = show(kind.value) if kind is not None else "not a mapping"
        problems.append(
            Problem(
                "trial.type",
                shown,
                "command: only components that run a command are supported",
                "",
                node.locate("type"),
            )
        )
        return None
    return node, absolute(path.parent)


def _merged(root: Node, component: Node, home: Path, problems: list[Problem]) -> Node:
    parts = {key: component.value[key] for key in _OF_COMPONENT if key in component.value}
    code = parts.get("code")
    if code is not None and isinstance(code.value, str) and not re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", code.value):
        parts["code"] = replace(code, value=os.path.realpath(home / code.value))
    swept = _names(root, "search_space")
    if "environment" in parts:
        parts["environment"] = _placed(parts["environment"], home)
    command = parts.get("command")
    if command is not None and isinstance(command.value, str):
        parts["command"] = _rewritten(command, swept)
    declared = component.value.get("inputs")
    needed: dict[str, Node] = declared.value if declared is not None and isinstance(declared.value, dict) else {}
    for name in swept:
        if name not in needed:
            fix = did_you_mean(name, list(needed))
            allowed = f"an input of the component: {', '.join(needed) or 'none'}"
            place = root.locate(f"search_space.{name}", key=True)
            problems.append(Problem(f"search_space.{name}", show(name), allowed, fix, place))
    root = _with_inputs(root, needed, swept, problems)
    outputs = component.value.get("outputs")
    for name, item in (outputs.value if outputs is not None and isinstance(outputs.value, dict) else {}).items():
        kind = {key: item.value[key] for key in ("type",) if isinstance(item.value, dict) and key in item.value}
        root = root.with_value(["outputs", name], Node(kind, item.place, item.key_place))
    trial = Node(parts, component.place, component.key_place or root.locate("trial"))
    return replace(root, value={**root.value, "trial": trial})


def _placed(environment: Node, home: Path) -> Node:
    """An environment whose files are absolute: those of a component lie beside it."""
    inner = environment.value.get("conda_file") if isinstance(environment.value, dict) else environment
    if inner is None or not isinstance(inner.value, str) or not inner.value.endswith((".yml", ".yaml")):
        return environment
    if inner.value.startswith("azureml:"):
        return environment
    placed = replace(inner, value=os.path.realpath(home / inner.value.removeprefix("file:")))
    return placed if inner is environment else replace(environment, value={**environment.value, "conda_file": placed})


def _names(root: Node, key: str) -> list[str]:
    node = root.get(key)
    return list(node.value) if node is not None and isinstance(node.value, dict) else []


def _rewritten(command: Node, swept: Sequence[str]) -> Node:
    def name(match: re.Match[str]) -> str:
        return f"${{{{search_space.{match[1]}}}}}" if match[1] in swept else match[0]

    return replace(command, value=_INPUT.sub(name, command.value), raw=_INPUT.sub(name, command.raw))


def _with_inputs(root: Node, needed: Mapping[str, Node], swept: Sequence[str], problems: list[Problem]) -> Node:
    given = root.get("inputs")
    values: dict[str, Node] = dict(given.value) if given is not None and isinstance(given.value, dict) else {}
    for name, item in values.items():
        if name not in needed:
            allowed = f"an input of the component: {', '.join(needed) or 'none'}"
            fix = did_you_mean(name, list(needed))
            problems.append(Problem(f"inputs.{name}", "an unknown input", allowed, fix, item.key_place or item.place))
    for name, spec in needed.items():
        about: dict[str, Node] = spec.value if isinstance(spec.value, dict) else {}
        if name in swept:
            values.pop(name, None)
            continue
        if name not in values and about.get("default") is not None:
            values[name] = replace(about["default"], key_place=spec.key_place)
        if name in values:
            values[name] = _checked(f"inputs.{name}", values[name], about, problems)
        elif not _plain(about, "optional"):
            fix = f"Set it as inputs.{name} of the node."
            place = root.locate("inputs")
            problems.append(Problem(f"inputs.{name}", "nothing", "a value, which the component requires", fix, place))
            values[name] = Node(_UNKNOWN, place)
    home = given or Node({}, root.place, root.key_place)
    return replace(root, value={**root.value, "inputs": replace(home, value=values)})


def _checked(where: str, node: Node, about: Mapping[str, Node], problems: list[Problem]) -> Node:
    """The input in the type that the component says; data keeps the type it has, or gets that of the component."""
    kind = str(_plain(about, "type") or "").casefold()
    if isinstance(node.value, dict):
        if "type" not in node.value and "type" in about:
            return replace(node, value={"type": about["type"], **node.value})
        return node
    bound = "${{" in str(node.value)  # to an input or output elsewhere, whose value is not known here
    if kind.startswith(_DATA) and isinstance(node.value, str) and not bound:
        return replace(node, value={"type": about["type"], "path": replace(node)}, text=None, raw="")
    value = _typed(node.value, kind)
    if not bound and (allowed := _allowed(value, str(node.text or node.value), kind, about)):
        problems.append(Problem(where, show(node.value), f"{allowed}, as the component says", "", node.place))
    return replace(node, value=value)


def _allowed(value: Any, written: str, kind: str, about: Mapping[str, Node]) -> str:
    """What a component allows for an input, where that is not the value given; else empty."""
    if kind in _NUMBERS and not is_number(value):
        return _NUMBERS[kind]
    if kind == "boolean" and not isinstance(value, bool):
        return "true or false"
    choices = [str(item.value) for item in about["enum"].value] if "enum" in about else []
    if choices and written not in choices:
        return ", ".join(choices)
    low, high = _plain(about, "min"), _plain(about, "max")
    below = is_number(low) and is_number(value) and value < low
    above = is_number(high) and is_number(value) and value > high
    limits = [f"{word} {limit}" for word, limit in (("from", low), ("to", high)) if limit is not None]
    return " ".join(limits) if below or above else ""


def _plain(about: Mapping[str, Node], key: str) -> Any:
    return about[key].plain() if key in about else None


def _typed(value: Any, kind: str) -> Any:
    """A value as the component's type: ``'3'`` of an integer is 3, 3 of a string is ``'3'``."""
    if isinstance(value, str) and kind in _NUMBERS:
        try:
            return int(value) if kind == "integer" else float(value)
        except ValueError:
            return value
    if isinstance(value, str) and kind == "boolean" and value.strip().casefold() in ("true", "false"):
        return value.strip().casefold() == "true"
    return value
