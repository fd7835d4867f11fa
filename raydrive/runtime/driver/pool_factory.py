"""Makes the pool of trial actors of a driver that starts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from raydrive.core.config.run_config import RunConfig
from raydrive.core.records import Fact
from raydrive.runtime.driver.actor_factory import TrialActorFactory
from raydrive.runtime.driver.actor_pool import ActorPool


class PoolFactory:
    """Makes the pool, of trial actors that may have been asked for already.

    Args:
        uri: The run folder.
        actor: The class of the trial actors.
        driver: Handle of the driver, for the reports.
        factory: What has asked for the first actor; None = nothing has.
        secrets: Values of the trials' secrets by name; nowhere but in memory.
    """

    pool_class = ActorPool
    """The class of the pools."""

    def __init__(
        self,
        uri: str,
        actor: type[Any],
        driver: Any,
        factory: TrialActorFactory | None,
        secrets: Mapping[str, str] | None,
    ) -> None:
        self._uri = uri
        self._actor = actor
        self._driver = driver
        self._factory = factory
        self._secrets = secrets

    def make(
        self,
        config: RunConfig,
        epoch: int,
        post: Callable[[Sequence[Fact]], Any],
        record: Callable[[Sequence[Fact]], Awaitable[None]],
        generation: int = 0,
    ) -> ActorPool:
        """Returns the pool.

        Args:
            config: The run's configuration.
            epoch: The driver's epoch.
            post: Takes facts.
            record: Takes facts, and returns once they are recorded.
            generation: Revision of the last edit that changed what trial actors are made with; 0 before the first.
        """
        if generation:  # the first actor was asked for before the journal was read
            self.discard()
            self._factory = None
        factory = self._factory or TrialActorFactory(
            self._uri, config.to_json(), self._driver, self._actor, self._secrets, generation
        )
        return self.pool_class(config, factory, self._driver, epoch, post, record)

    def discard(self) -> None:
        """Kills the actor that was asked for already: the driver cannot start."""
        first = self._factory.take_first() if self._factory is not None else None
        if first is not None and self._factory is not None:
            self._factory.kill(first)
