"""What users ask of a driver's run: checked, recorded, answered; and what an edit changes in the driver itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from raydrive.core.errors import ConfigError, Problem, RaydriveError, UserCodeError
from raydrive.core.records import Cancelled, Estimated, Fact, Resumed, Suggested
from raydrive.core.search.protocol import PatientSampler
from raydrive.core.sweep.edits import edited, sampler_now
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.user_facts import Edited, Retried
from raydrive.core.user_requests.edit_checks import effective
from raydrive.core.user_requests.requests import Planned, plan
from raydrive.runtime.decision_loop import DecisionLoop
from raydrive.runtime.driver.mailbox import Mailbox
from raydrive.runtime.ray_cluster.connection import autoscaling, check_feasible
from raydrive.storage.journal.reader import JournalReader
from raydrive.storage.run_layout import RunLayout

PROPOSALS = (Estimated, Resumed, Suggested)
"""What a sampler answers."""


class Steering:
    """Takes requests of users, one at a time.

    Args:
        mailbox: Where facts wait for the decision loop.
        sweep: Returns the run as it stands.
    """

    def __init__(self, mailbox: Mailbox, sweep: Callable[[], Sweep]) -> None:
        self._mailbox = mailbox
        self._sweep = sweep
        self._turn = asyncio.Lock()

    async def steer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Returns what was recorded and when it takes effect, once it is durable.

        Args:
            request: As in ``core/user_requests/requests.py``.

        Raises:
            ConfigError: If it cannot be done.
            ClusterError: If no node of the cluster could hold the trials of an edit.
            RaydriveError: If the run has changed meanwhile, so that nothing came of it.
        """
        async with self._turn:  # else two edits could be of the same revision
            sweep = self._sweep()
            planned = plan(sweep, request, time.time())
            _check_edit(sweep, planned)
            if planned.facts:
                await self._mailbox.record(planned.facts)
            return answer(self._sweep(), planned)


def _check_edit(sweep: Sweep, planned: Planned) -> None:
    """Refuses an edit that this driver could not carry out: its classes are loaded, its sampler is made once."""
    for fact in planned.facts:
        if not isinstance(fact, Edited):
            continue
        config = edited(effective(sweep), fact.patch)
        if fact.patch.keys() & {"policy", "sampling"}:
            try:
                sampler_now(sweep.runnable(config), sweep.warm_start)
            except UserCodeError as error:
                raise ConfigError(Problem("edit", str(error), "what the run's own classes accept")) from error
        if "resources" in fact.patch.get("trial", {}):
            check_feasible(config.trial.resources, may_grow=autoscaling())


def answer(sweep: Sweep, planned: Planned) -> dict[str, Any]:
    """Returns the answer to a request whose facts have been judged.

    Args:
        sweep: The run with these facts.
        planned: What was to be recorded.

    Raises:
        RaydriveError: If one of them was dropped.
    """
    known = [one.fact for one in sweep.steering.log]
    asked = [fact for fact in planned.facts if not isinstance(fact, Cancelled)]  # that end has come in any case
    if not all(any(fact is one for one in known) for fact in asked):
        raise RaydriveError(
            "the run has changed in the meantime, and the request was not carried out: look at the run and repeat "
            "the request"
        )
    return {
        "recorded": list(planned.recorded),
        "effect": planned.effect,
        "notes": list(planned.notes),
        "revision": sweep.steering.revision,
    }


def parts(facts: Sequence[Fact]) -> Iterator[Sequence[Fact]]:
    """Yields facts in order, in parts that a driver judges one after the other: an edit or a retry stands alone."""
    begin = 0
    for place, fact in enumerate(facts):
        if isinstance(fact, Edited | Retried):
            yield from filter(None, (facts[begin:place], [fact]))
            begin = place + 1
    if begin < len(facts) or not facts:
        yield facts[begin:]


def asks_for_more(sweep: Sweep, facts: Sequence[Fact]) -> bool:
    """Whether what users did asks for more of trials that have ended than a lean judge has kept."""
    return sweep.curves.dropped and any(isinstance(fact, Edited | Retried) for fact in facts)


class Proposals:
    """Proposals of a slow sampler that wait to be judged: void where an edit has put another one in its place.

    Args:
        decision_loop: Has the present sampler.
    """

    def __init__(self, decision_loop: DecisionLoop) -> None:
        self._decision_loop = decision_loop
        self._made: list[tuple[Fact, PatientSampler]] = []

    def made(self, facts: Sequence[Fact], sampler: PatientSampler) -> Sequence[Fact]:
        """Returns a proposal, whose sampler is remembered until it is judged."""
        self._made += [(fact, sampler) for fact in facts]
        return facts

    def is_current(self, fact: Fact) -> bool:
        """Whether a proposal is the present sampler's; it is forgotten then."""
        sampler = next((by for one, by in self._made if one is fact), None)
        self._made = [pair for pair in self._made if pair[0] is not fact]
        return sampler is self._decision_loop.sampler


def changes_trials(facts: Sequence[Fact]) -> bool:
    """Whether an edit among these changes what trial actors are made with."""
    return any(isinstance(fact, Edited) and "trial" in fact.patch for fact in facts)


def folded_anew(layout: RunLayout, sweep: Sweep) -> Sweep:
    """Returns a run whose judge keeps everything, folded from its journal.

    Args:
        layout: The run folder; its journal has every fact that was judged.
        sweep: The run as a lean judge has it.

    Raises:
        StorageError: If the journal cannot be read.
    """
    whole = Sweep(sweep.given, sweep.warm_start)
    whole.runnable = sweep.runnable
    JournalReader(layout.journal).follow(whole)
    return whole


def trial_generation(sweep: Sweep) -> int:
    """Returns the revision of the last edit that changed what trial actors are made with; 0 before the first."""
    edits = [one.fact for one in sweep.steering.log if isinstance(one.fact, Edited)]
    return max((one.revision for one in edits if "trial" in one.patch), default=0)
