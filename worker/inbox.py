"""Messages from outside that wait: for what they are about to appear, or for their order to hear them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from adapters.postgres.inbox import (
    FIRST_PLACE,
    FIRST_SUBJECT,
    Letter,
    Undelivered,
    find_undelivered,
    mark_delivered,
    match_subjects,
)
from adapters.postgres.pool import Pool, reading
from adapters.temporal import OrderWorkflows
from ordersaga.config import Settings
from ordersaga.errors import EngineUnavailable
from ordersaga.messages import CarrierNews, PaymentNewsTicket
from ordersaga.ports import OwnSite

BATCH: Final = 100  # messages read at once
MOST_BATCHES: Final = 10  # a round: some seconds, so that the sweep's other work comes round too
MOST_FAILING: Final = 3  # orders a round: then it is Temporal that is away, not one of them
UNMATCHED_BATCH: Final = 1_000  # subjects a round, in turn: three look-ups each
GRACE_S: Final = 3.0  # the API's own try, or our own step that caused the message, comes first

log = structlog.get_logger()


class InboxSweep:
    """`start` starts an order's workflow where none runs; what it says does not matter here."""

    def __init__(
        self,
        pool: Pool,
        workflows: OrderWorkflows,
        own_site: OwnSite,
        settings: Settings,
        *,
        start: Callable[[str], Awaitable[object]],
    ) -> None:
        self._pool = pool
        self._workflows = workflows
        self._own_site = own_site
        self._settings = settings
        self._start = start
        # Both go round: what nobody takes holds up nothing else.
        self._subject = FIRST_SUBJECT
        self._place = FIRST_PLACE

    async def run_once(self) -> None:
        """Matches, then tells. Raises `Unavailable`: PostgreSQL is away."""
        await self._match()
        failing: set[str] = set()  # orders
        for _ in range(MOST_BATCHES):
            if not await self._tell_batch(failing):
                break

    async def _match(self) -> None:
        async with reading(self._pool) as connection:
            found = await match_subjects(connection, after=self._subject, limit=UNMATCHED_BATCH)
        is_full = found.looked_at == UNMATCHED_BATCH
        self._subject = found.last_subject or FIRST_SUBJECT if is_full else FIRST_SUBJECT
        if found.matched:
            log.info("inbox.matched", messages=found.matched)

    async def _tell_batch(self, failing: set[str]) -> bool:
        """Whether there may be more, and somebody who takes it."""
        async with reading(self._pool) as connection:
            batch = await find_undelivered(
                connection, after=self._place, older_than_s=GRACE_S, limit=BATCH
            )
        for undelivered in batch:
            self._place = undelivered.place
            order_id = undelivered.letter.order_id
            if order_id in failing:
                continue
            try:
                await self._settle(undelivered)
            except EngineUnavailable as error:
                log.warning("inbox.put_off", order_id=order_id, error=str(error))
                failing.add(order_id)
                if len(failing) == MOST_FAILING:
                    return False
        if len(batch) == BATCH:
            return True
        self._place = FIRST_PLACE
        return False

    async def _settle(self, undelivered: Undelivered) -> None:
        if undelivered.is_known or await self._tell(undelivered.letter):
            async with reading(self._pool) as connection:
                await mark_delivered(connection, undelivered.letter)

    async def _tell(self, letter: Letter) -> bool:
        """Whether it was heard, by the order's workflow or, where that has ended, by what is left."""
        if await self._workflows.tell(letter.order_id, letter.news) == "accepted":
            return True
        if not letter.is_final:
            await self._start(letter.order_id)  # it hears of it in a later round
            return False
        if isinstance(letter.news, CarrierNews):
            await self._own_site.follow_parcel(letter.order_id, letter.news)
        else:
            ticket = PaymentNewsTicket(
                order_id=letter.order_id,
                currency=letter.currency,
                undo_retry_cap_s=self._settings.undo_retry_cap_s,
                news=letter.news,
            )
            await self._workflows.start_payment_news(ticket)
            return await self._workflows.has_looked(ticket)  # until then it can be lost
        return True
