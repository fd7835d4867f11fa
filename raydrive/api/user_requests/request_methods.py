"""The methods that change an active run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from raydrive.api.argument_types import POLICY, POLICY_DICT, POLICY_NAME, RESOURCES, RESOURCES_DICT, TUNING
from raydrive.api.named_parts import named_policy, named_sampling
from raydrive.api.spellings import OF_CALL, spelled
from raydrive.api.user_requests.points import completed, points_of_run
from raydrive.api.user_requests.steer import Answer, steer
from raydrive.core.argument_checks import (
    ANYTHING,
    FLAG,
    NOTHING,
    TEXT,
    TEXTS,
    above,
    checks_arguments,
    kind,
    list_of,
    whole,
)
from raydrive.core.config.resource_dict import resources_of
from raydrive.core.config.trial_spec import Resources
from raydrive.core.early_stopping.policies import Policy
from raydrive.core.early_stopping.policy_record import policy_record
from raydrive.core.errors import ConfigError, Problem, show
from raydrive.core.finish.rules import FinishWhen
from raydrive.core.json_values import json_of
from raydrive.core.out_of_memory.rules import OnOom
from raydrive.core.repeats.rules import Repeats
from raydrive.core.search.protocol import SamplingSpec
from raydrive.core.search.sampling_record import recorded_sampling, sampling_record
from raydrive.core.space.search_space import parse_space
from raydrive.core.user_requests.edit_checks import planned_edit
from raydrive.core.user_requests.fixed import LIMITS, RULES, TRIAL
from raydrive.storage.run_reader import RunReader

_ABOVE = above(0, "a number above 0")
_NONE_ANY_MORE = kind("False for no limit any more", lambda value: value is False)


@checks_arguments(
    now=FLAG,
    why=TEXT,
    points=ANYTHING,  # looked at one by one, with their names
    like=whole(0) | TEXT | NOTHING,
    trials=whole(0) | list_of(whole(0), "numbers of trials"),
    failed=FLAG,
    fresh=FLAG,
    trial=whole(0) | NOTHING,
    reason=TEXT,
    text=TEXT,
    tags=TEXTS | NOTHING,
    max_total_runs=whole(1) | NOTHING,
    max_concurrent_runs=whole(1) | NOTHING,
    max_duration_minutes=_ABOVE | _NONE_ANY_MORE | NOTHING,
    max_run_duration_seconds=_ABOVE | _NONE_ANY_MORE | NOTHING,
    max_attempts=whole(1) | NOTHING,
    max_losses=whole(0) | _NONE_ANY_MORE | NOTHING,
    first_failures=whole(0) | NOTHING,
    strict=FLAG | whole(0) | NOTHING,
    policy=POLICY | POLICY_NAME | POLICY_DICT | NOTHING,
    sampling=TUNING["hyperparameter_sampling"] | NOTHING,
    space=TUNING["space"],
    resources=RESOURCES | RESOURCES_DICT | NOTHING,
    keep_checkpoints=whole(1) | NOTHING,
    grace_s=TUNING["grace_s"] | NOTHING,
    log_limit=whole(0) | NOTHING,
    lease_s=_ABOVE | NOTHING,
    storage_patience_s=_ABOVE | NOTHING,
    finish_when=ANYTHING,  # looked at by run_rules, as those of a sweep file
    on_oom=ANYTHING,
    repeats=ANYTHING,
    notify=ANYTHING,
    rejudge=FLAG,
    expect_revision=whole(0) | NOTHING,
    dry_run=FLAG,
    address=TEXT | NOTHING,
)
class RequestMethods:
    """Changes an active run. Each method returns what was recorded and when it takes effect."""

    reader: RunReader
    """The run."""

    @property
    def revision(self) -> int:
        """How many edits the run has had; ``edit(expect_revision=...)`` refuses an edit of an older state."""
        return self.reader.sweep.steering.revision

    def pause(self, now: bool = False, why: str = "", *, address: str | None = None) -> Answer:
        """Starts no further trials of the run until ``unpause``.

        Args:
            now: Whether running trials also pause, and continue later from their last checkpoints.
            why: The reason, which is recorded.
            address: Address of a dashboard, if nothing else of the cluster can be reached.

        Raises:
            ConfigError: If it is already paused, or has ended.
            ClusterError: If its driver cannot be reached.
        """
        return steer(self.reader, {"do": "pause", "now": now, "why": why}, address=address)

    def unpause(self, *, address: str | None = None) -> Answer:
        """Continues a paused run.

        Args:
            address: Address of a dashboard, if nothing else of the cluster can be reached.

        Raises:
            ConfigError: If it is not paused.
            ClusterError: If its driver cannot be reached.
        """
        return steer(self.reader, {"do": "unpause"}, address=address)

    @spelled(OF_CALL)
    def edit(  # noqa: D417  arguments of one kind share a line
        self,
        *,
        max_total_runs: int | None = None,
        max_concurrent_runs: int | None = None,
        max_duration_minutes: float | None = None,
        max_run_duration_seconds: float | None = None,
        max_attempts: int | None = None,
        max_losses: int | None = None,
        first_failures: int | None = None,
        strict: bool | int | None = None,
        policy: Policy | str | Mapping[str, Any] | None = None,
        sampling: SamplingSpec | str | Mapping[str, Any] | None = None,
        space: Mapping[str, Any] | None = None,
        resources: Resources | Mapping[str, Any] | None = None,
        keep_checkpoints: int | None = None,
        grace_s: float | None = None,
        log_limit: int | None = None,
        lease_s: float | None = None,
        storage_patience_s: float | None = None,
        finish_when: FinishWhen | Mapping[str, Any] | bool | None = None,
        on_oom: OnOom | Mapping[str, Any] | bool | None = None,
        repeats: Repeats | Mapping[str, Any] | None = None,
        notify: Mapping[str, Any] | None = None,
        rejudge: bool = False,
        expect_revision: int | None = None,
        dry_run: bool = False,
        address: str | None = None,
    ) -> Answer:
        """Changes the configuration of the run; arguments that are None change nothing.

        Args:
            max_total_runs, max_concurrent_runs: Trials in all, and at a time.
            max_duration_minutes, max_run_duration_seconds: Length of the run, and of an attempt; False = no limit.
            max_attempts: Starts of a trial that fails by itself.
            max_losses, first_failures: Losses with a node or actor (False = no limit); failures at the start (0 = any).
            strict: Whether the run ends when its trials log other metrics only; a number: after so many reports.
            policy: Another policy; ``NoTerminationPolicy()`` for none. It judges from the next report on.
            sampling: Another way of sampling, of the same search space unless it brings one.
            space: Another search space: all of its parameters. It counts for trials to come.
            resources: What trials to come reserve.
            keep_checkpoints: How many of a trial's newest checkpoints are kept.
            grace_s: Seconds between SIGTERM and SIGKILL when a trial is stopped.
            log_limit: Bytes of a trial's log that are kept; 0 = all.
            lease_s, storage_patience_s: Seconds for which trials go on without a driver, or wait for the storage.
            finish_when: All rules that end the run, as in a sweep file; False = none any more.
            on_oom: What becomes of trials that run out of memory, as in a sweep file; False = they fail.
            repeats, notify: ``max`` and ``race`` of a run that repeats; ``{"on": [...]}`` of one that sends notices.
            rejudge: Whether the policy judges all running trials now.
            expect_revision: The ``revision`` that the edit is based on; the edit is refused if the run has another one.
            dry_run: Whether to only check the edit and return what it would change.
            address: Address of a dashboard, if nothing else of the cluster can be reached.

        Raises:
            ConfigError: If something cannot change or be used, or the run was edited since; all problems at once.
            ClusterError: If its driver cannot be reached.
        """
        request = {"patch": _patch(self.reader, locals()), "rejudge": rejudge, "expect_revision": expect_revision}
        return edit_run(self.reader, request, dry_run=dry_run, address=address)

    def add_trials(
        self,
        points: Sequence[Mapping[str, Any]] | Any,
        *,
        like: int | str | None = None,
        address: str | None = None,
    ) -> Answer:
        """Tries these configurations next, before those of the sampling. They count towards the limit of trials.

        Args:
            points: Values by parameter for each configuration; or a run, whose best configuration is used.
            like: Trial that provides the values that a configuration lacks; ``"best"`` = the best one.
            address: Address of a dashboard, if nothing else of the cluster can be reached.

        Raises:
            ConfigError: If they are not points of the search space, or exceed the rest of the limit of trials.
            ClusterError: If its driver cannot be reached.
        """
        self.reader.refresh()
        if hasattr(points, "reader"):
            points = points_of_run(points.reader, 1, self.reader.sweep.config.sampling.space)
        if isinstance(points, Mapping):
            points = [points]
        if not isinstance(points, Sequence) or isinstance(points, str):
            raise ConfigError(Problem("points", show(points), "a list of configurations: values by parameter"))
        given = [one if _is_point(one) else {"params": one} for one in points]
        return steer(self.reader, {"do": "add", "points": completed(self.reader, given, like)}, address=address)

    def retry(
        self,
        trials: int | Sequence[int] = (),
        *,
        failed: bool = False,
        fresh: bool = False,
        address: str | None = None,
    ) -> Answer:
        """Retries trials that have ended, each from its last checkpoint; they do not count as new trials.

        Args:
            trials: Their numbers.
            failed: Whether to retry all failed trials.
            fresh: Whether they restart from the beginning even if they have a checkpoint.
            address: Address of a dashboard, if nothing else of the cluster can be reached.

        Raises:
            ConfigError: If one has not ended, or none is named.
            ClusterError: If its driver cannot be reached.
        """
        numbers = [trials] if isinstance(trials, int) else list(trials)
        return steer(self.reader, {"do": "retry", "trials": numbers, "failed": failed, "fresh": fresh}, address=address)

    def stop_trial(self, trial: int, reason: str, *, address: str | None = None) -> Answer:
        """Stops a trial as a policy would: it is Canceled, not Failed, and its curve is still compared.

        Args:
            trial: Its number.
            reason: The reason, which is recorded and shown with the trial.
            address: Address of a dashboard, if nothing else of the cluster can be reached.

        Raises:
            ConfigError: If it is not running, or there is no reason.
            ClusterError: If its driver cannot be reached.
        """
        return steer(self.reader, {"do": "stop", "trial": trial, "why": reason}, address=address)

    def note(
        self,
        text: str = "",
        *,
        trial: int | None = None,
        tags: Mapping[str, str] | None = None,
        address: str | None = None,
    ) -> Answer:
        """Records a note about the run or one of its trials.

        Args:
            text: The note.
            trial: The trial's number; None = the run.
            tags: Strings by name.
            address: Address of a dashboard, if nothing else of the cluster can be reached.

        Raises:
            ConfigError: If the note is empty, or there is no such trial.
            ClusterError: If its driver cannot be reached.
        """
        return steer(self.reader, {"do": "note", "trial": trial, "text": text, "tags": tags or {}}, address=address)


def edit_run(reader: RunReader, request: Mapping[str, Any], *, dry_run: bool, address: str | None) -> Answer:
    """Returns what became of an edit, or of a ``dry_run`` what would.

    Args:
        reader: The run.
        request: ``patch``, ``rejudge`` and ``expect_revision``.
        dry_run: Whether nothing is recorded.
        address: As for ``steer``.

    Raises:
        ConfigError: If it cannot be made.
        ClusterError: If the run's driver cannot be reached.
    """
    if not dry_run:
        return steer(reader, {"do": "edit", **request}, address=address)
    reader.refresh()
    found = planned_edit(reader.sweep, request, reader.sweep.last_at)
    lines = tuple(change.text for change in found.changes)
    return Answer(lines, found.effect, found.notes, reader.sweep.steering.revision)


_LIMITS = {"max_duration_minutes": "max_duration_s", "max_run_duration_seconds": "trial_timeout_s"}
"""Arguments of ``edit`` that are limits under another name."""


def _patch(reader: RunReader, given: Mapping[str, Any]) -> dict[str, Any]:
    """What was given of an edit, by argument of ``edit``, in the form of ``config.json``."""
    given = {name: value for name, value in given.items() if value is not None}
    limits = {_LIMITS.get(name, name): value for name, value in given.items() if _LIMITS.get(name, name) in LIMITS}
    limits = {name: None if value is False and name in _MAY_END else value for name, value in limits.items()}
    if "max_duration_minutes" in given and limits["max_duration_s"] is not None:
        limits["max_duration_s"] *= 60.0
    if "strict" in limits:
        limits["strict"] = int(limits["strict"])
    trial = {name: value for name, value in given.items() if name in TRIAL}
    if "resources" in trial:
        trial["resources"] = json_of(resources_of(trial["resources"]))
    rules = {name: _rule(value) for name, value in given.items() if name in RULES}
    patch = {name: part for name, part in (("limits", limits), ("trial", trial), ("rules", rules)) if part}
    if "policy" in given:
        patch["policy"] = policy_record(named_policy(given["policy"]))
    if "sampling" in given or "space" in given:
        reader.refresh()
        patch["sampling"] = _sampling_patch(reader, given.get("sampling"), given.get("space"))
    return patch


_MAY_END = ("max_duration_s", "trial_timeout_s", "max_losses")
"""Limits that an edit may take away."""


def _rule(given: Any) -> Any:
    """A rule in the form of a patch; False takes it away. What is no mapping is refused with the rest of the edit."""
    return None if given is False else given.to_json() if hasattr(given, "to_json") else given


def _is_point(value: Any) -> bool:
    return isinstance(value, Mapping) and "params" in value and value.keys() <= {"params", "details"}


def _sampling_patch(
    reader: RunReader, sampling: SamplingSpec | str | Mapping[str, Any] | None, space: Mapping[str, Any] | None
) -> dict[str, Any]:
    present = reader.sweep.config.sampling
    if sampling is None:
        record = {**sampling_record(present), "space": parse_space(space or {}).to_json()}
        return sampling_record(recorded_sampling(record))
    inside = isinstance(sampling, Mapping) and "space" in sampling
    known = space if space is not None else None if inside else present.space
    return sampling_record(named_sampling(sampling, known))
