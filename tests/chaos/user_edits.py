"""What a user does to a run under faults, and what must hold of it afterwards."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from raydrive import BanditPolicy, HyperDriveRun, MedianStoppingPolicy, NoTerminationPolicy, uniform
from raydrive.core.errors import ConfigError, RaydriveError
from raydrive.core.user_facts import Added, Edited
from raydrive.storage.journal.reader import JournalReader

KINDS = ("concurrency", "policy", "rejudge", "space", "add", "pause", "pause_now", "retry", "note", "stop")


class User:
    """Somebody who changes a run all the time.

    Args:
        run: The run.
        pick: Decides what is done.
    """

    def __init__(self, run: HyperDriveRun, pick: random.Random) -> None:
        self._run = run
        self._pick = pick
        self.done: Counter[str] = Counter()
        self.answered: list[tuple[str, int]] = []
        """What was answered: what was recorded first, and the revision."""

    def act(self, kind: str = "") -> str:
        """Does one thing; returns what, or how it was refused: nobody promises that a driver is there."""
        kind = kind or self._pick.choice(KINDS)
        try:
            answer = getattr(self, f"_{kind}")()
        except ConfigError:
            return f"user: {kind} refused"  # as the run stands it makes no sense
        except RaydriveError:
            return f"user: {kind} without an answer"  # the driver has just been killed
        self.answered.append((answer.recorded[0], answer.revision))
        return f"user: {kind}"

    def settle(self) -> bool:
        """Has a paused run go on; returns whether it does."""
        self._run.refresh()
        if self._run.sweep.steering.paused is None or self._run.sweep.finished is not None:
            return True
        try:
            self._run.unpause()
        except RaydriveError:
            return False
        return True

    def _concurrency(self) -> Any:
        return self._run.edit(max_concurrent_runs=self._pick.randint(2, 5))

    def _policy(self) -> Any:
        policies = (NoTerminationPolicy(), BanditPolicy(slack_factor=0.5), MedianStoppingPolicy(delay_evaluation=6))
        return self._run.edit(policy=self._pick.choice(policies))

    def _rejudge(self) -> Any:
        return self._run.edit(policy=BanditPolicy(slack_factor=self._pick.choice((1.0, 2.0))), rejudge=True)

    def _space(self) -> Any:
        return self._run.edit(space={"x": uniform(0, self._pick.choice((1, 2, 3)))})

    def _add(self) -> Any:
        return self._run.add_trials([{"x": round(self._pick.uniform(0.0, 1.0), 3)}])

    def _pause(self) -> Any:
        return self._run.pause(why="chaos")

    def _pause_now(self) -> Any:
        return self._run.pause(now=True)

    def _retry(self) -> Any:
        over = [trial.number for trial in self._run.sweep.trials if not trial.open]
        return self._run.retry(self._pick.choice(over or [0]))

    def _note(self) -> Any:
        return self._run.note("chaos", tags={"by": "user"})

    def _stop(self) -> Any:
        numbers = [trial.number for trial in self._run.sweep.open_trials]
        return self._run.stop_trial(self._pick.choice(numbers or [0]), "chaos")


def check_answers(run: HyperDriveRun, user: User) -> list[str]:
    """Returns what is wrong with what a user was answered: an answer is a promise that it is in the journal.

    Args:
        run: The run, over.
        user: Who changed it.
    """
    facts = [fact for fact, _ in JournalReader(run.layout.journal).read()]
    revisions = [fact.revision for fact in facts if isinstance(fact, Edited)]
    wrong = []
    if revisions != list(range(1, len(revisions) + 1)):
        wrong.append(f"revisions out of order: {revisions}")
    promised = max((revision for _, revision in user.answered), default=0)
    if promised > len(revisions):
        wrong.append(f"revision {promised} was answered, and the journal has {len(revisions)}")
    added = [fact.params for fact in facts if isinstance(fact, Added)]
    given = [dict(trial.params) for trial in run.sweep.trials if trial.origin == "given"]
    if given != [dict(params) for params in added[: len(given)]]:
        wrong.append(f"given configurations {added} came as {given}")
    return wrong
