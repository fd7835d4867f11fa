"""What the attempts of a trial actor share on its node: the run's files, the log socket, the fork server."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from raydrive.core.config.trial_spec import TrialConfig, TrialSpec
from raydrive.runtime.fork_server import orphans
from raydrive.runtime.trial_actor.environment import temporary_variables
from raydrive.runtime.trial_actor.files import temporary_folder
from raydrive.runtime.trial_actor.files.attempt_files import TrialFiles
from raydrive.runtime.trial_actor.fork_client import ForkServerClient
from raydrive.runtime.trial_actor.log_socket import LogSocket


@dataclass(frozen=True, slots=True)
class ReadyNode:
    """A node on which an attempt can begin."""

    fork_server: ForkServerClient
    channel: LogSocket
    files: TrialFiles
    spec: TrialSpec
    """As on this node: with inputs that were brought here."""
    environment: Mapping[str, str]
    """The variables that all attempts have in common."""


class NodeSetup:
    """Makes a trial actor's node ready, and ready again after something of it was lost.

    Args:
        uri: The run folder.
        config: The run's configuration.
        secrets: Further environment variables of the trials by name.
        variables: More of them, where neither the user nor the node has set them.
    """

    def __init__(
        self,
        uri: str,
        config: TrialConfig,
        secrets: Mapping[str, str],
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.files = TrialFiles(uri, config)
        self.channel = LogSocket()
        self._config = config
        self._secrets = secrets
        self._variables = variables
        self._last: ReadyNode | None = None
        """What was ready last; None before the first time."""
        self._making_ready = asyncio.Lock()

    async def ready(self) -> ReadyNode:
        """Returns the node once it is ready: on the first call, or after the fork server or files were lost, it waits.

        Raises:
            OSError: If something cannot be made.
            StorageError: If the run's files cannot be read.
            RuntimeError: If the fork server ends at once.
        """
        async with self._making_ready:
            return await self._ready()

    async def _ready(self) -> ReadyNode:
        if not self.channel.path:
            await self.channel.start()
        self.channel.mend()
        last = self._last
        fork_server = last.fork_server if last is not None and last.fork_server.alive else None
        if last is not None and fork_server is not None and self.files.is_whole():
            return last
        spec, environment = await self._bring_files()
        if fork_server is None:
            fork_server = await ForkServerClient.start(
                preload=self._config.trial.preload,
                env=environment,
                cwd=str(self.files.code_dir or ""),
                remove=[self.channel.path, *self.files.to_remove],
                forks=spec.kind == "function" or bool(spec.preload),
            )
        temporary = temporary_variables(spec, environment, self.files.temporary.path)
        self._last = ReadyNode(fork_server, self.channel, self.files, spec, {**environment, **temporary})
        return self._last

    async def _bring_files(self) -> tuple[TrialSpec, Mapping[str, str]]:
        """Fetches code and inputs to the node; returns the spec and the environment with their places."""
        loop = asyncio.get_running_loop()
        await asyncio.gather(
            loop.run_in_executor(None, self.files.unpack),
            # Before the first trial wants a GPU that processes of an earlier trial hold.
            loop.run_in_executor(None, orphans.sweep),
            loop.run_in_executor(None, temporary_folder.sweep),
        )
        spec = self._config.trial
        if spec.environment is not None and not spec.python:
            # Runs that build nothing do not wait for it.
            from raydrive.runtime.environments import build  # lazy: raydrive.runtime.environments.build, 0.01 s

            python = await loop.run_in_executor(None, build.built_python, spec.environment, spec.environment_variables)
            spec = dataclasses.replace(spec, python=python)
            self.files.use_python(python)
        if spec.fetched:
            spec = dataclasses.replace(spec, inputs=await loop.run_in_executor(None, self.files.inputs))
        return spec, {**self._variables, **self.files.environment(self._secrets)}

    async def stop(self, grace_s: float) -> None:
        """Ends what trains; returns when nothing is left of it.

        Args:
            grace_s: Seconds between SIGTERM and SIGKILL.
        """
        if self._last is not None:
            await self._last.fork_server.stop(grace_s)

    def kill(self) -> None:
        """Kills what trains."""
        if self._last is not None:
            self._last.fork_server.kill()

    async def close(self) -> None:
        """Kills what trains, and ends the fork server and the log socket."""
        last, self._last = self._last, None
        if last is not None:
            await last.fork_server.close()
        await self.channel.close()
