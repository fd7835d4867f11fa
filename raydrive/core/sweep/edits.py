"""The configuration of a run as its edits left it, and the sampler that continues in an edited search space.

An edit is a patch in the form of ``config.json``. The effective configuration is a fold over a run's edits, so a
resumed run, a new driver and every reader have the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from raydrive.core.config.run_config import Limits, RunConfig
from raydrive.core.config.trial_spec import TrialSpec
from raydrive.core.early_stopping.policy_record import policy_record, recorded_policy
from raydrive.core.json_values import json_of
from raydrive.core.records import CANCELED
from raydrive.core.search.protocol import PatientSampler
from raydrive.core.search.sampling_record import recorded_sampling, sampling_record
from raydrive.core.search.trial_record import Continuation, Later, Suggestion, TrialRecord, TrialView
from raydrive.core.space.search_space import Space
from raydrive.core.sweep.warm_start_data import EMPTY, WarmStartData, misfit, sampler_of


def edited(config: RunConfig, patch: Mapping[str, Any]) -> RunConfig:
    """Returns a configuration with an edit applied; what the edit does not name stays the same object.

    Args:
        config: The configuration before.
        patch: ``limits`` and ``trial`` by field, ``policy`` and ``sampling`` as whole records, ``rules`` by name; any
            of them.

    Raises:
        ConfigError: If the result is not a configuration; all problems at once.
    """
    changes: dict[str, Any] = {}
    if "limits" in patch:
        changes["limits"] = Limits(**{**json_of(config.limits), **patch["limits"]})
    if "policy" in patch:
        changes["policy"] = recorded_policy(patch["policy"])
    if "sampling" in patch:
        changes["sampling"] = recorded_sampling(patch["sampling"])
    if "trial" in patch:
        changes["trial"] = TrialSpec.from_json({**json_of(config.trial), **patch["trial"]})
    # Configurations that the run was submitted with are in line since it began: they need not fit what is edited.
    rules = config.rules.with_edits(patch.get("rules", {}))
    return replace(config, rules=replace(rules, points=None), **changes) if changes or "rules" in patch else config


def asks_anew(patch: Mapping[str, Any]) -> bool:
    """Whether an edit changes what proposes configurations, or how: the sampler is made anew."""
    return "sampling" in patch or bool(patch.get("rules", {}).keys() & {"repeats", "finish_when"})


def parts_of(config: RunConfig, patch: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a configuration has in the places that a patch changes, in the form of a patch."""
    found: dict[str, Any] = {}
    for name, whole in (("limits", config.limits), ("trial", config.trial)):
        if name in patch:
            known = json_of(whole)
            found[name] = {key: known.get(key) for key in patch[name]}
    if "policy" in patch:
        found["policy"] = policy_record(config.policy)
    if "sampling" in patch:
        found["sampling"] = sampling_record(config.sampling)
    if "rules" in patch:
        found["rules"] = config.rules.parts(patch["rules"])
    return found


def sampler_now(config: RunConfig, warm_start: WarmStartData = EMPTY, *, edits: bool = True) -> PatientSampler:
    """Returns the sampler of a run that continues.

    Args:
        config: The effective configuration.
        warm_start: What the run got from earlier ones.
        edits: Whether the search space may have been another one for earlier trials.

    Raises:
        UserCodeError: If a sampling of the user's cannot build it.
    """
    sampler = sampler_of(config, warm_start)
    return EditedSpace(sampler, config.sampling.space, config.rules.parameters) if edits else sampler


class EditedSpace:
    """A sampler whose history may hold trials of another search space.

    Those that are points of its own space teach it, without the parameters that the space does not have any more. The
    others are marked as outside: they keep their numbers, and neither teach anything nor count as tried.

    Args:
        sampler: Asked with that history.
        space: Its search space.
        more: Names of parameters that trials have beside those of the space.
    """

    def __init__(self, sampler: PatientSampler, space: Space, more: Sequence[str] = ()) -> None:
        self._sampler = sampler
        self._space = space
        self._names = {*space.expressions, *more}
        self._fits: dict[int, bool] = {}

    @property
    def cheap(self) -> bool:
        """As the sampler behind it."""
        return self._sampler.cheap

    def ask(self, number: int, history: Sequence[TrialRecord]) -> Suggestion | Continuation | Later | None:
        """Returns what the sampler proposes."""
        return self._sampler.ask(number, _Seen(history, self.seen))

    def go_on(self, history: Sequence[TrialRecord]) -> Any:
        """Returns which paused trial the sampler has continue, where it is one that chooses."""
        go_on = getattr(self._sampler, "go_on", None)
        return None if go_on is None else go_on(_Seen(history, self.seen))

    def seen(self, record: TrialRecord) -> TrialRecord:
        """Returns a trial as a sampler of the space sees it."""
        fits = self._fits.get(record.number)
        if fits is None:
            fits = self._fits[record.number] = not misfit(self._space, record.params)
        if not fits:
            return replace(record, value=None, state=CANCELED, curve=(), stopped=False, outside=True)
        params = record.params
        if params.keys() == self._names:
            return record
        return replace(record, params={name: params[name] for name in params if name in self._names})


class _Seen(TrialView):
    """A history, each trial as it is seen; nothing is copied before it is asked for."""

    def __init__(self, history: Sequence[TrialRecord], seen: Callable[[TrialRecord], TrialRecord]) -> None:
        self._history = history
        self._seen = seen
        self.mark = getattr(history, "mark", None)

    def __len__(self) -> int:
        return len(self._history)

    def at(self, number: int) -> TrialRecord:
        return self._seen(self._history[number])
