"""The keys of a sweep file: those of Azure ML's v2 sweep job, and our own below ``raydrive:``.

pydantic checks shapes and ranges at this border; search space and policy are checked by those who own them. Whatever an
Azure file may hold is named here, so that only real mistakes are unknown keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from raydrive.core.config.stdout_metrics import pattern_problem
from raydrive.core.config.trial_spec import LEAST_LOG_LIMIT
from raydrive.core.errors import did_you_mean
from raydrive.core.numbers import is_number
from raydrive.core.objective import ALLOWED, NAMES, PATTERN, is_objective
from raydrive.storage.kept_patterns import check_patterns


def _wrong(allowed: str, fix: str = "") -> PydanticCustomError:
    return PydanticCustomError("raydrive", "{allowed}", {"allowed": allowed, "fix": fix})


@dataclass(frozen=True, slots=True)
class _Check(BeforeValidator):
    """A check that says in JSON Schema what it accepts."""

    accepts: dict[str, Any] = field(default_factory=dict, compare=False)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return dict(self.accepts)


def _from_text(value: Any) -> Any:
    """A number written as text, as v2 allows."""
    if isinstance(value, str):
        for plain in (int, float):
            try:
                return plain(value.strip())
            except ValueError:
                continue
    return value


def _number(allowed: str, accept: Callable[[float], bool], *, whole: bool = False) -> _Check:
    def check(value: Any) -> Any:
        number = _from_text(value)
        if not is_number(number):
            raise _wrong(allowed)
        if (whole and number != int(number)) or not accept(number):
            raise _wrong(allowed)
        return int(number) if whole else number

    return _Check(check, accepts={"type": ["integer" if whole else "number", "string"], "description": allowed})


def _text(value: Any) -> str:
    if isinstance(value, bool | int | float):
        raise _wrong("text", f"Put it in quotes: '{value}'.")
    if not isinstance(value, str) or not value.strip():
        raise _wrong("text that is not empty")
    return value


def any_case(name: str) -> str:
    """Returns a regular expression for an enum's name as v2 accepts it: any case, PascalCase included.

    >>> any_case("ro_mount")
    '^[rR][oO][_-]?[mM][oO][uU][nN][tT]$'
    """
    letters = ("[_-]?" if letter in "_-" else f"[{letter.lower()}{letter.upper()}]" for letter in name)
    return f"^{''.join(letters)}$"


def _one_of(*known: str) -> _Check:
    """An enum of v2: any case, PascalCase included."""
    folded = {re.sub("[_-]", "", name.casefold()): name for name in known}

    def check(value: Any) -> str:
        name = folded.get(re.sub("[_-]", "", value.strip().casefold())) if isinstance(value, str) else None
        if name is None:
            raise _wrong(", ".join(known), did_you_mean(value, known) if isinstance(value, str) else "")
        return name

    patterns = [{"type": "string", "pattern": any_case(name)} for name in known]
    # An editor offers the names; any spelling of them is valid.
    return _Check(check, accepts={"anyOf": [{"enum": list(known)}, *patterns]})


def _objective_value() -> _Check:
    """What of a curve counts: a few names, and a mean of any number of values."""

    def check(value: Any) -> str:
        name = value.strip().casefold() if isinstance(value, str) else value
        if not is_objective(name):
            raise _wrong(ALLOWED, did_you_mean(name, NAMES) if isinstance(name, str) else "")
        return str(name)

    return _Check(check, accepts={"anyOf": [{"enum": list(NAMES)}, {"type": "string", "pattern": PATTERN}]})


_UNITS = {"": 1, "b": 1} | {
    f"{letter}{suffix}": base**power
    for power, letter in enumerate("kmgt", 1)
    for suffix, base in (("", 1000), ("b", 1000), ("i", 1024), ("ib", 1024))
}


def _memory(value: Any) -> Any:
    """Bytes, or an amount with a unit: ``4GB`` is 4e9, ``4GiB`` is 4 * 2**30."""
    match = re.fullmatch(r"\s*([0-9.]+(?:e[0-9]+)?)\s*([a-zA-Z]*)\s*", value) if isinstance(value, str) else None
    number = _from_text(match[1]) if match else value
    unit = _UNITS.get(match[2].casefold()) if match else 1
    if not is_number(number) or unit is None or number < 0:
        raise _wrong("bytes, or an amount such as 4GB or 512MiB")
    return number * unit


def _log_limit(value: Any) -> int:
    """Bytes of a log, or an amount with a unit; 0 is no limit."""
    try:
        number = int(_memory(value))
    except (ValueError, OverflowError):
        number = -1
    if number < 0 or 0 < number < LEAST_LOG_LIMIT:
        raise _wrong(f"an amount such as 256MB, of {LEAST_LOG_LIMIT:,} bytes or more, or 0 for no limit")
    return number


def _patterns(value: Any) -> Any:
    """A regular expression, or a list of them."""
    for pattern in value if isinstance(value, list) else [value]:
        wrong = pattern_problem(pattern)
        if wrong is not None:
            allowed, fix = wrong
            raise _wrong(allowed, f"{pattern!r}: {fix}" if isinstance(value, list) and fix else fix)
    return value if isinstance(value, list) else [value]


def _keep(value: Any) -> Any:
    """A pattern of files, or a list of them."""
    patterns = value if isinstance(value, list) else [value]
    for problem in check_patterns(patterns, "keep"):
        raise _wrong(problem.allowed, f"{problem.found}: {problem.fix}" if problem.fix else "")
    return patterns


Text = Annotated[str, _Check(_text, accepts={"type": "string", "pattern": "\\S"})]
Count = Annotated[int, _number("a whole number of 1 or more", lambda n: n >= 1, whole=True)]
CountOrNone = Annotated[int, _number("a whole number of 0 or more", lambda n: n >= 0, whole=True)]
Seconds = Annotated[float, _number("a number of seconds above 0", lambda n: n > 0)]
Amount = Annotated[float, _number("a number of 0 or more", lambda n: n >= 0)]


_TEXTS = {"type": ["string", "array"], "items": {"type": "string"}}


class Section(BaseModel):
    """A mapping of the file whose keys are all known."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class AzureResources(Section):
    """Machines of Azure ML; accepted, without meaning here."""

    instance_count: Any = None
    instance_type: Any = None
    shm_size: Any = None
    docker_args: Any = None
    properties: Any = None
    locations: Any = None
    max_instance_count: Any = None


