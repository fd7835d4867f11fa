"""The keys of a sweep file: those of Azure ML's v2 sweep job, and our own below ``raydrive:`` (``settings.keys``).

pydantic checks shapes and ranges at this border; search space and policy are checked by their own modules. Whatever an
Azure file may hold is named here, so that only real mistakes are unknown keys.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from raydrive.core.config.given_points import SCHEMA as POINTS
from raydrive.core.config.trial_spec import DISTRIBUTIONS
from raydrive.core.errors import did_you_mean
from raydrive.core.objective import ALLOWED, NAMES, PATTERN, is_objective
from raydrive.core.search.sampling_names import split_name
from raydrive.settings.fields import Check, Count, CountOrNone, Seconds, Section, Text, one_of, refusal
from raydrive.settings.keys import TEXTS as SETTING_TEXTS
from raydrive.settings.keys import OwnKeys


def _objective_value() -> Check:
    """What of a curve counts: a few names, and a mean of any number of values."""

    def check(value: Any) -> str:
        name = value.strip().casefold() if isinstance(value, str) else value
        if not is_objective(name):
            raise refusal(ALLOWED, did_you_mean(name, NAMES) if isinstance(name, str) else "")
        return str(name)

    return Check(check, accepts={"anyOf": [{"enum": list(NAMES)}, {"type": "string", "pattern": PATTERN}]})


class AzureResources(Section):
    """Machines of Azure ML; the number of them counts, the rest is accepted without meaning here."""

    instance_count: Count | None = None
    """Nodes of one trial."""
    instance_type: Any = None
    shm_size: Any = None
    docker_args: Any = None
    properties: Any = None
    locations: Any = None
    max_instance_count: Any = None


class DistributionKeys(Section):
    """How the processes of a trial are started; what else a Ray cluster of Azure ML has is accepted without meaning."""

    type: Annotated[str, one_of(*DISTRIBUTIONS)]
    process_count_per_instance: Count | None = None
    """Processes on each node, of pytorch and mpi."""
    worker_count: Count | None = None
    """Processes on all nodes, of tensorflow; left out = one on each node."""
    parameter_server_count: CountOrNone | None = None
    """Refused above 0."""
    port: Any = None
    address: Any = None
    include_dashboard: Any = None
    dashboard_port: Any = None
    head_node_additional_args: Any = None
    worker_node_additional_args: Any = None


class AzureQueue(Section):
    """Priorities of Azure ML; accepted, without meaning here."""

    job_tier: Any = None
    priority: Any = None


class AzureIdentity(Section):
    """Identities of Azure ML; accepted, without meaning here."""

    type: Any = None
    client_id: Any = None
    object_id: Any = None
    msi_resource_id: Any = None
    resource_id: Any = None


class TrialKeys(Section):
    """``trial``: what runs."""

    command: Text
    code: Text | None = None
    environment: Any = None
    environment_variables: dict[str, Text] | None = None
    resources: AzureResources | None = None
    distribution: DistributionKeys | None = None


def _checked_later(accepts: dict[str, Any]) -> Check:
    """Describes a value for editors; what is wrong with it is found by the sampling, which knows the space."""
    return Check(lambda value: value, accepts={"anyOf": [accepts, {"type": "null"}]})


class SamplingKeys(Section):
    """``sampling_algorithm`` as an object."""

    type: Annotated[str, one_of("random", "grid", "bayesian", "sobol", "tpe")]
    seed: CountOrNone | None = None
    rule: Annotated[str, one_of("random", "sobol")] | None = None
    algorithm: Annotated[Any, _checked_later({"type": "string"})] = None
    """``gp`` or ``tpe``, of ``bayesian``."""
    initial_points: Annotated[Any, _checked_later({"type": ["integer", "string"], "minimum": 1})] = None
    points_to_evaluate: Annotated[Any, _checked_later({"type": "array", "items": {"type": "object"}})] = None
    points: Annotated[Any, _checked_later(dict(POINTS))] = None
    """Configurations to try first, whatever the type; the same as raydrive.points."""
    fidelity: Annotated[Any, _checked_later({"type": "string"})] = None
    """``intervals``, of ``bayesian``: trials pause, and the model chooses which of them continues."""
    max_intervals: Annotated[Any, _checked_later({"type": ["integer", "string"], "minimum": 2})] = None
    min_intervals: Annotated[Any, _checked_later({"type": ["integer", "string"], "minimum": 1})] = None
    logbase: Any = None


class ObjectiveKeys(Section):
    """``objective``."""

    goal: Annotated[str, one_of("maximize", "minimize")]
    primary_metric: Text
    value: Annotated[str, _objective_value()] | None = None
    """raydrive's own: what of a trial's values it is ranked by."""


class LimitKeys(Section):
    """``limits``; seconds as written (v2 raises 1 to 60 to 60)."""

    max_total_trials: Count | None = None
    max_concurrent_trials: Count | None = None
    timeout: Seconds | None = None
    trial_timeout: Seconds | None = None


class InputKeys(Section):
    """An input that is data."""

    type: Annotated[
        str, one_of("uri_folder", "uri_file", "mltable", "mlflow_model", "custom_model", "triton_model")
    ] = "uri_folder"
    path: Text
    mode: (
        Annotated[str, one_of("ro_mount", "download", "direct", "eval_mount", "eval_download", "ro_delegated_mount")]
        | None
    ) = None


class OutputKeys(Section):
    """A named output."""

    type: Annotated[
        str, one_of("uri_folder", "uri_file", "mltable", "mlflow_model", "custom_model", "triton_model")
    ] = "uri_folder"
    path: Any = None
    mode: Any = None


def _sampling(value: Any) -> Any:
    """``sampling_algorithm: grid`` is short for an object; ``sobol`` and ``tpe`` are short for an option."""
    if isinstance(value, str):
        value = {"type": value}
    if isinstance(value, dict) and value.keys() == {"points"}:
        value = {"type": "random", **value}
    found = split_name(value.get("type")) if isinstance(value, dict) else None
    return value if found is None else {**value, **found[1], "type": found[0]}


class SweepKeys(Section):
    """A sweep file."""

    schema_: Any = Field(None, alias="$schema")
    type: Annotated[str, one_of("sweep")] = "sweep"
    name: Text | None = None
    display_name: Text | None = None
    experiment_name: Text | None = None
    description: Text | None = None
    tags: dict[str, Text] | None = None
    properties: dict[str, Any] | None = None
    trial: TrialKeys
    sampling_algorithm: Annotated[SamplingKeys, BeforeValidator(_sampling)] = SamplingKeys(type="random")
    search_space: dict[str, Any]
    objective: ObjectiveKeys
    early_termination: Any = None
    limits: LimitKeys | None = None
    compute: Any = None
    inputs: dict[str, Any] | None = None
    outputs: dict[str, Any] | None = None
    identity: AzureIdentity | None = None
    queue_settings: AzureQueue | None = None
    services: dict[str, Any] | None = None
    resources: AzureResources | None = None
    distribution: DistributionKeys | None = None
    """The same as trial.distribution."""
    raydrive: OwnKeys | None = None


TEXTS = (
    "name", "display_name", "experiment_name", "description", "tags", "objective.primary_metric",
    "trial.environment_variables", *(f"raydrive.{key}" for key in SETTING_TEXTS),
)  # fmt: skip
"""Where an unquoted number or true means its text: ``OMP_NUM_THREADS: 4``, ``version: 1.10``."""
