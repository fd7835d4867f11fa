"""Katib experiments (kubeflow.org/v1beta1). Keys: https://www.kubeflow.org/docs/components/katib/reference/."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from raydrive.compat.other_tools.sweep_parts import (
    Carried,
    plain_logarithmic,
    steps,
    swept,
    whole_numbers,
    word,
)
from raydrive.core.numbers import is_number

_ALGORITHMS = {
    "random": "random", "grid": "grid", "sobol": "sobol",
    **dict.fromkeys(("bayesianoptimization", "tpe", "multivariate-tpe", "cmaes"), "bayesian"),
}  # fmt: skip
_FORMAT = r"(?P<name>[\w|-]+)\s*=\s*(?P<value>[+-]?\d*(?:\.\d+)?(?:[Ee][+-]?\d+)?)"
"""What Katib's collector finds in what is printed, where the file names no other form."""
_REFERENCE = re.compile(r"\$\{trialParameters\.(\w+)\}")
_SPEC = (
    "objective", "algorithm", "earlyStopping", "parallelTrialCount", "maxTrialCount", "maxFailedTrialCount",
    "parameters", "trialTemplate", "metricsCollectorSpec",
)  # fmt: skip


_JOBS = {"PyTorchJob": ("pytorch", "pytorchReplicaSpecs"), "TFJob": ("tensorflow", "tfReplicaSpecs")}
"""Kinds of jobs with several pods: their distribution, and where the pods stand."""
_WORKERS = ("Master", "Chief", "Worker")


def convert(raw: Mapping[str, Any], carried: Carried) -> None:
    """Fills in a sweep file from a Katib experiment.

    Args:
        raw: The experiment.
        carried: The sweep file.
    """
    spec = carried.mapping(raw.get("spec"), "spec")
    carried.sweep["experiment_name"] = carried.mapping(raw.get("metadata"), "metadata").get("name")
    objective = carried.mapping(spec.get("objective"), "spec.objective")
    carried.sweep["objective"] = {
        "goal": objective.get("type", "maximize"),
        "primary_metric": objective.get("objectiveMetricName"),
    }
    if "goal" in objective:
        carried.report.append(
            "spec.objective.goal: not carried over; `raydrive cancel` ends a run that is good enough."
        )
    _algorithm(carried.mapping(spec.get("algorithm"), "spec.algorithm"), carried)
    for number, about in enumerate(spec.get("parameters") or ()):
        _parameter(f"spec.parameters[{number}]", carried.mapping(about, f"spec.parameters[{number}]"), carried)
    if not carried.space:
        carried.wrong(
            "spec.parameters", spec.get("parameters"), "hyperparameters to tune; nasConfig is not carried over"
        )
    carried.sweep["limits"] = {
        "max_total_trials": spec.get("maxTrialCount") or 100,
        "max_concurrent_trials": spec.get("parallelTrialCount") or 3,
    }
    if spec.get("maxFailedTrialCount") is not None:
        carried.report.append(
            "spec.maxFailedTrialCount: not carried over; raydrive.first_failures ends a run that only fails."
        )
    _policy(carried.mapping(spec.get("earlyStopping"), "spec.earlyStopping"), carried)
    _trial(carried.mapping(spec.get("trialTemplate"), "spec.trialTemplate"), carried)
    _metrics(carried.mapping(spec.get("metricsCollectorSpec"), "spec.metricsCollectorSpec"), carried)
    carried.left_out(spec, _SPEC, "spec.")


def _algorithm(about: Mapping[str, Any], carried: Carried) -> None:
    name = str(about.get("algorithmName", "random"))
    carried.sweep["sampling_algorithm"] = {"type": _ALGORITHMS.get(name, "random")}
    if name not in _ALGORITHMS:
        carried.report.append(f"spec.algorithm {name}: written as random sampling.")
    elif _ALGORITHMS[name] == "bayesian" and name != "bayesianoptimization":
        carried.report.append(f"spec.algorithm {name}: written as Bayesian sampling with raydrive's Gaussian process.")


def _parameter(where: str, about: Mapping[str, Any], carried: Carried) -> None:
    name, kind = str(about.get("name")), about.get("parameterType")
    space = carried.mapping(about.get("feasibleSpace"), f"{where}.feasibleSpace")
    if kind in ("categorical", "discrete"):
        values = [_number(value) if kind == "discrete" else value for value in space.get("list") or ()]
        carried.space[name] = {"type": "choice", "values": values}
        return
    low, high, step = (_number(space.get(key)) for key in ("min", "max", "step"))
    if not (is_number(low) and is_number(high)):
        carried.wrong(f"{where}.feasibleSpace", dict(space), "min and max, or list")
    elif kind == "int" and step in (None, 1):
        carried.space[name] = whole_numbers(int(low), int(high))
    elif step is not None and carried.sweep["sampling_algorithm"]["type"] == "grid":
        carried.space[name] = {"type": "choice", "values": steps(low, high, step)}
    elif step is not None:
        carried.space[name] = {"type": "quniform", "min_value": low, "max_value": high, "q": step}
    elif str(space.get("distribution", "")).casefold() == "loguniform":
        carried.space[name] = plain_logarithmic("loguniform", low, high)
    elif kind == "double":
        carried.space[name] = {"type": "uniform", "min_value": low, "max_value": high}
    else:
        carried.wrong(f"{where}.parameterType", kind, "one of double, int, discrete, categorical")