class AzureDistribution(Section):
    """Launchers of Azure ML; accepted, without meaning here."""

    type: Any = None
    process_count_per_instance: Any = None
    worker_count: Any = None
    parameter_server_count: Any = None
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
    distribution: AzureDistribution | None = None


class SamplingKeys(Section):
    """``sampling_algorithm`` as an object."""

    type: Annotated[str, _one_of("random", "grid", "bayesian", "sobol")]
    seed: CountOrNone | None = None
    rule: Annotated[str, _one_of("random", "sobol")] | None = None
    logbase: Any = None


class ObjectiveKeys(Section):
    """``objective``."""

    goal: Annotated[str, _one_of("maximize", "minimize")]
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
        str, _one_of("uri_folder", "uri_file", "mltable", "mlflow_model", "custom_model", "triton_model")
    ] = "uri_folder"
    path: Text
    mode: (
        Annotated[str, _one_of("ro_mount", "download", "direct", "eval_mount", "eval_download", "ro_delegated_mount")]
        | None
    ) = None


class OutputKeys(Section):
    """A named output."""

    type: Annotated[
        str, _one_of("uri_folder", "uri_file", "mltable", "mlflow_model", "custom_model", "triton_model")
    ] = "uri_folder"
    path: Any = None
    mode: Any = None


class ResourceKeys(Section):
    """``raydrive.resources``: what a trial reserves on the cluster."""

    cpus: Amount = 1
    gpus: Amount = 0
    memory: Annotated[float, _Check(_memory, accepts={"type": ["number", "string"]})] | None = None
    custom: dict[str, Amount] | None = None
    accelerator_type: Text | None = None


class MetricKeys(Section):
    """``raydrive.metrics``: for scripts that only print."""

    source: Annotated[str, _one_of("stdout")] = "stdout"
    pattern: Annotated[list[str], _Check(_patterns, accepts=_TEXTS)] | None = None
    format: Annotated[str, _one_of("json")] | None = None

    @model_validator(mode="after")
    def _find_something(self) -> MetricKeys:
        if self.pattern is None and self.format is None:
            raise _wrong("pattern (a regular expression with named groups), or format: json")
        return self


class OwnKeys(Section):
    """``raydrive``: what a cluster of one's own adds; also the content of a site file."""

    storage: Text | None = None
    address: Text | None = None
    plain_ray: bool | None = None
    """Start Ray as it is, without raydrive's changes to its private parts."""
    seed: CountOrNone | None = None
    resources: ResourceKeys | None = None
    python: Text | None = None
    allow_pip_install: bool | None = None
    preload: list[Text] | None = None
    grace_s: Amount | None = None
    reuse_actors: bool | None = None
    max_attempts: Count | None = None
    keep_checkpoints: Count | None = None
    resume_argument: bool | None = None
    warm_start: Any = None
    resume_child_runs: Any = None
    lease_s: Amount | None = None
    first_failures: CountOrNone | None = None
    max_losses: CountOrNone | None = None
    storage_patience_s: Seconds | None = None
    log_limit: Annotated[int, _Check(_log_limit, accepts={"type": ["integer", "string"]})] | None = None
    metrics: MetricKeys | None = None
    keep: Annotated[list[str], _Check(_keep, accepts=_TEXTS)] | None = None
    environment_variables: dict[str, Text] | None = None
    secrets: dict[str, Text] | None = None
    """Variables whose values never reach the storage, and where these are read: env, env:NAME, file:PATH."""
    input_mapping: dict[str, Text] | None = None
    """What Azure ML's names of data stand for: names or beginnings of URIs, and paths or URIs."""


def _sampling(value: Any) -> Any:
    """``sampling_algorithm: grid`` is short for an object; Sobol is a rule of random sampling."""
    if isinstance(value, str):
        value = {"type": value}
    if isinstance(value, dict) and str(value.get("type")).strip().casefold() == "sobol":
        value = {"rule": "sobol", **value, "type": "random"}
    return value


class SweepKeys(Section):
    """A sweep file."""

    schema_: Any = Field(None, alias="$schema")
    type: Annotated[str, _one_of("sweep")] = "sweep"
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
    raydrive: OwnKeys | None = None


TEXTS = (
    "name", "display_name", "experiment_name", "description", "tags", "objective.primary_metric",
    "trial.environment_variables", "raydrive.environment_variables", "raydrive.input_mapping",
)  # fmt: skip
"""Where an unquoted number or true means its text: ``OMP_NUM_THREADS: 4``, ``version: 1.10``."""
