"""The trial actor: holds a reservation, supervises one training process at a time, sends on what it logs.

Events go to the driver in batches, one batch in flight, in order, and are kept until the driver has them. The last
batch of an attempt is the result of ``run``, so that a short trial costs a single call.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from raydrive import ranks, variables, wire
from raydrive.core.config.command_line import sweep_variables, trial_argv, with_resume_argument
from raydrive.core.config.trial_spec import TrialConfig
from raydrive.core.errors import StaleEpochError, StorageError
from raydrive.core.reports.attempt_reports import Recorded
from raydrive.core.reports.message_checks import clean_text
from raydrive.runtime.fork_server import orphans, process_tree
from raydrive.runtime.trial_actor.attempt_events import AttemptEvents, Event
from raydrive.runtime.trial_actor.attempt_outcome import outcome
from raydrive.runtime.trial_actor.environment import temporary_variables
from raydrive.runtime.trial_actor.event_delivery import Delivery, pause_if_unheard
from raydrive.runtime.trial_actor.files import temporary_folder
from raydrive.runtime.trial_actor.files.attempt_files import Prepared, TrialFiles
from raydrive.runtime.trial_actor.files.capped_log import CappedLog
from raydrive.runtime.trial_actor.files.checkpoint_publisher import CheckpointPublisher, Resumed, recover
from raydrive.runtime.trial_actor.files.log_uploads import deliver, upload_log
from raydrive.runtime.trial_actor.files.removed_files import RemovalWatch, RemovedError
from raydrive.runtime.trial_actor.first_report_delay import FirstReportDelay
from raydrive.runtime.trial_actor.fork_client import Exit, ForkServerClient, Job
from raydrive.runtime.trial_actor.log_socket import LogSocket
from raydrive.runtime.trial_actor.stdout_tail import StdoutTail, watched
from raydrive.storage.checkpoints import Manifest

READY_S = 5.0
"""So long an actor lets who asks for it wait until it is ready: inputs that are fetched may take minutes."""


class TrialActor:
    """One slot of the cluster.

    Args:
        uri: The run folder.
        run_id: Name of the run.
        config: The run's configuration as JSON.
        driver: Handle of the driver actor.
        epoch: Epoch of that driver.
        name: The actor's own name, by which the next driver finds it.
        secrets: Further environment variables of the trials by name; nowhere but in memory. None = none.
    """

    def __init__(
        self, uri: str, run_id: str, config: Mapping[str, Any], driver: Any, epoch: int, name: str, secrets: Any = None
    ) -> None:
        self._config = TrialConfig.from_json(config)
        self._spec = self._config.trial
        """As on this node: with inputs that were brought here."""
        self._run_id = run_id
        self._epoch = epoch
        self._name = name
        self._secrets = dict(secrets or {})
        self._files = TrialFiles(uri, self._config)
        self._fork_server: ForkServerClient | None = None
        self._channel: LogSocket | None = None
        self._current: AttemptEvents | None = None
        self._delivery = Delivery(
            driver, epoch, heard=lambda: self._hear(self._epoch), room=self._make_room, refused=self._refused
        )
        self._stopping = False
        self._first_report_delay = FirstReportDelay()
        self._heard_at = time.monotonic()
        # From the start: a reservation that comes when the driver is gone for good must not be held for ever.
        self._lease = asyncio.get_running_loop().create_task(self._watch_lease())
        # Before the first attempt comes, which takes a while.
        self._readying = asyncio.get_running_loop().create_task(self._get_ready_early())

    async def adopt(self, epoch: int, driver: Any) -> tuple[int, int] | None:
        """Goes over to a new driver; what trains is not disturbed.

        Args:
            epoch: The new driver's; a lower one than the present driver's is refused.
            driver: Its handle.

        Returns:
            Trial and attempt under way, or over and not yet handed in; None when idle.

        Raises:
            StaleEpochError: If a newer driver has taken over already.
        """
        self._hear(epoch)
        self._delivery.driver = driver
        self._delivery.withdraw()
        current = self._current
        if current is None:
            return None
        current.wake.set()
        return current.trial, current.attempt

    async def renew(self, epoch: int) -> None:
        """Told by the driver that it is alive.

        Raises:
            StaleEpochError: If a newer driver has taken over already.
        """
        self._hear(epoch)

    def _hear(self, epoch: int) -> None:
        """Accepts a word of the driver: refuses one of the past, and renews the lease."""
        if epoch < self._epoch:
            raise StaleEpochError(f"this trial actor follows the driver of epoch {self._epoch}; epoch {epoch} is over")
        self._epoch = self._delivery.epoch = epoch
        self._heard_at = time.monotonic()

    async def _watch_lease(self) -> None:
        """Ends this actor, and by that its process tree, when no driver has been heard of for the lease."""
        lease_s = self._config.trial.lease_s
        while True:
            await asyncio.sleep(min(5.0, lease_s / 4))
            if time.monotonic() - self._heard_at > lease_s:
                if self._fork_server is not None:
                    await self._fork_server.stop(self._config.trial.grace_s)
                os._exit(0)  # the guard ends whatever is left; Ray frees the reservation

    async def ping(self) -> int:
        """Answers with the process id of the actor, once it is ready for an attempt.

        One that is given to an actor without its helper waits for that, though another actor may be free before.
        """
        await asyncio.wait([self._readying], timeout=min(READY_S, self._config.trial.lease_s / 4))
        return os.getpid()

    async def run(
        self,
        epoch: int,
        trial: int,
        attempt: int,
        params: Mapping[str, Any],
        resume_from: str | None,
        interval: int,
        recorded: int | None = None,
        first_step: float | None = None,
        last_step: float | None = None,
    ) -> list[Event]:
        """Runs an attempt to its end and returns its last events; joins it when it is under way already.

        Args:
            epoch: The driver's.
            trial: Number of the trial.
            attempt: Number of the attempt, from 1.
            params: The hyperparameters.
            resume_from: Name of the checkpoint to go on from.
            interval: Intervals that checkpoint holds.
            recorded: Intervals that earlier attempts recorded, where the next two are known.
            first_step: The step of the first of them.
            last_step: The step of the last of them.

        Raises:
            StaleEpochError: If a newer driver has taken over.
        """
        self._hear(epoch)
        current = self._current
        if current is None or (current.trial, current.attempt) != (trial, attempt):
            known = Recorded.of(recorded, first_step, last_step)
            current = self._current = AttemptEvents(trial, attempt, interval, self._config.metric.name, known)
            self._stopping = False
            work = self._supervise(current, params, resume_from)
            self._task = asyncio.get_running_loop().create_task(work)
        return await asyncio.shield(current.done)

    async def stop(self, epoch: int, trial: int | None, attempt: int, grace_s: float) -> None:
        """Ends the process tree of an attempt (of any, when trial is None); returns when it is gone.

        Raises:
            StaleEpochError: If a newer driver has taken over.
        """
        self._hear(epoch)
        current = self._current
        if current is None or current.done.done():
            return
        if trial is not None and (current.trial, current.attempt) != (trial, attempt):
            return
        self._stopping = True
        if self._fork_server is not None:
            await self._fork_server.stop(grace_s)
        await asyncio.shield(current.done)

    # ------------------------------------------------------------------ one attempt

    async def _supervise(self, current: AttemptEvents, params: Mapping[str, Any], resume_from: str | None) -> None:
        began = time.monotonic()
        code, error, lost = None, "", ""
        try:
            code, error = await self._execute(current, params, resume_from)
        except RemovedError as problem:
            lost = str(problem)
        except (StorageError, OSError) as problem:
            if current.began or (isinstance(problem, StorageError) and problem.__cause__ is None):
                code, error = None, f"{type(problem).__name__}: {problem}"
            else:  # the storage or this node failed, not what is stored: no fault of the trial
                lost = f"it could not begin: {problem}"
        except Exception as problem:  # whatever went wrong on this side is the attempt's end, never a hang
            code, error = None, f"{type(problem).__name__}: {problem}"
        try:
            await self._delivery.end()
            self._first_report_delay.learn(time.monotonic() - began, stopped=self._stopping)
        finally:
            if current.refused and not self._stopping:
                code, error, lost = None, current.refused, ""
                current.unsent.clear()  # it would be refused again
            current.unsent.append(
                ("lost", time.time(), clean_text(lost)) if lost else ("ended", time.time(), code, clean_text(error))
            )
            current.done.set_result(current.unsent)

    async def _execute(
        self, current: AttemptEvents, params: Mapping[str, Any], resume_from: str | None
    ) -> tuple[int | None, str]:
        await self._readying
        keeper, channel = await self._get_ready()
        prepared = self._files.prepare(current.trial, current.attempt)
        resumed = await self._recover(current, prepared, resume_from)
        if resumed is not None:
            current.resumes()
        publisher = self._publish(current, prepared)
        watch = RemovalWatch(current, channel, prepared, self._files)
        shipping = (
            asyncio.get_running_loop().create_task(upload_log(prepared)) if prepared.uploader is not None else None
        )
        try:
            job = self._job(current, params, prepared, channel.path, resumed)
            if self._stopping:
                return -15, "stopped before it began"
            exit_, nearly = await self._train(current, prepared, job, keeper, channel, watch)
            if exit_.code == 0 or self._stopping:
                current.is_over()
            await publisher.close()
            current.forgo()
            if not self._stopping and (lost := watch.why_lost(exit_.code)):
                raise RemovedError(lost)
            if current.began and (trouble := prepared.log_trouble()):
                current.note(trouble)
            return outcome(current, exit_, prepared, nearly, self._spec.submit_dir)
        finally:
            watch.close()
            publisher.cancel()
            if shipping is not None:
                shipping.cancel()
            stopped, patience_s = self._stopping, self._config.trial.storage_patience_s
            given_up = lambda: self._stopping and not stopped  # noqa: E731  (a stop of what is done from here on)
            await deliver(prepared, current.note, patience_s, publisher.saved, given_up)
            if not current.kept:  # a process that is kept may need again what it has put there
                await self._files.clear_temporary()

    async def _train(
        self,
        current: AttemptEvents,
        prepared: Prepared,
        job: Job,
        keeper: ForkServerClient,
        channel: LogSocket,
        watch: RemovalWatch,
    ) -> tuple[Exit, str]:
        """Runs the training process and takes all that it logs and prints.

        Returns:
            How it ended, and why what was printed holds no value of the primary metric, where there is a reason.
        """

        def begin(pid: int) -> None:
            current.pid, current.began = pid, True
            gpus = job.env.get("CUDA_VISIBLE_DEVICES", "")
            # Before what it may have logged already: two sockets bring that and this, in any order.
            current.unsent.insert(0, ("began", time.time(), os.uname().nodename, pid, gpus, self._name))
            self._delivery.begin(current, self._first_report_delay.wait_s)

        def take(messages: Sequence[wire.Message]) -> list[wire.Message]:
            odd = current.add(messages)
            pause_if_unheard(current, self._config.trial.storage_patience_s)
            if current.is_full():
                channel.pause()
            return odd

        def note(text: str, lost: bool) -> None:
            prepared.note(text)
            if lost:
                current.note(text)

        current.log = prepared.note
        channel.take, channel.notice = take, current.tell
        watch.start()
        log = CappedLog(prepared.log, self._spec.log_limit, prepared.log_changed)
        printed = StdoutTail(log, self._config, take, current.is_full, note)
        async with watched(printed, lambda: self._stopping):
            exit_ = await keeper.run(job, begin)
        current.kept = exit_.kept
        # A process that is kept for the next trial may have been paused at its very last report.
        process_tree.signal_all(current.stopped_pids, signal.SIGCONT)
        current.pid, current.stopped_pids = 0, []
        # What the dead process had sent is in the socket's buffer: little, and it must not wait for the driver.
        channel.take = current.add
        channel.resume()
        await channel.drain()
        watch.close()
        return exit_, printed.nearly()

    async def _recover(self, current: AttemptEvents, prepared: Prepared, name: str | None) -> Resumed | None:
        """Brings the checkpoint to this node and counts intervals on from it."""
        if name is None:
            return None
        loop = asyncio.get_running_loop()
        into, interval = prepared.scratch / "resume", current.reader.interval
        resumed = await loop.run_in_executor(
            None, recover, prepared.layout, current.trial, current.attempt, name, interval, into, prepared.note
        )
        current.reader.interval = resumed.interval if resumed is not None else 0
        return resumed

    def _publish(self, current: AttemptEvents, prepared: Prepared) -> CheckpointPublisher:
        """Begins to publish the checkpoints that the attempt leaves."""

        def published(manifest: Manifest) -> None:
            current.saved(manifest.interval, str(manifest.number))

        def missing(text: str) -> None:
            from raydrive.core.records import OUTPUTS  # see shipping.py

            prepared.note(text)
            current.note(text, OUTPUTS)

        publisher = current.publisher = CheckpointPublisher(
            prepared.layout,
            current.trial,
            current.attempt,
            prepared.staging,
            progress=lambda: current.progress,
            published=published,
            note=prepared.note,
            missing=missing,
            keep_last=self._config.trial.keep_checkpoints,
            patience_s=self._config.trial.storage_patience_s,
            maximize=self._config.metric.maximize,
            within=prepared.within,
        )
        publisher.start()
        return publisher

    async def _get_ready_early(self) -> None:
        """What goes wrong here is the first attempt's business, which tries again."""
        with contextlib.suppress(Exception):
            await self._get_ready()

    async def _get_ready(self) -> tuple[ForkServerClient, LogSocket]:
        """Returns keeper and channel, started on the first call, or after the keeper was lost."""
        if self._channel is None:
            self._channel = LogSocket()
            await self._channel.start()
        self._channel.mend()
        alive = self._fork_server is not None and self._fork_server.alive
        if not alive or not self._files.is_whole():
            loop = asyncio.get_running_loop()
            await asyncio.gather(
                loop.run_in_executor(None, self._files.unpack),
                # Before the first trial wants a GPU that somebody's leftovers hold.
                loop.run_in_executor(None, orphans.sweep),
                loop.run_in_executor(None, temporary_folder.sweep),
            )
            if self._config.trial.fetched:
                inputs = await loop.run_in_executor(None, self._files.inputs)
                self._spec = dataclasses.replace(self._config.trial, inputs=inputs)
            self._environment = self._files.environment(self._secrets)
            self._temporary = temporary_variables(self._spec, self._environment, self._files.temporary.path)
        if self._fork_server is None or not alive:
            self._fork_server = await ForkServerClient.start(
                preload=self._config.trial.preload,
                env=self._environment,
                cwd=str(self._files.code_dir or ""),
                remove=[self._channel.path, *self._files.to_remove],
                forks=self._spec.kind == "function" or bool(self._spec.preload),
            )
        return self._fork_server, self._channel

    def _job(
        self,
        current: AttemptEvents,
        params: Mapping[str, Any],
        prepared: Prepared,
        channel: str,
        resumed: Resumed | None,
    ) -> Job:
        spec = self._spec
        env = {**self._environment, **self._temporary}
        env.update(
            wire.trial_environment(
                channel=channel,
                run_id=self._run_id,
                trial=current.trial,
                attempt=current.attempt,
                experiment=self._config.experiment,
                params=params,
                inputs=spec.inputs,
                output_dir=str(prepared.outputs),
                files_dir=str(prepared.files),
                checkpoint_dir=str(prepared.staging),
                resume_from=str(resumed.path) if resumed is not None else "",
                submit_dir=spec.submit_dir,
                large_dir=str(prepared.scratch),
                outer_ranks=ranks.outer_ranks(env),
            )
        )
        common = {"cwd": str(prepared.cwd), "env": env, "log_path": str(prepared.log), "grace_s": spec.grace_s}
        if spec.kind == "function":
            reuse, path = spec.reuse_processes, str(self._files.function_path)
            name = self._config.metric.name
            return Job(function_path=path, params=params, metric=name, reuse=reuse, **common)  # type: ignore[arg-type]
        outputs = {name: str(prepared.outputs / below) for name, below in spec.outputs.items()}
        for name, path in outputs.items():
            if name not in spec.output_files:
                os.makedirs(path, exist_ok=True)
        repeated, left_out = variables.fitting(sweep_variables(spec, params, outputs))
        env.update(repeated)
        if left_out:
            prepared.note(f"too long for a variable: {', '.join(left_out[:3])}; Run.get_context().params has the value")
        argv = trial_argv(spec, params, outputs, python=spec.python or sys.executable)
        if resumed is not None and spec.resume_argument:
            argv = with_resume_argument(argv, str(resumed.path))
        if spec.preload and not spec.python and argv[0] == sys.executable and len(argv) > 1 and argv[1].endswith(".py"):
            return Job(script=argv[1], arguments=tuple(argv[2:]), **common)  # type: ignore[arg-type]
        return Job(argv=tuple(argv), **common)  # type: ignore[arg-type]

    # ------------------------------------------------------------------ sending

    def _make_room(self) -> None:
        if self._channel is not None:
            self._channel.resume()

    def _refused(self, current: AttemptEvents, why: str) -> None:
        """What an attempt logged can never be recorded: it fails, for another attempt would log the same."""
        current.refused = why
        if self._fork_server is not None:
            self._fork_server.kill()
