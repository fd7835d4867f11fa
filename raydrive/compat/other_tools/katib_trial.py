"""The trial of a Katib experiment: the command of a container, on one node or on several."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from raydrive.compat.other_tools.sweep_parts import Carried, number_of, swept, word
from raydrive.core.numbers import is_number

_REFERENCE = re.compile(r"\$\{trialParameters\.(\w+)\}")
_JOBS = {"PyTorchJob": ("pytorch", "pytorchReplicaSpecs"), "TFJob": ("tensorflow", "tfReplicaSpecs")}
"""Kinds of jobs with several pods: their distribution, and where the pods stand."""
_WORKERS = ("Master", "Chief", "Worker")
_STEPS = ("Workflow", "PipelineRun")
"""Kinds of several steps."""
_WHERE = "spec.trialTemplate.trialSpec"
_OF_TRIAL = {"${trialSpec.Name}": "$RAYDRIVE_TRIAL_ID"}
"""What of the trial's own description there is here."""


def trial_of(template: Mapping[str, Any], carried: Carried) -> None:
    """Fills in what a trial of Katib is: the command of its container, its variables, and what it reserves.

    Args:
        template: ``spec.trialTemplate``.
        carried: The sweep file.
    """
    names = {each.get("name"): str(each.get("reference")) for each in template.get("trialParameters") or ()}
    spec = carried.mapping(template.get("trialSpec"), _WHERE)
    chosen = _container(spec, template.get("primaryContainerName"), carried)
    if chosen is None:
        return

    def reference(match: re.Match[str]) -> str:
        name = names.get(match[1], match[1])
        return _OF_TRIAL.get(name, "") if name.startswith("${trialSpec.") else swept(name)

    parts = [str(part) for part in (*(chosen.get("command") or ()), *(chosen.get("args") or ()))]
    words = [_REFERENCE.sub(reference, part) if _REFERENCE.search(part) else word(part) for part in parts]
    variables = {each["name"]: str(each["value"]) for each in chosen.get("env") or () if "value" in each}
    filled = {name: _REFERENCE.sub(reference, text) for name, text in variables.items() if _REFERENCE.search(text)}
    before = [f"{name}={text}" for name, text in filled.items()]  # the shell sets them: a variable has no references
    carried.sweep["trial"] = {"command": " ".join([*before, *words])}
    variables = {name: text for name, text in variables.items() if name not in filled}
    if variables:
        carried.sweep["trial"]["environment_variables"] = variables
    gone = [name for name, of in names.items() if of.startswith("${trialSpec.") and of not in _OF_TRIAL]
    if gone:
        carried.report.append(f"spec.trialTemplate.trialParameters {', '.join(gone)}: empty; only Kubernetes has them.")
    limits = carried.mapping((chosen.get("resources") or {}).get("limits"), "resources.limits")
    gpus, cpus = number_of(limits.get("nvidia.com/gpu")), number_of(limits.get("cpu"))
    resources = {key: value for key, value in (("cpus", cpus), ("gpus", gpus)) if is_number(value)}
    resources.update(_replicas(spec, carried))
    if resources:
        carried.own["resources"] = resources
    carried.report.append(
        f"The image {chosen.get('image')} is not used: trials are processes of the nodes. Paths of the command are "
        "those of the image; set trial.code to the folder of the script, and raydrive.python."
    )


def _container(spec: Mapping[str, Any], wanted: Any, carried: Carried) -> Mapping[str, Any] | None:
    """The container that trains; what is wrong with it is noted."""
    kind = spec.get("kind")
    if kind in _STEPS:
        fix = "Write the command of the step that trains, as a Job."
        carried.wrong(f"{_WHERE}.kind", kind, "a Job, or another kind whose pods train", fix)
        return None
    containers = list(_containers(spec))
    chosen = next((each for each in containers if wanted in (None, each.get("name")) or "name" not in each), None)
    if chosen is None or not chosen.get("command"):
        found, fix = "no container with a command (one of a configMap is not read)", ""
        if chosen is not None:
            found, fix = "a container with arguments alone", "Its image knows what is executed: add that as command:."
        carried.wrong(_WHERE, found, "a Job whose container has a command", fix)
        return None
    return chosen


def _replicas(spec: Any, carried: Carried) -> dict[str, Any]:
    """Pods of a PyTorchJob or a TFJob: each is a process on a node of its own; how it is launched is noted."""
    kind = spec.get("kind") if isinstance(spec, Mapping) else None
    if kind not in _JOBS:
        return {}
    distribution, key = _JOBS[kind]
    job = carried.mapping(spec.get("spec"), "spec.trialTemplate.trialSpec.spec")
    where = f"spec.trialTemplate.trialSpec.spec.{key}"
    groups = carried.mapping(job.get(key), where)
    counts = {name: number_of((each or {}).get("replicas", 1)) for name, each in groups.items()}
    if counts.get("PS"):
        carried.report.append(f"{where}.PS: not carried over; use tf.distribute.MultiWorkerMirroredStrategy.")
    if counts.get("Evaluator"):
        carried.report.append(f"{where}.Evaluator: not carried over; evaluate on rank 0.")
    pods = [count for name, count in counts.items() if name in _WORKERS]
    nodes = sum(pods) if all(type(count) is int for count in pods) else 0
    if nodes < 2:
        return {}
    carried.sweep["trial"]["distribution"] = {"type": distribution}
    carried.report.append(
        f"The {nodes} pods of the {kind} are {nodes} nodes of a trial with one process each: docs/multi-node.md."
    )
    return {"nodes": nodes, "strategy": "SPREAD"}  # pods may lie on one machine


def _containers(tree: Any) -> Iterator[Mapping[str, Any]]:
    """The containers anywhere below a Job, TFJob, PyTorchJob or TrainJob."""
    if isinstance(tree, Mapping):
        if any(isinstance(tree.get(key), list) for key in ("command", "args")):
            yield tree
        for value in tree.values():
            yield from _containers(value)
    elif isinstance(tree, list):
        for each in tree:
            yield from _containers(each)
