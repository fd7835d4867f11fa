"""Reads a sweep file in the schema of Azure ML's v2 sweep job, with our own settings below ``raydrive:``.

Layers, each over the one before: ``raydrive.toml``, the file, site files, ``--set``. Everything wrong is reported at
once, each with its place. Differences from Azure: ``limits.timeout`` and ``limits.trial_timeout`` are seconds as
written (v2 raises 1 to 60 to 60); ``limits.max_total_trials`` may be left out for a grid, which then runs whole; a seed
that is not given is drawn and recorded, so that every run can be repeated.
"""

from __future__ import annotations

import re
import secrets
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from raydrive.api.named_parts import is_user_sampling, user_policy, user_sampling
from raydrive.api.submit.submission import Submission
from raydrive.api.submit.unused_parameters import unused_parameters
from raydrive.core.config.argument_values import flag_parameters, quoted_notes, unflattenable
from raydrive.core.config.command_line import OF_PARAMETERS, Reference, check_references, references
from raydrive.core.config.run_config import RunConfig
from raydrive.core.config.run_rules import PARTS, RunRules
from raydrive.core.config.trial_spec import Resources, TrialSpec
from raydrive.core.early_stopping.policies import NoTerminationPolicy, Policy, policy_from_json
from raydrive.core.errors import ConfigError, Problem, show
from raydrive.core.search.protocol import SamplingSpec
from raydrive.core.search.sampling_names import sampling_of, split_name
from raydrive.core.space.search_space import Space, parse_space
from raydrive.settings.fields import from_text
from raydrive.settings.keys import OwnKeys, ResourceKeys
from raydrive.settings.nearest import RunPlace
from raydrive.settings.problems import in_order
from raydrive.settings.reader import read_site, read_text, with_texts
from raydrive.settings.schedule_file import with_schedule
from raydrive.settings.tree import Node
from raydrive.settings.yaml_source import parse_yaml
from raydrive.storage.folder.current import absolute
from raydrive.storage.run_layout import check_experiment, usable_name
from raydrive.sweepfile.azure.environments import read_environment
from raydrive.sweepfile.azure.preview_forms import with_todays_forms
from raydrive.sweepfile.checks.lengths import long_texts
from raydrive.sweepfile.checks.warnings_for_users import azure_notes, installing, unused_notes, yaml11_notes
from raydrive.sweepfile.config_parts import limits_of, metric_of, tags_of, trial_of
from raydrive.sweepfile.earlier_runs import read_children, read_parents
from raydrive.sweepfile.edits.points import with_points
from raydrive.sweepfile.inputs_outputs import (
    DataMapping,
    check_script,
    data_warnings,
    read_code,
    read_inputs,
    read_outputs,
)
from raydrive.sweepfile.other_tools import tool_of
from raydrive.sweepfile.overrides import apply_override
from raydrive.sweepfile.pipeline import is_pipeline, sweep_of, with_component
from raydrive.sweepfile.problems import SITE_ADVICE, problems_of, with_line
from raydrive.sweepfile.schema import TEXTS, SweepKeys
from raydrive.sweepfile.several_nodes import read_resources
from raydrive.sweepfile.spellings import with_canonical_limits
from raydrive.sweepfile.user_types import masked, places
from raydrive.sweepfile.variables import confidential_notes, read_sources

