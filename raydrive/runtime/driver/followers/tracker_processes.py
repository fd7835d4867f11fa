"""Starts the processes that feed a run's trackers, and collects their problems for the heartbeat.

They read the journal and nothing waits for them: a tracker that hangs or is away changes nothing for the run.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping

from raydrive.core.config.trial_spec import TrialSpec
from raydrive.package_path import code_of, python_command

BOOT = code_of("raydrive.trackers.follower", "module.main()")
"""What such a process runs."""
FINISH_S = 30.0
"""Seconds that the driver of a run that has ended waits for them."""
_AGAIN_S = 5.0


class TrackerProcesses:
    """The processes of a run, one for each tracker.

    Args:
        uri: The run's folder.
        spec: What the trials run: which trackers there are, and variables for them.
        secrets: Values of the secrets by name: keys of trackers are among them.
    """

    def __init__(self, uri: str, spec: TrialSpec, secrets: Mapping[str, str]) -> None:
        self._uri, self._track = uri, spec.track
        self._environment = {**os.environ, **spec.environment_variables, **secrets}
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._troubles: dict[str, str] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._ending = False

    @property
    def trouble(self) -> str:
        """What is wrong with trackers; empty when nothing is."""
        return " ".join(filter(None, self._troubles.values()))

    def start(self) -> None:
        """Starts the processes; returns at once."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._keep(name)) for name in self._track]

    async def finish(self) -> None:
        """Lets them deliver what is recorded, and waits for them; those that take too long are ended."""
        self._ending = True
        for process in self._processes.values():
            if process.stdin is not None:
                process.stdin.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=FINISH_S)
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    async def _keep(self, name: str) -> None:
        """Starts a process that follows the run, and a new one if it has died."""
        while not self._ending:
            try:
                await self._run(name)
            except OSError as error:
                self._troubles[name] = f"the process of the tracker {name} cannot be started: {error}."
            if not self._ending:
                await asyncio.sleep(_AGAIN_S)

    async def _run(self, name: str) -> None:
        process = await asyncio.create_subprocess_exec(
            *python_command(sys.executable, BOOT),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=self._environment,
            limit=1 << 20,
        )
        self._processes[name] = process
        if process.stdin is None or process.stdout is None:
            return
        # Not as arguments, which everybody on the machine can read: a URI may hold keys.
        task = {"run": self._uri, "name": name, "settings": dict(self._track[name])}
        with contextlib.suppress(ConnectionError):
            process.stdin.write(json.dumps(task).encode() + b"\n")
            await process.stdin.drain()
        if self._ending:
            process.stdin.close()
        async for line in process.stdout:
            with contextlib.suppress(ValueError):
                self._troubles[name] = str(json.loads(line))
        await process.wait()
