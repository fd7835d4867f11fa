"""Warm start: finds earlier runs, checks that they make sense here, and brings what they have into a new run's folder.

HyperDrive's checks that are kept: the same primary metric with the same goal, nothing twice, nothing that still trains,
no more trials to continue than the run has. Dropped: at most 5 parents, at most 1000 trials in total, the same search
space for Bayesian sampling (what fits is used), and that a Failed or interrupted run cannot be a parent.
"""

from __future__ import annotations

import dataclasses
import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raydrive.api.submit.submission import ChildReference, RunReference, Submission
from raydrive.core.config.lineage import Continued, Lineage, Parent
from raydrive.core.config.run_config import RunConfig
from raydrive.core.early_stopping.policies import NoTerminationPolicy
from raydrive.core.errors import ConfigError, Problem, RaydriveError, show
from raydrive.core.sweep.state import Trial
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.sweep.warm_start_data import PriorTrial, WarmStartData, misfit
from raydrive.core.sweep.warm_start_filter import named, prior_trials_of
from raydrive.core.views.status import RunStatus
from raydrive.storage.checkpoints import DamagedCheckpointError, Manifest, fetch_checkpoint, manifests, publish
from raydrive.storage.folder.base import redact
from raydrive.storage.run_layout import RunLayout, as_folder, find_run
from raydrive.storage.run_reader import RunReader


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """An earlier run, as far as its record can be read, and its state."""

    run: RunReader
    stands: RunStatus

    @property
    def layout(self) -> RunLayout:
        """Where it is kept."""
        return self.run.layout

    @property
    def sweep(self) -> Sweep:
        """What its journal says."""
        return self.run.sweep


@dataclass(frozen=True, slots=True)
class WarmStartPlan:
    """What a submission gets from earlier runs, found and checked; nothing is copied yet."""

    lineage: Lineage
    prior_trials: tuple[PriorTrial, ...]
    sources: tuple[EarlierRun, ...]
    """The earlier run of each trial that continues."""

    @property
    def warm_start(self) -> WarmStartData:
        """What the run will have, as far as no checkpoint turns out to be damaged."""
        places = zip(self.lineage.continued, self.sources, strict=True)
        resumed_prefixes = (source.sweep.curves.values(one.trial)[: one.interval] for one, source in places)
        return WarmStartData(self.prior_trials, tuple(resumed_prefixes))


NONE = WarmStartPlan(Lineage(), (), ())
"""Of a run that has no earlier ones."""


def plan_warm_start(submission: Submission, storage: str | None) -> WarmStartPlan:
    """Returns what a submission gets from earlier runs.

    Args:
        submission: The run to be.
        storage: Where ids of runs are looked up; None = there are only runs and folders.

    Raises:
        ConfigError: With everything that is wrong with the runs it names.
    """
    tracer = _Tracer(submission.config, storage)
    parents = [tracer.parent(reference) for reference in submission.resume_from]
    children = [tracer.child(reference) for reference in submission.resume_child_runs]
    limit = submission.config.limits.max_total_runs
    if len(children) > limit:
        last = submission.resume_child_runs[limit]
        allowed = f"at most {limit}, because they count towards the budget"
        name = "limits.max_total_trials" if last.where.startswith("raydrive.") else "max_total_runs"
        fix = f"Raise {name}, or name fewer."
        tracer.problems.append(Problem(last.where, f"{len(children)} trials to continue", allowed, fix, last.place))
    if tracer.problems:
        raise ConfigError(tracer.problems)
    return tracer.plan(
        [source for source in parents if source is not None], [child for child in children if child is not None]
    )


def copy_warm_start(plan: WarmStartPlan, layout: RunLayout) -> tuple[Lineage, WarmStartData]:
    """Copies what trials continue from into a new run's folder, and returns what it then has.

    A damaged checkpoint is passed over for the one before, and that is noted.

    Raises:
        StorageError: If something cannot be read or written.
    """
    continued, resumed_prefixes = [], list[Sequence[float]]()
    for number, (one, source) in enumerate(zip(plan.lineage.continued, plan.sources, strict=True)):
        copied = _copy(one, source, layout, number)
        continued.append(copied)
        resumed_prefixes.append(source.sweep.curves.values(one.trial)[: copied.interval])
    lineage = dataclasses.replace(plan.lineage, continued=tuple(continued))
    return lineage, WarmStartData(plan.prior_trials, tuple(resumed_prefixes))