_NUMBERS = ("initial_points", "max_intervals", "min_intervals")
_OPTIONS = ("type", "rule", "algorithm", "points_to_evaluate", "fidelity", *_NUMBERS)
"""Keys of ``sampling_algorithm`` that the sampling itself checks."""
OWN_SEEDS = "raydrive.repeats"
"""Where a file has the parameter that trials get beside those of its search space."""
_EXPONENTS = {10: 2.302585093, 2: 0.693147181}


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A sweep file, read and checked."""

    submission: Submission
    settings: RunPlace
    warnings: tuple[str, ...] = ()
    """What was accepted but does not mean here what it seems to; also in the submission."""


def load_sweep(
    path: Path | str,
    *,
    overrides: Sequence[str] = (),
    site: Sequence[Path] = (),
    text: str | None = None,
    default_seed: int | None = None,
    node: str = "",
    defaults: Path | None = None,
) -> Loaded:
    """Reads and checks a sweep file; starts nothing and writes nothing.

    Args:
        path: The file. Relative paths in it start from its folder.
        overrides: ``KEY=VALUE`` with dotted keys (``search_space.lr.max_value=-1``); values are YAML.
        site: Further files with settings, later ones over earlier ones; YAML, or TOML by their ending.
        text: The content, when it does not come from the file itself.
        default_seed: Seed of a run that names none; None draws one.
        node: The sweep node to take, where the file is a pipeline; empty = its only one.
        defaults: A file with settings that the sweep file is laid over: ``raydrive.toml``.

    Raises:
        ConfigError: With everything that is wrong, in the order of the file.
    """
    name = str(path)
    root, problems = parse_yaml(read_text(Path(path)) if text is None else text, name)
    if not isinstance(root.value, dict):
        found = "a list" if isinstance(root.value, list) else show(root.value)
        fix = "A sweep file begins with 'type: sweep'."
        raise ConfigError([*problems, Problem("the file", found, "a mapping of keys to values", fix, root.place)])
    tool = tool_of(root.plain())
    if tool:
        fix = f"This looks like a {tool}: raydrive convert {name} -o sweep.yml"
        raise ConfigError(Problem("the file", f"a {tool}", "a sweep file of raydrive or Azure ML", fix, root.place))
    base, note = absolute(path).parent, ""
    if is_pipeline(root):
        root, note = sweep_of(root, node, problems)
    elif node:
        fix = "Remove --node: the file is a single sweep."
        raise ConfigError([*problems, Problem("--node", show(node), "a pipeline to take it from", fix, root.place)])
    for file in (defaults, *site):
        settings = read_site(Path(file), problems, SITE_ADVICE) if file is not None else None
        if settings is not None:
            own = root.value.get("raydrive")
            under, over = (settings, own) if file == defaults else (own, settings)
            root = root.with_value(["raydrive"], under.merged(over) if under and over else settings)
    root = with_canonical_limits(root, problems)
    for override in overrides:
        root = apply_override(root, override, problems)
    early: list[tuple[str, str]] = []
    root = with_todays_forms(with_component(with_todays_forms(root, early), base, problems), early)
    reader = _Reader(with_texts(root, TEXTS), base, problems)
    reader.notes += early
    if note:
        reader.notes.append(("trial", note))
    loaded = reader.read(Path(path).stem, default_seed)
    if reader.problems or loaded is None:
        raise ConfigError(with_line(problem, root) for problem in in_order(reader.problems, name))
    return loaded


class _Reader:
    """Goes through the sections; each one is checked even where others are wrong."""

    def __init__(self, root: Node, base: Path, problems: list[Problem]) -> None:
        self.root = root
        self.base = base
        self.raw: dict[str, Any] = root.plain()
        self.problems = problems
        self.notes: list[tuple[str, str]] = []
        """Warnings: a path and what to know about it."""

    def read(self, stem: str, default_seed: int | None) -> Loaded | None:
        """Returns what was read, or None after noting problems."""
        keys = self._keys()
        self._experiment()
        sampling = self._sampling(self._space())
        policy = self._policy()
        mapping = DataMapping.of(_texts(_dig(self.raw, "raydrive.input_mapping")), self.root)
        inputs = read_inputs(self._mapping("inputs"), self.root, self.base, mapping, self.problems)
        outputs = read_outputs(self._mapping("outputs"), self.root, self.problems)
        source = self._source()
        check_script(_dig(self.raw, "trial.command"), source, self.root, self.problems)
        self._command(inputs.values, outputs.names)
        environment = read_environment(self.raw, self.base, self.root, self.problems, self.notes)
        secrets = read_sources(self.root, self.problems)
        self.problems += long_texts(self.root)
        parents = read_parents(self._mapping("raydrive").get("warm_start"), self.root, self.base, self.problems)
        given = self._mapping("raydrive").get("resume_child_runs")
        children = read_children(given, self.root, self.base, self.problems)
        reserved, distribution = self._reserved(keys)
        rules = self._rules(self._mapping("raydrive"), None if sampling is None else sampling.space)
        if keys is None or self.problems or sampling is None:
            return None
        own = keys.raydrive or OwnKeys()
        try:
            config = RunConfig(
                experiment=keys.experiment_name or usable_name(stem) or "sweep",
                display_name=keys.display_name or keys.name or "",
                tags=tags_of(keys),
                metric=metric_of(keys.objective),
                sampling=sampling,
                policy=policy,
                limits=limits_of(keys, own, sampling.space, rules.repeats.max if rules.repeats is not None else 1),
                trial=replace(
                    trial_of(keys, own, inputs, outputs, mapping, self.base, environment),
                    resources=reserved,
                    distribution=distribution,
                    secrets=secrets,
                    flags=flag_parameters(sampling.space),
                ),
                seed=self._seed(keys, own, default_seed),
                rules=rules,
            )
        except ConfigError as error:
            self._take(error, _PATHS)
            return None
        if self._reaches_nothing(config.trial, sampling.space, source):
            return None
        notes = self._notes(config)
        submission = Submission(
            config=config,
            source_directory=source,
            warnings=notes,
            resume_from=parents,
            resume_child_runs=children,
            places=places(self.root, self.raw),
        )
        place = RunPlace(storage=own.storage, address=own.address, plain_ray=own.plain_ray)
        return Loaded(submission=submission, settings=place, warnings=notes)

    def _notes(self, config: RunConfig) -> tuple[str, ...]:
        """What a user should know, each with its place."""
        space = config.sampling.space
        self.notes += [*azure_notes(self.raw), *data_warnings(self.raw), *confidential_notes(self.root)]
        names = {**space.expressions, **_seeds(self.raw)}
        self.notes += [*unused_notes(config.trial, names), *yaml11_notes(self.root)]
        self.notes += quoted_notes(config.trial.command, space)
        return tuple(f"{self.root.locate(where)}: {where}: {note}" for where, note in self.notes)

    def _source(self) -> Path | None:
        code = _dig(self.raw, "trial.code")
        named = isinstance(code, str) and code
        return read_code(code, self.root, self.base, self.problems, self.notes) if named else None

    def _keys(self) -> SweepKeys | None:
        try:
            keys = SweepKeys.model_validate(masked(self.raw))
        except ValidationError as error:
            self.problems.extend(problems_of(error, self.root, SweepKeys))
            keys = None
        if self._sampling_type()[0] != "grid":
            limits = self.raw.get("limits")
            if limits is None or (isinstance(limits, dict) and limits.get("max_total_trials") is None):
                self._wrong("limits.max_total_trials", "nothing", "a whole number of 1 or more; only a grid needs none")
        return keys

    def _reserved(self, keys: SweepKeys | None) -> tuple[Resources, str]:
        """What a trial reserves, and how its processes find each other."""
        try:
            return read_resources(keys, keys.raydrive or OwnKeys()) if keys is not None else (Resources(), "")
        except ConfigError as error:
            self._take(error, _RESERVED)
            return Resources(), ""

    def _rules(self, settings: Mapping[str, Any], space: Space | None) -> RunRules:
        """What ends the run early, and the like."""
        try:
            given = with_points(settings, self.raw.get("sampling_algorithm"), space, self.base)
            population = with_schedule(given.get("population"), self.base, "raydrive.population")
            return RunRules.of({**given, "population": population}, "raydrive.")
        except ConfigError as error:
            self._take(error)
            return RunRules()

    def _experiment(self) -> None:
        name = self.raw.get("experiment_name")
        if isinstance(name, str):
            try:
                check_experiment(name)
            except ConfigError as error:
                self._take(error, _PATHS)

    def _space(self) -> Space | None:
        raw = self.raw.get("search_space")
        if not isinstance(raw, dict):
            return None  # reported by the schema
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                space = parse_space(raw)
        except ConfigError as error:
            self._take(error)
            return None
        for warning in caught:
            where, _, note = str(warning.message).partition(": ")
            self.notes.append((where, note))
        return space

    def _sampling(self, space: Space | None) -> SamplingSpec | None:
        kind, rule = self._sampling_type()
        raw = self.raw.get("sampling_algorithm")
        if is_user_sampling(raw):
            return None if space is None else user_sampling(raw, space)
        if isinstance(raw, dict):
            self._logbase(raw.get("logbase"))
        if not kind or rule not in ("", "random", "sobol") or space is None:
            return None  # reported by the schema
        options = raw if isinstance(raw, dict) else {"type": raw or "random"}
        options = {key: value for key, value in options.items() if key in _OPTIONS}
        if options.get("rule") is not None:
            options["rule"] = rule
        options.update({key: from_text(options[key]) for key in _NUMBERS if key in options})
        try:
            return sampling_of({"type": "random", **options}, space, "sampling_algorithm")
        except ConfigError as error:
            self._take(error, {"parameter_space": "search_space"})
            return None

    def _sampling_type(self) -> tuple[str, str]:
        """Type (empty for an unknown one) and rule as far as they can be found, even where other keys are wrong."""
        raw = self.raw.get("sampling_algorithm", "random")
        raw = raw if isinstance(raw, dict) else {"type": raw}
        found = split_name(raw.get("type") or "random")
        rule = re.sub("[_-]", "", str(raw.get("rule") or "").strip().casefold())  # as the schema reads it
        return found[0] if found else "", rule

    def _logbase(self, base: Any) -> None:
        number = _number(base)
        if base is None or str(base).casefold() == "e" or (number is not None and abs(number - 2.718281828) < 1e-6):
            return
        factor = _EXPONENTS.get(int(number)) if number is not None and number in _EXPONENTS else None
        fix = "Multiply the bounds of log expressions by the natural logarithm of the base."
        if factor is not None:
            fix = f"Multiply the bounds of log expressions by {factor}: -4 becomes {-4 * factor:.6g}."
        self._wrong("sampling_algorithm.logbase", show(base), "e: loguniform is exp(uniform)", fix)

    def _policy(self) -> Policy:
        try:
            raw = self.raw.get("early_termination")
            return user_policy(raw) or policy_from_json(raw)
        except ConfigError as error:
            self._take(error)
            return NoTerminationPolicy()

    def _command(self, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> None:
        command = _dig(self.raw, "trial.command")
        if not isinstance(command, str):
            return
        given = self._mapping("inputs"), self._mapping("outputs")
        known = {**self._mapping("search_space"), **_seeds(self.raw)}, {**given[0], **inputs}, {**given[1], **outputs}
        found = check_references(command, search_space=known[0], inputs=known[1], outputs=known[2])
        wrong, note = installing(command, self._mapping("raydrive"))
        self.problems += [replace(wrong, place=self.root.locate(wrong.where))] if wrong else []
        self.notes += [("trial.command", note)] if note else []
        if not found:
            return
        order = {each.start: number for number, each in enumerate(references(command))}
        node = self.root.get("trial.command")
        in_file = references(node.raw) if node is not None else ()
        for reference, problem in found:
            if reference.scope not in OF_PARAMETERS or self._mapping(
                "search_space"
            ):  # without a search space there is one problem, not many
                place = self._place_of(reference, order, in_file)
                self.problems.append(replace(problem, place=place))

    def _reaches_nothing(self, spec: TrialSpec, space: Space, source: Path | None) -> bool:
        """Notes parameters that cannot reach the script; whether there are any."""
        found = unflattenable(space, spec.command, flatten=spec.flatten)
        found += unused_parameters(spec, [*space.expressions, *_seeds(self.raw)], source, yaml=True)
        if found:
            own = {f"search_space.{name}": f"{OWN_SEEDS}.parameter" for name in _seeds(self.raw)}
            self._take(ConfigError(found), own)
        return bool(found)

    def _place_of(self, reference: Reference, order: Mapping[int, int], in_file: Sequence[Reference]) -> str:
        """Where a reference is in the file: folding and quotes move it, but keep the order of references."""
        node = self.root.get("trial.command")
        if node is None or not node.raw or not reference.text:
            return self.root.locate("trial.command")
        if not reference.name:  # never closed
            return node.place_in(max(node.raw.find(reference.text[:20]), 0))
        number = order[reference.start]
        return node.place_in(in_file[number].start) if number < len(in_file) else node.place

    def _seed(self, keys: SweepKeys, own: OwnKeys, default_seed: int | None) -> int:
        of_sampling = keys.sampling_algorithm.seed
        if own.seed is not None:
            if of_sampling is not None and of_sampling != own.seed:
                self.notes.append(("sampling_algorithm.seed", f"ignored: raydrive.seed is {own.seed}"))
            return own.seed
        if of_sampling is not None:
            return of_sampling
        return secrets.randbits(31) if default_seed is None else default_seed

    def _mapping(self, key: str) -> dict[str, Any]:
        found = self.raw.get(key)
        return found if isinstance(found, dict) else {}

    def _wrong(self, where: str, found: str, allowed: str, fix: str = "") -> None:
        self.problems.append(Problem(where, found, allowed, fix, self.root.locate(where)))

    def _take(self, error: ConfigError, names: Mapping[str, str] | None = None) -> None:
        """Notes another's problems under the file's names, with places."""
        for problem in error.problems:
            where = problem.where
            for theirs, ours in (names or {}).items():
                if where == theirs or where.startswith((f"{theirs}.", f"{theirs}[")):
                    where = ours + where.removeprefix(theirs)
                    break
            unknown = problem.found == "an unknown key" or problem.allowed.startswith("no such key")
            place = self.root.locate(where, key=unknown)
            self.problems.append(replace(problem, where=where, place=place))


_PATHS = {
    "max_total_runs": "limits.max_total_trials",
    "max_concurrent_runs": "limits.max_concurrent_trials",
    "max_duration_s": "limits.timeout",
    "trial_timeout_s": "limits.trial_timeout",
    "max_attempts": "raydrive.max_attempts",
    "first_failures": "raydrive.first_failures",
    "strict": "raydrive.strict",
    "max_losses": "raydrive.max_losses",
    "grace_s": "raydrive.grace_s",
    "log_limit": "raydrive.log_limit",
    "ray_in_trials": "raydrive.ray_in_trials",
    **{name: f"raydrive.{name}" for name in ("style", "flags", "flatten")},
    "seed": "raydrive.seed",
    "experiment": "experiment_name",
    "primary_metric_name": "objective.primary_metric",
    "primary_metric_value": "objective.value",
    **{name: f"raydrive.{name}" for name in PARTS},
}
"""Names of the configuration as a sweep file has them."""
_RESERVED = {f"resources.{name}": f"raydrive.resources.{name}" for name in ResourceKeys.model_fields}
"""The same for what a trial reserves; Azure ML has ``resources`` of its own."""


def _seeds(raw: Mapping[str, Any]) -> dict[str, None]:
    """The parameter by which repeats of a configuration differ, where there are some."""
    repeats = _dig(raw, OWN_SEEDS)
    name = repeats.get("parameter", "seed") if isinstance(repeats, dict) else None
    return {name: None} if isinstance(name, str) else {}


def _dig(raw: Mapping[str, Any], where: str) -> Any:
    found: Any = raw
    for key in where.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _texts(value: Any) -> dict[str, str]:
    """The texts of a mapping; what else is there the schema reports."""
    return {key: item for key, item in value.items() if isinstance(item, str)} if isinstance(value, dict) else {}


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None
