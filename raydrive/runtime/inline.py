"""Trials in this process, one after the other: for debugging, notebooks and tests.

Everything but the runner is the real thing: judge, samplers, policies, journal lines. Breakpoints stop where they
stand, ``print`` prints, and what a trial changes (globals, the working directory) stays changed for the next one.
Nothing can end a function from outside here: a trial that is to stop is stopped by its next ``log``, or ends by itself.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import tempfile
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from raydrive import context, ranks, wire
from raydrive.core.config.run_config import RunConfig
from raydrive.core.config.stdout_metrics import not_a_number
from raydrive.core.json_values import copied
from raydrive.core.records import (
    Began,
    Checkpointed,
    Close,
    Ended,
    Fact,
    Finish,
    Launch,
    Noted,
    Started,
    Stop,
    Ticked,
)
from raydrive.core.reports.attempt_reports import Recorded, ReportReader
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.sweep.warm_start_data import EMPTY, WarmStartData, sampler_of
from raydrive.runtime.decision_loop import DecisionLoop, Writer
from raydrive.runtime.fork_server import return_value
from raydrive.runtime.fork_server.system_exit import exit_code

Train = Callable[[dict[str, Any]], object]
"""A training function; it logs with ``Run.get_context()``."""
STOPPED = -15
"""Exit code of a trial that was stopped, as if by SIGTERM."""
STAGED = "staged-checkpoints"
"""Folder of a trial in which it leaves its checkpoints."""
_TAIL = 4_000
"""Characters of a traceback that are kept."""


class TrialStopped(BaseException):
    """Ends a training function whose trial is to stop. No ``Exception``, so that ``except Exception`` lets it pass."""


class InlineRunner:
    """A ``TrialRunner`` that calls the training function itself.

    Launched attempts queue up; ``run`` works through them. Nothing happens inside ``launch`` and ``stop``, which the
    loop calls while it carries out decisions.

    Args:
        config: The run's configuration; of its trial spec nothing is looked at.
        train: The training function.
        files: Directory for the trials' files, ``<files>/<trial>/outputs``; made when needed.
        now: Returns the time, seconds since the epoch.
    """

    def __init__(self, config: RunConfig, train: Train, files: Path, now: Callable[[], float] = time.time) -> None:
        self._config = config
        self._train = train
        self._files = files
        self._now = now
        self._submit_dir = config.trial.submit_dir or os.getcwd()
        self._queue: deque[Launch] = deque()
        self._unbegun: deque[Fact] = deque()
        self._current: _Attempt | None = None

    def launch(self, launch: Launch) -> None:
        """Queues an attempt."""
        self._queue.append(launch)

    def stop(self, stop: Stop) -> None:
        """Has the next ``log`` of an attempt end it; one that has not begun never will."""
        current = self._current
        if current is not None and (current.launch.trial, current.launch.attempt) == (stop.trial, stop.attempt):
            current.stop = stop
            return
        for launch in [each for each in self._queue if (each.trial, each.attempt) == (stop.trial, stop.attempt)]:
            self._queue.remove(launch)
            self._unbegun.append(Ended(self._now(), stop.trial, stop.attempt, STOPPED, "stopped before it started"))

    def close(self, close: Close) -> None:
        """Nothing is kept for a trial that has ended."""

    def finish(self, finish: Finish) -> None:
        """Nothing is kept for a run that has ended."""

    def run(self, loop: DecisionLoop) -> None:
        """Works through what is launched until nothing is.

        Raises:
            StorageError: If the journal cannot be written.
        """
        while self._queue or self._unbegun:
            self.tick(loop)
            if self._unbegun:
                loop.take([self._unbegun.popleft()])
            elif self._queue:
                attempt = self._current = _Attempt(self, loop, self._queue.popleft())
                try:
                    attempt.run(self._train, self._files / f"{attempt.launch.trial:05}")
                finally:
                    self._current = None

    def tick(self, loop: DecisionLoop) -> None:
        """Sends the sweep the time when that matters."""
        due = loop.sweep.due_at
        if due is not None and self._now() >= due:
            loop.take([Ticked(self._now())])

    def time(self) -> float:
        """Returns the time, seconds since the epoch."""
        return self._now()

    def environment(self, launch: Launch, folder: Path) -> dict[str, str]:
        """Returns what tells the training function which trial it is."""
        place = folder if launch.source is None else self._files / f"{launch.source:05}"
        saved = checkpoint_files(place, int(launch.resume_from or 0))
        return wire.trial_environment(
            channel="in-process",
            run_id="inline",
            trial=launch.trial,
            attempt=launch.attempt,
            experiment=self._config.experiment,
            params=launch.params,
            files_dir=str(folder),
            resume_from=str(saved) if saved.is_dir() else "",
            checkpoint_dir=str(folder / STAGED),
            submit_dir=self._submit_dir,
            large_dir=str(folder),
            outer_ranks=ranks.outer_ranks(os.environ),
        )

    @property
    def metric(self) -> str:
        """Name of the primary metric."""
        return self._config.metric.name

    def keep_checkpoint(self, folder: Path, name: str) -> str:
        """Moves a checkpoint that a trial has left to where a run folder has it; older ones go.

        Args:
            folder: Of the trial's files.
            name: What the trial calls it.

        Returns:
            Its number among those of the trial, as a text.
        """
        root = folder / "checkpoints"
        numbers = sorted(int(known.name) for known in root.iterdir()) if root.is_dir() else []
        number = numbers[-1] + 1 if numbers else 1
        files = checkpoint_files(folder, number)
        files.parent.mkdir(parents=True)
        (folder / STAGED / f"{name}{wire.SAVED}").rename(files)
        kept = {(each.source, each.resume_from) for each in self._queue}  # other trials continue from them
        for old in numbers[: max(0, len(numbers) + 1 - self._config.trial.keep_checkpoints)]:
            if (int(folder.name), str(old)) not in kept:
                shutil.rmtree(root / f"{old:05d}")
        return str(number)


def checkpoint_files(folder: Path, number: int) -> Path:
    """Returns where the files of a trial's checkpoint stand, as in a run folder."""
    return folder / "checkpoints" / f"{number:05d}" / "files"


