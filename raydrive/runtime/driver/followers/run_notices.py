"""The notices of a driver's run: a sender delivers them, and the driver reports its failures."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterable

from raydrive.core.notices.rules import Notify
from raydrive.core.records import Decision
from raydrive.core.sweep.sweep import Sweep
from raydrive.core.views.notices import NoticeMaker
from raydrive.runtime.notices.sender import NoticeSender

PATIENCE_S = 30.0
"""Seconds for which a driver waits at its end for notices that are under way."""


class RunNotices:
    """Sends notices of a run.

    Args:
        rule: Whom, and of what.
        webhook: The webhook's address where its rule names only where that is read; else empty.
        run_id: Name of the run.
        sweep: The run, as it stands.
    """

    def __init__(self, rule: Notify, webhook: str, run_id: str, sweep: Sweep) -> None:
        self.trouble = ""
        """The last notice that was not delivered; empty where all were."""
        self.on_their_way = True
        """Whether further notices may come, or are being delivered."""
        self._maker = NoticeMaker(rule, run_id, sweep)
        self._sender = NoticeSender(rule.command, webhook if rule.source else rule.webhook, self._failed)
        if rule.source and not webhook:
            self._failed(f"the address of the webhook is no longer known: resume the run, which reads {rule.source}")

    def after(self, decisions: Iterable[Decision]) -> None:
        """Reports the results of recorded decisions; returns at once."""
        for notice in self._maker.after(decisions, time.time()):
            self._sender.send(notice)

    def follow(self, sweep: Sweep) -> None:
        """Takes the run as it stands after an edit."""
        self._maker.follow(sweep)

    async def interrupted(self, why: str) -> None:
        """Sends the notice that the driver ends and the run does not; returns when it is delivered, or cannot be."""
        for notice in self._maker.interrupted(why, time.time()):
            self._sender.send(notice)
        await self.finish()

    async def finish(self) -> None:
        """Returns when all notices are delivered, or cannot be."""
        if not await asyncio.get_running_loop().run_in_executor(None, self._sender.finish, PATIENCE_S):
            self._failed(f"a notice was not delivered within {PATIENCE_S:g} s")
        self.on_their_way = False

    def _failed(self, text: str) -> None:
        self.trouble = text
        print(f"raydrive: {text}", file=sys.stderr, flush=True)
