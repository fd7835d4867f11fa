"""The keys of the settings of a site: of ``raydrive.toml``, of ``--with`` files, and of ``raydrive:`` in a sweep file.

``OwnKeys`` is the only list of them: all that reads, writes or describes settings takes its fields.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import model_validator

from raydrive.core.byte_amounts import ALLOWED, bytes_of
from raydrive.core.config.option_words import FORMS
from raydrive.core.config.run_rules import SCHEMAS
from raydrive.core.config.stdout_metrics import pattern_problem
from raydrive.core.config.tracker_settings import TRACKERS, tracking_of
from raydrive.core.config.trial_environment import TOOLS
from raydrive.core.config.trial_spec import LEAST_LOG_LIMIT, RAY_IN_TRIALS, STRATEGIES
from raydrive.core.errors import ConfigError
from raydrive.settings.fields import (
    Amount,
    Check,
    Count,
    CountOrNone,
    Seconds,
    Section,
    Text,
    from_text,
    one_of,
    refusal,
)
from raydrive.storage.kept_patterns import check_patterns

TEXTS = ("environment_variables", "input_mapping")
"""Where an unquoted number or true means its text: ``OMP_NUM_THREADS: 4``."""
_TEXT_OR_TEXTS = {"type": ["string", "array"], "items": {"type": "string"}}


def _memory(value: Any) -> Any:
    """Bytes, or an amount with a unit: ``4GB`` is 4e9, ``4GiB`` is 4 * 2**30."""
    found = bytes_of(from_text(value))
    if found is None:
        raise refusal(ALLOWED)
    return found


def _log_limit(value: Any) -> int:
    """Bytes of a log, or an amount with a unit; 0 is not a limit."""
    try:
        number = int(_memory(value))
    except (ValueError, OverflowError):
        number = -1
    if number < 0 or 0 < number < LEAST_LOG_LIMIT:
        raise refusal(f"an amount such as 256MB, of {LEAST_LOG_LIMIT:,} bytes or more, or 0 for no limit")
    return number


def _strict(value: Any) -> int:
    """True, False, or a number of reports."""
    if isinstance(value, bool):
        return int(value)
    number = from_text(value)
    if not isinstance(number, int) or number < 0:
        raise refusal("true, false, or the number of reports that a trial may make without the primary metric")
    return number


def _patterns(value: Any) -> Any:
    """A regular expression, or a list of them."""
    for pattern in value if isinstance(value, list) else [value]:
        wrong = pattern_problem(pattern)
        if wrong is not None:
            allowed, fix = wrong
            raise refusal(allowed, f"{pattern!r}: {fix}" if isinstance(value, list) and fix else fix)
    return value if isinstance(value, list) else [value]


def _keep(value: Any) -> Any:
    """A pattern of files, or a list of them."""
    patterns = value if isinstance(value, list) else [value]
    for problem in check_patterns(patterns, "keep"):
        raise refusal(problem.allowed, f"{problem.found}: {problem.fix}" if problem.fix else "")
    return patterns


def _as_it_is(value: Any) -> Any:
    """What the core checks, with the same words for Python."""
    return value


def _flags(value: Any) -> str:
    """Whether truth values are flags; ``both``: with a negative form."""
    word = str(value).strip().casefold()
    if word not in ("true", "false", "both"):
        raise refusal("true, false or both")
    return {"true": "on", "false": ""}.get(word, word)


def _track(value: Any) -> Any:
    """Trackers by name, each with its settings."""
    try:
        return tracking_of(value)
    except ConfigError as error:
        first = error.problems[0]
        raise refusal(first.allowed, f"{first.where}: found {first.found}. {first.fix}".strip()) from None


TRACK_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        name: {
            "anyOf": [
                {"type": "string"},
                {
                    "type": "object",
                    "additionalProperties": False,
                    "required": [settings[0]],
                    "properties": {key: {"type": "string"} for key in settings},
                },
            ]
        }
        for name, settings in TRACKERS.items()
    },
}
"""What ``track`` accepts, as JSON Schema."""


class ResourceKeys(Section):
    """``raydrive.resources``: what a trial reserves on the cluster."""

    cpus: Amount = 1
    gpus: Amount = 0
    memory: Annotated[float, Check(_memory, accepts={"type": ["number", "string"]})] | None = None
    custom: dict[str, Amount] | None = None
    gpu_memory: Annotated[float, Check(_memory, accepts={"type": ["number", "string"]})] | None = None
    """Memory of each GPU that a trial's libraries may use."""
    share: Annotated[str, one_of("mps")] | None = None
    """How trials share a GPU."""
    accelerator_type: Text | None = None
    nodes: Count | None = None
    """Nodes of one trial; all amounts are those of each node."""
    processes_per_node: Count | None = None
    """Training processes that raydrive starts on each node."""
    strategy: Annotated[str, one_of(*STRATEGIES)] | None = None
    """How Ray places the nodes of a trial."""


