"""Facts that wait for the decision loop: each sender gets an answer, also where the driver judges no more."""

from __future__ import annotations

import asyncio

import pytest

from raydrive.core.errors import StaleEpochError
from raydrive.core.records import Ticked
from raydrive.runtime.driver.mailbox import Mailbox

LIMIT_S = 30.0


def test_a_sender_is_answered_once_the_journal_has_it() -> None:
    async def main() -> None:
        mailbox = Mailbox()
        sender = asyncio.ensure_future(mailbox.record([Ticked(1.0)]))
        received = await asyncio.wait_for(mailbox.take(), LIMIT_S)
        assert list(received.facts) == [Ticked(1.0)]
        assert not sender.done()
        received.acknowledge()
        await asyncio.wait_for(sender, LIMIT_S)

    asyncio.run(main())


def test_what_comes_while_a_batch_is_judged_is_refused_with_the_mailbox() -> None:
    """As with a driver that learns in the middle of a turn that another one has taken over."""

    async def main() -> None:
        mailbox = Mailbox()
        first = asyncio.ensure_future(mailbox.record([Ticked(1.0)]))
        received = await asyncio.wait_for(mailbox.take(), LIMIT_S)
        second = asyncio.ensure_future(mailbox.record([Ticked(2.0)]))
        await asyncio.sleep(0)
        received.refuse(StaleEpochError("superseded"))
        mailbox.close("superseded")
        for sender in (first, second, mailbox.record([Ticked(3.0)])):
            with pytest.raises(StaleEpochError, match="superseded"):
                await asyncio.wait_for(sender, LIMIT_S)

    asyncio.run(main())
