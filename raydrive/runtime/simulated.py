"""Trials on virtual time: policy studies, what-if, scale tests and benchmarks, with the real judge.

A trial is a *model*: a function from its number and parameters to the ``(seconds, value)`` pairs it would log. Nothing
sleeps; time jumps to the next event.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator

from raydrive.core.config.run_config import RunConfig
from raydrive.core.records import (
    Began,
    Checkpointed,
    Close,
    Ended,
    Fact,
    Finish,
    Launch,
    Params,
    Reported,
    Started,
    Stop,
    Ticked,
)
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.sweep.warm_start_data import EMPTY, WarmStartData, sampler_of
from raydrive.runtime.decision_loop import DecisionLoop, Writer

Curve = Iterable[tuple[float, float]]
"""``(seconds since the log before it, value of the primary metric)``, in order."""
Model = Callable[[int, Params], Curve]


class SimulatedRunner:
    """A ``TrialRunner`` whose attempts are generators on virtual time.

    Args:
        model: Gives the curve of a trial.
        start_s: Virtual seconds from the launch to the first line of the process.
        stop_s: Virtual seconds from the stop to the dead process.
        checkpoint_every: Each trial saves a checkpoint whenever it has logged this many more intervals, which takes no
            time; 0 = never.
    """

    def __init__(self, model: Model, *, start_s: float = 0.0, stop_s: float = 0.0, checkpoint_every: int = 0) -> None:
        self.now = 0.0
        self._model = model
        self._start_s = start_s
        self._stop_s = stop_s
        self._checkpoint_every = checkpoint_every
        self._events: list[tuple[float, int, Fact, int]] = []
        self._order = itertools.count()
        self._running: dict[int, tuple[int, Iterator[tuple[float, float]]]] = {}

    def launch(self, launch: Launch) -> None:
        """Schedules the beginning and the first log of an attempt."""
        curve = iter(self._model(launch.trial, launch.params))
        for _ in range(launch.interval):  # what the checkpoint already holds is not trained again
            next(curve, None)
        self._running[launch.trial] = (launch.attempt, curve)
        at = self.now + self._start_s
        self._post(at, Began(at, launch.trial, launch.attempt), launch.attempt)
        self._next(launch.trial, launch.attempt, at, 1, launch.interval + 1)

    def stop(self, stop: Stop) -> None:
        """Ends an attempt after ``stop_s``."""
        running = self._running.pop(stop.trial, None)
        if running is not None:
            at = self.now + self._stop_s
            self._post(at, Ended(at, stop.trial, stop.attempt, -15), 0)

    def close(self, close: Close) -> None:
        """Forgets a trial."""
        self._running.pop(close.trial, None)

    def finish(self, finish: Finish) -> None:
        """Drops what is left of the future."""
        self._events.clear()

    def _post(self, at: float, fact: Fact, attempt: int) -> None:
        heapq.heappush(self._events, (at, next(self._order), fact, attempt))

    def _next(self, trial: int, attempt: int, at: float, seq: int, interval: int) -> None:
        _, curve = self._running[trial]
        step = next(curve, None)
        if step is None:
            self._post(at, Ended(at, trial, attempt, 0), attempt)
        else:
            at += step[0]
            self._post(at, Reported(at, trial, attempt, seq, interval, step[1]), attempt)

    def facts(self, due_at: Callable[[], float | None] = lambda: None) -> Iterator[Fact]:
        """Yields what happens, in order of virtual time, until nothing is left to happen.

        Args:
            due_at: Returns when time alone will next have consequences (``Sweep.due_at``); a ``Ticked`` comes then.
        """
        while self._events:
            due = due_at()
            if due is not None and due < self._events[0][0]:
                self.now = max(due, self.now)
                yield Ticked(self.now)
                continue
            self.now, _, fact, attempt = heapq.heappop(self._events)
            if attempt:
                trial: int = fact.trial  # type: ignore[union-attr, assignment]
                running = self._running.get(trial)
                if running is None or running[0] != attempt:
                    continue  # stopped meanwhile
                if isinstance(fact, Reported):
                    self._next(trial, attempt, fact.at, fact.seq + 1, fact.interval + 1)
            yield fact
            if isinstance(fact, Reported) and self._checkpoint_every and not fact.interval % self._checkpoint_every:
                running = self._running.get(fact.trial)
                if running is not None and running[0] == attempt:
                    yield Checkpointed(fact.at, fact.trial, attempt, fact.interval, str(fact.interval))


def simulate(
    config: RunConfig,
    model: Model,
    *,
    writer: Writer | None = None,
    start_s: float = 0.0,
    warm_start: WarmStartData = EMPTY,
    checkpoint_every: int | None = None,
) -> Sweep:
    """Runs a whole sweep on virtual time and returns it.

    Args:
        config: The configuration; its trial spec is not looked at.
        model: Gives the curve of a trial.
        writer: Where the journal lines go; None = nowhere.
        start_s: Virtual seconds that starting a trial takes.
        warm_start: What the run got from earlier ones.
        checkpoint_every: See ``SimulatedRunner``; None: each interval where policy or sampler may pause trials, else
            never.

    Raises:
        StorageError: If ``writer`` cannot write.
    """
    if checkpoint_every is None:
        pauses = hasattr(config.policy, "promote") or getattr(config.sampling, "continues", False)
        pauses = pauses or config.rules.population is not None
        checkpoint_every = int(pauses)
    runner = SimulatedRunner(model, start_s=start_s, checkpoint_every=checkpoint_every)
    sweep = Sweep(config, warm_start)
    sampler = sampler_of(config, warm_start)
    loop = DecisionLoop(sweep, sampler, runner, writer, lambda: runner.now)
    loop.take([Started(0.0, 1)])
    for fact in runner.facts(lambda: sweep.due_at):
        loop.take([fact])
    return sweep
