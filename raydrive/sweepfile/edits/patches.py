"""An edit of a run in the words of a sweep file: single keys as with ``--set``, or a whole changed file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from raydrive.api.named_parts import is_user_sampling, user_policy, user_sampling
from raydrive.core.config.resource_dict import resources_of
from raydrive.core.config.run_config import RunConfig
from raydrive.core.config.run_rules import RunRules
from raydrive.core.config.trial_spec import TrialSpec
from raydrive.core.early_stopping.policies import policy_from_json
from raydrive.core.early_stopping.policy_record import policy_record
from raydrive.core.errors import ConfigError, Problem, show
from raydrive.core.json_values import decoded, json_of
from raydrive.core.search.sampling_names import sampling_of
from raydrive.core.search.sampling_record import sampling_record
from raydrive.core.space.search_space import parse_space
from raydrive.core.space.shown import in_a_sweep_file, yaml_text
from raydrive.core.user_requests.fixed import LIMITS, RULES, TRIAL, refusal
from raydrive.settings.keys import OwnKeys
from raydrive.settings.nearest import RunPlace
from raydrive.settings.tree import Node
from raydrive.settings.yaml_source import parse_value
from raydrive.sweepfile.loader import load_sweep
from raydrive.sweepfile.overrides import apply_override
from raydrive.sweepfile.problems import problems_of
from raydrive.sweepfile.schema import LimitKeys
from raydrive.sweepfile.spellings import canonical_key

_LIMITS = {
    "max_total_trials": "max_total_runs",
    "max_concurrent_trials": "max_concurrent_runs",
    "timeout": "max_duration_s",
    "trial_timeout": "trial_timeout_s",
}
"""Keys of ``limits`` and the fields of ``Limits`` that they are."""
_OWN_LIMITS = tuple(name for name in LIMITS if name not in _LIMITS.values())
_OWN_TRIAL = tuple(name for name in TRIAL if name not in ("resources", "flags"))
_TYPED = ("early_termination", "sampling_algorithm")
"""Sections whose other keys belong to their ``type``."""
_LOGARITHMS = ("loguniform", "qloguniform")
"""Expressions whose bounds are logarithms, whichever way a file has them."""
_UNTOLD = ("code_sha256", "submit_dir", "flags", "unused_ok")
"""Fields of a trial in which a file and a run differ anyway, or that change nothing of what is trained."""


def patch_of_settings(config: RunConfig, settings: Sequence[str]) -> dict[str, Any]:
    """Returns the patch that ``KEY=VALUE`` settings make of a run's configuration.

    Args:
        config: The configuration as it is.
        settings: With the keys of a sweep file; values are YAML. A parameter that is null leaves the search space.

    Raises:
        ConfigError: If a key cannot change, or a value cannot be used; all problems at once.
    """
    problems: list[Problem] = []
    root, sections = _document(config), dict[str, None]()
    for setting in settings:
        key = canonical_key(setting.partition("=")[0].strip())
        head = key.partition(".")[0]
        problem = _refused_setting(config, key, setting)
        if problem is not None:
            problems.append(problem)
            continue
        sections[head] = None
        root = apply_override(_for_its_type(root, key, setting), setting, problems)
    patch = _Sections(config, root, problems).patch(tuple(sections))
    if problems:
        raise ConfigError(problems)
    return _changed(config, patch)


def _changed(config: RunConfig, patch: dict[str, Any]) -> dict[str, Any]:
    """Omits single fields that are unchanged: another user may change them in the meantime."""
    kept = dict(patch)
    rules = config.rules.parts(patch.get("rules", {}))
    for part, whole in (("limits", json_of(config.limits)), ("trial", json_of(config.trial)), ("rules", rules)):
        if part in patch:
            kept[part] = {name: value for name, value in patch[part].items() if value != whole[name]}
    return {part: value for part, value in kept.items() if value}


def _refused_setting(config: RunConfig, key: str, setting: str) -> Problem | None:
    """What cannot change, and a bound whose meaning depends on how its expression was written."""
    head, _, rest = key.partition(".")
    name, _, bound = rest.rpartition(".")
    expression = config.sampling.space.expressions.get(name) if head == "search_space" else None
    if expression is not None and bound in ("min_value", "max_value") and expression.kind in _LOGARITHMS:
        example = "{type: log_range, min_value: 0.001, max_value: 0.1}"
        fix = f"Write: --set 'search_space.{name}={example}'"
        allowed = (
            f"the whole expression: {yaml_text(in_a_sweep_file(expression))} is recorded with logarithms as its bounds"
        )
        return Problem(key, setting.partition("=")[2], allowed, fix, f"--set {key}")
    return _fixed(key, setting)


def _fixed(key: str, setting: str) -> Problem | None:
    head, _, rest = key.partition(".")
    if head in ("early_termination", "sampling_algorithm", "search_space", ""):
        return None
    name = rest.partition(".")[0]
    if head == "limits" and (name in _LIMITS or not name):
        return None
    if head == "raydrive" and name == "notify":
        return None if rest == "notify.on" else replace(refusal(key, "another one"), place=f"--set {key}")
    if head == "raydrive" and name in (*_OWN_LIMITS, *_OWN_TRIAL, *RULES, "resources"):
        return None
    value = setting.partition("=")[2]
    return replace(refusal(key, show(value)), place=f"--set {key}")


def _document(config: RunConfig) -> Node:
    """The parts of a configuration that may change, as a sweep file has them."""
    sampling = sampling_record(config.sampling)
    space = decoded(sampling.pop("space"))
    limits = json_of(config.limits)
    own = {name: limits[name] for name in _OWN_LIMITS}
    own |= {name: getattr(config.trial, name) for name in _OWN_TRIAL}
    own["resources"] = {key: one for key, one in json_of(config.trial.resources).items() if one not in (None, {}, "")}
    own |= {name: rule for name, rule in config.rules.to_json().items() if name in RULES}
    document = {
        "limits": {key: limits[name] for key, name in _LIMITS.items()},
        "early_termination": policy_record(config.policy),
        "sampling_algorithm": {key: value for key, value in sampling.items() if value is not None},
        "search_space": space,
        "raydrive": own,
    }
    return _node(document)


def _node(value: Any) -> Node:
    if isinstance(value, Mapping):
        return Node({key: _node(item) for key, item in value.items()}, "")
    if isinstance(value, list):
        return Node([_node(item) for item in value], "")
    return Node(value, "")


def _for_its_type(root: Node, key: str, setting: str) -> Node:
    """Omits the keys of a section that belong to another type than it gets."""
    section, _, name = key.partition(".")
    if section not in _TYPED or name != "type":
        return root
    wanted = str(parse_value(setting.partition("=")[2], f"--set {key}").plain())
    present = root.value[section].value["type"].value
    same = wanted.casefold().replace("_", "") == str(present).casefold().replace("_", "")
    return root if same else root.with_value([section], Node({"type": Node(wanted, f"--set {key}")}, ""))


def rules_patch(present: RunRules, wanted: RunRules) -> dict[str, Any]:
    """Returns the rules that an edit may change, in the form of its patch: of ``notify`` what is told alone.

    Args:
        present: The run's.
        wanted: Those that it is to have.
    """
    patch: dict[str, Any] = {}
    for name in RULES:
        rule = getattr(wanted, name)
        patch[name] = None if rule is None else rule.to_json()
    if present.notify is not None and wanted.notify is not None:
        patch["notify"] = {"on": patch["notify"]["on"]}
    return patch


class _Sections:
    """Reads the sections of an edited document into a patch; each is checked even where others are wrong."""

    def __init__(self, config: RunConfig, root: Node, problems: list[Problem]) -> None:
        self._config = config
        self._root = root
        self._raw: dict[str, Any] = root.plain()
        self._problems = problems

    def patch(self, sections: Sequence[str]) -> dict[str, Any]:
        patch: dict[str, Any] = {}
        if "limits" in sections:
            patch["limits"] = self._limits()
        if "raydrive" in sections:
            own_limits, trial, rules = self._own()
            patch["limits"] = {**patch.get("limits", {}), **own_limits}
            patch["trial"], patch["rules"] = trial, rules
        if "early_termination" in sections:
            patch["policy"] = self._policy()
        if "sampling_algorithm" in sections or "search_space" in sections:
            patch["sampling"] = self._sampling("search_space" in sections)
        return {name: part for name, part in patch.items() if part}

    def _limits(self) -> dict[str, Any]:
        try:
            keys = LimitKeys.model_validate(self._raw.get("limits") or {})
        except ValidationError as error:
            self._problems.extend(problems_of(error, self._root, LimitKeys, "limits"))
            return {}
        found = {name: getattr(keys, key) for key, name in _LIMITS.items()}
        for key, name in list(_LIMITS.items())[:2]:
            if found[name] is None:
                place = self._root.locate(f"limits.{key}")
                self._problems.append(Problem(f"limits.{key}", "nothing", "a whole number of 1 or more", place=place))
        return found

    def _own(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        raw = self._raw.get("raydrive") or {}
        try:
            keys = OwnKeys.model_validate(raw)
        except ValidationError as error:
            self._problems.extend(problems_of(error, self._root, OwnKeys, "raydrive"))
            return {}, {}, {}
        limits = {name: getattr(keys, name) for name in _OWN_LIMITS}
        limits = {key: value for key, value in limits.items() if value is not None or key == "max_losses"}
        trial = {name: getattr(keys, name) for name in _OWN_TRIAL if getattr(keys, name) is not None}
        wanted = keys.resources.model_dump(exclude_none=True) if keys.resources is not None else {}
        try:
            trial["resources"] = json_of(resources_of(wanted, "raydrive.resources"))
        except ConfigError as error:
            self._take(error)
        return limits, trial, self._rules(keys)

    def _rules(self, keys: OwnKeys) -> dict[str, Any]:
        try:
            rules = RunRules.of({name: getattr(keys, name) for name in RULES}, "raydrive.")
        except ConfigError as error:
            self._take(error)
            return {}
        return rules_patch(self._config.rules, rules)

    def _policy(self) -> dict[str, Any]:
        raw = self._raw.get("early_termination")
        raw = {key: value for key, value in raw.items() if value is not None} if isinstance(raw, dict) else raw
        try:
            return policy_record(user_policy(raw) or policy_from_json(raw))
        except ConfigError as error:
            self._take(error)
            return {}

    def _sampling(self, edits_space: bool) -> dict[str, Any]:
        raw, space = self._raw.get("sampling_algorithm"), self._config.sampling.space
        try:
            if edits_space:
                given = self._raw.get("search_space") or {}
                space = parse_space({name: one for name, one in given.items() if one is not None})
            if is_user_sampling(raw):
                seed = self._config.sampling.seed
                return {**sampling_record(user_sampling(raw, space)), "seed": seed}
            return sampling_record(sampling_of(raw or "random", space, "sampling_algorithm"))
        except ConfigError as error:
            self._take(error)
            return {}

    def _take(self, error: ConfigError) -> None:
        self._problems.extend(
            replace(problem, place=problem.place or self._root.locate(problem.where)) for problem in error.problems
        )


# --- a whole file ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FileEdit:
    """How a sweep file differs from a run."""

    patch: Mapping[str, Any]
    """What of it can change."""
    refused: tuple[Problem, ...]
    """What cannot."""
    settings: RunPlace
    """Where the file says that runs are kept and run."""


def edit_of_file(
    config: RunConfig,
    path: Path,
    *,
    overrides: Sequence[str] = (),
    site: Sequence[Path] = (),
    defaults: Path | None = None,
) -> FileEdit:
    """Returns how a changed sweep file differs from a run.

    Args:
        config: The configuration of the run as it is.
        path: The file.
        overrides: ``KEY=VALUE`` that the file is changed by first.
        site: Files with settings that are laid over it.
        defaults: A file with settings that it is laid over.

    Raises:
        ConfigError: If the file cannot be read.
    """
    loaded = load_sweep(path, overrides=overrides, site=site, defaults=defaults, default_seed=config.seed)
    wanted = loaded.submission.config
    patch: dict[str, Any] = {}
    limits = {
        name: getattr(wanted.limits, name)
        for name in LIMITS
        if getattr(wanted.limits, name) != getattr(config.limits, name)
    }
    trial = {
        name: json_of(getattr(wanted.trial, name))
        for name in TRIAL
        if name != "flags" and getattr(wanted.trial, name) != getattr(config.trial, name)
    }
    patch |= {"limits": limits} if limits else {}
    patch |= {"trial": trial} if trial else {}
    rules = rules_patch(config.rules, wanted.rules)
    present_rules = config.rules.parts(rules)
    refused_rules = _fixed_of_rules(config.rules, wanted.rules)
    rules = {name: rule for name, rule in rules.items() if rule != present_rules[name] and name not in refused_rules}
    patch |= {"rules": rules} if rules else {}
    if policy_record(wanted.policy) != policy_record(config.policy):
        patch["policy"] = policy_record(wanted.policy)
    sampling, present = sampling_record(wanted.sampling), sampling_record(config.sampling)
    if "seed" in present:
        sampling["seed"] = present["seed"]
    if sampling != present:
        patch["sampling"] = sampling
    return FileEdit(patch, tuple(_refused(config, wanted, str(path))), loaded.settings)


def _fixed_of_rules(present: RunRules, wanted: RunRules) -> dict[str, str]:
    """Rules that differ and cannot change, or not so; each with the key that says what of it."""
    found = {name: name for name in ("population",) if getattr(present, name) != getattr(wanted, name)}
    old, new = present.repeats, wanted.repeats
    if (old is None) != (new is None):
        found["repeats"] = "repeats"
    elif old is not None and new is not None and old.parameter != new.parameter:
        found["repeats"] = "repeats.parameter"
    told, tell = present.notify, wanted.notify
    if (told is None) != (tell is None):
        found["notify"] = "notify"
    elif told is not None and tell is not None and (told.command, told.webhook) != (tell.command, tell.webhook):
        found["notify"] = "notify.command" if told.command != tell.command else "notify.webhook"
    return found


def _refused(config: RunConfig, wanted: RunConfig, path: str) -> list[Problem]:
    differ: list[tuple[str, Any, Any]] = [
        ("objective.primary_metric", config.metric.name, wanted.metric.name),
        ("objective.goal", config.metric.goal.value, wanted.metric.goal.value),
        ("objective.value", config.metric.value, wanted.metric.value),
        ("raydrive.seed", config.seed, wanted.seed),
    ]
    for spec in fields(TrialSpec):
        if spec.name not in (*TRIAL, *_UNTOLD):
            key = _KEYS.get(spec.name, f"trial.{spec.name}")
            differ.append((key, getattr(config.trial, spec.name), getattr(wanted.trial, spec.name)))
    hidden = ("environment_variables", "secrets")
    return [
        replace(refusal(f"raydrive.{key}", "another one"), place=path)
        for key in _fixed_of_rules(config.rules, wanted.rules).values()
    ] + [
        replace(refusal(key, "other values" if key.endswith(hidden) else show(json_of(new))), place=path)
        for key, old, new in differ
        if json_of(old) != json_of(new)
    ]


_KEYS = {"inputs": "inputs", "fetched": "inputs", "outputs": "outputs", "output_files": "outputs"}
"""Fields of a trial that a sweep file has elsewhere than under ``trial``."""
