"""A sweep with short words for facts."""

from __future__ import annotations

from raydrive.core import records
from raydrive.core.config.run_config import RunConfig
from raydrive.core.records import Began, Checkpointed, Decision, Ended, Fact, Reported, Started
from raydrive.core.sweep.sweep import Sweep
from raydrive.testing.sweep_invariants import check, check_journal, picture

Decisions = tuple[Decision, ...]


class JournalledSweep:
    """A sweep which keeps its journal. Time goes on by 1 s with every fact."""

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.sweep = Sweep(config)
        self.lines: list[str] = []
        self.now = 0.0

    def tell(self, fact: Fact) -> Decisions:
        assert self.sweep.accepts(fact), fact
        decisions = self.sweep.handle(fact)
        self.lines.append(records.dump(fact, decisions))
        return decisions

    def at(self, at: float | None = None) -> float:
        self.now = self.now + 1.0 if at is None else at
        return self.now

    def verify(self) -> None:
        """Whatever was told, the sweep and its journal hold what must hold of any."""
        check(self.sweep)
        assert picture(check_journal(self.config, self.lines)) == picture(self.sweep)


class StartedSweep(JournalledSweep):
    """One whose driver is in charge, and whose trials train and save."""

    def __init__(self, config: RunConfig) -> None:
        super().__init__(config)
        self._seq = 0
        self.tell(Started(self.at(), 1))

    def attempt(self, trial: int) -> int:
        return self.sweep.trials[trial].attempt

    def begin(self, trial: int) -> None:
        self.tell(Began(self.at(), trial, self.attempt(trial), "node"))

    def report(self, trial: int, *values: float) -> Decisions:
        found: Decisions = ()
        for value in values:
            self._seq += 1
            interval = self.sweep.curves.length(trial) + 1
            found = self.tell(Reported(self.at(), trial, self.attempt(trial), self._seq, interval, value))
        return found

    def save(self, trial: int, interval: int | None = None) -> Decisions:
        saved = self.sweep.curves.length(trial) if interval is None else interval
        return self.tell(Checkpointed(self.at(), trial, self.attempt(trial), saved, f"{saved}"))

    def end(self, trial: int, code: int = -15) -> Decisions:
        return self.tell(Ended(self.at(), trial, self.attempt(trial), code))
