"""Fact -> judge -> journal -> runner: the one place that carries out decisions.

The loop uses no Ray, no thread and no clock. Three steps, so that a driver may write off its event loop while reports
queue: ``judge`` folds a batch of facts, ``write`` makes it durable in one append, ``act`` carries the decisions out. A
simple runner calls ``take``, which does the three in a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from raydrive.core import records
from raydrive.core.records import Close, Decision, Estimated, Fact, Finish, Launch, Resumed, Stop, Suggested, Ticked
from raydrive.core.search.protocol import PatientSampler
from raydrive.core.search.trial_record import GAIN, Continuation, Later, Suggestion, TrialRecord
from raydrive.core.sweep.edits import asks_anew, sampler_now
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.sweep.user_changes import GIVEN
from raydrive.core.user_facts import Edited

Answer = Suggestion | Continuation | Later | None
"""What a sampler answers; None: nothing is left to try."""


def _nothing(history: Sequence[TrialRecord]) -> None:
    """The answer of a sampler that does not choose among paused trials."""


class TrialRunner(Protocol):
    """Starts and ends attempts of trials. Never blocks; what comes of it returns as facts."""

    def launch(self, launch: Launch) -> None:
        """Starts an attempt; ``Began``, ``Reported`` and one of ``Ended`` or ``Lost`` follow as facts."""

    def stop(self, stop: Stop) -> None:
        """Ends an attempt now; ``Ended`` follows. An attempt that is no longer there is not an error."""

    def close(self, close: Close) -> None:
        """Releases what was kept for a trial that has ended."""

    def finish(self, finish: Finish) -> None:
        """Ends what the run has in use."""


class Writer(Protocol):
    """Makes journal lines durable, as a whole or not at all."""

    def append(self, lines: Sequence[str]) -> None:
        """Appends lines.

        Raises:
            StorageError: If they are not durable; the caller may try again.
        """


@dataclass(slots=True)
class Batch:
    """Facts that were judged together, and what is to be done about them."""

    lines: list[str] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)


class DecisionLoop:
    """Drives one sweep.

    Args:
        sweep: The judge; possibly replayed from a journal.
        sampler: Asked for configurations whenever the judge wants some.
        runner: Starts and ends attempts.
        writer: The journal; None = the run leaves no record.
        now: Returns the time for the facts the loop makes itself, seconds since the epoch.
    """

    def __init__(
        self,
        sweep: Sweep,
        sampler: PatientSampler,
        runner: TrialRunner,
        writer: Writer | None,
        now: Callable[[], float],
    ) -> None:
        self.sweep = sweep
        self.sampler = sampler
        self.runner = runner
        self.writer = writer
        self._now = now

    def judge(self, facts: Iterable[Fact], *, more: bool = False) -> Batch:
        """Folds facts, asks a cheap sampler for what the judge then wants, and returns what to write and do.

        Args:
            facts: What happened.
            more: Whether further facts have happened already: they are judged first, and may be an edit of the space.
        """
        batch = Batch()
        for fact in facts:
            self._judge_one(fact, batch)
            if isinstance(fact, Edited) and asks_anew(fact.patch):
                self.sampler = self.made_sampler()
        while not more and (answer := self._next()):
            for fact in answer:
                self._judge_one(fact, batch)
        return batch

    def _next(self) -> tuple[Fact, ...]:
        """What is to be trained now, by a user or a cheap sampler; empty when nothing is."""
        if self.sweep.free_slots and (given := self.given()) is not None:
            return (given,)
        return self._asked() if self.sampler.cheap else ()

    def _asked(self) -> tuple[Fact, ...]:
        return self.suggested(*self.question(self.sweep.history)()) if self.wants_answer else ()

    def made_sampler(self) -> PatientSampler:
        """Returns a sampler for the configuration of the run as it is now.

        Raises:
            UserCodeError: If a sampling of the user's cannot build it.
        """
        return sampler_now(self.sweep.config, self.sweep.warm_start, edits=self.sweep.steering.resampled)

    def given(self) -> Suggested | None:
        """Returns the next trial as a fact, where a user gave its configuration."""
        given = self.sweep.next_given
        if given is None:
            return None
        params = {**given.params, **dict.fromkeys(self.sweep.config.rules.parameters, 0)}
        return Suggested(self._now(), len(self.sweep.trials), params, GIVEN, given.details)

    @property
    def wants_answer(self) -> bool:
        """Whether the sampler is to be asked what to train now."""
        sweep = self.sweep
        return (sweep.free_slots > 0 and sweep.next_given is None) or sweep.may_continue

    def question(self, history: Sequence[TrialRecord]) -> Callable[[], tuple[int, Answer]]:
        """Returns what asks the sampler, in any thread, and returns the number of the next trial and the answer.

        Args:
            history: The trials so far; for another thread a copy.
        """
        number, sampler = len(self.sweep.trials), self.sampler
        # Not by free slots: for a moment there may be none, and "no paused trial is worth it" would then end the run.
        if number < self.sweep.limits.max_total_runs:
            return lambda: (number, sampler.ask(number, history))
        # No further trial may begin: only a sampler that chooses among paused ones is asked, for one of them.
        go_on: Callable[[Sequence[TrialRecord]], Answer] = getattr(sampler, "go_on", _nothing)
        return lambda: (number, go_on(history))

    def suggested(self, number: int, answer: Answer) -> tuple[Fact, ...]:
        """Returns what a sampler answered, as facts; what its model expects of further trials comes first.

        Empty where it waits for a trial that runs.
        """
        if isinstance(answer, Later):
            return ()
        now = self._now()
        if answer is None:
            return (Suggested(now, number, None),)
        fact: Fact
        if isinstance(answer, Continuation):
            fact = Resumed(now, answer.trial, answer.until, answer.origin, answer.details)
        else:
            fact = Suggested(now, number, answer.params, answer.origin, answer.details, answer.until)
        gain, rules = answer.details.get(GAIN), self.sweep.config.rules.finish_when
        if rules is None or rules.expected_gain_below is None or not isinstance(gain, int | float):
            return (fact,)
        return (Estimated(now, float(gain), number), fact)

    def _judge_one(self, fact: Fact, batch: Batch) -> None:
        sweep = self.sweep
        if not sweep.accepts(fact):
            return
        ending = sweep.ending
        decisions = sweep.handle(fact)
        if type(fact) is Ticked and not decisions and sweep.ending is ending:
            return  # time passed and nothing came of it: not worth a line
        if self.writer is not None:
            batch.lines.append(records.dump(fact, decisions))
        batch.decisions.extend(decisions)

    def write(self, batch: Batch) -> None:
        """Makes a batch durable.

        Raises:
            StorageError: If it is not; nothing has been done yet and it may be tried again.
        """
        if batch.lines and self.writer is not None:
            self.writer.append(batch.lines)

    def act(self, batch: Batch) -> None:
        """Carries out the decisions of a batch that has been written."""
        for decision in batch.decisions:
            match decision:
                case Launch():
                    self.runner.launch(decision)
                case Stop():
                    self.runner.stop(decision)
                case Close():
                    self.runner.close(decision)
                case Finish():
                    self.runner.finish(decision)

    def take(self, facts: Iterable[Fact]) -> None:
        """Judges, writes and acts on facts, then asks an expensive sampler for what is wanted, in this thread.

        Raises:
            StorageError: If the journal cannot be written.
        """
        self._step(facts)
        while facts := (self._next() or self._asked()):
            self._step(facts)

    def _step(self, facts: Iterable[Fact]) -> None:
        batch = self.judge(facts)
        self.write(batch)
        self.act(batch)