class MetricKeys(Section):
    """``raydrive.metrics``: for scripts that only print."""

    source: Annotated[str, one_of("stdout")] = "stdout"
    pattern: Annotated[list[str], Check(_patterns, accepts=_TEXT_OR_TEXTS)] | None = None
    format: Annotated[str, one_of("json", "auto")] | None = None

    @model_validator(mode="after")
    def _find_something(self) -> MetricKeys:
        if self.pattern is None and self.format is None:
            raise refusal("pattern (a regular expression with named groups), format: json, or format: auto")
        if self.pattern is not None and self.format == "auto":
            raise refusal("pattern or format: auto, one of the two: auto finds the pattern")
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
    environments: Annotated[str, one_of(*TOOLS)] | None = None
    """What installs the packages of ``trial.environment`` or ``environment_file`` on each node; None = nothing."""
    environment_file: Text | None = None
    """A conda or requirements file instead of ``trial.environment``."""
    allow_pip_install: bool | None = None
    track: Annotated[dict[str, Any], Check(_track, accepts=TRACK_SCHEMA)] | None = None
    """Trackers that follow the run live."""
    preload: list[Text] | None = None
    grace_s: Amount | None = None
    reuse_actors: bool | None = None
    max_attempts: Count | None = None
    ray_in_trials: Annotated[str, one_of(*RAY_IN_TRIALS)] | None = None
    """What ray.init() does in a trial: join the run's cluster, or none: it is refused."""
    keep_checkpoints: Count | None = None
    resume_argument: bool | None = None
    warm_start: Any = None
    resume_child_runs: Any = None
    lease_s: Amount | None = None
    first_failures: CountOrNone | None = None
    strict: Annotated[int, Check(_strict, accepts={"type": ["boolean", "integer"], "minimum": 0})] | None = None
    """End the run as soon as its trials log other metrics than the primary one; a number: after this many reports."""
    max_losses: CountOrNone | None = None
    finish_when: Annotated[Any, Check(_as_it_is, accepts=dict(SCHEMAS["finish_when"]))] = None
    """What ends the run before its trials are used up."""
    on_oom: Annotated[Any, Check(_as_it_is, accepts=dict(SCHEMAS["on_oom"]))] = None
    """What becomes of a trial that runs out of memory."""
    points: Annotated[Any, Check(_as_it_is, accepts=dict(SCHEMAS["points"]))] = None
    """Configurations to try first."""
    notify: Annotated[Any, Check(_as_it_is, accepts=dict(SCHEMAS["notify"]))] = None
    """Whom the run tells of its end and of new bests."""
    repeats: Annotated[Any, Check(_as_it_is, accepts=dict(SCHEMAS["repeats"]))] = None
    """How often a configuration is tried, with different seeds."""
    population: Annotated[Any, Check(_as_it_is, accepts=dict(SCHEMAS["population"]))] = None
    """Population based training: trials continue from checkpoints of better ones, with other hyperparameters."""
    storage_patience_s: Seconds | None = None
    log_limit: Annotated[int, Check(_log_limit, accepts={"type": ["integer", "string"]})] | None = None
    metrics: MetricKeys | None = None
    keep: Annotated[list[str], Check(_keep, accepts=_TEXT_OR_TEXTS)] | None = None
    flags: Annotated[str, Check(_flags, accepts={"enum": [True, False, "both"]})] | None = None
    """How true and false of a hyperparameter are passed: as --name or nothing, or as --name or --no-name."""
    flatten: bool | None = None
    """Whether the keys of a nested choice are options of their own."""
    style: Annotated[str, one_of(*FORMS)] | None = None
    """How parameters are options of a script, and of ${{search_space}} in a command: --lr 0.1, --lr=0.1 or lr=0.1."""
    unused_ok: list[Text] | None = None
    """Hyperparameters that the command need not pass on."""
    environment_variables: dict[str, Text] | None = None
    secrets: dict[str, Text] | None = None
    """Variables whose values never reach the storage, and where these are read: env, env:NAME, file:PATH."""
    input_mapping: dict[str, Text] | None = None
    """What Azure ML's names of data stand for: names or beginnings of URIs, and paths or URIs."""