@dataclass(slots=True)
class _Tracer:
    config: RunConfig
    storage: str | None
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _opened: dict[str, EarlierRun] = field(default_factory=dict)
    _seen: dict[tuple[str, int | None], str] = field(default_factory=dict)
    _judged: set[str] = field(default_factory=set)

    def parent(self, reference: RunReference) -> EarlierRun | None:
        """Opens and checks a run to start from."""
        source = self._open(reference)
        if source is None or not self._fresh(reference, source, None):
            return None
        self._same_metric(reference, source)
        if source.stands.live:
            found, fix = (
                f"{source.layout.run_id}, which is still {source.stands.state}",
                "Wait until it ends, or cancel it.",
            )
            self._wrong(reference, found, "a run without an active driver", fix)
        return source

    def child(self, reference: ChildReference) -> tuple[EarlierRun, Continued] | None:
        """Opens and checks a trial to continue with."""
        source = self._open(reference)
        if source is None:
            return None
        trials, number, run_id = source.sweep.trials, reference.trial, source.layout.run_id
        if not 0 <= number < len(trials):
            have = f"0 to {len(trials) - 1}" if trials else "none"
            self._wrong(reference, f"trial {number} of {run_id}", f"one of its trials: {have}")
            return None
        if not self._fresh(reference, source, number):
            return None
        self._same_metric(reference, source)
        if trials[number].open and source.stands.live:
            found = f"trial {number} of {run_id}, which is still {trials[number].state}"
            self._wrong(reference, found, "a trial that has ended", "Wait until it ends, or cancel it.")
        space = self.config.sampling.space
        params, missing, extra = named(space, trials[number].params)
        if missing:
            found = f"trial {number} of {run_id}, which has no value of {', '.join(missing)}"
            fix = "It continues with the same parameters: remove those from the search space, or remove the trial."
            self._wrong(reference, found, f"one with {', '.join(space.expressions)}", fix)
            return None
        outside = misfit(space, params) if self.config.sampling.learns else ""
        if outside:
            text = f"trial {number} of {run_id} continues outside this search space ({outside})"
            self.notes.append(f"{text}: the sampler does not learn from it")
        if extra:
            self.notes.append(f"trial {number} of {run_id} keeps {', '.join(extra)}, not in this search space")
        return source, self._planned(source, trials[number], params)

    def _planned(self, source: EarlierRun, trial: Trial, params: dict[str, Any]) -> Continued:
        length = source.sweep.curves.length(trial.number)
        saved = _saved(source, trial.number)
        what, interval = "", 0
        if saved:
            what, interval = f"checkpoint {saved[-1].number}", min(saved[-1].interval, length)
        elif next(source.layout.outputs(trial.number).walk(), None) is not None:
            what, interval = "outputs", length
        return Continued(
            run=source.layout.run_id,
            experiment=source.layout.experiment,
            trial=trial.number,
            params=params,
            uri=self._address(source),
            source=what,
            interval=interval,
        )

    def plan(self, parents: Sequence[EarlierRun], children: Sequence[tuple[EarlierRun, Continued]]) -> WarmStartPlan:
        """Returns the whole of it, nothing being wrong."""
        sampling, policy = self.config.sampling, self.config.policy
        prior_trials: list[PriorTrial] = []
        found: list[Parent] = []
        for place, source in enumerate(parents):
            uri = source.layout.uri
            going_on = {one.trial for other, one in children if other.layout.uri == uri and one.source}
            one, theirs = prior_trials_of(
                place,
                source.sweep,
                sampling.space,
                run=source.layout.run_id,
                uri=self._address(source),
                state=source.stands.state,
                learns=sampling.learns,
                going_on=going_on,
                metric=self.config.metric,
            )
            found.append(one)
            prior_trials += theirs
            if source.run.damage:
                self.notes.append(f"{one.run} is used as far as it is readable: {source.run.damage}")
        if found and not sampling.learns and isinstance(policy, NoTerminationPolicy):
            kind = f"{sampling.name} sampling does not learn from trials, and there is no early termination"
            self.notes.append(f"the warm start has no effect: {kind}")
        continued = tuple(one for _, one in children)
        lineage = Lineage(parents=tuple(found), continued=continued, notes=tuple(self.notes))
        return WarmStartPlan(lineage, tuple(prior_trials), tuple(source for source, _ in children))

    # ------------------------------------------------------------------ opening and checking

    def _open(self, reference: RunReference | ChildReference) -> EarlierRun | None:
        try:
            given = reference.run
            layout = given.layout if isinstance(given, RunReader) else self._layout(reference)
            if layout is None:
                return None
            if layout.uri not in self._opened:
                self._opened[layout.uri] = read_source(given if isinstance(given, RunReader) else RunReader(layout))
            return self._opened[layout.uri]
        except RaydriveError as error:
            found = show(getattr(reference.run, "id", reference.run))
            self._wrong(reference, found, "a run: its id, a unique prefix, 'last', or its folder", _sentence(error))
            return None

    def _layout(self, reference: RunReference | ChildReference) -> RunLayout | None:
        run = reference.run
        if not isinstance(run, str):
            self._wrong(reference, show(run), "a HyperDriveRun, the id of a run, or its folder")
            return None
        if is_place(run):
            below = reference.base is not None and "://" not in run
            return RunLayout.open(str(reference.base / Path(run).expanduser()) if below and reference.base else run)
        if self.storage is None:
            raise ConfigError(
                Problem(
                    reference.where,
                    show(run),
                    "a HyperDriveRun object, because no storage is known here in which to look up an id",
                )
            )
        return RunLayout.open(find_run(self.storage, run).uri)

    def _fresh(self, reference: RunReference | ChildReference, source: EarlierRun, trial: int | None) -> bool:
        key = (source.layout.uri, trial)
        if key not in self._seen:
            self._seen[key] = reference.where
            return True
        what = source.layout.run_id if trial is None else f"trial {trial} of {source.layout.run_id}"
        self._wrong(reference, f"{what} again", "each once", f"It is already listed as {self._seen[key]}.")
        return False

    def _same_metric(self, reference: RunReference | ChildReference, source: EarlierRun) -> None:
        theirs, ours = source.run.config.metric, self.config.metric
        # What of a curve counts may differ: the curves are there whole.
        if (theirs.name, theirs.goal) == (ours.name, ours.goal) or source.layout.uri in self._judged:
            return
        self._judged.add(source.layout.uri)  # one mistake, one message
        found = f"{source.layout.run_id}, whose goal is to {theirs.goal.value} {theirs.name!r}"
        allowed = f"a run whose goal is to {ours.goal.value} {ours.name!r}, as in this one"
        self._wrong(reference, found, allowed, "Values of different metrics cannot be compared: remove this run.")

    def _wrong(self, reference: RunReference | ChildReference, found: str, allowed: str, fix: str = "") -> None:
        self.problems.append(Problem(reference.where, found, allowed, fix, reference.place))

    def _address(self, source: EarlierRun) -> str:
        """The folder of a run, empty in the same storage: both may move together. Never with a password."""
        layout = source.layout
        if self.storage is not None:
            beside = as_folder(self.storage).child(layout.experiment, layout.run_id)
            if beside.uri == layout.uri:
                return ""
        safe = redact(layout.uri)
        return safe if "***" in safe else layout.uri