class _Attempt(wire.Client):
    """One call of the training function; what it logs goes straight to the loop."""

    def __init__(self, runner: InlineRunner, loop: DecisionLoop, launch: Launch) -> None:
        super().__init__("in-process")
        self.launch = launch
        self.stop: Stop | None = None
        self._runner = runner
        self._loop = loop
        self._mutex = threading.RLock()  # training code may log from several threads
        self._notices: list[str] = []
        self._announced: list[str] = []
        """Checkpoints that the trial has left."""
        self._folder = Path()
        recorded = Recorded.of(launch.recorded, launch.first_step, launch.last_step)
        self._reader = ReportReader(
            runner.metric,
            launch.interval,
            runner.time(),
            self._tell,
            recorded,
            self._announced.append,
            self._note,
            last_value=launch.last_value,
        )
        self._trouble: BaseException | None = None
        self._over = False

    def run(self, train: Train, folder: Path) -> None:
        """Calls the function and tells the loop how that went.

        Raises:
            StorageError: If the journal cannot be written.
        """
        trial, attempt = self.launch.trial, self.launch.attempt
        (folder / "outputs").mkdir(parents=True, exist_ok=True)
        self._folder = folder
        shutil.rmtree(folder / STAGED, ignore_errors=True)  # of an attempt that was ended while it left one
        gpus = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        self._loop.take([Began(self._runner.time(), trial, attempt, platform.node(), os.getpid(), gpus)])
        params: dict[str, Any] = copied(self.launch.params)  # the function's own, to change
        with context.in_process(self._runner.environment(self.launch, folder), self):
            code, error = self._call(train, params)
        with self._mutex:
            self._over = True
        if self._trouble is not None:
            raise self._trouble
        if self._reader.no_number is not None:
            text = not_a_number(self._reader.no_number, f"as {self._runner.metric!r} it logged")
            self._loop.take([Noted(self._runner.time(), trial, attempt, text)])
        self._loop.take([Ended(self._runner.time(), trial, attempt, code, error)])

    def _call(self, train: Train, params: dict[str, Any]) -> tuple[int, str]:
        try:
            result = train(params)
            if result is not None:
                return_value.take(result, self._runner.metric)
        except TrialStopped:
            return STOPPED, ""
        except SystemExit as end:
            return exit_code(end), ""
        except Exception as error:
            user = error.__traceback__
            while user is not None and user.tb_frame.f_code.co_filename in (__file__, return_value.__file__):
                user = user.tb_next  # from the user's first line on
            text = "".join(traceback.format_exception(type(error), error, user))
            print(text, end="", file=sys.stderr)
            return 1, text[-_TAIL:]
        return (1, self._reader.failed_why) if self._reader.failed_why else (0, "")

    def send(self, message: Mapping[str, Any]) -> bool:
        """Takes what the trial logs.

        Raises:
            TrialStopped: If the trial is to stop.
            TypeError: If a value has no JSON form.
        """
        # As it would arrive through a socket; the trial may continue changing it.
        received: dict[str, Any] = json.loads(wire.encode(message))
        with self._mutex:
            if self._over:
                return False  # a thread that outlived its trial
            try:
                if self.stop is None:
                    self._runner.tick(self._loop)
                if self.stop is None:
                    self._take(received)
                    return True
            except BaseException as error:  # the run's failure, not the trial's: it must not be caught by training code
                self._trouble = error
            raise TrialStopped(self.stop.why if self.stop is not None else "the run cannot go on")

    def _take(self, message: dict[str, Any]) -> None:
        trial, attempt, now = self.launch.trial, self.launch.attempt, self._runner.time()
        message.pop("t", None)  # the runner's time may be a virtual one
        events, _ = self._reader.read([message], now)
        notices, self._notices = self._notices, []
        facts: list[Fact] = [Noted(now, trial, attempt, text) for text in notices]
        facts += [event.to_fact(trial, attempt) for event in events]
        while self._announced:
            number = self._runner.keep_checkpoint(self._folder, self._announced.pop())
            facts.append(Checkpointed(now, trial, attempt, self._reader.interval, number))
        if facts:
            self._loop.take(facts)

    def _tell(self, text: str) -> None:
        print(f"raydrive: {text}", file=sys.stderr, flush=True)
        self._note(text)

    def _note(self, text: str) -> None:
        self._notices.append(text)  # of the present list: each message's notices have one of their own


def run_inline(
    config: RunConfig,
    train: Train,
    writer: Writer | None = None,
    now: Callable[[], float] = time.time,
    files: str | os.PathLike[str] | None = None,
    warm_start: WarmStartData = EMPTY,
) -> Sweep:
    """Runs a whole sweep in this process and returns it.

    Args:
        config: The configuration; of its trial spec nothing is looked at.
        train: The training function.
        writer: The journal; None = the run leaves no record.
        now: Returns the time, seconds since the epoch.
        files: Directory for the trials' files; None = a temporary one, gone when the run has ended. The checkpoints of
            trials that continue with earlier ones stand there as in a run folder.
        warm_start: What the run got from earlier ones.

    Raises:
        StorageError: If ``writer`` cannot write.
    """
    if files is None:
        with tempfile.TemporaryDirectory(prefix="raydrive-") as folder:
            return run_inline(config, train, writer, now, folder, warm_start)
    runner = InlineRunner(config, train, Path(files), now)
    loop = DecisionLoop(Sweep(config, warm_start), sampler_of(config, warm_start), runner, writer, now)
    loop.take([Started(now(), 1, {"python": platform.python_version()})])
    runner.run(loop)
    return loop.sweep
