"""Everything that sends a run's progress elsewhere. Only the end of the driver waits for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from raydrive.core.config.run_config import RunConfig
from raydrive.core.records import Decision
from raydrive.core.sweep.sweep import Sweep
from raydrive.runtime.driver.followers.run_notices import RunNotices
from raydrive.runtime.driver.followers.tracker_processes import TrackerProcesses
from raydrive.storage.run_layout import RunLayout


class Followers:
    """Notices and trackers of a run.

    Args:
        notices: Tells of its end and of new bests; None = no notices.
        trackers: Tells trackers of each step.
    """

    def __init__(self, notices: RunNotices | None, trackers: TrackerProcesses) -> None:
        self._notices = notices
        self._trackers = trackers

    @classmethod
    def of(
        cls, layout: RunLayout, uri: str, sweep: Sweep, config: RunConfig, secrets: Mapping[str, str], webhook: str
    ) -> Followers:
        """Returns those of a run.

        Args:
            layout: The run folder.
            uri: Its address.
            sweep: The run, as it stands.
            config: Its configuration as it is now.
            secrets: Values of secrets by name, for trackers.
            webhook: Address of the webhook, where the configuration names only where that is read.
        """
        rule = config.rules.notify
        notices = None if rule is None else RunNotices(rule, webhook, layout.run_id, sweep)
        return cls(notices, TrackerProcesses(uri, config.trial, secrets))

    @property
    def trouble(self) -> str:
        """What is wrong with trackers now; empty when nothing is."""
        return self._trackers.trouble

    @property
    def notice(self) -> str:
        """The last notice that was not delivered; empty where all were."""
        return "" if self._notices is None else self._notices.trouble

    @property
    def telling(self) -> bool:
        """Whether notices may come, or are being delivered."""
        return self._notices is not None and self._notices.on_their_way

    def start(self) -> None:
        """Starts the trackers; returns at once."""
        self._trackers.start()

    def after(self, decisions: Iterable[Decision]) -> None:
        """Reports the results of recorded decisions; returns at once."""
        if self._notices is not None:
            self._notices.after(decisions)

    def follow(self, sweep: Sweep) -> None:
        """Takes the run as it stands after an edit."""
        if self._notices is not None:
            self._notices.follow(sweep)

    async def interrupted(self, why: str) -> None:
        """Sends the notice that the driver ends and the run does not; returns when it is delivered, or cannot be."""
        if self._notices is not None:
            await self._notices.interrupted(why)
        await self._trackers.finish()

    async def deliver_notices(self) -> None:
        """Returns when all notices are delivered, or cannot be."""
        if self._notices is not None:
            await self._notices.finish()

    async def finish_trackers(self) -> None:
        """Returns when trackers have all that is recorded, or cannot have it."""
        await self._trackers.finish()
