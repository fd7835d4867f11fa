"""What must hold of any run that has ended, judged from its storage alone.

    wrong = check_run(uri)             # [] when nothing is wrong
    wrong = check_acknowledged(uri, acknowledged)

Whatever was killed while it ran, and whatever failed: the journal can be judged again and gives the same decisions,
nothing is in it twice, no report is missing, every trial ended in a legal state, and the budgets were kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from raydrive.core import records
from raydrive.core.early_stopping.policies import Policy
from raydrive.core.records import Checkpointed, Entry, Reported, Started
from raydrive.core.sweep.sweep import Sweep
from raydrive.storage.checkpoints import manifests
from raydrive.storage.journal.writer import JournalReader
from raydrive.storage.run_layout import RunLayout
from raydrive.storage.run_reader import read_given
from raydrive.testing.sweep_invariants import check_journal

Report = tuple[int, int, int]
"""Trial, attempt, seq: what tells one report from every other."""


def check_run(uri: str, policy: Policy | None = None) -> list[str]:
    """Returns what is wrong with a run that has ended; nothing when all is well.

    Args:
        uri: Its folder.
        policy: What judges again, for a run whose policy is not one of raydrive's own: its code is not loaded here.

    Raises:
        StorageError: If it cannot be read.
    """
    layout = RunLayout.open(uri)
    config, warm_start = read_given(layout)
    if policy is not None:
        config = replace(config, policy=policy)
    entries = list(JournalReader(layout.journal).read())
    try:
        sweep = check_journal(config, [records.dump(fact, decisions) for fact, decisions in entries], warm_start)
    except AssertionError as error:
        return [str(error)]
    wrong = [*_wrong_with_reports(entries), *_wrong_with_epochs(entries), *_wrong_with_budgets(sweep)]
    if sweep.finished is None:
        wrong.append("the run is not over")
    for trial in sweep.trials:
        kept = [found.number for found in manifests(layout, trial.number)]
        if trial.stop_by == "policy" and getattr(config.policy, "max_paused", None) is not None:
            continue  # deleted, to keep the disk free
        if trial.checkpoint and int(trial.checkpoint) not in kept:
            wrong.append(f"trial {trial.number}: its checkpoint {trial.checkpoint} is gone")
    return wrong


def check_acknowledged(uri: str, acknowledged: Iterable[Report]) -> list[str]:
    """Returns which acknowledged reports a journal lacks.

    Args:
        uri: The run's folder.
        acknowledged: What a driver confirmed to trial actors.

    Raises:
        StorageError: If it cannot be read.
    """
    entries = JournalReader(RunLayout.open(uri).journal).read()
    recorded = {(fact.trial, fact.attempt, fact.seq) for fact, _ in entries if isinstance(fact, Reported)}
    return [f"report {report} was acknowledged and is not recorded" for report in sorted(set(acknowledged) - recorded)]


def _wrong_with_reports(entries: Iterable[Entry]) -> list[str]:
    wrong: list[str] = []
    last: dict[tuple[int, int], int] = {}
    intervals: Counter[tuple[int, int, int]] = Counter()
    for fact, _ in entries:
        if isinstance(fact, Reported):
            key = (fact.trial, fact.attempt)
            if fact.seq != last.get(key, 0) + 1:
                wrong.append(f"trial {key[0]}, attempt {key[1]}: report {fact.seq} follows {last.get(key, 0)}")
            last[key] = fact.seq
            if fact.interval:
                intervals[fact.trial, fact.attempt, fact.interval] += 1
        elif isinstance(fact, Checkpointed) and fact.interval < 0:
            wrong.append(f"trial {fact.trial}: a checkpoint of interval {fact.interval}")
    wrong += [
        f"trial {t}, attempt {a}: interval {k} is recorded {n} times" for (t, a, k), n in intervals.items() if n > 1
    ]
    return wrong


def _wrong_with_epochs(entries: Iterable[Entry]) -> list[str]:
    epochs = [fact.epoch for fact, _ in entries if isinstance(fact, Started)]
    return [] if epochs == sorted(set(epochs)) else [f"epochs are out of order: {epochs}"]


def _wrong_with_budgets(sweep: Sweep) -> list[str]:
    limits, wrong = sweep.limits, []
    if len(sweep.trials) > limits.max_total_runs:
        wrong.append(f"{len(sweep.trials)} trials, {limits.max_total_runs} are allowed")
    for trial in sweep.trials:
        if trial.failures - trial.forgiven[0] > limits.max_attempts:
            wrong.append(f"trial {trial.number} failed {trial.failures} times, max_attempts is {limits.max_attempts}")
        if limits.max_losses is not None and trial.losses - trial.forgiven[1] > limits.max_losses + 1:
            wrong.append(f"trial {trial.number} was lost {trial.losses} times, max_losses is {limits.max_losses}")
    return wrong