def is_place(text: str) -> bool:
    """Whether a text names a folder rather than a run's id."""
    return "://" in text or text.startswith(("/", "./", "../", "~")) or text in (".", "..")


def read_source(run: RunReader) -> EarlierRun:
    """Reads a run as far as its record can be read: a damaged one still has something to teach.

    Raises:
        StorageError: If nothing of it can be read.
    """
    run.refresh()
    return EarlierRun(run, run.status())


def _copy(one: Continued, source: EarlierRun, layout: RunLayout, number: int) -> Continued:
    """Copies what a trial continues from as its first checkpoint here; returns what it became."""
    curve, notes = source.sweep.curves.values(one.trial), list[str]()
    with tempfile.TemporaryDirectory(prefix="raydrive-") as folder:
        local, what, interval, value = Path(folder) / "saved", "", 0, None
        for manifest in reversed(_saved(source, one.trial)):
            try:
                fetch_checkpoint(source.layout, one.trial, manifest, local)
            except DamagedCheckpointError as error:
                notes.append(f"{error} in {one.run}; using the previous one")
                continue
            what, interval, value = f"checkpoint {manifest.number}", min(manifest.interval, len(curve)), manifest.value
            break
        else:
            outputs = source.layout.outputs(one.trial)
            local = Path(folder) / "outputs"
            left_out: list[str] = []
            for item in outputs.walk(left_out):
                (local / item.name).parent.mkdir(parents=True, exist_ok=True)
                outputs.get_file(item.name, local / item.name)
                what, interval = "outputs", len(curve)
                value = curve[-1] if interval and math.isfinite(curve[-1]) else None
            if left_out:
                notes.append(f"not copied from the outputs in {one.run}: {', '.join(left_out[:10])}")
        if what:
            publish(layout, number, local, attempt=0, interval=interval, value=value, at=time.time())
    return dataclasses.replace(one, source=what, interval=interval, note="; ".join(notes))


def _saved(source: EarlierRun, trial: int) -> list[Manifest]:
    """The whole checkpoints of a trial, oldest first; without those of intervals that were never recorded."""
    whole, length = manifests(source.layout, trial), source.sweep.curves.length(trial)
    return [manifest for manifest in whole if manifest.interval <= length] or whole


def _sentence(error: RaydriveError) -> str:
    text = str(error)
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?")) else ".")