def _number(value: Any) -> Any:
    """A number that Katib writes as text."""
    try:
        return int(value) if re.fullmatch(r"[+-]?\d+", str(value)) else float(value)
    except (TypeError, ValueError):
        return value


def _policy(about: Mapping[str, Any], carried: Carried) -> None:
    if not about:
        return
    if about.get("algorithmName") != "medianstop":
        carried.report.append(f"spec.earlyStopping {about.get('algorithmName')}: not carried over.")
        return
    settings = {each.get("name"): _number(each.get("value")) for each in about.get("algorithmSettings") or ()}
    first = settings.get("start_step") or 4
    carried.sweep["early_termination"] = {
        "type": "median_stopping",
        "delay_evaluation": first,
        "evaluation_interval": 1,
    }
    if "min_trials_required" in settings:
        carried.report.append("spec.earlyStopping min_trials_required: not carried over.")


def _trial(template: Mapping[str, Any], carried: Carried) -> None:
    names = {each.get("name"): each.get("reference") for each in template.get("trialParameters") or ()}
    wanted = template.get("primaryContainerName")
    containers = list(_containers(template.get("trialSpec")))
    chosen = next((each for each in containers if wanted in (None, each.get("name")) or "name" not in each), None)
    if chosen is None:
        carried.wrong(
            "spec.trialTemplate.trialSpec", "no container with a command", "a Job whose container has a command"
        )
        return

    def reference(match: re.Match[str]) -> str:
        return swept(str(names.get(match[1], match[1])))

    parts = [str(part) for part in (*(chosen.get("command") or ()), *(chosen.get("args") or ()))]
    words = [_REFERENCE.sub(reference, part) if _REFERENCE.search(part) else word(part) for part in parts]
    carried.sweep["trial"] = {"command": " ".join(words)}
    variables = {each["name"]: each["value"] for each in chosen.get("env") or () if "value" in each}
    if variables:
        carried.sweep["trial"]["environment_variables"] = variables
    limits = carried.mapping((chosen.get("resources") or {}).get("limits"), "resources.limits")
    gpus, cpus = _number(limits.get("nvidia.com/gpu")), _number(limits.get("cpu"))
    resources = {key: value for key, value in (("cpus", cpus), ("gpus", gpus)) if is_number(value)}
    resources.update(_replicas(template.get("trialSpec"), carried))
    if resources:
        carried.own["resources"] = resources
    carried.report.append(
        f"The image {chosen.get('image')} is not used: trials are processes of the nodes. Paths of the command are "
        "those of the image; set trial.code to the folder of the script, and raydrive.python."
    )


def _replicas(spec: Any, carried: Carried) -> dict[str, Any]:
    """Pods of a PyTorchJob or a TFJob: each is a process on a node of its own; how it is launched is noted."""
    kind = spec.get("kind") if isinstance(spec, Mapping) else None
    if kind not in _JOBS:
        return {}
    distribution, key = _JOBS[kind]
    job = carried.mapping(spec.get("spec"), "spec.trialTemplate.trialSpec.spec")
    where = f"spec.trialTemplate.trialSpec.spec.{key}"
    groups = carried.mapping(job.get(key), where)
    counts = {name: _number((each or {}).get("replicas", 1)) for name, each in groups.items()}
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


def _metrics(about: Mapping[str, Any], carried: Carried) -> None:
    kind = carried.mapping(about.get("collector"), "spec.metricsCollectorSpec.collector").get("kind", "StdOut")
    source = carried.mapping(about.get("source"), "spec.metricsCollectorSpec.source")
    formats = (source.get("filter") or {}).get("metricsFormat") if isinstance(source.get("filter"), Mapping) else None
    if kind not in ("StdOut", "File"):
        carried.report.append(f"spec.metricsCollectorSpec {kind}: not carried over; see docs/unmodified-scripts.md.")
        return
    if kind == "File":
        carried.report.append(
            "spec.metricsCollectorSpec File: metrics are searched for in the output, not in that file."
        )
    patterns = [_named(str(each)) for each in formats or ()] or [_FORMAT]
    carried.own["metrics"] = {"source": "stdout", "pattern": patterns}


def _named(pattern: str) -> str:
    """A pattern of Katib, whose first group is the name and whose second one the value, with these names."""
    count = 0

    def name(match: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return {1: "(?P<name>", 2: "(?P<value>"}.get(count, "(?:")

    return re.sub(r"(?<!\\)\((?!\?)", name, pattern)
